"""Passes over vectors that are longer than what BLAS takes on one thread."""

import numpy as np
import pytest

from thermolinalg import _arrays
from thermolinalg._arrays import ALONE, add_multiple


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(0, 1), (1, 1), (ALONE, 1), (ALONE + 1, 1), (ALONE, 3)])
def test_multiples_are_added_piece_by_piece(dtype, shape, monkeypatch):
    x, y = np.random.default_rng(0).standard_normal((2, *shape)).astype(dtype)
    expected, lengths = y + dtype(0.3) * x, []
    axpy = _arrays.fortran("axpy", np.dtype(dtype))
    monkeypatch.setattr(_arrays, "fortran", lambda *_: lambda u, v, a: (lengths.append(len(u)), axpy(u, v, a=a)))
    assert add_multiple(0.3, x, y) is y
    np.testing.assert_allclose(y, expected, rtol=4 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps)
    assert sum(lengths) == x.size
    assert max(lengths, default=0) <= ALONE
