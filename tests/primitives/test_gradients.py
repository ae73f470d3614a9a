"""Gradients of first and second order against those of torch's own linear algebra, and against finite differences."""

import pickle
import warnings

import numpy as np
import pytest
from helpers import close, general, spd

import thermolinalg as tla

torch = pytest.importorskip("torch")

REAL, COMPLEX = torch.float64, torch.complex128
UNDERDAMPED = tla.LangevinDevice(law=tla.Underdamped(friction=1.0))
EXACT = {"rng": 0}


def tensor(*shape, dtype=REAL, seed=0):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed + sum(shape)))


def matrix(d=3, dtype=REAL):
    numpy = np.complex128 if dtype is COMPLEX else np.float64
    return torch.as_tensor(general(np.geomspace(0.5, 2.0, d), seed=1, dtype=numpy))


def definite(M):
    """A positive definite matrix from any: gradients with respect to M see no convention about symmetric matrices."""
    return M @ M.mH + torch.eye(M.shape[-1], dtype=M.dtype)


def weights(x, seed=7):
    return tensor(*x.shape, dtype=x.dtype, seed=seed)


def derivatives(f, *inputs):
    """Value, gradients of Re⟨w, f⟩, and gradients of the real product of those with fixed directions."""
    inputs = [x.detach().clone().requires_grad_() for x in inputs]
    value = f(*inputs)
    options = {"materialize_grads": True}
    first = torch.autograd.grad((weights(value).conj() * value).real.sum(), inputs, create_graph=True, **options)
    product = sum((weights(g, 8).conj() * g).real.sum() for g in first)
    return [value, *first, *torch.autograd.grad(product, inputs, **options)]


def lyapunov(a, q):
    eye = torch.eye(a.shape[0], dtype=torch.promote_types(a.dtype, q.dtype))
    a = a.to(eye.dtype)
    return torch.linalg.solve(torch.kron(a, eye) + torch.kron(eye, a.conj()), q.to(eye.dtype).reshape(-1)).reshape(
        q.shape
    )


def quadratic(M, b):
    return (b.conj() * torch.linalg.solve(M.to(b.dtype), b)).sum(dim=0)


def ridge(A, b, damp):
    return torch.linalg.solve(A.mH @ A + damp**2 * torch.eye(A.shape[1], dtype=A.dtype), A.mH @ b)


def spread(A, L):
    return (L.conj() * torch.linalg.solve(A, L.mT).mT).sum(dim=1)


