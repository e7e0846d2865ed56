"""What the trainer of one direction tells while it runs, and how it learns that it was cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from restyle.messages import Role
from restyle.training.plans import OnProgress, Progress

__all__ = ["watch"]


def watch(
    trainer: Any,  # noqa: ANN401 - trl is not installed where types are checked
    role: Role,
    heard: OnProgress | None,
    check: Callable[[], None],
) -> object:
    """Call ``check`` after every step, and ``heard``, in the first of several processes, with every loss.

    Where there is somebody to hear, the trainer's own bars and prints are off. Returns the callback.
    """
    from transformers import TrainerCallback  # noqa: PLC0415 - of the extra 'local'
    from transformers.trainer_callback import PrinterCallback, ProgressCallback  # noqa: PLC0415 - as above

    class Watcher(TrainerCallback):  # type: ignore[misc]  # as above
        """Names and arguments are those of transformers."""

        begun = (0.0, 0)  # when, and after which step

        def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:  # noqa: ANN401 - theirs
            self.begun = (time.monotonic(), state.global_step)

        def on_step_end(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - as above
            check()

        def on_log(self, _args: Any, state: Any, _control: Any, logs: dict[str, Any], **_: Any) -> None:  # noqa: ANN401 - as above
            held_out = logs.get("base_loss", logs.get("eval_loss"))
            if heard is None or not state.is_world_process_zero or (held_out is None and "loss" not in logs):
                return
            begun, first = self.begun
            done, all_steps = state.global_step - first, state.max_steps or None
            left = (time.monotonic() - begun) / done * (state.max_steps - state.global_step) if done > 0 else None
            message = "held-out loss of the base model" if "base_loss" in logs else ""
            heard(Progress(role, "running", message, state.global_step, all_steps, logs.get("loss"), held_out, left))

    watcher = Watcher()
    trainer.add_callback(watcher)
    if heard is not None:
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
    return watcher
