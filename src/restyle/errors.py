"""Everything that restyle raises on purpose.

Each class is also the standard exception that it stands for, so ``except ValueError`` keeps working. A message names
the value, the place (``path:line`` where there is one) and the next step.

    RestyleError
    ├── StyleNameError (ValueError)       a name that cannot be a style's
    ├── StyleNotFoundError (LookupError)  no card of that name
    ├── CardError (ValueError)            a style card that cannot be trusted
    ├── PromptError (ValueError)          a system prompt that a template would change
    │   └── ParameterError                a parameter that is unknown, missing or was never trained
    ├── DocumentError (ValueError)        an author's text that cannot be used
    │   └── DocumentNotFoundError (FileNotFoundError)
    ├── EmbeddingError (ValueError)       vectors that cannot be compared
    ├── RowError (ValueError)             a line of a JSONL file that does not fit
    ├── PairsError (ValueError)           a pair set that cannot be built or trained on
    │   └── TeacherMissingError           nobody to write the neutral side
    ├── LedgerError (ValueError)          a ledger that cannot be read, or not be written to
    ├── ModelFileError (ValueError)       an embedded model file that does not fit
    ├── ModelError (RuntimeError)         a model that did not answer
    ├── TrainingError (RuntimeError)      a training that failed, or was cancelled
    ├── ChatModelError (TypeError)        a model that would not send the prompt as it was trained
    ├── ShapeError (TypeError)            a value in which no text to rewrite is known
    ├── LossError (ValueError)            a rewrite lost facts and ``on_loss="raise"``
    └── MissingExtraError (ImportError)   an optional dependency is not installed
"""

from __future__ import annotations

__all__ = [
    "CardError",
    "ChatModelError",
    "DocumentError",
    "DocumentNotFoundError",
    "EmbeddingError",
    "LedgerError",
    "LossError",
    "MissingExtraError",
    "ModelError",
    "ModelFileError",
    "PairsError",
    "ParameterError",
    "PromptError",
    "RestyleError",
    "RowError",
    "ShapeError",
    "StyleNameError",
    "StyleNotFoundError",
    "TeacherMissingError",
    "TrainingError",
]


class RestyleError(Exception):
    """The root: catch this to catch whatever restyle raises on purpose."""


class StyleNameError(RestyleError, ValueError):
    """A style's name is ``[a-z0-9][a-z0-9._-]{0,63}``; this one is not."""


class StyleNotFoundError(RestyleError, LookupError):
    """No style card stands under that name or path."""


class CardError(RestyleError, ValueError):
    """A style card is not readable, not valid, or was edited so that prompt and digest disagree."""


class PromptError(RestyleError, ValueError):
    """A system prompt is empty, ill-formed, or begins or ends with white space that templates would trim."""


class ParameterError(PromptError):
    """A prompt parameter is unknown, missing, or has a value that training never saw."""


class DocumentError(RestyleError, ValueError):
    """A source document is empty, not UTF-8, or of a kind that is not read."""


class DocumentNotFoundError(DocumentError, FileNotFoundError):
    """A source path does not exist."""


class EmbeddingError(RestyleError, ValueError):
    """What was given is no embedding model, or its vectors cannot be compared."""


class RowError(RestyleError, ValueError):
    """A row of a JSONL file is not what it has to be; the message begins with ``path:line``."""


class PairsError(RestyleError, ValueError):
    """A pair set is missing, incomplete or too small for what was asked of it."""


class TeacherMissingError(PairsError):
    """There is neither a teacher nor a recorded answer for a block; neutral text is never invented."""


class LedgerError(RestyleError, ValueError):
    """A ledger file is no ledger, damaged, locked or a newer restyle's, or there is no room for another answer."""


class ModelFileError(RestyleError, ValueError):
    """An embedded model file is damaged or of another schema version."""


class ModelError(RestyleError, RuntimeError):
    """A model behind an endpoint failed or did not answer; ``status`` is the HTTP status, if that was its answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class TrainingError(RestyleError, RuntimeError):
    """A host's training has failed, was cancelled, or is not known here."""


class ChatModelError(RestyleError, TypeError):
    """A given model takes no messages: it would flatten them into one text, and no prompt would be the trained one."""


class ShapeError(RestyleError, TypeError):
    """A chain or an engine handed over a value in which it is not known what to rewrite."""


class LossError(RestyleError, ValueError):
    """A rewrite still lost or invented facts after every attempt, and ``on_loss="raise"``."""


class MissingExtraError(RestyleError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it, or without one, itself."""

    def __init__(self, package: str, extra: str | None, purpose: str) -> None:
        source = f"'restyle[{extra}]'" if extra else package
        super().__init__(f"{purpose} needs the package {package!r}: pip install {source}", name=package)
        self._given = (package, extra, purpose)

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str | None, str]]:
        # Exceptions are rebuilt from their message where they cross a process border; this one has other arguments.
        return type(self), self._given