PAIRS = {  # ours, torch's, inputs
    "solve": (lambda A, b: tla.solve(A, b, **EXACT), torch.linalg.solve, (matrix(), tensor(3))),
    "solve, block": (lambda A, b: tla.solve(A, b, **EXACT), torch.linalg.solve, (matrix(), tensor(3, 2))),
    "solve, definite": (
        lambda M, b: tla.solve(definite(M), b, **EXACT),
        lambda M, b: torch.linalg.solve(definite(M), b),
        (matrix(), tensor(3, 2)),
    ),
    "solve, negative": (
        lambda M, b: tla.solve(-definite(M), b, **EXACT),
        lambda M, b: torch.linalg.solve(-definite(M), b),
        (matrix(), tensor(3)),
    ),
    "solve, indefinite": (
        lambda M, b: tla.solve(M + M.mT, b, **EXACT),
        lambda M, b: torch.linalg.solve(M + M.mT, b),
        (matrix(), tensor(3)),
    ),
    "solve, symmetric input": (
        lambda A, b: tla.solve(A, b, **EXACT),
        torch.linalg.solve,
        (definite(matrix()), tensor(3)),
    ),
    "solve, transposed": (
        lambda A, b: tla.solve(A, b, transposed=True, **EXACT),
        lambda A, b: torch.linalg.solve(A.mT, b),
        (matrix(dtype=COMPLEX), tensor(3, dtype=COMPLEX)),
    ),
    "solve, complex A": (
        lambda A, b: tla.solve(A, b, **EXACT),
        lambda A, b: torch.linalg.solve(A, b.to(A.dtype)),
        (matrix(dtype=COMPLEX), tensor(3)),
    ),
    "solve, complex b": (
        lambda A, b: tla.solve(A, b, **EXACT),
        lambda A, b: torch.linalg.solve(A.to(b.dtype), b),
        (matrix(), tensor(3, dtype=COMPLEX)),
    ),
    "solve, Hermitian": (
        lambda M, b: tla.solve(definite(M), b, **EXACT),
        lambda M, b: torch.linalg.solve(definite(M), b),
        (matrix(dtype=COMPLEX), tensor(3, dtype=COMPLEX)),
    ),
    "solve, batch": (
        lambda A, b: tla.solve(A, b[:, None], **EXACT)[..., 0],
        torch.linalg.solve,
        (torch.stack([matrix(), 2 * matrix().mT]), tensor(3)),
    ),
    "solve, one triangle": (
        lambda M, b: tla.solve(torch.triu(definite(M)), b, assume_a="pos", **EXACT),
        lambda M, b: torch.linalg.solve(definite(M), b),
        (matrix(), tensor(3)),
    ),
    "solve, triangular": (
        lambda A, b: tla.solve(A, b, assume_a="upper triangular", **EXACT),
        lambda A, b: torch.linalg.solve(torch.triu(A), b),
        (matrix() + 2 * torch.eye(3), tensor(3)),
    ),
    "solve, stable": (
        lambda A, b: tla.solve(A, b, assume_a="stable", **EXACT),
        torch.linalg.solve,
        (0.2 * matrix() + torch.eye(3), tensor(3)),
    ),
    "solve, symmetric couplings": (
        lambda A, b: tla.solve(A, b, device=UNDERDAMPED, **EXACT),
        torch.linalg.solve,
        (matrix(), tensor(3)),
    ),
    "solve by a number": (lambda a, b: tla.solve(a, b, **EXACT), lambda a, b: b / a, (tensor(), tensor(4))),
    "langevin": (
        lambda M, b: tla.langevin(definite(M), b, rtol=1e-12, **EXACT)[0],
        lambda M, b: torch.linalg.solve(definite(M), b),
        (matrix(), tensor(3)),
    ),
    "inv": (lambda A: tla.inv(A, **EXACT), torch.linalg.inv, (matrix(),)),
    "inv, batch": (lambda A: tla.inv(A, **EXACT), torch.linalg.inv, (torch.stack([matrix(), matrix().mT]),)),
    "inv, Hermitian": (
        lambda M: tla.inv(definite(M), **EXACT),
        lambda M: torch.linalg.inv(definite(M)),
        (matrix(dtype=COMPLEX),),
    ),
    "ThermodynamicInverse": (
        lambda A, b: tla.ThermodynamicInverse(A, **EXACT) @ b,
        torch.linalg.solve,
        (matrix(), tensor(3, 2)),
    ),
    "ThermodynamicInverse, adjoint": (
        lambda A, b: tla.ThermodynamicInverse(A, **EXACT).rmatvec(b),
        lambda A, b: torch.linalg.solve(A.mH, b),
        (matrix(dtype=COMPLEX), tensor(3, dtype=COMPLEX)),
    ),
    "program": (lambda A, b: tla.program(A, **EXACT).solve(b), torch.linalg.solve, (matrix(), tensor(3))),
    "program, inv": (lambda A: tla.program(A, **EXACT).inv(), torch.linalg.inv, (matrix(),)),
    "shifted": (
        lambda M, mu, b: tla.program(definite(M), **EXACT).shifted(mu).solve(b),
        lambda M, mu, b: torch.linalg.solve(definite(M) + mu * torch.eye(3), b),
        (matrix(), torch.tensor(0.7, dtype=REAL), tensor(3)),
    ),
    "shifted only": (
        lambda mu: tla.program(definite(matrix()), **EXACT).shifted(mu).solve(tensor(3)),
        lambda mu: torch.linalg.solve(definite(matrix()) + mu * torch.eye(3), tensor(3)),
        (torch.tensor(0.7, dtype=REAL),),
    ),
    "quadratic form": (
        lambda M, b: tla.program(definite(M), **EXACT).quadratic_form(b).value,
        lambda M, b: quadratic(definite(M), b),
        (matrix(), tensor(3, 2)),
    ),
    "quadratic form, Hermitian": (
        lambda M, b: tla.program(definite(M), **EXACT).quadratic_form(b).value,
        lambda M, b: quadratic(definite(M), b).real,
        (matrix(dtype=COMPLEX), tensor(3, dtype=COMPLEX)),
    ),
    "quadratic form, general": (
        lambda A, b: tla.program(A, **EXACT).quadratic_form(b).value,
        quadratic,
        (matrix(), tensor(3, dtype=COMPLEX)),
    ),
    "variances": (
        lambda M, L: tla.program(definite(M), **EXACT).variance_of(L),
        lambda M, L: spread(definite(M), L),
        (matrix(), tensor(2, 3)),
    ),
    "lstsq, tall": (
        lambda A, b: tla.lstsq(A, b, **EXACT).x,
        lambda A, b: torch.linalg.pinv(A) @ b,
        (tensor(4, 2), tensor(4)),
    ),
    "lstsq, wide": (
        lambda A, b: tla.lstsq(A, b, **EXACT).x,
        lambda A, b: torch.linalg.pinv(A) @ b,
        (tensor(2, 3, dtype=COMPLEX), tensor(2, 2, dtype=COMPLEX)),
    ),
    "lstsq, deficient": (
        lambda U, V, b: tla.lstsq(U @ V, b, **EXACT).x,
        lambda U, V, b: torch.linalg.pinv(V) @ torch.linalg.pinv(U) @ b,
        (tensor(3, 1), tensor(1, 2), tensor(3)),
    ),
    "lstsq, damped": (
        lambda A, b: tla.lstsq(A, b, damp=0.5, **EXACT).x,
        lambda A, b: ridge(A, b, 0.5),
        (tensor(3, 2, dtype=COMPLEX), tensor(3, 2, dtype=COMPLEX)),
    ),
    "residues": (
        lambda A, b: tla.lstsq(A, b, **EXACT).residues,
        lambda A, b: ((b - A @ (torch.linalg.pinv(A) @ b)) ** 2).sum(dim=0),
        (tensor(4, 2), tensor(4, 2, seed=1)),
    ),
    "singular values": (
        lambda A: tla.lstsq(A, torch.ones(4, dtype=REAL), **EXACT).s,
        torch.linalg.svdvals,
        (tensor(4, 2),),
    ),
    "pinv": (lambda A: tla.pinv(A, **EXACT), torch.linalg.pinv, (tensor(3, 2, dtype=COMPLEX),)),
    "pinv, deficient": (
        lambda U, V: tla.pinv(U @ V, **EXACT),
        lambda U, V: torch.linalg.pinv(V) @ torch.linalg.pinv(U),
        (tensor(3, 1), tensor(1, 2)),
    ),
    "Lyapunov": (
        lambda a, q: tla.solve_continuous_lyapunov(a, q, **EXACT),
        lyapunov,
        (0.3 * matrix(2) + torch.eye(2), tensor(2, 2)),
    ),
    "Lyapunov, complex": (
        lambda a, q: tla.solve_continuous_lyapunov(-a, q, **EXACT),
        lambda a, q: lyapunov(-a, q),
        (0.3 * matrix(2, COMPLEX) + torch.eye(2), tensor(2, 2)),
    ),
}


