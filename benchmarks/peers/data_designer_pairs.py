"""The requests of `pairs_throughput` through Data Designer, with the interpreter of an environment that has it.

python benchmarks/peers/data_designer_pairs.py BASE_URL REQUESTS_IN_FLIGHT ROWS.jsonl
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from offline import keep_offline


def main(base_url: str, concurrency: str, rows: str) -> None:
    """Have every row's text rewritten."""
    count = len(Path(rows).read_text("utf-8").splitlines())
    with tempfile.TemporaryDirectory() as folder:
        keep_offline(Path(folder))
        # They read the environment when they are imported; and are in no environment of ours.
        import data_designer.config as dd  # type: ignore[import-not-found]  # noqa: PLC0415
        from data_designer.interface import DataDesigner  # type: ignore[import-not-found]  # noqa: PLC0415

        parallel = dd.ChatCompletionInferenceParams(max_parallel_requests=int(concurrency))
        teacher = dd.ModelConfig(alias="teacher", model="plain", provider="host", inference_parameters=parallel)
        builder = dd.DataDesignerConfigBuilder(model_configs=[teacher])
        builder.with_seed_dataset(dd.LocalFileSeedSource(path=rows))
        builder.add_column(
            dd.LLMTextColumnConfig(
                name="neutral", model_alias="teacher", system_prompt="{{ system }}", prompt="{{ text }}"
            )
        )
        host = dd.ModelProvider(name="host", endpoint=base_url, api_key="none")
        designer = DataDesigner(artifact_path=folder, model_providers=[host])
        # All rows in one group, so that none waits for the group before.
        designer.set_run_config(dd.RunConfig(buffer_size=count, otel_metrics_port=None))
        answers = designer.create(builder, num_records=count).load_dataset()
        if len(answers) != count:
            raise AssertionError(f"{len(answers)} answers for {count} blocks")


if __name__ == "__main__":
    main(*sys.argv[1:])
