from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from helpers import grid_laplacian
from scipy.special import expit

from thermolinalg.matrix_functions import condensed
from thermolinalg.operators import Sparse


def check(operator, values):
    """The first three moments of a reading at any point of the way from aI to A."""
    found = condensed.condensed_spectrum(operator, (values.min(), values.max()))
    assert len(found.values) < 60
    assert found.residual < 1e-8
    assert abs(found.multiplicity @ np.log(found.values) - np.log(values).sum()) < 1e-8
    start = values.mean()
    for u in np.linspace(-8, 8 + np.log(start / values.min()), 25):
        exact, few = (expit(u + np.log(x / start)) - expit(u) for x in (values, found.values))
        scatter = (exact**2).sum() ** 0.5
        assert abs(few @ found.multiplicity - exact.sum()) < 2e-3 * max(scatter, 0.1)
        assert abs(few**2 @ found.multiplicity - scatter**2) < 5e-3 * scatter**2
        assert abs(few**3 @ found.multiplicity - (exact**3).sum()) < 1e-2 * scatter**3


@pytest.mark.parametrize("decades", [0.1, 3, 9])
def test_traces_of_many_modes(decades):
    values = 10 ** np.random.default_rng(0).uniform(-decades, 0, 2000)
    check(Sparse(scipy.sparse.diags_array(values)), values)


@pytest.mark.parametrize("shift", [1e-6, 1e-2, 1.0])
def test_grids(shift):
    A = grid_laplacian(24, shift)
    check(Sparse(A), np.linalg.eigvalsh(A.toarray()))


def test_scale_does_not_matter():
    A = Sparse(grid_laplacian(12, 0.1))
    ends = (0.1, 8.1)
    first = condensed.condensed_spectrum(A, ends)
    second = condensed.condensed_spectrum(A.scaled(2.0**-40), tuple(2.0**-40 * end for end in ends))
    np.testing.assert_allclose(second.values, 2.0**-40 * first.values, rtol=1e-6)


def test_a_factor_that_fills_in_is_left_alone(monkeypatch):
    monkeypatch.setattr(condensed, "MOST_FLOPS", 1e4)
    assert condensed.condensed_spectrum(Sparse(grid_laplacian(24, 0.1)), (0.1, 8.1)) is None