@pytest.mark.parametrize("case", PAIRS)
def test_first_and_second_derivatives_are_those_of_torch(case):
    ours, theirs, inputs = PAIRS[case]
    for found, expected in zip(derivatives(ours, *inputs), derivatives(theirs, *inputs), strict=True):
        assert found.dtype == expected.dtype
        assert close(found, expected, 1e-7)


STATISTICAL = {
    "slogdet": (lambda A: tla.slogdet(A, **EXACT).logabsdet, lambda A: torch.linalg.slogdet(A).logabsdet),
    "logabsdet": (lambda A: tla.logabsdet(A, **EXACT), lambda A: torch.linalg.slogdet(A).logabsdet),
    "inv_diagonal": (lambda A: tla.inv_diagonal(A, **EXACT), lambda A: torch.linalg.inv(A).diagonal().real),
    "logdet of a program": (lambda A: tla.program(A, **EXACT).logdet(), lambda A: torch.linalg.slogdet(A).logabsdet),
    "diagonal of a program": (
        lambda A: tla.program(A, **EXACT).diagonal(),
        lambda A: torch.linalg.inv(A).diagonal().real,
    ),
    "quadratic_form's logdet": (
        lambda A: tla.program(A, **EXACT).quadratic_form(torch.ones(3, dtype=A.dtype)).logdet,
        lambda A: torch.linalg.slogdet(A).logabsdet,
    ),
    "inv, raw": (lambda A: tla.inv(A, refine=False, **EXACT), torch.linalg.inv),
    "solve, raw": (
        lambda A: tla.solve(A, torch.ones(3, dtype=A.dtype), refine=False, **EXACT),
        lambda A: torch.linalg.solve(A, torch.ones(3, dtype=A.dtype)),
    ),
    "lstsq, raw": (
        lambda A: tla.lstsq(A, torch.ones(3, dtype=A.dtype), refine=False, **EXACT).x,
        lambda A: torch.linalg.solve(A, torch.ones(3, dtype=A.dtype)),
    ),
    "pinv, raw": (lambda A: tla.pinv(A, refine=False, **EXACT), torch.linalg.inv),
}


