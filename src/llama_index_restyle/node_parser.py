"""A node parser that cuts documents into nodes of one idea each."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Self, cast

from llama_index.core.callbacks import CallbackManager
from llama_index.core.node_parser import NodeParser
from llama_index.core.node_parser.node_utils import IdFuncCallable, build_nodes_from_splits, default_id_func
from llama_index.core.schema import BaseNode, Document, MetadataMode, NodeRelationship, TextNode
from llama_index.core.utils import get_tqdm_iterable
from pydantic import Field, model_validator

from restyle.blocks import Splitter, split_blocks

__all__ = ["BLOCK_GAP", "SingleIdeaNodeParser"]

BLOCK_GAP = "block_gap"  # the key of the white space before a node
_KEYS = ("block_index", "block_count", "verbatim", BLOCK_GAP)


class SingleIdeaNodeParser(NodeParser):
    """Cuts documents where one idea ends; see `restyle.split_blocks`.

    A node has its document's metadata and, kept out of what embeddings and LLMs see, ``block_index`` and
    ``block_count`` (in what it was cut from), ``verbatim`` (true of code, tables, headings and the like: nodes of their
    own) and ``block_gap``, the white space between it and the one before. Nothing else is lost, and nothing overlaps.
    Ids are a hash of the document's id, the index and the text, unless ``id_func`` is given.

    ``start_char_idx`` and ``end_char_idx`` are exact, in characters of the source document. Behind another parser that
    holds as far as its nodes know their own places; where they do not, both are None.
    Of what has no text, empty documents vanish, and images and the like are passed on.

    Args:
        aim: The size wished for, in words.
        minimum: Smaller nodes come about only between verbatim ones.
        maximum: Only a sentence that is longer itself exceeds it.

    Raises:
        ValidationError: unless ``1 <= minimum <= aim <= maximum``; it is a `ValueError`.
    """

    aim: int = Field(default=180, description="The size of a node wished for, in words.")
    minimum: int = Field(default=40, description="Smaller nodes come about only between verbatim ones.")
    maximum: int = Field(default=400, description="Only a sentence that is longer itself exceeds it.")

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        Splitter(aim=self.aim, minimum=self.minimum, maximum=self.maximum)  # refuses what cannot be
        return self

    @classmethod
    def class_name(cls) -> str:
        """The name in serialised form."""
        return "SingleIdeaNodeParser"

    @classmethod
    def from_defaults(
        cls,
        *,
        aim: int = 180,
        minimum: int = 40,
        maximum: int = 400,
        include_metadata: bool = True,
        include_prev_next_rel: bool = True,
        callback_manager: CallbackManager | None = None,
        id_func: Callable[[int, BaseNode], str] | None = None,
    ) -> Self:
        """As the constructor."""
        return cls(
            aim=aim,
            minimum=minimum,
            maximum=maximum,
            include_metadata=include_metadata,
            include_prev_next_rel=include_prev_next_rel,
            callback_manager=callback_manager or CallbackManager([]),
            id_func=id_func or default_id_func,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> Self:
        """The parser that `to_dict` described.

        Raises:
            ValueError: It had an ``id_func`` of its own, of which only the name was kept: give it once more.
        """
        described = {**data, **kwargs}
        id_func = described.get("id_func")
        if isinstance(id_func, dict):  # as to_dict writes it, and no node parser reads it
            if (name := id_func.get("id_func_name")) != default_id_func.__name__:
                raise ValueError(f"the parser had the id_func {name!r}: give from_dict(data, id_func={name}) again")
            del described["id_func"]
        return super().from_dict(described)

    def split_text(self, text: str) -> list[str]:
        """The pieces of a text."""
        return [block.text for block in split_blocks(text, aim=self.aim, minimum=self.minimum, maximum=self.maximum)]

    def _parse_nodes(self, nodes: Sequence[BaseNode], show_progress: bool = False, **kwargs: Any) -> list[BaseNode]:  # noqa: FBT001, FBT002 - the base class's parameter
        parsed: list[BaseNode] = []
        seen: Counter[str] = Counter()
        for node in get_tqdm_iterable(nodes, show_progress, "Parsing nodes"):
            parsed += self._cut(node, seen)
        return parsed

    def _cut(self, node: BaseNode, seen: Counter[str]) -> Sequence[BaseNode]:
        text = node.get_content(metadata_mode=MetadataMode.NONE)
        blocks = split_blocks(text, aim=self.aim, minimum=self.minimum, maximum=self.maximum)
        if not blocks:
            return [node] if _is_medium(node) else []
        offset = _offset(node, text)

        def own_id(i: int, doc: BaseNode) -> str:  # noqa: ARG001 - what LlamaIndex passes to such functions
            key = json.dumps([node.ref_doc_id or node.node_id, offset, i, blocks[i].text])
            seen[key] += 1  # chunks of one document may have the same text at the same index
            return hashlib.sha256(f"{seen[key]} {key}".encode()).hexdigest()

        chosen = self.id_func not in (None, default_id_func)  # None: core 0.13's default
        id_func = cast("IdFuncCallable", self.id_func) if chosen else own_id
        pieces = build_nodes_from_splits([block.text for block in blocks], _with_text(node), node, id_func)
        end = blocks[0].start
        for index, (block, piece) in enumerate(zip(blocks, pieces, strict=True)):
            if offset is not None:
                piece.start_char_idx, piece.end_char_idx = offset + block.start, offset + block.end
            values = (index, len(blocks), block.verbatim, text[end : block.start])
            piece.metadata = dict(zip(_KEYS, values, strict=True))
            piece.excluded_embed_metadata_keys = _including(piece.excluded_embed_metadata_keys)
            piece.excluded_llm_metadata_keys = _including(piece.excluded_llm_metadata_keys)
            end = block.end
        return pieces

    def _postprocess_parsed_nodes(self, nodes: list[BaseNode], parent_doc_map: dict[str, Document]) -> list[BaseNode]:
        places = [(node.start_char_idx, node.end_char_idx) if isinstance(node, TextNode) else None for node in nodes]
        parents = {id_: cast("Document", _with_text(parent)) for id_, parent in parent_doc_map.items()}
        nodes = super()._postprocess_parsed_nodes(nodes, parents)
        for node, place in zip(nodes, places, strict=True):
            # The base class looks for the text, and finds where it stands first.
            if isinstance(node, TextNode) and place is not None:
                node.start_char_idx, node.end_char_idx = place
        for before, after in pairwise(nodes):
            # It compares sources before the next node's is known to be the document, and forgets links between chunks.
            if self.include_prev_next_rel and after.prev_node and after.prev_node.node_id == before.node_id:
                before.relationships[NodeRelationship.NEXT] = after.as_related_node_info()
        return nodes


def _offset(node: BaseNode, text: str) -> int | None:
    """Where the text stands in the source document."""
    if node.source_node is None:
        return 0
    start, end = getattr(node, "start_char_idx", None), getattr(node, "end_char_idx", None)
    # A node whose text was changed after it had been cut has no place for each character.
    return start if start is not None and end is not None and end - start == len(text) else None


def _is_medium(node: BaseNode) -> bool:
    names = ("image", "image_path", "image_url", "image_resource", "audio_resource", "video_resource")
    return any(getattr(node, name, None) for name in names)


def _with_text(node: BaseNode) -> BaseNode:
    """The node, or where LlamaIndex's own functions do not know its class (``Node``), one like it that they do."""
    if isinstance(node, Document | TextNode):
        return node
    fields = {name: getattr(node, name) for name in TextNode.model_fields if hasattr(node, name)}
    return TextNode(**fields | {"text": node.get_content(metadata_mode=MetadataMode.NONE)})


def _including(keys: list[str]) -> list[str]:
    return [*keys, *(key for key in _KEYS if key not in keys)]
