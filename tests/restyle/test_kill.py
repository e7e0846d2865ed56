"""The command killed again and again, small: `benchmarks/pairs_kill.py` does the same with 2,000 blocks."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks/pairs_kill.py"


@pytest.fixture
def killing(monkeypatch):
    spec = importlib.util.spec_from_file_location("pairs_kill", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "pairs_kill", module)  # its dataclass looks itself up
    spec.loader.exec_module(module)
    return module


def test_nothing_is_lost_doubled_or_paid_for_without_need(killing, tmp_path):
    outcome = killing.kill_and_restart(tmp_path, blocks=120, kills=3)
    assert outcome.kills == 3
    assert outcome.requests > 120
    assert outcome.twice <= outcome.lost_in_flight <= 3 * killing.IN_FLIGHT