@pytest.mark.parametrize("dtype", [REAL, COMPLEX])
@pytest.mark.parametrize("case", STATISTICAL)
def test_the_gradient_of_a_statistical_value_is_refined(case, dtype):
    ours, theirs = STATISTICAL[case]
    found, expected = (derivatives(lambda M, f=f: f(definite(M)), matrix(dtype=dtype)) for f in (ours, theirs))
    assert close(found[0], expected[0], 0.1)
    assert not close(found[0], expected[0], 1e-7)
    for ours, theirs in zip(found[1:], expected[1:], strict=True):
        assert close(ours, theirs, 1e-7)


def test_the_gradient_of_a_determinant_has_its_relative_error():
    value, first, _ = derivatives(lambda M: tla.det(definite(M), **EXACT), matrix())
    exact, expected, _ = derivatives(lambda M: torch.linalg.det(definite(M)), matrix())
    assert close(first / value, expected / exact, 1e-7)


def test_the_logarithm_of_a_general_matrix():
    for found, expected in zip(
        derivatives(lambda A: tla.logabsdet(A, **EXACT), matrix())[1:],
        derivatives(lambda A: torch.linalg.slogdet(A).logabsdet, matrix())[1:],
        strict=True,
    ):
        assert close(found, expected, 1e-7)


@pytest.mark.parametrize(("held", "dtype"), [(lambda M: M, REAL), (definite, COMPLEX)])
def test_finite_differences_agree(held, dtype):
    inputs = (matrix(2, dtype).requires_grad_(), tensor(2, dtype=dtype).requires_grad_())
    for check in (torch.autograd.gradcheck, torch.autograd.gradgradcheck):
        assert check(lambda M, b: tla.solve(held(M), b, **EXACT), inputs, fast_mode=True)


# -- samples ----------------------------------------------------------------------------------------------------------


def moment(A, b, temperature, H, w, *, is_covariance):
    """E[xᵀHx (1 + wᵀx)] of a Gaussian."""
    S = temperature * (A if is_covariance else torch.linalg.inv(A))
    m = b if is_covariance else torch.linalg.solve(A, b)
    form = torch.trace(H @ S) + m @ H @ m
    return form * (1 + m @ w) + 2 * w @ S @ H @ m


@pytest.mark.slow
@pytest.mark.parametrize("is_covariance", [False, True])
def test_samples_move_with_their_law(is_covariance):
    """Gradients of first and second order of a mean over samples, to their own standard errors."""
    groups, size, H, w = 20, 1000, spd(2, 3.0, seed=2), torch.tensor([0.3, -0.2], dtype=REAL)
    H = torch.as_tensor(H)
    A, b, temperature = definite(matrix(2)), tensor(2), torch.tensor(0.7, dtype=REAL)

    def estimate(seed):
        def mean(A, b, temperature):
            given = {"cov": A, "mean": b} if is_covariance else {"A": A, "b": b}
            x = tla.sample(size=size, temperature=temperature, rng=seed, **given)
            return (torch.einsum("ni,ij,nj->n", x, H, x) * (1 + x @ w)).mean()

        return derivatives(mean, A, b, temperature)

    def exact(A, b, temperature):
        return moment((A + A.mT) / 2, b, temperature, H, w, is_covariance=is_covariance)

    found = [torch.stack(parts).detach() for parts in zip(*map(estimate, range(groups)), strict=True)]
    for parts, expected in zip(found, derivatives(exact, A, b, temperature), strict=True):
        if expected.ndim == 2:  # a Hessian that is right in the mean is symmetric in the mean
            parts, expected = (parts + parts.mT) / 2, (expected + expected.mT) / 2
        errors = (parts.mean(dim=0) - expected) / (parts.std(dim=0) / groups**0.5)
        assert float(errors.detach().abs().max()) < 5


