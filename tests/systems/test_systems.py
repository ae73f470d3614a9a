"""Changes of variables: the inner system solved exactly gives the outer solution, and norms and errors go along."""

import numpy as np
import pytest
from cases import tensor
from helpers import augmented

import thermolinalg as tla
from thermolinalg._arrays import to_numpy
from thermolinalg.operators import Dense
from thermolinalg.systems import Chain, ComplexColumns, Embedded, Measure, Negated, NormalEquations, RealForm, Rescaled
from thermolinalg.systems.rescaled import Unscaled

RNG = np.random.default_rng(7)
A = RNG.standard_normal((5, 5)) + 4 * np.eye(5)
COMPLEX = A + 1j * RNG.standard_normal((5, 5))
TALL = RNG.standard_normal((7, 4))
ALPHA, DAMP = 0.3, 0.2
ROWS, COLUMNS = 2.0 ** np.array([3, -2, 0, 5, -7]), 2.0 ** np.array([-1, 4, 2, -6, 0])
EXPONENTS = np.array([9, -4])


def real_form(a):
    return np.block([[a.real, -a.imag], [a.imag, a.real]])


def damped(a, b, squared):
    return np.linalg.solve(a.T @ a + squared * np.eye(a.shape[1]), a.T @ b)


def rescaled(rows=None, columns=None, exponent=0, exponents=None, a=A):
    r = np.ones(5) if rows is None else rows
    c = np.ones(5) if columns is None else columns
    inner = r[:, None] * a * c * 2.0**-exponent
    return Rescaled(rows, columns, exponent, exponents), inner


SCALED = {
    "rows": rescaled(ROWS),
    "columns": rescaled(None, COLUMNS),
    "matrix": rescaled(exponent=6),
    "right-hand sides": rescaled(exponents=EXPONENTS),
    "all": rescaled(ROWS, COLUMNS, 6, EXPONENTS),
    "all but the right-hand sides": rescaled(ROWS, COLUMNS, -5),
}
# Each: the system, the inner matrix, the outer one, the outer solution of b, whether b is complex.
SYSTEMS = {
    "real form": (RealForm(), real_form(COMPLEX), COMPLEX, lambda b: np.linalg.solve(COMPLEX, b), True),
    "complex columns": (ComplexColumns(), A, A, lambda b: np.linalg.solve(A, b), True),
    "negated": (Negated(), -A, A, lambda b: np.linalg.solve(A, b), False),
    "embedded": (Embedded((7, 4)), augmented(TALL, ALPHA, ALPHA), TALL, lambda b: damped(TALL, b, ALPHA**2), False),
    "normal": (NormalEquations(Dense(TALL, symmetric=False)), TALL.T @ TALL, TALL, lambda b: damped(TALL, b, 0), False),
    "least squares": (
        Embedded((7, 4)), augmented(TALL, ALPHA, DAMP), TALL, lambda b: damped(TALL, b, ALPHA * DAMP), False,
    ),
    "none": (Chain(()), A, A, lambda b: np.linalg.solve(A, b), False),
    **{
        f"rescaled {name}": (system, inner, A, lambda b: np.linalg.solve(A, b), False)
        for name, (system, inner) in SCALED.items()
    },
    "unscaled": (
        Unscaled(1 / ROWS[:, None]), A, ROWS[:, None] * A * ROWS,
        lambda b: np.linalg.solve(ROWS[:, None] * A * ROWS, b), False,
    ),
    "real form of rescaled": (
        Chain([RealForm(), Rescaled(np.tile(ROWS, 2), None, 3, EXPONENTS)]),
        np.tile(ROWS, 2)[:, None] * real_form(COMPLEX) / 8, COMPLEX, lambda b: np.linalg.solve(COMPLEX, b), True,
    ),
    "complex columns of rescaled of negated": (
        Chain([ComplexColumns(), Rescaled(ROWS, COLUMNS, 6, np.array([9, -4, 1, 0])), Negated()]),
        -SCALED["all"][1], A, lambda b: np.linalg.solve(A, b), True,
    ),
    "rescaled of embedded": (
        Chain([Rescaled(None, COLUMNS[:4], -2), Embedded((7, 4))]),
        augmented(4 * TALL * COLUMNS[:4], ALPHA, ALPHA), TALL,
        lambda b: COLUMNS[:4, None] * 4 * damped(4 * TALL * COLUMNS[:4], b, ALPHA**2), False,
    ),
}  # fmt: skip


JUDGED_OUTSIDE = {"embedded", "normal", "rescaled of embedded", "least squares", "unscaled"}
"""Systems inside an equation, which measures its residuals before them."""


def block(rows, columns, is_complex, seed=1):
    rng = np.random.default_rng(seed)
    b = rng.standard_normal((rows, columns))
    return b + 1j * rng.standard_normal((rows, columns)) if is_complex else b


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_inner_system_has_the_outer_solution(name):
    system, inner, outer, solution, is_complex = SYSTEMS[name]
    b = block(outer.shape[0], 2, is_complex)
    before = b.copy()
    x = system.back(np.linalg.solve(inner, system.into(b)))
    np.testing.assert_allclose(x, solution(b), rtol=1e-11, atol=1e-13)
    np.testing.assert_array_equal(b, before)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_start_is_what_comes_back(name):
    system, inner, outer, _, is_complex = SYSTEMS[name]
    x = block(outer.shape[1], 2, is_complex)
    start = system.start(x)
    assert start.shape[0] == inner.shape[1]
    np.testing.assert_array_equal(system.back(start), x)


