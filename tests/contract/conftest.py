"""A home with the two styles of the contract."""

from __future__ import annotations

import pytest

from contract.models import AUTHOR, TONED, Pair


@pytest.fixture(scope="session")
def _styles(tmp_path_factory):
    path = tmp_path_factory.mktemp("contract")
    AUTHOR.save(path)
    TONED.save(path)
    return path


@pytest.fixture(autouse=True)
def _contract_home(_clean_environment, _styles, monkeypatch):
    monkeypatch.setenv("RESTYLE_HOME", str(_styles))


@pytest.fixture
def pair():
    return Pair()