def test_complex_samples_move_with_their_law():
    A, groups, H = definite(matrix(2, COMPLEX)), 20, torch.as_tensor(spd(2, 3.0, seed=2)).to(COMPLEX)

    def mean(A, seed):
        x = tla.sample(A, 1000, rng=seed)
        return torch.einsum("ni,ij,nj->n", x.conj(), H, x).real.mean()

    found = torch.stack([derivatives(lambda A, s=s: mean(A, s), A)[1].detach() for s in range(groups)])
    expected = derivatives(lambda A: torch.trace(H @ torch.linalg.inv((A + A.mH) / 2)).real, A)[1].detach()
    for part in (torch.real, torch.imag):
        spread = part(found).std(dim=0) / groups**0.5 + 1e-12
        assert float(((part(found).mean(dim=0) - part(expected)) / spread).abs().max()) < 5


def test_a_mean_moves_the_samples():
    mean = tensor(2).requires_grad_()
    x = tla.sample(definite(matrix(2)), 5, mean=mean, rng=0)
    assert torch.equal(torch.autograd.grad(x.sum(), mean)[0], torch.full((2,), 5.0, dtype=REAL))


# -- the device -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("A", "options", "programs"),
    [
        (definite(matrix()), {}, 1),
        (matrix(), {}, 1),
        (matrix(), {"device": UNDERDAMPED}, 1),
        (0.2 * matrix() + torch.eye(3), {"assume_a": "stable"}, 2),
    ],
)
def test_the_adjoint_runs_on_the_same_device_and_is_counted(A, options, programs):
    prepared = tla.program(A.clone().requires_grad_(), rng=0, **options)
    x = prepared.solve(tensor(3).requires_grad_())
    before = prepared.ledger.runs
    x.sum().backward()
    assert before < prepared.ledger.runs < 3 * before, "an adjoint takes as many runs as a solve, about"
    assert prepared.ledger.programs == programs


def test_determinants_count_the_solves_of_their_gradient():
    for measure, programs in ((tla.slogdet, 1), (tla.logabsdet, 2)):
        value, info = measure(definite(matrix()).requires_grad_(), rng=0, return_info=True)
        before = info.ledger.runs
        (value.logabsdet if measure is tla.slogdet else value).backward()
        assert info.ledger.runs > before
        assert info.ledger.programs == programs


