"""Determinants from readings whose energies are known on average: right, with bars a few times shorter."""

import numpy as np
import pytest
from helpers import grid_laplacian
from scipy.sparse.linalg import aslinearoperator
from scipy.stats import t

from thermolinalg import LangevinDevice, slogdet
from thermolinalg.estimation import energies, log_determinant
from thermolinalg.estimation.energies import WithEnergies, reader
from thermolinalg.laws import EulerMaruyama, Overdamped
from thermolinalg.operators import Sparse
from thermolinalg.testing import assert_coverage

A = grid_laplacian(10, 0.1)
EXACT = np.linalg.slogdet(A.toarray())[1]


@pytest.fixture(autouse=True)
def by_products(monkeypatch):
    """As of a matrix too large for an eigendecomposition, whose factors fill in too much."""
    monkeypatch.setattr("thermolinalg.devices.driven.FORMABLE", 0)
    monkeypatch.setattr("thermolinalg.matrix_functions.select.SMALL", 0)
    monkeypatch.setattr("thermolinalg.matrix_functions.condensed.MOST_FLOPS", 0)


def plainly(program, spectrum, rng):
    return lambda u, n: program.readings_along(spectrum.start, u, n, rng=rng)


@pytest.mark.parametrize("law", [Overdamped(), Overdamped(3.0)])
@pytest.mark.parametrize("scale", [1e-12, 1.0])
def test_energies_have_the_means_that_the_traces_tell(law, scale):
    program = LangevinDevice(law).program(Sparse(scale * A))
    told, H = program.spectrum(), program.effective.dense()
    assert told.modes is None
    np.testing.assert_allclose(told.traces, (np.trace(H), np.sum(H**2)))
    for u in (-2.0, 0.5):
        s = 1 / (1 + np.exp(-u))
        held = (1 - s) * told.start * np.eye(len(H)) + s * H
        slope = s * (1 - s) * np.trace(np.linalg.solve(held, H - told.start * np.eye(len(H))))
        means = [slope] + [np.trace(np.linalg.matrix_power(held, k)) for k in range(3)]
        read = program.energies_along(told.start, u, 100, rng=np.random.default_rng(1))
        z = (read.mean(axis=1) - means) / (read.std(axis=1, ddof=1) / 4)
        assert read.shape == (4, 16)
        assert np.all(abs(z) < 4.5)
        # Freed of them, the readings keep their mean and lose nine tenths of their variance and more.
        freed = WithEnergies(program, told, np.random.default_rng(2))
        freed(u, 4)
        kept = freed(u, 100)
        assert abs(kept.mean() - slope) < 4.5 * kept.std(ddof=1) / 4
        assert kept.std() < 0.5 * read[0].std()


def test_bars_are_a_few_times_shorter_at_equal_readings(monkeypatch):
    with pytest.warns(match="larger max_readings="):
        (_, value), info = slogdet(A, atol=1e-3, max_readings=1000, rng=0, return_info=True)
    assert abs(value - EXACT) < 4.5 * info.standard_error
    monkeypatch.setattr(log_determinant, "reader", plainly)
    with pytest.warns(match="larger max_readings="):
        _, plain = slogdet(A, atol=1e-3, max_readings=1000, rng=0, return_info=True)
    assert plain.n_runs >= 0.95 * info.n_runs
    assert info.standard_error < 0.35 * plain.standard_error


def test_what_is_not_known_is_not_used():
    rng = np.random.default_rng(0)
    for device, operator in [
        (LangevinDevice(), aslinearoperator(A)),  # no trace
        (LangevinDevice(EulerMaruyama(step_size=0.01)), A),  # whose variances are not T/α
    ]:
        told = slogdet(operator, atol=20.0, device=device, rng=0, return_info=True)[1]
        assert told.method == "integration"
    program = LangevinDevice(EulerMaruyama(step_size=0.1)).program(Sparse(A))
    assert program.spectrum().traces is None
    assert not isinstance(reader(program, program.spectrum(), rng), WithEnergies)


def test_energies_that_tell_nothing_have_no_weight():
    rng = np.random.default_rng(0)
    assert not energies._fitted(rng.standard_normal((4, 64))).any()
    read = rng.standard_normal((4, 64))
    read[0] += 3 * read[1] - read[3]
    np.testing.assert_allclose(energies._fitted(read), [3, 0, -1], atol=0.6)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.1, 0.02])
def test_error_bars_cover(shift):
    matrix, hits, seeds = grid_laplacian(10, shift), [], 200
    exact = np.linalg.slogdet(matrix.toarray())[1]
    for seed in range(seeds):
        (_, value), info = slogdet(matrix, atol=0.3, rng=seed, return_info=True)
        assert info.standard_error <= 0.3
        hits.append(abs(value - exact) < t.ppf(0.975, info.degrees_of_freedom) * info.standard_error)
    assert_coverage(sum(hits), seeds)
