"""Warnings about thin counts: `restyle.data.counting`."""

from __future__ import annotations

import pytest

from restyle.data.counting import thin_values


def test_nothing_is_said_of_enough():
    assert thin_values({}) == []
    assert thin_values({"style": {"doyle": 2000, "poe": 9000}, "tone": {"warm": 100, "dry": 1999}}) == []


def test_a_style_needs_more_than_a_tone():
    first, second = thin_values({"style": {"doyle": 1999, "poe": 2000}, "tone": {"warm": 100, "dry": 99}})
    assert first.startswith("style 'doyle' has 1,999 pairs, under 2,000: in a model of several styles")
    assert second.startswith("tone 'dry' has 99 pairs, under 100: a model will hardly learn it")


def test_a_single_pair_is_one_pair():
    assert thin_values({"tone": {"dry": 1}})[0].startswith("tone 'dry' has 1 pair, under 100")


@pytest.mark.parametrize("name", ["style", "tone"])
def test_no_pair_at_all_is_said_differently(name):
    (warning,) = thin_values({name: {"dry": 0, "warm": 5000}})
    assert warning.startswith(f"{name} 'dry' has no pair: no model can learn it")


def test_the_minimums_are_the_callers():
    assert thin_values({"style": {"poe": 12}, "tone": {"dry": 7}}, style_minimum=12, value_minimum=7) == []
    assert len(thin_values({"style": {"poe": 12}, "tone": {"dry": 7}}, style_minimum=13, value_minimum=8)) == 2