def test_a_backward_pass_can_be_repeated():
    A = matrix().requires_grad_()
    loss = tla.solve(A, tensor(3), rng=np.random.default_rng(0)).sum() + tla.inv(A).sum()
    first, second = (torch.autograd.grad(loss, A, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_a_generator_without_a_seed_sequence_serves():
    rng = np.random.Generator(np.random.RandomState(0)._bit_generator)
    A = matrix().requires_grad_()
    assert close(
        torch.autograd.grad(tla.inv(A, rng=rng).sum(), A)[0],
        -torch.linalg.inv(A).mT.sum(1, True) * torch.linalg.inv(A).mT.sum(0, True),
        1e-7,
    )


def test_what_changed_between_forward_and_backward_is_noticed():
    A = matrix().requires_grad_()
    loss = tla.solve(A, tensor(3), rng=0).sum()
    with torch.no_grad():
        A += 1.0
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_single_precision_stays():
    A, b = matrix().float().requires_grad_(), tensor(3).requires_grad_()
    x = tla.solve(A, b, rng=0)
    x.sum().backward()
    assert (x.dtype, A.grad.dtype, b.grad.dtype) == (torch.float32, torch.float32, REAL)
    expected = torch.linalg.solve(A.detach().double().mT, torch.ones(3, dtype=REAL))
    assert close(b.grad, expected, 1e-4)


@pytest.mark.parametrize("assume_a", ["pos", "sym"])
def test_a_triangle_that_is_not_read_has_no_gradient(assume_a):
    """Not even where A is symmetric, which a change of one triangle would end."""
    A, b = torch.diag(torch.tensor([1.0, 2.0, 4.0], dtype=REAL)), tensor(3)
    for found, expected in zip(
        derivatives(lambda P: tla.solve(A + torch.triu(P, 1), b, assume_a=assume_a, **EXACT), 0.0 * matrix()),
        derivatives(lambda P: torch.linalg.solve(A + torch.triu(P, 1) + torch.triu(P, 1).mT, b), 0.0 * matrix()),
        strict=True,
    ):
        assert close(found, expected, 1e-7)


def test_an_operator_of_tensors_gives_gradients_of_b():
    operator, b = tla.operators.Diagonal(torch.tensor([1.0, 2.0, 4.0], dtype=REAL)), tensor(3).requires_grad_()
    tla.solve(operator, b, rng=0).sum().backward()
    assert close(b.grad, [1.0, 0.5, 0.25])


def test_reports_hold_no_history():
    x, info = tla.solve(matrix().requires_grad_(), tensor(3), rng=0, return_info=True)
    assert x.requires_grad
    assert not info.standard_error.requires_grad


def test_a_warning_of_the_backward_pass_points_at_the_caller():
    A = matrix().requires_grad_()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        x = tla.solve(A, tensor(3), maxiter=1, rtol=1e-12, rng=0)
        x.sum().backward()
    assert len(caught) == 2
    assert {warning.filename for warning in caught} == {__file__}


# -- refusals ---------------------------------------------------------------------------------------------------------


def history(*shape):
    return torch.ones(shape, dtype=REAL, requires_grad=True)


REFUSED = {
    "expm": (lambda: tla.expm(history(2, 2)), r"A requires gradients.*pass A\.detach"),
    "x0": (lambda: tla.langevin(matrix(), tensor(3), x0=history(3)), r"pass x0\.detach"),
    "tolerance": (lambda: tla.solve(matrix(), tensor(3), atol=history()), r"pass atol\.detach"),
    "damping": (lambda: tla.lstsq(matrix(), tensor(3), damp=history()), r"pass damp\.detach"),
    "operator": (lambda: tla.solve(tla.operators.Dense(history(2, 2)), tensor(2)), r"tensors\.detach"),
    "sum": (
        lambda: tla.solve(tla.operators.Dense(matrix()) + tla.operators.Dense(history(3, 3)), tensor(3)),
        r"tensors\.detach",
    ),
    "low rank": (lambda: tla.operators.LowRankPlusIdentity(history(1, 3), 0.5), r"pass R\.detach"),
    "lstsq of an operator": (lambda: tla.lstsq(tla.operators.Dense(matrix()), history(3)), "a as a dense tensor"),
    "NumPy A": (lambda: tla.solve(np.eye(2), history(2)), "pass both as tensors"),
    "NumPy A, inverse": (lambda: tla.ThermodynamicInverse(np.eye(2)) @ history(2), "pass both as tensors"),
    "NumPy A, shift": (lambda: tla.program(np.eye(2)).shifted(history()), "A as a tensor"),
    "NumPy A, temperature": (lambda: tla.sample(np.eye(2), temperature=history()), r"temperature\.detach"),
    "NumPy b, inverse": (lambda: tla.ThermodynamicInverse(history(2, 2)) @ np.ones(2), r"A\.detach"),
    "schedule": (
        lambda: tla.sample(definite(matrix()).requires_grad_(), schedule=tla.Schedule(9.0, readings=5, duration=9.0)),
        "leave schedule= out",
    ),
    "pickle": (lambda: pickle.dumps(tla.program(history(1, 1))), r"pass A\.detach"),
    "torch.func": (lambda: torch.func.grad(lambda A: tla.inv(A).sum())(matrix()), "use torch.autograd.grad"),
    "torch.func, b": (lambda: torch.func.jacrev(lambda b: tla.solve(matrix(), b))(tensor(3)), "torch.autograd.grad"),
    "vmap": (lambda: torch.func.vmap(lambda b: tla.solve(matrix(), b))(tensor(2, 3)), "in place of vmap"),
    "forward mode": (
        lambda: torch.func.jvp(lambda b: tla.solve(matrix(), b), (tensor(3),), (tensor(3),)),
        "torch.autograd.grad",
    ),
}


OLD = "ignore:.torch.jit.script:DeprecationWarning"  # torch's own, where forward mode is first used


@pytest.mark.filterwarnings(OLD)
@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_gradient_is_refused(case):
    call, match = REFUSED[case]
    with pytest.raises(TypeError, match=match):
        call()


@pytest.mark.filterwarnings(OLD)
def test_dual_numbers_are_refused():
    forward = torch.autograd.forward_ad
    with forward.dual_level(), pytest.raises(TypeError, match="forward-mode"):
        tla.solve(matrix(), forward.make_dual(tensor(3), tensor(3)))


def test_nothing_is_refused_where_no_gradient_is_asked_for():
    with torch.no_grad():
        assert tla.expm(0.0 * history(2, 2), rng=0).shape == (2, 2)
        assert not tla.solve(matrix(), history(3), rng=0).requires_grad
        assert tla.operators.LowRankPlusIdentity(history(1, 3), 0.5).shape == (3, 3)
