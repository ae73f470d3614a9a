"""What a run says of the error that is left, and whether it made progress; column by column."""

import numpy as np
import pytest

from thermolinalg.estimation.refinement import FASTEST, PROGRESS, SLOWEST, UNSEEN, State, _look_back, _progress
from thermolinalg.operators import Dense
from thermolinalg.systems import Equation, Measure

EQUATION = Equation(Dense(np.eye(2)), np.ones((2, 2)), (Measure(),), 1.0)


def state(norms, changes=(1.0, 1.0), **options):
    rows = np.array([norms], dtype=float), np.array([changes], dtype=float)
    return State(np.zeros((2, 2)), np.zeros((2, 2)), rows[0], np.ones((1, 2)), changes=rows[1], **options)


@pytest.mark.parametrize(
    ("norms", "before", "progress"),
    [
        ((0.1, 0.1), (1.0, 1.0), True),
        ((0.1, 0.9), (1.0, 1.0), False),
        ((0.1, PROGRESS), (1.0, 1.0), False),
        ((0.1, 0.0), (1.0, 0.0), True),
        ((0.9, 0.0), (1.0, 0.0), False),
        ((0.0, 0.0), (0.0, 0.0), True),
        ((0.1, np.nan), (1.0, 1.0), False),
    ],
)
def test_progress_of_a_run(norms, before, progress):
    assert _progress(state(norms), np.array(before), PROGRESS) is progress


@pytest.mark.parametrize(
    ("norms", "changes", "stalled"),
    [
        ((0.9, 0.9), (0.9, 0.9), 3),
        ((0.9, 0.6), (0.9, 0.9), 0),
        ((0.9, 0.9), (0.6, 0.9), 0),
        ((2.0, 0.0), (2.0, 0.9), 0),
    ],
)
def test_runs_without_progress(norms, changes, stalled):
    before = state(norms, changes, stalled=2, best=(np.ones(2), np.ones(2)))
    _look_back(EQUATION, before, np.ones((1, 2)))
    assert before.stalled == stalled
    np.testing.assert_array_equal(before.best[0], np.minimum(norms, 1.0))
    np.testing.assert_array_equal(before.best[1], np.minimum(changes, 1.0))


@pytest.mark.parametrize("conjugate", [False, True])
@pytest.mark.parametrize(
    ("last", "now", "ratio"), [(1.0, 1e-5, 0.0), (1.0, 0.6, 0.6), (1.0, 0.1, 0.1), (1.0, 3.0, 3.0), (0.0, 0.0, 0.0)]
)
def test_contraction_of_two_corrections(last, now, ratio, conjugate):
    seen = state((1.0, 1.0), (now, now), conjugate=conjugate)
    _look_back(EQUATION, seen, np.full((1, 2), last))
    lowest = UNSEEN if conjugate else FASTEST
    np.testing.assert_allclose(seen.contraction, min(max(ratio, lowest), SLOWEST), rtol=1e-15)


def test_a_column_that_stays_solved_is_progress():
    solved = state((2.0, 0.0), (2.0, 2.0), stalled=2, best=(np.array([1.0, 0.0]), np.ones(2)))
    _look_back(EQUATION, solved, np.ones((1, 2)))
    assert solved.stalled == 0


def test_contraction_of_a_first_run():
    seen = state((1.0, 1.0), (0.3, 0.0))
    _look_back(EQUATION, seen, None)
    np.testing.assert_array_equal(seen.contraction, [UNSEEN, UNSEEN])
    assert seen.best is not None
