"""The embedded provider: a small statistical phrase model that learns a style in seconds, with no download.

It is honest and small: it changes words and phrases, not syntax or voice.
"""

from __future__ import annotations

from restyle.embedded.model import PhraseModel

__all__ = ["PhraseModel"]
