"""A node parser that cuts documents into nodes of one idea each."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Self, cast

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.callbacks import CallbackManager
from llama_index.core.node_parser import NodeParser
from llama_index.core.node_parser.node_utils import IdFuncCallable, build_nodes_from_splits, default_id_func
from llama_index.core.schema import BaseNode, Document, MetadataMode, NodeRelationship, TextNode
from llama_index.core.utils import get_tqdm_iterable
from pydantic import ConfigDict, Field, InstanceOf, field_serializer, model_validator

from restyle.async_blocks import asplit_blocks
from restyle.blocks import Block, Splitter, split_blocks
from restyle.embedding import as_async_embed, as_embed

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
        embed_model: What tells passages about the same thing; with it fewer nodes reach across the end of an idea. It
            embeds each text once, in passages of up to 128 words. None compares words alone: never
            ``Settings.embed_model``.

    Raises:
        ValidationError: unless ``1 <= minimum <= aim <= maximum``; it is a `ValueError`.
        EmbeddingError: While parsing, where the vectors cannot be compared.
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # it may be a model, with its key

    aim: int = Field(default=180, description="The size of a node wished for, in words.")
    minimum: int = Field(default=40, description="Smaller nodes come about only between verbatim ones.")
    maximum: int = Field(default=400, description="Only a sentence that is longer itself exceeds it.")
    embed_model: InstanceOf[BaseEmbedding] | None = Field(
        default=None, repr=False, description="What tells passages about the same thing; None compares words alone."
    )

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
        embed_model: BaseEmbedding | None = None,
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
            embed_model=embed_model,
            include_metadata=include_metadata,
            include_prev_next_rel=include_prev_next_rel,
            callback_manager=callback_manager or CallbackManager([]),
            id_func=id_func or default_id_func,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> Self:
        """The parser that `to_dict` described.

        Raises:
            ValueError: It had an ``id_func`` of its own or an ``embed_model``, of which only the name was kept: give it
                once more.
        """
        described = {**data, **kwargs}
        id_func = described.get("id_func")
        if isinstance(id_func, dict):  # as to_dict writes it, and no node parser reads it
            if (name := id_func.get("id_func_name")) != default_id_func.__name__:
                raise ValueError(f"the parser had the id_func {name!r}: give from_dict(data, id_func={name}) again")
            del described["id_func"]
        if isinstance(model := described.get("embed_model"), dict):
            raise ValueError(  # noqa: TRY004 - the type is as it has to be; what it stands for is gone
                f"the parser had the embed_model {model.get('model_name')!r}, a {model.get('class_name')}: "
                "give from_dict(data, embed_model=...) again"
            )
        return super().from_dict(described)

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled.

        Raises:
            TypeError: There is an embedding model, and it may hold a key.
        """
        if self.embed_model is not None:
            raise TypeError(
                "this SingleIdeaNodeParser holds an embedding model, whose key would be written with it: make the "
                "parser where it is needed, or run its pipeline in one process"
            )
        return super().__getstate__()

    @field_serializer("embed_model")
    def _model_name(self, model: BaseEmbedding | None) -> dict[str, str] | None:
        # An ingestion cache tells models apart by this, and it holds no key.
        return None if model is None else {"class_name": model.class_name(), "model_name": model.model_name}

    def split_text(self, text: str) -> list[str]:
        """The pieces of a text."""
        return [block.text for block in self._blocks(text)]

    def _blocks(self, text: str) -> list[Block]:
        embed = None if self.embed_model is None else as_embed(self.embed_model)
        return split_blocks(text, aim=self.aim, minimum=self.minimum, maximum=self.maximum, embed=embed)

    def _parse_nodes(self, nodes: Sequence[BaseNode], show_progress: bool = False, **kwargs: Any) -> list[BaseNode]:  # noqa: FBT001, FBT002 - the base class's parameter
        parsed: list[BaseNode] = []
        seen: Counter[str] = Counter()
        for node in get_tqdm_iterable(nodes, show_progress, "Parsing nodes"):
            text = node.get_content(metadata_mode=MetadataMode.NONE)
            parsed += self._cut(node, text, self._blocks(text), seen)
        return parsed

    async def _aparse_nodes(
        self,
        nodes: Sequence[BaseNode],
        show_progress: bool = False,  # noqa: FBT001, FBT002 - the base class's parameter
        **kwargs: Any,
    ) -> list[BaseNode]:
        if self.embed_model is None:
            return self._parse_nodes(nodes, show_progress=show_progress, **kwargs)
        parsed: list[BaseNode] = []
        seen: Counter[str] = Counter()
        embed = as_async_embed(self.embed_model)
        for node in get_tqdm_iterable(nodes, show_progress, "Parsing nodes"):
            text = node.get_content(metadata_mode=MetadataMode.NONE)
            blocks = await asplit_blocks(text, aim=self.aim, minimum=self.minimum, maximum=self.maximum, embed=embed)
            parsed += self._cut(node, text, blocks, seen)
        return parsed

    def _cut(self, node: BaseNode, text: str, blocks: list[Block], seen: Counter[str]) -> Sequence[BaseNode]:
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
