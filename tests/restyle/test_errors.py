from __future__ import annotations

import builtins
import copy
import pickle
import re

import pytest

from restyle import errors
from restyle.errors import MissingExtraError, RestyleError

CLASSES = [getattr(errors, name) for name in errors.__all__]
BUILTINS = tuple(value for value in vars(builtins).values() if isinstance(value, type) and issubclass(value, Exception))


def test_all_names_every_class():
    defined = {
        name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, RestyleError)
    }
    assert set(errors.__all__) == defined


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if cls is not RestyleError])
def test_every_error_is_ours_and_a_standard_one(cls):
    assert issubclass(cls, RestyleError)
    standard = [base for base in cls.__mro__ if base in BUILTINS and base is not Exception]
    assert standard


def drawn() -> dict[str, tuple[str | None, str | None]]:
    """Name -> parent and the standard exception it names, as the docstring draws them."""
    tree: dict[str, tuple[str | None, str | None]] = {}
    stack: list[tuple[int, str]] = []
    for line in errors.__doc__.splitlines():
        match = re.match(r"(?P<indent>[ │├└─]*)(?P<name>[A-Z]\w+Error)\b(?: \((?P<base>\w+)\))?(?:  |$)", line)
        if match is None:
            continue
        indent = len(match["indent"])
        while stack and stack[-1][0] >= indent:
            stack.pop()
        tree[match["name"]] = (stack[-1][1] if stack else None, match["base"])
        stack.append((indent, match["name"]))
    return tree


def test_the_tree_in_the_docstring_is_the_real_one():
    tree = drawn()
    assert set(tree) == set(errors.__all__)
    for name, (parent, base) in tree.items():
        cls = getattr(errors, name)
        expected = [] if parent is None else [getattr(errors, parent)]
        if base is not None:
            expected.append(getattr(builtins, base))
        assert list(cls.__bases__) == (expected or [Exception]), name


def test_a_missing_extra_says_how_to_get_it():
    error = MissingExtraError("uvicorn", "serve", "restyle serve")
    assert str(error) == "restyle serve needs the package 'uvicorn': pip install 'restyle[serve]'"
    assert error.name == "uvicorn"
    error = MissingExtraError("langchain-text-splitters", None, "this")
    assert str(error) == "this needs the package 'langchain-text-splitters': pip install langchain-text-splitters"


@pytest.mark.parametrize("cls", CLASSES)
def test_errors_survive_copying_and_process_borders(cls):
    given = [("uvicorn", "serve", "x"), ("nupunkt", None, "x")] if cls is MissingExtraError else [("what went wrong",)]
    for error in (cls(*arguments) for arguments in given):
        for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
            assert (type(twin), str(twin)) == (cls, str(error))
