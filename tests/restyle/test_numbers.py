from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from restyle.numbers import dates, numbers


def firm(text: str) -> list[str]:
    return [number.value for number in numbers(text) if number.firm]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,000 men", "1000"),
        ("a thousand men", "1000"),
        ("one thousand men", "1000"),
        ("twelve", "12"),
        ("a dozen eggs", "12"),
        ("half a dozen eggs", "6"),
        ("two dozen", "24"),
        ("3.50", "3.5"),
        (".5", "0.5"),
        ("007", "7"),
        ("0", "0"),
        ("1.5 million", "1500000"),
        ("3 hundred thousand", "300000"),
        ("$5m", "5000000"),
        ("£2.5bn", "2500000000"),
        ("twenty-one", "21"),
        ("Two hundred and five", "205"),
        ("eighteen hundred and sixty-eight", "1868"),
        ("nineteen eighty-four", "1984"),
        ("twenty-twenty", "2020"),
        ("two million, three hundred thousand and four", "2300004"),
        ("five and twenty", "25"),
        ("threescore and ten", "70"),
        ("three score and ten", "70"),
        ("an hundred twenty and seven", "127"),
        ("1st", "1th"),
        ("21st", "21th"),
        ("the twenty-first", "21th"),
        ("third", "3th"),
        ("the two hundredth", "200th"),
        ("10:30", "10:30"),
        ("1/2", "1/2"),
        ("½", "1/2"),
        ("2½ miles", "2 1/2"),
        ("-5 degrees", "-5"),
        ("version 1.2.3", "1.2.3"),
    ],
)
def test_one_value_for_every_spelling(text, value):
    assert firm(text) == [value]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("two or three", ["2", "3"]),
        ("3-5 and 1,2", ["3", "5", "1", "2"]),
        ("a thousand, two, three", ["1000", "2", "3"]),
        ("five six", ["5", "6"]),
        ("two thousand, three million", ["2000", "3000000"]),
    ],
)
def test_neighbours_stay_apart(text, values):
    assert firm(text) == values


@pytest.mark.parametrize(
    "text",
    ["one of them", "at first", "the second one", "no one", "both", "hundreds of them", "XIV", "one day", "an ox"],
)
def test_words_that_say_a_number_only_perhaps_are_not_firm(text):
    assert firm(text) == []


@pytest.mark.parametrize(("text", "value"), [("one mile", "1"), ("1 ox", "1"), ("one hundred", "100")])
def test_one_counts_before_a_unit_as_a_digit_and_in_a_larger_number(text, value):
    assert firm(text) == [value]


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("5 km", {"km"}),
        ("5km", {"km"}),
        ("five kilometres", {"km"}),
        ("5 kilometers", {"km"}),
        ("£5", {"GBP"}),
        ("5 pounds", {"GBP", "lb"}),
        ("$5", {"USD"}),
        ("5 °C", {"C"}),
        ("5 degrees Celsius", {"C"}),
        ("5 degrees", {"C", "F", "degree"}),
        ("5%", {"percent"}),
        ("five per cent", {"percent"}),
        ("5 percent", {"percent"}),
        ("5 p.m.", {"pm"}),
        ("five-mile walk", {"mile"}),
        ("five fathoms", {"fathom"}),
        ("5 in the room", set()),
        ("five a day", set()),
        ("one has", set()),
        ("12 winters", set()),
        ("5 m² of land", set()),
    ],
)
def test_units(text, units):
    assert [number.units for number in numbers(text)][:1] == [frozenset(units)]


@pytest.mark.parametrize(
    "text",
    [
        "1868-03-03",
        "3 March 1868",
        "March 3, 1868",
        "Mar. 3 1868",
        "3rd of March 1868",
        "the third of March, 1868",
        "the third day of March 1868",
        "March the third, 1868",
    ],
)
def test_one_date_for_every_spelling(text):
    assert [(date.year, date.month, date.day) for date in dates(f"on {text}.")] == [(1868, 3, 3)]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("March 1868", (1868, 3, 0)),
        ("the twenty-first of June", (0, 6, 21)),
        ("10 May", (0, 5, 10)),
        ("Sept. 30th", (0, 9, 30)),
    ],
)
def test_what_a_date_leaves_open_is_zero(text, parts):
    assert [(date.year, date.month, date.day) for date in dates(text)] == [parts]


@pytest.mark.parametrize(
    "text", ["3 marching men", "1868-13-03", "March 12,000", "he may 5 times", "35 March", "Marching 3", "12-34-56"]
)
def test_not_a_date(text):
    assert dates(text) == []


@given(st.integers(0, 10**14))
def test_group_commas_do_not_matter(value):
    assert firm(f"{value:,} men") == firm(f"{value} men") == [str(value)]


@given(st.text(alphabet="0123456789.,:/-½£%° aehtwony"))
@example("9" * 5000)
@example("9" * 5000 + " million")
@example("million " * 500)
def test_any_text_is_read_in_order_and_in_place(text):
    found = numbers(text)
    ends = [0, *(number.unit_end for number in found)]
    assert all(end <= number.start < number.end <= number.unit_end for end, number in zip(ends, found, strict=False))
