"""A step of the recurrence adds ±B V in place, however A is held."""

import numpy as np
import pytest
import scipy.sparse
from cases import grid

from thermolinalg.matrix_functions._mapped import Mapped
from thermolinalg.operators import Dense, MatrixFree, Sparse
from thermolinalg.operators.sparse_tensor import SparseTensor

INTERVAL = (0.1, 8.1)
HOLLOW = scipy.sparse.csr_array(grid(7, 0.1) * (1 - np.eye(49)))


def held_as(kind, matrix, dtype):
    matrix = scipy.sparse.csr_array(matrix.astype(dtype))
    if kind == "sparse tensor":
        torch = pytest.importorskip("torch")
        return SparseTensor(matrix, torch.empty(0, dtype=getattr(torch, np.dtype(dtype).name)))
    return {"sparse": Sparse, "map": lambda a: MatrixFree(Sparse(a)), "dense": lambda a: Dense(a.toarray())}[kind](
        matrix
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 2, 16])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("matrix", [grid(7, 0.1), HOLLOW], ids=["grid", "without a diagonal"])
@pytest.mark.parametrize("kind", ["sparse", "sparse tensor", "map", "dense"])
def test_a_step_is_what_it_says(kind, matrix, sign, width, dtype):
    operator = held_as(kind, matrix, dtype)
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((49, width)).astype(dtype) for _ in range(2))
    given, (lower, upper) = y.copy(), INTERVAL
    expected = y + sign * 4 / (upper - lower) * (matrix @ x.astype(float) - (lower + upper) / 2 * x)
    if kind == "sparse tensor":
        torch = pytest.importorskip("torch")
        x, y = torch.as_tensor(x), torch.as_tensor(y)
    mapped = Mapped(operator, *INTERVAL)
    before = x + 0.0
    found = mapped.add(x, y, sign)
    assert found is y
    assert bool((x == before).all())
    np.testing.assert_allclose(np.asarray(found), expected, rtol=0, atol=40 * np.finfo(dtype).eps)
    narrow = mapped.add(x[:, :1] + 0.0, y[:, :1] + 0.0, -sign)  # another width
    np.testing.assert_allclose(np.asarray(narrow), given[:, :1], rtol=0, atol=80 * np.finfo(dtype).eps)


def test_indices_are_shared_and_the_matrix_is_left_alone():
    A = Sparse(grid(7, 0.1))
    data = A.matrix.data.copy()
    mapped = Mapped(A, 0.0, 8.1)
    plus, minus = mapped._signed[1].matrix, mapped._signed[-1].matrix
    assert np.shares_memory(plus.indices, A.matrix.indices)
    assert np.shares_memory(minus.indices, A.matrix.indices)
    np.testing.assert_array_equal(A.matrix.data, data)
