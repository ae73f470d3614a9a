"""Numbers of any size: exact powers of two, representable answers given, the others refused."""

import mpmath
import numpy as np
import pytest
import scipy.sparse
from cases import tensor
from helpers import normal, spd
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import thermolinalg as tla
from thermolinalg._arrays import to_numpy
from thermolinalg.operators import Dense, Diagonal, MatrixFree, Sparse
from thermolinalg.systems import Rescaled
from thermolinalg.systems.rescaled import column_exponents, matrix_exponent, times_two_to

GENERAL = np.random.default_rng(3).standard_normal((6, 6))
LARGEST = {np.float64: 1024, np.float32: 128}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_only_extreme_sizes_are_scaled(dtype):
    """Sizes beyond the fourth root of the largest number are brought into [1/2, 1); no other is touched."""
    quarter = LARGEST[dtype] // 4
    for power in range(-LARGEST[dtype] + 10, LARGEST[dtype] - 12):
        exponent = matrix_exponent(Dense(np.array([[1.5 * 2.0**power]], dtype)))
        assert exponent == (power + 1 if abs(power + 1) > quarter else 0)


@pytest.mark.parametrize("make", [Dense, lambda a: Sparse(scipy.sparse.csr_array(a)), Diagonal])
def test_the_largest_entry_counts_whatever_its_sign(make):
    d = np.array([1.0, -(2.0**900), 2.0**-900])
    made = make(d) if make is Diagonal else make(np.diag(np.abs(d)) * np.sign(d))
    assert matrix_exponent(made.scaled(1.0)) >= (0 if make is not Diagonal else 901)
    assert matrix_exponent(make(d[:1]) if make is Diagonal else make(np.eye(3))) == 0


def test_matrices_known_by_products_are_sized_by_one():
    small, large = 2.0**-900, 2.0**900
    for factor in (small, large):
        exponent = matrix_exponent(MatrixFree(aslinearoperator(factor * np.eye(4))))
        assert abs(exponent - np.log2(factor)) <= 1
    assert matrix_exponent(MatrixFree(aslinearoperator(np.eye(4)))) == 0


def test_zero_and_empty_matrices_are_left_alone():
    assert matrix_exponent(Dense(np.zeros((3, 3)))) == 0
    assert matrix_exponent(Dense(np.zeros((0, 3)), symmetric=False)) == 0


def test_a_small_diagonal_entry_survives_the_scaling():
    """Brought all the way down, the smallest would be denormal and lose its digits."""
    A = np.diag([1e300, 1e-10])
    exponent = matrix_exponent(Dense(A))
    scaled = np.ldexp(np.diag(A), -exponent)
    assert np.all(np.ldexp(scaled, exponent) == np.diag(A))
    assert scaled[1] >= np.finfo(float).smallest_normal * 2**7
    assert scaled[1] <= np.finfo(float).smallest_normal * 2**9


@pytest.mark.parametrize("grade", [1e10, 1e20, 1e40, 1e100])
def test_graded_definite_matrices_are_solved_in_their_balanced_units(grade):
    """Unknowns of any relative size: each has the digits that the balanced system gives it."""
    rng = np.random.default_rng(0)
    S = rng.standard_normal((30, 20))
    S = S.T @ S / 30
    d = 2.0 ** np.round(np.log2(rng.permutation(np.geomspace(1 / grade, grade, 20))))
    A, b = d[:, None] * S * d, d * rng.standard_normal(20)
    x, info = tla.solve(A, b, rtol=1e-15, rng=0, return_info=True)
    expected = np.linalg.solve(S, b / d) / d
    assert info.success
    np.testing.assert_allclose(x, expected, rtol=1e-12)
    np.testing.assert_allclose(info.residual_norm, np.linalg.norm(b - A @ x), atol=1e-14 * np.linalg.norm(b))


def test_a_small_unknown_beside_a_large_one_comes_with_an_honest_bar():
    for large, small in ((1e30, 1e-30), (1e100, 1e-10)):
        x, info = tla.solve(np.diag([large, small]), np.array([large, small]), rng=0, return_info=True)
        assert np.all(abs(x - 1) <= 5 * info.standard_error + 1e-15)
        np.testing.assert_allclose(x, [1.0, 1.0], rtol=1e-8)


def test_columns_are_scaled_one_by_one():
    b = np.array([[1.0, 1e-300, 0.0, -1e300], [0.5, 1e-301, 0.0, 1.0]])
    exponents = column_exponents(b)
    sizes = np.abs(np.ldexp(b, -exponents)).max(axis=0)
    assert exponents[0] == exponents[2] == 0
    assert np.all((sizes[[1, 3]] >= 0.5) & (sizes[[1, 3]] < 1))
    assert column_exponents(b[:, [0, 2]]) is None
    smallest = np.array([[5e-324]])
    assert times_two_to(-column_exponents(smallest), smallest) > 1e-20
    largest = np.array([[np.finfo(float).max]])
    np.testing.assert_array_equal(times_two_to(-column_exponents(largest), largest), largest / 2.0**1016)


