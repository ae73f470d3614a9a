"""Preferred values, and parts as they are written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermolinalg.circuits import Component, preferred

STEP = {
    "E12": 10 ** (1 / 12),
    "E24": 10 ** (1 / 24),
    "E48": 10 ** (1 / 48),
    "E96": 10 ** (1 / 96),
    "E192": 10 ** (1 / 192),
}


@given(st.floats(-12, 9), st.sampled_from(list(STEP)))
def test_no_value_is_further_away_than_half_a_step(exponent, series):
    value = 10**exponent
    found = preferred(value, series)
    assert abs(math.log(found / value)) <= 0.72 * math.log(STEP[series])
    assert preferred(found, series) == found


@pytest.mark.parametrize(
    ("value", "series", "found"),
    [
        (1.0, "E12", 1.0),
        (9.9, "E12", 10.0),
        (3.2, "E24", 3.3),
        (4.8e3, "E96", 4750.0),
        (9.19, "E192", 9.2),
        (97.7, "E96", 97.6),
    ],
)
def test_known_values(value, series, found):
    assert preferred(value, series) == pytest.approx(found, rel=1e-12)


@pytest.mark.parametrize(("value", "series"), [(0.0, "E24"), (-1.0, "E24"), (math.nan, "E24"), (1.0, "E25")])
def test_values_that_nobody_sells_are_refused(value, series):
    with pytest.raises(ValueError, match=r"value|series"):
        preferred(value, series)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(4700.0, "Ω", "4.7 kΩ"), (2.2e-10, "F", "220 pF"), (-0.015, "V", "-15 mV"), (1e-16, "A²/Hz", "0.1 fA²/Hz")],
)
def test_parts_are_written_as_engineers_do(value, unit, text):
    assert text in str(Component("P1", "part", ("a", "b"), value, unit))
