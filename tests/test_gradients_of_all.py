"""Every public function with a tensor that requires gradients: the right ones, or a refusal; never none in silence."""

import numpy as np
import pytest
from helpers import close
from public import A0, B0, FUNCTIONS, WITH_B, run, torch_tensor

import thermolinalg as tla

torch = pytest.importorskip("torch")

EYE = torch.eye(2, dtype=torch.float64)


def symmetric(A):
    return (A + A.mT) / 2


def moved(A, b):
    """The samples as they move with A, from where they are."""
    x = run("sample", A.detach()).mT
    return (x - torch.linalg.inv(A.detach()) @ (symmetric(A) - A.detach()) @ x / 2).mT


def lyapunov(a, q):
    return torch.linalg.solve(torch.kron(a, EYE) + torch.kron(EYE, a), EYE.ravel()).reshape(2, 2)


ANSWERS = {  # what stands for each answer in torch, and which part of a result it is
    "solve": (torch.linalg.solve, None),
    "solve, raw": (torch.linalg.solve, None),
    "langevin": (torch.linalg.solve, 0),
    "lstsq": (torch.linalg.solve, 0),
    "ThermodynamicInverse": (torch.linalg.solve, None),
    "program": (torch.linalg.solve, None),
    "inv": (lambda A, b: torch.linalg.inv(A), None),
    "inv, raw": (lambda A, b: torch.linalg.inv(A), None),
    "pinv": (lambda A, b: torch.linalg.inv(A), None),
    "inv_diagonal": (lambda A, b: torch.linalg.inv(symmetric(A)).diagonal(), None),
    "det": (lambda A, b: torch.linalg.det(symmetric(A)), None),
    "slogdet": (lambda A, b: torch.linalg.slogdet(symmetric(A)).logabsdet, 1),
    "logabsdet": (lambda A, b: torch.linalg.slogdet(A).logabsdet, None),
    "solve_continuous_lyapunov": (lyapunov, None),
    "sample": (moved, None),
}
REFUSED = {"expm", "expm_multiply"}
NO_NUMBERS = {"explain", "plan"}


def test_the_table_has_every_function():
    assert ANSWERS.keys() | REFUSED | NO_NUMBERS == FUNCTIONS.keys()


def tensors(which):
    """A and b, and those that require gradients."""
    A, b = torch_tensor(A0).requires_grad_("A" in which), torch_tensor(B0).requires_grad_("b" in which)
    return A, b, [x for x in (A, b) if x.requires_grad]


@pytest.mark.parametrize("which", ["A", "b", "A and b"])
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_gradients_are_right_or_refused(name, which):
    if "b" in which and name not in WITH_B:
        pytest.skip("takes no b")
    A, b, inputs = tensors(which)
    if name in NO_NUMBERS:
        assert run(name, A, b)
        return
    if name in REFUSED:
        with pytest.raises(TypeError, match=r"requires gradients.*\.detach"):
            run(name, A, b)
        return
    answer, part = ANSWERS[name]
    result = run(name, A, b)
    found, expected = result if part is None else result[part], answer(A, b)
    weights = torch.arange(1.0, found.numel() + 1, dtype=found.dtype).reshape(found.shape)
    gradients = [torch.autograd.grad((weights * x).sum(), inputs) for x in (found, expected)]
    for ours, theirs in zip(*gradients, strict=True):
        assert close(ours, theirs, {"det": 0.05, "langevin": 1e-4}.get(name, 1e-8))


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_the_answer_is_the_same_with_and_without_gradients(name):
    A, b, _ = tensors("A and b")
    part = ANSWERS[name][1]
    with_gradients, plain = run(name, A, b), run(name, A.detach(), b.detach())
    with torch.no_grad():
        switched_off = run(name, A, b)
    results = [result if part is None else result[part] for result in (with_gradients, plain, switched_off)]
    assert [result.requires_grad for result in results] == [True, False, False]
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[1], results[2])


# -- tensors of other libraries -------------------------------------------------------------------------------------


class Tracer:
    """As JAX's inside of jit: with shape and dtype, but without numbers."""

    def __init__(self, shape):
        self.shape, self.ndim, self.dtype = shape, len(shape), np.dtype(np.float32)

    def __array__(self, *args, **kwargs):
        raise TypeError("traced array\nwith many\nlines of advice")

    def __array_namespace__(self, **kwargs):
        return np

    def reshape(self, *shape):
        return Tracer(shape)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_tracer_is_refused_in_one_sentence(name):
    calls = [lambda: run(name, Tracer((2, 2)), B0)]
    if name in WITH_B:
        calls.append(lambda: run(name, A0, Tracer((2,))))
    for call in calls:
        with pytest.raises(TypeError, match="is a Tracer without numbers to load, as inside jit") as refusal:
            call()
        assert "\n" not in str(refusal.value)


def test_arrays_of_jax_are_answered_by_numpy_and_its_tracers_refused():
    jax = pytest.importorskip("jax")
    A, b = jax.numpy.asarray(A0), jax.numpy.asarray(B0)
    x = tla.solve(A, b, rng=0)
    assert isinstance(x, np.ndarray)
    assert close(x, np.linalg.solve(A0, B0), 1e-4)
    assert tla.inv(jax.numpy.stack([A, 2 * A]), rng=0).shape == (2, 2, 2)
    for transform in (jax.jit, jax.vmap, lambda f: jax.grad(lambda A: f(A).sum())):
        with pytest.raises(TypeError, match="without numbers to load, as inside jit"):
            transform(lambda A: tla.solve(A, b, rng=0))(A[None] if transform is jax.vmap else A)