@pytest.mark.parametrize("exponent", [-2000, -1074, -1023, -3, 0, 5, 1024, 1900])
def test_powers_of_two_leave_the_range_only_in_the_result(exponent):
    x = np.array([[1.25, 2.0**-60, 2.0**60]])
    for start in (-1000, 0, 900):
        values = np.ldexp(x, start)
        with np.errstate(over="ignore"):
            expected = np.ldexp(values, exponent)
        np.testing.assert_array_equal(times_two_to(np.array([exponent]), values), expected)


def test_torch_columns():
    exponents = np.array([400, -700])
    x = np.array([[1.25, 3.0]])
    np.testing.assert_array_equal(to_numpy(times_two_to(exponents, tensor(x))), np.ldexp(x, exponents))


@pytest.mark.parametrize(
    ("system", "x"),
    [
        (Rescaled(None, None, -900), 2.0**200),
        (Rescaled(None, None, 900), 2.0**-300),
        (Rescaled(None, None, 0, np.array([1000])), 2.0**30),
        (Rescaled(None, np.array([2.0**800])), 2.0**300),
        (Rescaled(None, np.array([2.0**-800])), 2.0**-300),
    ],
)
def test_solutions_out_of_range_are_refused(system, x):
    with np.errstate(over="ignore", under="ignore"), pytest.raises(ValueError, match="leaves the range of float64"):
        system.back(np.array([[x]]))
    assert system.back(np.array([[0.0]])) == 0


SIZES = [1e-300, 1e-150, 1e150, 1e300]


@pytest.mark.parametrize("refine", [True, False])
@pytest.mark.parametrize("a", SIZES)
@pytest.mark.parametrize("matrix", [spd(6), -spd(6), GENERAL, spd(6) + 1j * (np.tri(6) - np.tri(6).T)])
def test_solutions_at_the_ends_of_the_range(matrix, a, refine):
    """A and b of one extreme size have a solution of size one, and errors in the units of the user."""
    b = matrix @ np.linspace(1, 2, 6)
    told = {"rtol": 1e-3, "refine": False} if not refine else {}
    x, info = tla.solve(a * matrix, a * b, rng=0, return_info=True, **told)
    assert info.success
    size = np.linalg.norm(np.linalg.inv(matrix), 2)
    accuracy = 1e-8 if refine else 6 * info.standard_error + 0.05 * size
    assert np.all(abs(x - np.linspace(1, 2, 6)) <= accuracy)
    assert info.residual_norm <= (1e-10 if refine else 1) * a * np.linalg.norm(b)
    near = tla.solve(matrix, b, rng=0, return_info=True, **told)[1]
    assert info.residual_norm / a <= 1e3 * max(near.residual_norm, 1e-16 * np.linalg.norm(b))


@pytest.mark.parametrize(("a", "b"), [(1e300, 1e-20), (1e-300, 1e300)])
def test_solutions_beyond_the_range(a, b):
    A = spd(3, 4.0)
    if a > 1:
        expected = np.linalg.solve(A, np.ones(3)) * (b / a)
        np.testing.assert_allclose(tla.solve(a * A, np.full(3, b), rng=0), expected, rtol=1e-3, atol=1e-323)
    else:
        with pytest.raises(ValueError, match="leaves the range"):
            tla.solve(a * A, np.full(3, b), rng=0)


@pytest.mark.parametrize("answer", [5e-324, 5e-321, 2e-310])
def test_denormal_answers_are_given(answer):
    for A in (np.array([[2.0]]), np.array([[1e100]]), np.array([[2.0, 1.0], [0.0, 2.0]])):
        b = np.zeros(len(A))
        b[0] = A[0, 0] * answer
        x, info = tla.solve(A, b, rng=0, return_info=True)
        assert info.success
        np.testing.assert_allclose(x[0], answer, rtol=1e-9, atol=5e-324)


def test_answers_below_the_smallest_number_are_refused():
    with pytest.raises(ValueError, match="leaves the range"):
        tla.solve(np.array([[1e200]]), np.array([1e-200]), rng=0)


def test_a_start_is_scaled_as_solutions_are():
    A = 1e-300 * spd(5)
    x = np.linspace(1, 2, 5)
    _, info = tla.langevin(A, A @ x, x0=x, rng=0)
    assert info == 0
    system = Rescaled(None, 2.0 ** np.array([3.0, -1, 0, 2, 5]), -990, np.array([-995]))
    np.testing.assert_array_equal(system.back(system.start(x[:, None])), x[:, None])


@pytest.mark.parametrize("size", [2.0**-1050, 2.0**1018])
@pytest.mark.parametrize("d", [6, 100])
def test_maps_at_the_ends_of_the_range_are_multiplied_near_one(d, size):
    """Products of a denormal map with vectors near one would be rounded, those of a huge one overflow."""
    A = np.round(2.0**20 * spd(d, 20.0)) / 2.0**20  # exact as a denormal number
    x = tla.solve(aslinearoperator(size * A), size * (A @ np.ones(d)), rng=0)
    np.testing.assert_allclose(x, 1.0, rtol=1e-6 if size < 1 else 1e-9)
    log = tla.logabsdet(aslinearoperator(size * A), atol=0.05, rng=0)
    assert abs(log - d * np.log(size) - np.linalg.slogdet(A)[1]) < 0.3


