"""Bytes of the author's files as text: UTF-8, or what a page declares."""

from __future__ import annotations

import codecs
import re

from restyle.errors import DocumentError

__all__ = ["declared_text", "utf8_text"]

_DECLARED = re.compile(rb"""<(?:\?xml|meta)\b[^>]*?\b(?:encoding|charset)\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_HEAD = 4096  # bytes in which the declaration stands
_MARKS = [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")]
_AS_BROWSERS = {"ascii": "cp1252", "iso8859-1": "cp1252", "utf-16": "utf-8", "utf-16-le": "utf-8", "utf-16-be": "utf-8"}
_NO_CHARSET = re.compile("idna|punycode|.*escape|undefined", re.IGNORECASE)  # codecs of Python's all the same


def utf8_text(data: bytes, place: str) -> str:
    """The text of a UTF-8 file.

    Raises:
        DocumentError: It is another encoding; the message begins with ``place:line``.
    """
    return _decoded(data, "utf-8", "UTF-8", place, "save the file as UTF-8 (iconv -t utf-8)")


def declared_text(data: bytes, place: str) -> str:
    """The text of an HTML or XML file, in the encoding of its byte order mark, else the one it declares, else UTF-8.

    Raises:
        DocumentError: The encoding is unknown, or another.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decoded(data[len(mark) :], encoding, encoding.upper(), place, "save the file as UTF-8")
    found = _DECLARED.search(data[:_HEAD])
    if not found:
        return utf8_text(data, place)
    name = found[1].decode("ascii", "replace")
    try:
        codec = codecs.lookup("none" if _NO_CHARSET.fullmatch(name) else name).name
        return _decoded(data, _AS_BROWSERS.get(codec, codec), name, place, "mend its charset, or save it as UTF-8")
    except LookupError as error:  # raised when decoding, too: some codecs give no text
        raise DocumentError(f"{place}: the charset {name!r} is unknown: save the file as UTF-8, and say so") from error


def _decoded(data: bytes, encoding: str, name: str, place: str, advice: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DocumentError(f"{place}:{line}: byte 0x{data[error.start]:02x} is not {name}: {advice}") from error
