"""Indefinite precisions, masks, long ranges and the ends of the range of numbers."""

import numpy as np
import pytest
import scipy.sparse as sp

import thermolinalg as tla
from thermoapps.random_field import GaussianField, Grid

FIELD = GaussianField(np.eye(3) * 2 - np.diag([1.0, 1.0], 1) - np.diag([1.0, 1.0], -1))
PLANE = Grid((6, 5))


def hidden():
    """Indefinite, but no pair of entries tells."""
    return np.eye(3) - 0.9 * (1 - np.eye(3))


@pytest.mark.parametrize("spread", [1.0, 1e6])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, sp.coo_matrix])
def test_an_indefinite_precision_is_refused_whatever_data_would_do_to_it(kind, spread):
    units = np.diag([1.0, spread, 1.0 / spread])
    for Q in ([[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]], hidden(), -np.eye(3), np.diag([1.0, -1e-9, 1.0])):
        with pytest.raises(np.linalg.LinAlgError, match="no Gaussian has it"):
            GaussianField(kind(units @ Q @ units))


@pytest.mark.parametrize("unit", [1.0, 1e-12, 1e12])
@pytest.mark.parametrize("seed", range(5))
def test_semidefinite_precisions_are_none_of_these(seed, unit):
    rng = np.random.default_rng(seed)
    factor = rng.standard_normal((12, 7)) * 10.0 ** rng.uniform(-6, 6, (12, 1))
    assert GaussianField(unit * factor @ factor.T).size == 12
    smooth = GaussianField.on_grid((9, 9), order=3).precision
    assert GaussianField(unit * smooth).size == 81


def test_masked_observations_are_missing():
    masked = np.ma.masked_array([1.0, 50.0, 2.0], [False, True, False])
    found, right = (FIELD.condition(y, 0.1, rng=0) for y in (masked, [1.0, np.nan, 2.0]))
    np.testing.assert_array_equal(found.mean, right.mean)
    assert found.log_evidence() == right.log_evidence()


@pytest.mark.parametrize("alpha", [1, 2, 3])
@pytest.mark.parametrize("long", [1e2, 1e3, 1e5, 1e9])
def test_long_ranges_are_right_within_the_error_told_or_refused(alpha, long):
    field = GaussianField.from_matern(PLANE, range=long, alpha=alpha)
    cosines = field.matern.inverse(0.0).matmat(np.eye(PLANE.size))
    try:
        found, error = field.prior(rng=0).standard_deviation(return_error=True)
    except tla.SingularError:
        assert (long / 6) ** (2 * alpha) > 1e11
    else:
        assert np.all(np.abs(found - np.sqrt(np.diag(cosines))) <= error)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: FIELD.condition([1e160], 0.1, at=[0]), ValueError, "choose another unit"),
        (lambda: FIELD.condition([1.0], 1e-160, at=[0]), ValueError, "choose another unit"),
        (lambda: FIELD.condition([1.0], 1e160, at=[0]), ValueError, "choose another unit"),
        (lambda: FIELD.condition([1.0], np.ma.masked_equal([0.0], 0.0), at=[0]), TypeError, "noise is masked"),
        (lambda: FIELD.condition([1.0], at=np.ma.masked_equal([0], 0)), TypeError, "at is masked"),
        (lambda: GaussianField(np.ma.masked_equal(np.eye(2), 0.0)), TypeError, "precision is masked"),
        (lambda: FIELD.with_trend(np.arange(3) * 1j), TypeError, "covariates must hold real"),
        (lambda: FIELD.with_trend(["a", "b", "c"]), TypeError, "covariates must hold real"),
        (lambda: GaussianField.from_matern(PLANE, range=1e-160), ValueError, "choose other units"),
        (lambda: GaussianField.from_matern(PLANE, range=1e160), ValueError, "choose other units"),
        (lambda: GaussianField.from_matern(PLANE, range=4, standard_deviation=1e200), ValueError, "choose other units"),
        (lambda: GaussianField.from_matern(PLANE, range=4, standard_deviation=1e-200), ValueError, "other units"),
        (lambda: GaussianField.from_matern(Grid((3, 3), 1e200), range=3e200), ValueError, "choose other units"),
        (lambda: Grid.around([[1.0, 2.0]], 0.0), ValueError, "spacing must be positive"),
        (lambda: Grid.around([[1.0, 2.0]], -1.0), ValueError, "spacing must be positive"),
        (lambda: Grid.around([[1.0, 2.0]], 1.0, margin=-1.0), ValueError, "margin"),
        (lambda: Grid.around([[1.0, 2.0]], 1.0, margin=np.nan), ValueError, "margin"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_sizes_of_huge_grids_do_not_overflow():
    assert Grid((10**10, 10**10)).size == 10**20