@pytest.mark.parametrize("kind", [np.asarray, tensor, scipy.sparse.csr_array])
@pytest.mark.parametrize("exponents", [(-96, 96), (-120, -40)])
def test_rows_of_any_size_are_balanced_in_single_precision(kind, exponents):
    """No one number brings all rows near one: brought down with the largest, the smallest would vanish."""
    rows = 2.0 ** np.linspace(*exponents, 6).round()
    A = (rows[:, None] * GENERAL).astype(np.float32)
    b = (rows * (GENERAL @ np.ones(6))).astype(np.float32)
    x, info = tla.solve(kind(A), tensor(b) if kind is tensor else b, rng=0, return_info=True)
    assert info.success
    np.testing.assert_allclose(to_numpy(x), 1.0, rtol=1e-4)


@pytest.mark.parametrize("size", [2.0**900, 2.0**-900])
def test_the_adjoint_is_on_the_same_power_of_two(size):
    """Whatever size products with Aᴴ suggest, what stands on the device is A with its own."""
    lower = np.eye(9)
    lower[:, 0] += 60.0
    there, back = (matrix_exponent(MatrixFree(aslinearoperator(size * a), symmetric=False)) for a in (lower, lower.T))
    assert there != back
    device = tla.LangevinDevice(tla.EulerMaruyama(0.3))  # symmetric couplings: AᵀA serves both
    inverse = tla.ThermodynamicInverse(
        MatrixFree(aslinearoperator(size * lower), symmetric=False), device=device, rng=0
    )
    np.testing.assert_allclose(size * (lower @ (inverse @ np.ones(9))), 1.0, rtol=1e-6)
    np.testing.assert_allclose(size * (lower.T @ (inverse.H @ np.ones(9))), 1.0, rtol=1e-6)


def solved(A, b):
    """The solution by elimination with more digits than the scales differ by."""
    with mpmath.workdps(200):
        return np.array([float(v) for v in mpmath.lu_solve(mpmath.matrix(A.tolist()), mpmath.matrix(b.tolist()))])


def test_unknowns_beyond_twice_the_precision_have_bars_that_say_so():
    """Beside unknowns larger by 1e60, an entry's own digits are lost in any sum: its bar is as large as its error."""
    A, d = spd(6, 20.0) - 3.0 * np.eye(6), 10.0 ** np.array([30.0, -30, 10, 0, -10, 20])
    A, b = d[:, None] * A * d, normal(6)
    x, info = tla.solve(A, b, rng=0, return_info=True)
    exact = solved(A, b)
    assert info.success
    assert np.all(abs(x - exact) <= 5 * info.standard_error + 1e-15 * abs(exact))


def test_quadratic_forms_of_badly_scaled_matrices_are_corrected_by_true_residuals():
    A, b = np.array([[6e-35, 4.5e-5], [4.5e-5, 7e25]]), np.array([-1.4, -1.5])
    form, info = tla.program(A, rng=0).quadratic_form(b, return_info=True)
    expected = float(b @ solved(A, b))
    assert info.success
    np.testing.assert_allclose(form.value, expected, rtol=1e-12)


@pytest.mark.parametrize("kind", [np.asarray, tensor])
def test_a_shift_beyond_the_range_is_refused(kind):
    prepared = tla.program(kind(np.diag([3e38, 1e-3]).astype(np.float32)), rng=0)
    with pytest.raises(ValueError, match=r"A \+ mu I leaves the range of float32; scale A, mu and b"):
        prepared.shifted(2e38)


def test_bars_of_denormal_least_squares_are_finite():
    A, b = 2.0**-1055 * np.round(2.0**10 * normal((4, 6))), 2.0**-1040 * normal(4)
    found, info = tla.lstsq(A, b, rng=0, return_info=True)
    assert np.isfinite(found.x).all()
    assert np.isfinite(info.standard_error).all()


def test_maps_without_rows_are_answered():
    empty = LinearOperator((0, 0), matvec=lambda v: v, dtype=float)
    assert tla.solve(empty, np.zeros(0)).shape == (0,)


def test_normal_operators_of_extreme_matrices_stay_in_range():
    """A small entry of the diagonal, which nothing balances in least squares, must not leave squares that overflow."""
    A = np.array([[1e-30, 1e25], [1e25, 2e25]], dtype=np.float32)
    device = tla.LangevinDevice(tla.Underdamped())  # symmetric couplings only
    X, info = tla.pinv(A, device=device, rng=0, return_info=True)
    assert info.success
    np.testing.assert_allclose(1e25 * X, [[-2.0, 1.0], [1.0, 0.0]], atol=1e-3)
