"""What tests of local training share; they name this module as one of their ``pytest_plugins``."""

from __future__ import annotations

import shutil

import pytest

from restyle.data.pairs import build_pairs
from restyle.demo import CORPUS, RECORDED
from support import write_letters
from tiny_model import make_tiny_model


@pytest.fixture(scope="session")
def one_thread():
    """Threads of torch wait for each other: on busy cores two take four times as long as one."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def few_pairs(tmp_path_factory):
    """Pairs of the demonstration's first papers."""
    folder = tmp_path_factory.mktemp("few")
    papers = shutil.copytree(
        CORPUS, folder / "papers", ignore=shutil.ignore_patterns("recorded.jsonl", "0[6-9]*", "1*")
    )
    return build_pairs(papers, style="keeper", teacher=RECORDED, out=folder / "pairs")


@pytest.fixture(scope="session")
def tiny(few_pairs, tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "model", few_pairs.author_texts())


@pytest.fixture
def letter_pairs(tmp_path):
    sources, recorded = write_letters(tmp_path)
    return build_pairs(sources, style="author", teacher=recorded, out=tmp_path / "pairs")
