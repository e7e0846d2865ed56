"""What all wrappers around a part of LlamaIndex have in common."""

from __future__ import annotations

from typing import Generic, NoReturn, TypeVar

from llama_index.core.callbacks import CallbackManager
from llama_index.core.prompts.mixin import PromptDictType, PromptMixin, PromptMixinType

from llama_index_restyle.options import RestyleOptions
from llama_index_restyle.postprocessor import RestylePostprocessor
from restyle.style import Style

__all__ = ["PromptWrapper", "Wrapper"]

T = TypeVar("T")
P = TypeVar("P", bound=PromptMixin)

# Where LlamaIndex's own classes keep their parts.
_PARTS = ("_response_synthesizer", "_synthesizer", "_query_engine")


class Wrapper(Generic[T]):
    """Holds the wrapped part and the `RestylePostprocessor` that rewrites its answers."""

    _inner: T
    _postprocessor: RestylePostprocessor

    def _wrap(self, inner: T, style: str | Style, options: RestyleOptions) -> None:
        manager = getattr(inner, "callback_manager", None)
        if isinstance(manager, CallbackManager):
            options.setdefault("callback_manager", manager)
        if empty := _empty_response(inner):
            options.setdefault("empty_response", empty)
        self._inner = inner
        self._postprocessor = RestylePostprocessor(style, **options)

    def __repr__(self) -> str:
        style = self._postprocessor.style
        name = style.name if isinstance(style, Style) else style
        return f"{type(self).__name__}({type(self._inner).__name__}, style={name!r})"

    def __getstate__(self) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} is not pickled: what it wraps may hold an API key. Make it where it is needed"
        )


class PromptWrapper(Wrapper[P]):
    """A wrapper around a part with prompts, which are the part's own under the part's names."""

    # Under a name of its own, LlamaIndex could not update prompts two levels deep.

    def _get_prompts(self) -> PromptDictType:
        return self._inner._get_prompts()

    def _update_prompts(self, prompts: PromptDictType) -> None:
        self._inner._update_prompts(prompts)

    def _get_prompt_modules(self) -> PromptMixinType:
        return self._inner._get_prompt_modules()


def _empty_response(part: object) -> str | None:
    """What the part says when it finds nothing; None where it does not tell."""
    found = getattr(part, "_empty_response", None)
    if isinstance(found, str):
        return found
    inner = (getattr(part, name, None) for name in _PARTS)
    return next((empty for each in inner if each is not None and (empty := _empty_response(each))), None)
