"""LlamaIndex documents and nodes put together by source, as the author's documents."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TypeAlias

from llama_index.core.schema import BaseNode, Document, MetadataMode

from llama_index_restyle.stretches import Piece, stretches
from restyle.data.documents import Document as AuthorDocument
from restyle.data.identifiers import content_id, written_id
from restyle.data.joining import Joiner
from restyle.errors import DocumentError

__all__ = ["DocumentReader", "SourceIdKey"]

SourceIdKey: TypeAlias = str | Callable[[BaseNode], object]

_SOURCE_KEYS = ("file_path", "file_name")
_UUID4 = 4


class DocumentReader:
    """Takes documents and nodes as they come; what is of one source becomes one document, or parts of one.

    The source is ``metadata["file_path"]`` or ``metadata["file_name"]``, so that a file's pages belong together; else
    the id: a node's ``ref_doc_id``, a document's own. Ids drawn at random (UUID 4, LlamaIndex's default) differ from
    run to run, and a hash of the text stands in for them. Empty documents and those of images alone are skipped.

    Documents leave as soon as another source follows. Nodes are kept until all have come, because those of one
    ``ref_doc_id`` may stand anywhere; see `llama_index_restyle.stretches` for how they are put together. A node whose
    ``PARENT`` was given, too, repeats its text and is left out.

    Args:
        source_id_key: Another metadata key, or a function that gives the source of a document or node.
    """

    def __init__(self, source_id_key: SourceIdKey | None = None) -> None:
        self._key = source_id_key
        self._taken = 0
        self._joiner = Joiner()
        self._names: dict[str, str] = {}  # what stands in for random ids
        self._sources: dict[str, str | None] = {}  # of the nodes, by ref_doc_id: as far as metadata names them
        self._groups: dict[str, dict[str, tuple[Piece, str | None]]] = {}  # and their parents

    def feed(self, node: BaseNode, place: str) -> list[AuthorDocument]:
        """Take the next document or node, and return what has become complete.

        Raises:
            DocumentError: Its source is no name.
        """
        self._taken += 1
        text = node.get_content(metadata_mode=MetadataMode.NONE)
        if not text.strip():
            return []
        named = self._named(node, place)
        if isinstance(node, Document):
            text = text.removeprefix("\ufeff")
            return self._joiner.add(named or self._name(node.id_, text), text)
        key = node.ref_doc_id or node.node_id
        self._sources.setdefault(key, named)
        # By id, for what several retrievals found is given several times.
        self._groups.setdefault(key, {}).setdefault(node.node_id, (Piece.of(node, text), _parent(node)))
        return []

    def interrupt(self) -> list[AuthorDocument]:
        """Return what is complete because something else comes."""
        return self._joiner.flush()

    def flush(self) -> list[AuthorDocument]:
        """Return the rest.

        Raises:
            DocumentError: Everything was empty.
        """
        if self._joiner.empty and not self._groups:
            raise DocumentError(
                f"all {self._taken} documents are empty: check what the reader reads (of images, only text is used)"
            )
        given = {id_ for group in self._groups.values() for id_ in group}
        complete = []
        for key, group in self._groups.items():
            pieces = [piece for piece, parent in group.values() if parent not in given]
            for number, text in enumerate(stretches(pieces)):
                if number:  # something is missing before it, which no block may bridge
                    complete += self._joiner.flush()
                complete += self._joiner.add(self._sources[key] or self._name(key, text), text)
        return complete + self._joiner.flush()

    def _named(self, node: BaseNode, place: str) -> str | None:
        if callable(self._key):
            return written_id(self._key(node), f"{place}: what source_id_key gave")
        keys = _SOURCE_KEYS if self._key is None else (self._key,)
        found = (written_id(node.metadata.get(key), f"{place}: metadata[{key!r}]") for key in keys)
        return next((name for name in found if name), None)

    def _name(self, id_: str, text: str) -> str:
        if not _is_random(id_):
            return written_id(id_, "id_") or content_id(text)
        return self._names.setdefault(id_, content_id(text))


def _parent(node: BaseNode) -> str | None:
    return node.parent_node.node_id if node.parent_node else None


def _is_random(id_: str) -> bool:
    try:
        parsed = uuid.UUID(id_)
    except ValueError:
        return False
    return parsed.version == _UUID4 and str(parsed) == id_  # 32 digits alone are some digest
