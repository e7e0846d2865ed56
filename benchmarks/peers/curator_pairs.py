"""The requests of `pairs_throughput` through bespokelabs-curator, with the interpreter of an environment that has it.

python benchmarks/peers/curator_pairs.py BASE_URL REQUESTS_IN_FLIGHT ROWS.jsonl
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
from pathlib import Path

from offline import keep_offline

_NO_LIMIT = 1_000_000_000  # a minute: it spreads requests and tokens over that, and expects 4,096 tokens of each answer


def main(base_url: str, concurrency: str, rows: str) -> None:
    """Have every row's text rewritten."""
    requests = [json.loads(line) for line in Path(rows).read_text("utf-8").splitlines()]
    litellm = importlib.util.find_spec("litellm")
    if litellm is None or litellm.origin is None:
        raise ModuleNotFoundError("no litellm here: give the interpreter of an environment with bespokelabs-curator")
    with tempfile.TemporaryDirectory() as folder:
        keep_offline(Path(folder))
        # The vocabulary that it would download to count tokens is the one that its litellm carries.
        vocabularies = Path(litellm.origin).parent / "litellm_core_utils" / "tokenizers"
        os.environ |= {"OPENAI_API_KEY": "none", "TIKTOKEN_CACHE_DIR": str(vocabularies)}
        # It reads the environment when it is imported; and is in no environment of ours.
        from bespokelabs import curator  # type: ignore[import-not-found]  # noqa: PLC0415

        class Neutralise(curator.LLM):  # type: ignore[misc]
            """One request for a row."""

            def prompt(self, row: dict[str, str]) -> list[dict[str, str]]:
                """The messages."""
                return [{"role": "system", "content": row["system"]}, {"role": "user", "content": row["text"]}]

            def parse(self, row: dict[str, str], response: str) -> dict[str, str]:
                """The pair."""
                return {"text": row["text"], "neutral": response}

        teacher = Neutralise(
            model_name="plain",
            backend="openai",
            backend_params={
                "base_url": base_url,
                "max_concurrent_requests": int(concurrency),
                "max_requests_per_minute": _NO_LIMIT,
                "max_tokens_per_minute": _NO_LIMIT,
            },
        )
        answers = teacher(requests).dataset
        if len(answers) != len(requests):
            raise AssertionError(f"{len(answers)} answers for {len(requests)} blocks")


if __name__ == "__main__":
    main(*sys.argv[1:])
