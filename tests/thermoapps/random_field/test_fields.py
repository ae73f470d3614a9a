"""Grids and the precisions of fields, and what is refused."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator
from scipy.special import gamma, kv

pytest.importorskip("sklearn")

from fields import FIELDS, IMPROPER, PLANE

import thermolinalg as tla
from thermoapps.random_field import GaussianField, Grid

# -- grids -------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 5), min_size=1, max_size=3))
def test_interpolation_is_exact_for_multilinear_functions(seed, shape):
    rng = np.random.default_rng(seed)
    d = len(shape)
    grid = Grid(shape, rng.uniform(0.1, 3, d), 10 * rng.standard_normal(d))
    points = grid.origin + rng.random((6, d)) * (np.array(shape) - 1) * grid.spacing
    slopes = rng.standard_normal(d)

    def values(x):
        return 1 + x @ slopes + np.prod(x, axis=1)

    H = grid.interpolation(points)
    np.testing.assert_allclose(H @ values(grid.nodes), values(points), rtol=1e-9, atol=1e-9)
    assert abs(grid.interpolation(grid.nodes) - sp.eye_array(grid.size)).max() == 0


def test_a_grid_around_points_holds_them_with_the_margin():
    points = np.random.default_rng(0).uniform(-7, 3, (30, 2)) * 1e6
    grid = Grid.around(points, 3e5, margin=1e6)
    assert (points.min(axis=0) - grid.nodes.min(axis=0) >= 1e6 * (1 - 1e-9)).all()
    assert (grid.nodes.max(axis=0) - points.max(axis=0) >= 1e6 * (1 - 1e-9)).all()
    assert grid.interpolation(points).shape == (30, grid.size)
    assert Grid.around([[1.0, 2.0]], 0.5).size == 1


# -- precisions --------------------------------------------------------------------------------------------------------


def matern_correlation(nu, x):
    return x**nu * kv(nu, x) / (2 ** (nu - 1) * gamma(nu))


@pytest.mark.parametrize(("d", "alpha"), [(1, 1), (1, 2), (2, 2), (2, 3), (3, 2)])
def test_far_from_the_edges_the_covariance_is_materns(d, alpha):
    side, length = {1: 401, 2: 81, 3: 25}[d], {1: 40.0, 2: 16.0, 3: 8.0}[d]
    grid = Grid((side,) * d, 0.5, origin=-0.25 * (side - 1))
    field = GaussianField.from_matern(grid, range=length * 0.5, standard_deviation=3.0, alpha=alpha)
    middle = grid.size // 2
    column = field.matern.inverse(0.0) @ np.eye(grid.size, 1, -middle)[:, 0]
    nu = alpha - d / 2
    steps = np.arange(1, int(length))
    expected = 9.0 * matern_correlation(nu, np.sqrt(8 * nu) * steps / length)
    np.testing.assert_allclose(np.sqrt(column[middle]), 3.0, rtol=1e-2)
    np.testing.assert_allclose(column[middle + steps], expected, atol=0.03 * 9 * (1 + 3 * (nu <= 0.5)))


@pytest.mark.parametrize(("d", "alpha", "spacing"), [(1, 1, 1.0), (2, 1, (1.0, 2.0)), (2, 2, (1.0, 0.5)), (3, 1, 1.0)])
def test_the_standard_deviation_is_that_of_the_grid_however_coarse(d, alpha, spacing):
    grid = Grid((25,) * d, spacing)
    field = GaussianField.from_matern(grid, range=3.0, standard_deviation=2.0, alpha=alpha)
    middle = grid.size // 2
    variance = (field.matern.inverse(0.0) @ np.eye(grid.size, 1, -middle)[:, 0])[middle]
    assert np.sqrt(variance) == pytest.approx(2.0, rel=1e-4)


@pytest.mark.parametrize("shape", [(7,), (2,), (1,), (5, 1), (4, 6), (3, 2, 4)])
@pytest.mark.parametrize("alpha", [1, 2, 3])
def test_cosines_diagonalise_the_precision(shape, alpha):
    grid = Grid(shape, np.arange(1, len(shape) + 1) * 0.7)
    field = GaussianField.from_matern(grid, range=3.0, alpha=alpha)
    Q = field.precision.toarray()
    assert np.linalg.eigvalsh(Q).min() > 0
    assert field.matern.log_determinant() == pytest.approx(np.linalg.slogdet(Q)[1], abs=1e-9)
    for shift in (0.0, 2.5):
        product = field.matern.inverse(shift) @ (Q + shift * np.diag(grid.mass))
        np.testing.assert_allclose(product, np.eye(grid.size), atol=1e-9)


def test_at_an_edge_the_standard_deviation_rises_as_stated():
    grid = Grid((51, 51))
    field = GaussianField.from_matern(grid, range=8.0)
    deviation = field.prior().standard_deviation().reshape(51, 51)
    np.testing.assert_allclose(deviation[[25, 0, 0], [25, 25, 0]], [1, np.sqrt(2), 2], rtol=2e-3)
    assert abs(deviation[8, 25] - 1) < 0.06


@pytest.mark.parametrize("name", IMPROPER)
def test_null_spaces_are_those_of_the_precisions(name):
    field = FIELDS[name]
    values = np.linalg.eigvalsh(field.precision.toarray())
    assert np.count_nonzero(values < 1e-9 * values.max()) == field.null_space.shape[1]
    assert np.abs(field.precision @ field.null_space).max() < 1e-9 * values.max()
    if not field.covariates:
        expected = np.log(values[field.null_space.shape[1] :]).sum()
        found = field.log_determinant("factor", atol=0.1)
        assert abs(found.value - expected) < 1e-8
        given_ = GaussianField(field.precision, null_space=2 * field.null_space)
        assert given_.log_determinant("factor", atol=0.1).value == pytest.approx(expected)


def test_a_graph_is_its_laplacian():
    W = np.array([[5.0, 2.0, 0.0], [2.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    A = np.array([[2.25, -2.0, 0.0], [-2.0, 3.25, -1.0], [0.0, -1.0, 1.25]])
    for order in (1, 2, 3):
        field = GaussianField.graph(W, kappa=0.5, scale=2.0, order=order)
        np.testing.assert_allclose(field.precision.toarray(), np.linalg.matrix_power(A, order) / 4)


def test_what_rounding_left_asymmetric_is_made_symmetric():
    Q = FIELDS["matern"].precision.toarray()
    noisy = Q * (1 + 1e-13 * np.random.default_rng(0).standard_normal(Q.shape))
    assert abs(GaussianField(noisy).precision - GaussianField(noisy).precision.T).max() == 0
    assert GaussianField(Q.astype(np.float32)).condition([1.0], 0.1, at=[0], rng=0).mean[0] == pytest.approx(
        1, abs=0.01
    )


def test_an_improper_field_without_its_null_space_is_conditioned_but_has_no_evidence():
    known = FIELDS["intrinsic walk"]
    posterior = GaussianField(known.precision).condition([1.0, 4.0], 0.1, at=[3, 30], rng=0)
    np.testing.assert_allclose(posterior.mean, known.condition([1.0, 4.0], 0.1, at=[3, 30]).mean, atol=1e-8)
    with pytest.raises(tla.SingularError, match="null_space="):
        posterior.log_evidence()


def test_what_does_not_fix_an_improper_field_is_refused():
    with pytest.raises(tla.SingularError, match="observe more of it"):
        _ = FIELDS["two parts"].condition([1.0], 0.1, at=[3], rng=0).mean
    with pytest.raises(tla.SingularError, match="observe more of it"):
        _ = FIELDS["trend"].condition([1.0, 2.0], 0.1, at=[3, 4], rng=0).mean


# -- refusals ----------------------------------------------------------------------------------------------------------

EYE = np.eye(3)
FIELD = GaussianField(EYE)
GRID_FIELD = FIELDS["matern"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Grid((0, 3)), ValueError, "positive number of nodes"),
        (lambda: Grid(2.5), ValueError, "positive number of nodes"),
        (lambda: Grid((2, 2), spacing=0.0), ValueError, "spacing must be positive"),
        (lambda: Grid((2, 2), spacing=[1, 2, 3]), ValueError, "2 numbers"),
        (lambda: Grid((2, 2), origin=np.nan), ValueError, "finite"),
        (lambda: Grid.around(np.zeros((0, 2)), 1.0), ValueError, "no points"),
        (lambda: PLANE.interpolation([[0.0, 0.0]]), ValueError, "lie outside the grid"),
        (lambda: PLANE.interpolation([[np.nan, 0.0]]), ValueError, "NaN"),
        (lambda: PLANE.interpolation([[6.0, 0.0, 0.0]]), ValueError, "shape"),
        (lambda: GaussianField(np.ones((2, 3))), ValueError, "square"),
        (lambda: GaussianField(np.zeros((0, 0))), ValueError, "at least one row"),
        (lambda: GaussianField([[1.0, 0.5], [0.0, 1.0]]), ValueError, "not symmetric"),
        (lambda: GaussianField([[np.nan]]), ValueError, "NaN"),
        (lambda: GaussianField([["a"]]), TypeError, "real numbers"),
        (lambda: GaussianField(1j * EYE), TypeError, "real numbers"),
        (lambda: GaussianField(EYE, grid=PLANE), ValueError, "the grid has 72 nodes"),
        (lambda: GaussianField(EYE, null_space=np.ones(3)), ValueError, "none of the precision"),
        (lambda: GaussianField(0 * EYE, null_space=np.ones((3, 2))), ValueError, "depend on each other"),
        (lambda: GaussianField(EYE, null_space=np.ones(2)), ValueError, "null_space must be"),
        (lambda: GaussianField.graph(-EYE[::-1]), ValueError, "negative weights"),
        (lambda: GaussianField.graph(np.triu(np.ones((3, 3)))), ValueError, "adjacency is not symmetric"),
        (lambda: GaussianField.graph(EYE, kappa=-1.0), ValueError, "kappa"),
        (lambda: GaussianField.graph(EYE, scale=0.0), ValueError, "scale"),
        (lambda: GaussianField.graph(EYE, order=0), ValueError, "order must be a whole number"),
        (lambda: GaussianField.from_matern((3, 3), range=1.0), TypeError, "must be a Grid"),
        (lambda: GaussianField.from_matern(PLANE, range=0.0), ValueError, "range"),
        (lambda: GaussianField.from_matern(PLANE, range=np.inf), ValueError, "range"),
        (lambda: GaussianField.from_matern(PLANE, range=1.0, alpha=1.5), ValueError, "alpha must be a whole number"),
        (lambda: GaussianField.from_matern(PLANE, range=1.0, standard_deviation=-1), ValueError, "standard_deviation"),
        (lambda: FIELD.with_trend(np.ones((3, 2))), ValueError, "depend on each other"),
        (lambda: FIELD.with_trend(np.zeros(3)), ValueError, "depend on each other"),
        (lambda: FIELD.with_trend(np.ones(4)), ValueError, "covariates must have shape"),
        (lambda: FIELD.with_trend([1, np.nan, 2]), ValueError, "needed at every node"),
        (lambda: FIELD.with_trend().with_trend(), ValueError, "a trend already"),
        (lambda: FIELD.condition([1.0]), ValueError, r"observations must have shape \(3,\)"),
        (lambda: FIELD.condition([1.0, 2.0], at=[0]), ValueError, "so many as at= has places"),
        (lambda: FIELD.condition([np.inf, 0, 0]), ValueError, "infinity"),
        (lambda: FIELD.condition(["a", "b", "c"]), TypeError, "observations must hold real numbers"),
        (lambda: FIELD.condition([1.0], -1.0, at=[0]), ValueError, "noise must be finite and ≥ 0"),
        (lambda: FIELD.condition([1.0], np.nan, at=[0]), ValueError, "noise must be finite"),
        (lambda: FIELD.condition([1.0], [1.0, 2.0], at=[0]), ValueError, "noise must be one number or 1"),
        (lambda: FIELD.condition([1.0], at=[3]), ValueError, "names nodes from 3"),
        (lambda: FIELD.condition([1.0], at=[-1]), ValueError, "names nodes from -1"),
        (lambda: FIELD.condition([1.0], at=[True, False]), ValueError, "a mask of 2"),
        (lambda: FIELD.condition([1.0], at=[0.5]), ValueError, "at must hold nodes"),
        (lambda: FIELD.condition([1.0], at=np.ones((1, 2))), ValueError, "2 columns, expected 3"),
        (lambda: FIELD.condition([1.0], at=aslinearoperator(np.ones((1, 2)))), ValueError, "2 columns, expected 3"),
        (lambda: FIELD.condition([1.0], at=[[1j, 0, 0]]), TypeError, "at must hold real"),
        (lambda: FIELD.condition([1.0], at=[[np.nan, 0, 0]]), ValueError, "NaN"),
        (lambda: GRID_FIELD.condition([1.0], at=[[0.0, 0.0]]), ValueError, "lie outside the grid"),
        (lambda: FIELD.condition([1.0, 2.0], at=[0, 0]), ValueError, "contradict each other, by 1"),
        (lambda: FIELD.condition([1.0, 3.0], at=[[1, 1, 0], [2, 2, 0]]), ValueError, "contradict each other"),
        (lambda: FIELD.condition([1.0], at=sp.csr_array((1, 3))), ValueError, "observation of nothing"),
        (lambda: FIELD.prior().log_evidence(method="exact"), ValueError, "method must be"),
        (lambda: FIELD.prior().standard_deviation(rtol=0.0), ValueError, "rtol"),
        (lambda: FIELD.prior().log_evidence(atol=-1.0), ValueError, "atol"),
        (lambda: FIELD.prior().variance_of(np.ones(2)), ValueError, "L"),
        (lambda: GaussianField(-EYE).prior().mean, np.linalg.LinAlgError, "no Gaussian has it"),
        (lambda: GaussianField([[1, 2], [2, 1]]).prior().mean, np.linalg.LinAlgError, "no Gaussian has it"),
        (lambda: GaussianField([[1, 2], [2, 1]]).sample(), np.linalg.LinAlgError, "no Gaussian has it"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call, error, message):
    with pytest.raises(error, match=message):
        call()
