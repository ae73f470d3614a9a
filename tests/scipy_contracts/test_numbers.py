"""Numbers in the place of matrices: shapes, answers and refusals of `solve` are SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

import thermolinalg as tla

MATRICES = {
    "a number": 2.0,
    "an integer": -3,
    "a NumPy number": np.float32(3),
    "a vector of one": [2.0],
    "one by one": [[-2.0]],
    "complex": np.array([[2.0j]]),
    "a batch of one": np.full((1, 1, 1), 2.0),
    "a batch": np.arange(1.0, 5).reshape(4, 1, 1),
    "a batch of matrices": np.stack([np.eye(2), 2 * np.eye(2)]),
    "zero": 0.0,
    "zero, one by one": [[0]],
    "zero in a batch": np.arange(3.0).reshape(3, 1, 1),
}
LOADS = [
    1.0,
    [1.0],
    [1.0, 2.0],
    [[1.0, 2.0], [3.0, 4.0]],
    np.ones((3, 1)),
    np.ones((1, 3)),
    np.ones((4, 1)),
    np.ones(0),
    1j,
    np.ones((2, 2, 2)),
]


@pytest.mark.parametrize("b", LOADS, ids=lambda b: str(np.shape(b)))
@pytest.mark.parametrize("name", MATRICES)
def test_numbers(name, b):
    a = MATRICES[name]
    if np.ndim(b) > 2 and np.size(a) == 1:
        # SciPy stumbles over a number and a batch of b; ours divides.
        quotient = np.asarray(b) / np.reshape(a, ())[()] if np.all(a) else None
        if quotient is None:
            with pytest.raises(tla.SingularError):
                tla.solve(a, b)
        else:
            np.testing.assert_allclose(tla.solve(a, b, rng=0), quotient, rtol=1e-9)
        return
    try:
        expected = scipy.linalg.solve(a, b)
    except (ValueError, np.linalg.LinAlgError) as refusal:
        kind = np.linalg.LinAlgError if isinstance(refusal, np.linalg.LinAlgError) else ValueError
        with pytest.raises(kind):
            tla.solve(a, b)
        return
    x = tla.solve(a, b, rng=0)
    assert x.shape == expected.shape
    np.testing.assert_allclose(x, expected, rtol=1e-9)
