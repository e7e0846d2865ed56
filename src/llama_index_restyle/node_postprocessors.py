"""Node postprocessors: retrieved passages in one author's words, or without their author's style."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import ClassVar, Literal

from llama_index.core.bridge.pydantic import Field
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import BaseNode, Node, NodeWithScore, QueryBundle, TextNode
from llama_index_instrumentation import get_dispatcher

from llama_index_restyle.component import StyleComponent
from llama_index_restyle.work import FlowFunction
from restyle.errors import CardError
from restyle.flows import neutralise_block
from restyle.messages import Role
from restyle.prompts import Prompt
from restyle.rewriting import Rewrite
from restyle.style import Style

__all__ = ["ORIGINAL_TEXT", "DestyleNodePostprocessor", "RestyleNodePostprocessor"]

ORIGINAL_TEXT = "original_text"
"""Where a node's metadata have the passage as it came; neither models nor embeddings are shown it."""

_DISPATCHER = get_dispatcher(__name__)


class _NodePostprocessor(StyleComponent, BaseNodePostprocessor):
    """Gives retrieved nodes other texts."""

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        texts = _texts(nodes)
        return _with_texts(nodes, self._work().texts(texts)) if texts else nodes

    @_DISPATCHER.span
    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        texts = _texts(nodes)
        return _with_texts(nodes, await self._work().atexts(texts)) if texts else nodes


class RestyleNodePostprocessor(_NodePostprocessor):
    """Puts retrieved passages in one author's words, block by block, for users who are shown the passages themselves.

    That is, with ``response_mode="context_only"`` or ``"no_text"``. It restyles no answers: `RestyleQueryEngine` does.

    Nodes go out as copies, in their order, with their ids, scores, relationships, embeddings and offsets: these say
    what was found, and where it stands in its document. ``metadata["original_text"]`` has the passage as it came.
    Headers such as ``Source 1:`` pass, and so do nodes without text. Fields are those of `RestylePostprocessor` that
    concern the style and its models, of which two calls are made for each block, in every query anew.

    Example:
        ``index.as_query_engine(node_postprocessors=[RestyleNodePostprocessor(style="keeper")])``

    Raises:
        StyleNotFoundError, StyleNameError, CardError: The style cannot be used.
        ParameterError: A prompt parameter is unknown or missing.
        ChatModelError: A given LLM takes no messages.
        LossError: While running, where facts did not survive and ``on_loss="raise"``.
    """

    @classmethod
    def class_name(cls) -> str:
        """Its name in what `to_dict` gives."""
        return "RestyleNodePostprocessor"


class DestyleNodePostprocessor(_NodePostprocessor):
    """Strips retrieved passages of their author's style, so that it does not colour the answers made of them.

    What becomes of the nodes is told at `RestyleNodePostprocessor`. Only the style's de-style model is asked, once for
    each block, in every query anew.

    Example:
        ``index.as_query_engine(node_postprocessors=[DestyleNodePostprocessor(style="keeper")])``

    Raises:
        StyleNotFoundError, StyleNameError, CardError: The style cannot be used, or has no de-style model.
        ParameterError: A prompt parameter is unknown, or one of the de-style prompt is missing.
        ChatModelError: A given LLM takes no messages.
        LossError: While running, where facts did not survive and ``on_loss="raise"``.
    """

    style_model: None = Field(default=None, repr=False)
    """Not asked."""

    destyle: Literal[True] = Field(default=True, repr=False)
    """What this does."""

    _flow: ClassVar[FlowFunction] = staticmethod(neutralise_block)
    _roles: ClassVar[tuple[Role, ...]] = ("destyle",)

    @classmethod
    def class_name(cls) -> str:
        """Its name in what `to_dict` gives."""
        return "DestyleNodePostprocessor"

    def _check(self, card: Style) -> None:
        if card.destyle is None:
            raise CardError(
                f"style {card.name!r} has no de-style model to strip passages with: train one, or leave the passages "
                "as they are"
            )
        wanted = {name: card.parameters[name] for name in Prompt(card.destyle.prompt).parameters}
        others = card.parameters.keys() - wanted.keys()  # those of the other prompt need not be given, but may be
        given = {name: value for name, value in self.parameters.items() if name not in others}
        Style(card.name, card.destyle, None, wanted).check_parameters(given)


def _texts(nodes: Sequence[NodeWithScore]) -> list[str]:
    return [text for each in nodes if (text := _text(each.node))]


def _text(node: BaseNode) -> str:
    """The text to rewrite; empty where there is none."""
    if isinstance(node, TextNode):
        return node.text
    if isinstance(node, Node) and node.text_resource is not None:
        return node.text_resource.text or ""
    return ""


def _with_texts(nodes: Sequence[NodeWithScore], rewrites: Sequence[Rewrite]) -> list[NodeWithScore]:
    """The nodes, and copies of those that have a text with another one each."""
    texts = iter(rewrites)
    return [
        NodeWithScore(node=_with_text(each.node, next(texts).text), score=each.score) if _text(each.node) else each
        for each in nodes
    ]


def _with_text(node: BaseNode, text: str) -> BaseNode:
    reached = getattr(node, "obj", None)  # by an index node: an engine, perhaps, of which there must be no copy
    copied = deepcopy(node, {id(reached): reached})
    copied.metadata[ORIGINAL_TEXT] = _text(node)
    for keys in (copied.excluded_embed_metadata_keys, copied.excluded_llm_metadata_keys):
        if ORIGINAL_TEXT not in keys:
            keys.append(ORIGINAL_TEXT)
    if isinstance(copied, Node) and copied.text_resource is not None:
        copied.text_resource.text = text  # `set_content` would forget what else the resource has
    else:
        copied.set_content(text)
    return copied
