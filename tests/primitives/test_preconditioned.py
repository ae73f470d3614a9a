"""M ≈ A⁻¹: the same law in fewer products, by solves with a perturbed load; or a refusal that says what is wrong."""

import numpy as np
import pytest
import scipy.sparse
from helpers import close, grid_laplacian, normal, relative_residual, spd
from scipy.sparse.linalg import LinearOperator, aslinearoperator, cg, spilu, splu

import thermolinalg as tla
from thermolinalg.matrix_functions.select import Engines
from thermolinalg.operators import Dense, MatrixFree, Sparse
from thermolinalg.operators.preconditioned import Preconditioned

SIDE = 40
A = grid_laplacian(SIDE, 1e-3)
D = A.shape[0]
EXACT = splu(A.tocsc())


class TwoGrid(LinearOperator):
    """A symmetric two-grid cycle: Jacobi, the exact solution on squares of 2 × 2 nodes, Jacobi; it counts itself."""

    def __init__(self, matrix, side):
        super().__init__(matrix.dtype, matrix.shape)
        line = scipy.sparse.kron(scipy.sparse.eye_array(side // 2), np.ones((2, 1)))
        self.matrix, self.P, self.cycles = matrix, scipy.sparse.kron(line, line).tocsr(), 0
        self.coarse = splu((self.P.T @ matrix @ self.P).tocsc())
        self.damped = 0.6 / matrix.diagonal()

    def _matvec(self, r):
        self.cycles += 1
        r = r.ravel()
        x = self.damped * r
        x = x + self.P @ self.coarse.solve(self.P.T @ (r - self.matrix @ x))
        return x + self.damped * (r - self.matrix @ x)


def incomplete(matrix):
    """An incomplete LU of a symmetric matrix, made symmetric by its transpose."""
    lu = spilu(matrix.tocsc(), drop_tol=1e-2, permc_spec="NATURAL", diag_pivot_thresh=0.0)
    product = lambda r: 0.5 * (lu.solve(r) + lu.solve(r, "T"))  # noqa: E731
    return LinearOperator(matrix.shape, matvec=product, dtype=float)


KINDS = {
    "two grids": lambda: TwoGrid(A, SIDE),
    "incomplete": lambda: incomplete(A),
    "Jacobi": lambda: scipy.sparse.diags_array(1 / A.diagonal()),
    "dense": lambda: EXACT.solve(np.eye(D)) * 1.1,
}


@pytest.mark.thinned(4)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", [lambda a: a, aslinearoperator, lambda a: a.toarray()], ids=["sparse", "map", "dense"])
def test_answers_are_those_of_a(kind, form):
    b = normal((D, 2))
    M, exact = KINDS[kind](), EXACT.solve(b)
    x, info = tla.solve(form(A), b, M=M, rng=0, return_info=True)
    assert info.success
    assert info.engine == "preconditioned"
    assert "M makes" in info.reason
    assert close(x, exact, 1e-8)
    x, status = tla.langevin(form(A), b[:, 0], M=M, rtol=1e-6, rng=0)
    assert status == 0
    assert relative_residual(A, x[:, None], b[:, :1]) <= 1e-6


def test_cycles_are_few_times_those_of_conjugate_gradients():
    M, b = TwoGrid(A, SIDE), normal(D)
    for rtol, call in [
        (1e-6, lambda: tla.langevin(A, b, rtol=1e-6, M=M, rng=0)),
        (1e-10, lambda: tla.solve(A, b, M=M, rng=0)),
        (1e-6, lambda: tla.solve(A, b, M=M, refine=False, rng=0)),
    ]:
        M.cycles = 0
        cg(A, b, rtol=rtol, M=M)
        of_cg, M.cycles = M.cycles, 0
        call()
        assert 0 < M.cycles <= 4 * of_cg


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_the_noise_of_a_raw_run_is_that_of_the_law(scale):
    d = np.exp(np.linspace(-3, 3, D))
    B = (scipy.sparse.diags_array(d) @ A @ scipy.sparse.diags_array(d) * scale).tocsr()
    M = scipy.sparse.diags_array(1 / B.diagonal())
    b = B @ normal(D)
    plain, told = tla.solve(B, b, refine=False, rng=1, return_info=True)
    x, info = tla.solve(B, b, M=M, refine=False, rng=0, return_info=True)
    assert info.state is None
    exact = splu(B.tocsc()).solve(b)
    scatter = [np.sqrt(np.mean(((y - exact) / i.standard_error) ** 2)) for y, i in [(plain, told), (x, info)]]
    assert scatter == pytest.approx([1, 1], abs=0.25)
    assert np.median(info.noise / told.noise) == pytest.approx(1, abs=0.1)


def test_the_engine_draws_what_the_factor_draws():
    schedule = tla.Schedule(burn_in=16.5e3 * 8, duration=64e3 * 8)
    covariances = []
    for operator in (Sparse(A), Preconditioned(Sparse(A), MatrixFree(TwoGrid(A, SIDE)))):
        program = tla.LangevinDevice(loading=tla.devices.AsWritten()).program(operator)
        noise = program.average(np.zeros((D, 300)), schedule, rng=np.random.default_rng(0)).value
        white = A @ noise * (schedule.duration / 2) ** 0.5
        covariances.append((white**2).mean())
    assert covariances == pytest.approx([1, 1], abs=6 / np.sqrt(300 * D))


def test_the_ends_of_the_spectrum():
    lower = 8 * np.sin(np.pi / 2 / (SIDE + 1)) ** 2 + 1e-3
    for kind in ("two grids", "incomplete", "Jacobi"):
        M = KINDS[kind]()
        M = Sparse(M) if scipy.sparse.issparse(M) else MatrixFree(M)
        found = Engines(Preconditioned(Sparse(A), M)).interval()
        assert found == pytest.approx((lower, 8.0), rel=0.1)


def test_complex_systems_and_single_precision():
    d = 150
    H = spd(d, dtype=complex)
    b = normal(d) + 1j * normal(d, 1)
    for M in (np.linalg.inv(H) * 1.2, np.eye(d), aslinearoperator(np.diag(1 / np.diag(H).real))):
        x, info = tla.solve(H, b, M=M, rng=0, return_info=True)
        assert info.engine == "preconditioned"
        assert close(x, np.linalg.solve(H, b), 1e-8)
    x, info = tla.solve(A.astype(np.float32), normal(D).astype(np.float32), M=TwoGrid(A, SIDE), rng=0, return_info=True)
    assert x.dtype == np.float32
    assert info.success


def test_what_is_asked_of_many_columns_and_again():
    prepared = normal((D, 3))
    prepared[:, 1] = 0
    x = tla.solve(A, prepared, M=TwoGrid(A, SIDE), rng=0)
    assert not x[:, 1].any()
    assert close(x, EXACT.solve(prepared), 1e-8)
    assert np.array_equal(x, tla.solve(A, prepared, M=TwoGrid(A, SIDE), rng=0))


def skewed():
    M = EXACT.solve(np.eye(D))
    M[0, 1] += 0.5
    return M


REFUSED = {
    "shape": (A, np.eye(3), r"M has shape \(3, 3\)"),
    "negative": (A, -EXACT.solve(np.eye(D)), "M is not positive definite.*leave it out"),
    "negative map": (A, LinearOperator((D, D), matvec=lambda r: -r, dtype=float), "M is not positive definite"),
    "indefinite": (A, np.diag(np.where(np.arange(D) % 2, 1.0, -1.0)), "M is not positive definite"),
    "zero": (A, scipy.sparse.csr_array((D, D)), "M is not positive definite"),
    "skewed": (A, skewed(), "M is not symmetric"),
    "skewed map": (A, aslinearoperator(np.triu(np.ones((D, D))) + np.eye(D)), "M is not symmetric|not positive"),
    "complex": (A, 1j * np.eye(D), "M is complex although A and b are real"),
    "NaN": (A, np.full((D, D), np.nan), "M contains NaN"),
    "NaN map": (A, LinearOperator((D, D), matvec=lambda r: r * np.nan, dtype=float), "NaN or infinity"),
    "A skewed": (A + scipy.sparse.diags_array([np.ones(D - 1)], offsets=[1]), np.eye(D), "M approximates the inverse"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_preconditioner(name):
    matrix, M, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        tla.solve(matrix, np.ones(D), M=M, rng=0)
    if name != "A skewed":
        with pytest.raises(ValueError, match=message):
            tla.langevin(matrix, np.ones(D), M=M, rng=0)


def test_an_indefinite_or_singular_a_is_told_as_without_m():
    indefinite = A - 0.5 * scipy.sparse.eye_array(D)
    x, info = tla.solve(indefinite, np.ones(D), M=TwoGrid(A, SIDE), rng=0, return_info=True)
    assert "not positive" in info.reason
    assert close(x, splu(indefinite.tocsc()).solve(np.ones(D)), 1e-8)
    n = 300
    neumann = scipy.sparse.diags_array(
        [-np.ones(n - 1), np.r_[1, 2 * np.ones(n - 2), 1], -np.ones(n - 1)], offsets=[-1, 0, 1]
    )
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        tla.solve(neumann, np.ones(n), M=np.eye(n), rng=0)


def test_a_rule_of_its_own():
    operator = Preconditioned(Dense(spd(5)), Dense(np.eye(5)))
    S = np.exp2(np.arange(5.0))
    scaled = operator.scaled(2.0, S)
    assert np.allclose(scaled.apply(np.eye(5)), 2 * S[:, None] * spd(5) * S)
    assert np.allclose(scaled.apply_inverse(np.eye(5)), np.diag(0.5 / S**2))
    assert not isinstance(operator.rescaled(S, None), Preconditioned)
    assert not isinstance(operator.negated(), Preconditioned)


def test_torch():
    torch = pytest.importorskip("torch")
    d = 200
    a, b = torch.as_tensor(spd(d)), torch.ones(d, dtype=torch.float64)
    for M in (torch.diag(1 / torch.diag(a)), np.diag(1 / np.diag(spd(d)))):
        x, info = tla.solve(a, b, M=M, rng=0, return_info=True)
        assert info.engine == "preconditioned"
        assert isinstance(x, torch.Tensor)
        assert close(x, np.linalg.solve(spd(d), np.ones(d)), 1e-8)
