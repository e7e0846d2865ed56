"""What `Restyle` does in one call, in the signatures that langchain-core's ``_..._with_config`` functions look for.

The config that they hand over is already the child's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.runnables import Runnable, RunnableConfig

from langchain_restyle.batches import Input, arestyle_all, raised, restyle_all
from langchain_restyle.models import Asking, chat_model
from langchain_restyle.shapes import open_value
from langchain_restyle.specs import ModelSpec
from langchain_restyle.streams import Weaver, arestyle_stream, restyle_stream
from restyle.blocks import Block
from restyle.flows import Flow, rewrite_block
from restyle.jobs import Job
from restyle.messages import Role
from restyle.policy import Policy
from restyle.style import Style

__all__ = ["Work"]

_JobOf = Callable[[Flow, int], Job[Any, Any, Any]]


@dataclass(frozen=True)
class Work:
    """Everything that a call goes by; the attributes are the fields of `Restyle`."""

    card: Style
    policy: Policy
    style_model: ModelSpec
    destyle_model: ModelSpec
    key: str | None
    final_only: bool
    include_neutral: bool
    max_concurrency: int

    def invoke(self, value: Any, run_manager: CallbackManagerForChainRun, config: RunnableConfig) -> Any:
        """One value."""
        (output,) = self.batch([value], [run_manager], [config], stop_on_error=True)
        return raised(output)

    async def ainvoke(self, value: Any, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig) -> Any:
        """One value."""
        (output,) = await self.abatch([value], [run_manager], [config], stop_on_error=True)
        return raised(output)

    def batch(
        self,
        values: list[Any],
        run_manager: list[CallbackManagerForChainRun],
        config: list[RunnableConfig],
        *,
        stop_on_error: bool,
    ) -> list[Any]:
        """Many values, each in its own run."""
        models = self._models()
        inputs = [self._input(each, Asking(models, its).job) for each, its in zip(values, config, strict=True)]
        return restyle_all(inputs, concurrency=self._concurrency(config[0]), stop_on_error=stop_on_error)

    async def abatch(
        self,
        values: list[Any],
        run_manager: list[AsyncCallbackManagerForChainRun],
        config: list[RunnableConfig],
        *,
        stop_on_error: bool,
    ) -> list[Any]:
        """Many values, each in its own run."""
        models = self._models()
        inputs = [self._input(each, Asking(models, its).ajob) for each, its in zip(values, config, strict=True)]
        return await arestyle_all(inputs, concurrency=self._concurrency(config[0]), stop_on_error=stop_on_error)

    def transform(
        self, chunks: Iterator[Any], run_manager: CallbackManagerForChainRun, config: RunnableConfig
    ) -> Iterator[Any]:
        """A value that arrives in chunks."""
        weaver = self._weaver(Asking(self._models(), config).job)
        return restyle_stream(chunks, weaver, concurrency=self._concurrency(config))

    async def atransform(
        self, chunks: AsyncIterator[Any], run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig
    ) -> AsyncGenerator[Any, None]:
        """A value that arrives in chunks."""
        weaver = self._weaver(Asking(self._models(), config).ajob)
        async with aclosing(arestyle_stream(chunks, weaver, concurrency=self._concurrency(config))) as results:
            async for result in results:
                yield result

    def _models(self) -> dict[Role, Runnable[Any, Any]]:
        """The two models, built on first use: a chain may be constructed where nothing can be reached yet."""
        models: dict[Role, Runnable[Any, Any]] = {"restyle": chat_model(self.card, "restyle", self.style_model)}
        if self.policy.destyle and self.card.destyle is not None:
            models["destyle"] = chat_model(self.card, "destyle", self.destyle_model)
        return models

    def _concurrency(self, config: RunnableConfig) -> int:
        return config.get("max_concurrency") or self.max_concurrency

    def _rewrite(self, job: _JobOf) -> Callable[[Block, int], Job[Any, Any, Any]]:
        return lambda block, index: job(rewrite_block(block, self.card, self.policy), index)

    def _input(self, value: Any, job: _JobOf) -> Input:
        return partial(open_value, value, self.key, neutral=self.include_neutral), self._rewrite(job)

    def _weaver(self, job: _JobOf) -> Weaver:
        return Weaver(self._rewrite(job), key=self.key, final_only=self.final_only, neutral=self.include_neutral)