@pytest.mark.parametrize("name", SYSTEMS)
def test_standard_errors_go_back_as_independent_errors_do(name):
    system, inner, outer, _, is_complex = SYSTEMS[name]
    b = system.into(block(outer.shape[0], 2, is_complex))
    e = np.random.default_rng(3).uniform(0.5, 2, (inner.shape[1], b.shape[1]))
    variance = 0.0
    for i, j in np.ndindex(e.shape):
        unit = np.zeros_like(e)
        unit[i, j] = e[i, j]
        variance = variance + abs(system.back(unit)) ** 2
    np.testing.assert_allclose(system.back_error(e), variance**0.5, rtol=1e-13)


@pytest.mark.parametrize("name", sorted(SYSTEMS.keys() - JUDGED_OUTSIDE))
def test_norms_are_those_of_outer_residuals(name):
    system, inner, outer, _, is_complex = SYSTEMS[name]
    b = block(outer.shape[0], 2, is_complex)
    load = system.into(b)
    z = np.random.default_rng(5).standard_normal((inner.shape[1], load.shape[1]))
    residual = load - inner @ z
    parts = system.systems if isinstance(system, Chain) else [system]
    rows = next((part.rows for part in parts if isinstance(part, Rescaled) and part.rows is not None), None)
    norms = Measure(None if rows is None else 1 / rows[:, None]).residual(residual)
    true = np.linalg.norm(b - outer @ system.back(z), axis=0)
    np.testing.assert_allclose(system.norms(norms), true, rtol=1e-12)


@pytest.mark.parametrize("name", [name for name in SYSTEMS if name != "none"])
def test_what_meets_the_inner_tolerance_meets_the_outer_one_and_no_less(name):
    """All parts just at their tolerance together are just at the outer one: neither above nor needlessly below."""
    system = SYSTEMS[name][0]
    asked = np.array([0.7, 1e-3])
    inner = system.tolerance(asked)
    np.testing.assert_allclose(system.norms(inner), asked, rtol=1e-14)


def test_parts_of_complex_right_hand_sides_share_the_tolerance():
    b = np.array([[3.0 + 4.0j]])
    t = np.linalg.norm(b, axis=0)
    for real, imag in ((1.0, 1.0), (1.0, 0.0), (0.6, 0.8)):
        inner = ComplexColumns().tolerance(t)
        left = real * inner[0] + 1j * imag * inner[1]
        assert abs(left) <= t[0] * (1 + 1e-15)
    np.testing.assert_allclose(ComplexColumns().tolerance(t), [5 / 2**0.5] * 2, rtol=1e-15)


@pytest.mark.parametrize("share", [0.99, 0.72])
def test_an_absolute_tolerance_holds_for_both_parts_together(share):
    """Each part of b is within the tolerance while b itself is not: x = 0 must not be the answer."""
    size = 1e-3
    b = np.full(4, 0.5 * size * (1 + 1j))
    assert np.linalg.norm(b.real) == np.linalg.norm(b.imag) == size
    atol = size / share
    assert size < atol < np.linalg.norm(b)
    x, info = tla.solve(np.eye(4) + 0.1, b, rtol=0.0, atol=atol, rng=0, return_info=True)
    assert info.n_runs >= 1
    assert np.linalg.norm(b - (np.eye(4) + 0.1) @ x) <= atol
    assert info.residual_norm <= atol


def test_complex_matrices_need_no_share():
    b = np.full(4, 0.5e-3 * (1 + 1j))
    A = np.eye(4) + 0.1j * (np.tri(4) - np.tri(4).T)
    atol = np.linalg.norm(b) * 1.01
    _, info = tla.solve(A, b, rtol=0.0, atol=atol, rng=0, return_info=True)
    assert info.n_runs == 0
    assert info.residual_norm == pytest.approx(np.linalg.norm(b), rel=1e-14)


@pytest.mark.parametrize("name", ["complex columns", "negated", "embedded", "least squares", "real form"])
def test_torch_goes_through_as_numpy_does(name):
    system, inner, outer, _, is_complex = SYSTEMS[name]
    b = block(outer.shape[0], 2, is_complex)
    np.testing.assert_array_equal(to_numpy(system.into(tensor(b))), system.into(b))
    z = np.random.default_rng(5).standard_normal((inner.shape[1], system.into(b).shape[1]))
    np.testing.assert_array_equal(to_numpy(system.back(tensor(z))), system.back(z))
    np.testing.assert_allclose(to_numpy(system.back_error(tensor(abs(z)))), system.back_error(abs(z)), rtol=1e-15)
    x = block(outer.shape[1], 2, is_complex)
    np.testing.assert_array_equal(to_numpy(system.start(tensor(x))), system.start(x))


@pytest.mark.parametrize(
    ("system", "inner"),
    [
        (Embedded((5, 5)), augmented(A, 1e-8, 1e-8)),
        (NormalEquations(Dense(A, symmetric=False)), A.T @ A),
    ],
)
def test_the_same_inner_matrix_solves_with_the_adjoint(system, inner):
    adjoint, c = system.adjoint(), block(5, 2, is_complex=False)
    np.testing.assert_allclose(
        adjoint.back(np.linalg.solve(inner, adjoint.into(c))), np.linalg.solve(A.T, c), rtol=1e-10
    )
    replicas = block(inner.shape[0], 8, is_complex=False)
    np.testing.assert_allclose(adjoint.back_error(replicas), adjoint.back(replicas))
