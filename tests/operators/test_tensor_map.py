"""Maps of tensors that are known by their products."""

import numpy as np
import pytest
from cases import grid
from helpers import close, general, normal, spd, tensor_map

import thermolinalg as tla
from thermolinalg.operators import MatrixFree
from thermolinalg.operators.read import read_matrix

torch = pytest.importorskip("torch")

A = spd(150)
B = torch.as_tensor(normal(150))


@pytest.mark.parametrize("d", [12, 150])
@pytest.mark.parametrize("options", [{}, {"adjoint": False}, {"blocks": True}], ids=str)
def test_symmetric_maps(d, options):
    A = spd(d)
    A_map, b = tensor_map(A, **options), torch.as_tensor(normal((d, 2)))
    assert read_matrix(A_map).symmetric
    x, info = tla.solve(A_map, b, rng=0, return_info=True)
    assert info.success
    assert x.dtype == torch.float64
    assert close(x, np.linalg.solve(A, b), 1e-8)


@pytest.mark.parametrize("adjoint", [True, False])
def test_maps_that_are_not_symmetric(adjoint):
    a = general(np.geomspace(1, 20, 100))
    b = normal(100)
    assert close(tla.solve(tensor_map(a, adjoint=adjoint), torch.as_tensor(b), rng=0), np.linalg.solve(a, b), 1e-8)
    wide = general(np.geomspace(1, 20, 40), 40, 90)
    x = tla.lstsq(tensor_map(wide, adjoint=adjoint), torch.as_tensor(b[:40]), rng=0).x
    assert close(x, np.linalg.pinv(wide) @ b[:40], 1e-7)


def test_complex_maps():
    H, b = spd(90, dtype=complex), normal(90)
    x = tla.solve(tensor_map(H), torch.as_tensor(b), rng=0)
    assert x.dtype == torch.complex128
    assert close(x, np.linalg.solve(H, b), 1e-8)
    S = A + 0.3j * spd(150, seed=1)
    x = tla.solve(tensor_map(S, adjoint=False), B, assume_a="sym", rng=0)
    assert close(x, np.linalg.solve(S, B.numpy()), 1e-8)


def test_single_precision_and_the_word_of_the_caller():
    x = tla.solve(tensor_map(A.astype(np.float32)), B.float(), assume_a="pos", rng=0)
    assert x.dtype == torch.float32
    assert close(x, np.linalg.solve(A, B.numpy()), 1e-3)


def test_products_by_blocks_are_taken_where_there_are_some():
    def refuse(v):
        raise AssertionError("column by column")

    A_map = tensor_map(A, blocks=True)
    A_map.matvec = A_map.rmatvec = refuse
    assert close(tla.solve(A_map, B[:, None].expand(150, 3), rng=0)[:, 0], np.linalg.solve(A, B.numpy()), 1e-8)


def test_large_maps_never_leave_torch():
    sparse = grid(70, 0.2)
    seen = []

    def product(v):
        seen.append(type(v))
        return torch.as_tensor(sparse @ v.numpy())

    A_map = tensor_map(np.eye(1))
    A_map.shape, A_map.matvec, A_map.rmatvec = sparse.shape, product, product
    x, info = tla.solve(A_map, torch.as_tensor(normal(4900)), rng=0, return_info=True)
    assert info.engine == "chebyshev"
    assert close(sparse @ x.numpy(), normal(4900), 2e-10)
    assert set(seen) == {torch.Tensor}


def returning(change, dtype=torch.float64):
    """A map whose product is not quite what it should be."""
    A_map = tensor_map(A)
    tensor, A_map.dtype = torch.as_tensor(A), dtype
    A_map.matvec = lambda v: change(tensor @ v)
    return A_map


WEIGHTS = torch.nn.Parameter(torch.as_tensor(A))
WRONG = {
    "shape": (
        lambda y: y[:3],
        ValueError,
        r"a.matvec must give a tensor of shape \(150,\), not a Tensor of shape \(3,\)",
    ),
    "NumPy": (lambda y: y.numpy(), ValueError, "must give a tensor.*not a ndarray"),
    "nothing": (lambda y: None, ValueError, "must give a tensor.*not a NoneType"),
    "NaN": (lambda y: y * torch.nan, ValueError, "products with a give NaN or infinity"),
    "complex": (lambda y: y * 1j, TypeError, "its dtype torch.float64 is real; give it dtype=torch.complex128"),
    "history": (lambda y: WEIGHTS @ y, TypeError, "require gradients.*torch.no_grad.*pass a as a tensor"),
    "not linear": (lambda y: y**2, ValueError, "a is not linear"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_products(name):
    change, kind, message = WRONG[name]
    with pytest.raises(kind, match=message):
        tla.solve(returning(change), B)


def test_advice_works():
    A_map = returning(lambda y: WEIGHTS @ y)
    with torch.no_grad():
        assert close(tla.solve(A_map, B), np.linalg.solve(A @ A, B.numpy()), 1e-6)
    with pytest.raises(TypeError, match=r"types\.SimpleNamespace"):
        tla.solve(A_map.matvec, B)
    with pytest.raises(TypeError, match="must be real"):
        MatrixFree(tensor_map(A.astype(complex)))
