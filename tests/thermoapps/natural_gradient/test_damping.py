from __future__ import annotations

import math

import pytest

pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st

from thermoapps.natural_gradient import FixedDamping, LevenbergMarquardt, ScheduledDamping
from thermoapps.natural_gradient.step.damping import as_damping, reduction_ratio

NAN, INF = math.nan, math.inf

# ρ → factor of λ, and whether the step stays.
TABLE = [
    (1.0, 2 / 3, True),
    (0.76, 2 / 3, True),
    (0.75, 1.0, True),
    (0.5, 1.0, True),
    (0.25, 1.0, True),
    (0.24, 1.5, True),
    (0.0, 1.5, True),
    (-0.01, 1.5, False),
    (-INF, 1.5, False),
    (NAN, 1.5, False),
    (INF, 2 / 3, True),
]


@pytest.mark.parametrize(("ratio", "factor", "stays"), TABLE)
def test_table_of_ratios(ratio, factor, stays):
    rule = LevenbergMarquardt()
    assert rule.after(3.0, ratio) == pytest.approx(3.0 * factor)
    assert rule.accepts(ratio) is stays


def test_every_step_with_a_finite_loss_can_be_kept():
    rule = LevenbergMarquardt(acceptable=-INF)
    assert rule.accepts(-1e9)
    assert not rule.accepts(-INF)
    assert not rule.accepts(NAN)


@given(st.lists(st.sampled_from([ratio for ratio, _, _ in TABLE]), max_size=200))
def test_damping_stays_within_its_bounds(ratios):
    rule = LevenbergMarquardt(initial=1.0, smallest=1e-3, largest=1e3, increase=10, decrease=0.1)
    damping = rule.at(0, None)
    for step, ratio in enumerate(ratios):
        damping = rule.at(step + 1, rule.after(damping, ratio))
        assert 1e-3 <= damping <= 1e3


def test_fixed_and_scheduled():
    assert [FixedDamping(0.1).at(step, 7.0) for step in range(3)] == [0.1] * 3
    rule = as_damping(lambda step: 0.5**step)
    assert isinstance(rule, ScheduledDamping)
    assert [rule.at(step, None) for step in range(3)] == [1, 0.5, 0.25]
    assert rule.after(0.3, NAN) == 0.3
    assert rule.accepts(-5.0)
    assert not rule.accepts(-INF)
    assert as_damping(rule) is rule


@pytest.mark.parametrize(
    ("loss", "new_loss", "predicted", "ratio"),
    [
        (2.0, 1.0, -2.0, 0.5),
        (2.0, 3.0, -2.0, -0.5),
        (2.0, NAN, -2.0, -INF),
        (2.0, INF, -2.0, -INF),
        (2.0, 1.0, 0.0, NAN),
        (2.0, 1.0, 0.5, NAN),
        (2.0, 2.0, 0.0, 1.0),
        (2.0, 2.0 + 1e-15, -1e-15, 1.0),
        (0.0, 0.0, 0.0, 1.0),
    ],
)
def test_reduction_ratio(loss, new_loss, predicted, ratio):
    assert reduction_ratio(loss, new_loss, predicted) == pytest.approx(ratio, nan_ok=True)


@pytest.mark.parametrize(
    "settings",
    [
        {"initial": -1.0},
        {"initial": NAN},
        {"increase": 0.5},
        {"decrease": 0.0},
        {"decrease": 2.0},
        {"low": 0.8},
        {"smallest": 0.0},
        {"smallest": 2.0, "largest": 1.0},
        {"attempts": 0},
        {"attempts": 1.5},
        {"acceptable": NAN},
    ],
)
def test_settings_of_levenberg_marquardt_are_checked(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        LevenbergMarquardt(**settings)


@pytest.mark.parametrize("damping", [-1.0, NAN, INF])
def test_values_are_checked(damping):
    with pytest.raises(ValueError, match="damping"):
        FixedDamping(damping)
    with pytest.raises(ValueError, match="step 3"):
        ScheduledDamping(lambda step: damping).at(3, None)


@pytest.mark.parametrize("damping", ["large", None, True])
def test_other_things_are_no_damping(damping):
    with pytest.raises(TypeError, match="damping"):
        as_damping(damping)
