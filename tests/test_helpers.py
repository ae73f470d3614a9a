"""What all tests compare with must itself tell right from wrong."""

import numpy as np
import pytest
from helpers import close, general, orthogonal, relative_error, relative_residual, rotated, spd


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_matrices_have_the_spectra_they_are_asked_for(dtype):
    q = orthogonal(7, 3, dtype)
    assert q.dtype == dtype
    assert close(q @ q.conj().T, np.eye(7), 1e-14)
    matrix = rotated([-2.0, 0.5, 3.0], 1, dtype)
    assert np.array_equal(matrix, matrix.conj().T)
    assert close(np.linalg.eigvalsh(matrix), [-2.0, 0.5, 3.0], 1e-14)
    assert close(np.linalg.eigvalsh(spd(6, 1e4, 2, dtype)), np.geomspace(1e-4, 1, 6), 1e-12)
    assert np.iscomplexobj(matrix) == (dtype == np.complex128)
    assert spd(4, dtype=np.float32).dtype == np.float32
    assert not close(spd(4, seed=0), spd(4, seed=1), 0.1)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (9, 0), (0, 8), (6, 5)])
def test_general_matrices_have_their_singular_values(rows, columns, dtype):
    matrix = general([1.0, 0.1, 1e-3], rows, columns, dtype=dtype)
    assert matrix.dtype == dtype
    assert matrix.shape == (max(rows, 3), max(columns, 3))
    values = np.linalg.svd(matrix, compute_uv=False)
    assert close(values[:3], [1.0, 0.1, 1e-3], 1e-13)
    assert np.all(values[3:] < 1e-15)


def test_closeness_is_relative_and_refuses_what_is_no_number():
    expected, found = 1e9 * np.array([3.0, 4.0]), np.array([3e9, 4e9 + 5])
    assert relative_error(found, expected) == pytest.approx(1e-9)
    assert close(found, expected, 1.1e-9)
    assert not close(found, expected, 0.9e-9)
    assert not close([np.nan, 1.0], [0.0, 1.0], 1e3)
    assert not close([np.inf, 1.0], [0.0, 1.0], 1e3)
    assert relative_error([1e-3], [0.0]) == 1e-3
    with pytest.raises(AssertionError, match="shape"):
        close(np.ones((2, 1)), np.ones(2))


def test_the_residual_is_that_of_the_worst_column():
    A, b = np.diag([1.0, 2.0]), np.array([[3.0, 0.0], [0.0, 10.0]])
    assert relative_residual(A, np.array([[3.0, 0.0], [0.3, 5.0]]), b) == pytest.approx(0.2)
    assert relative_residual(A, np.array([[3.0, 0.0], [0.0, 4.0]]), b) == pytest.approx(0.2)
    assert np.isnan(relative_residual(A, np.array([[np.nan, 0.0], [0.0, 5.0]]), b))


def test_closeness_of_tensors_of_any_precision():
    torch = pytest.importorskip("torch")
    exact = torch.tensor([1.0, 2.0, 4.0])
    assert close(exact.bfloat16(), exact.double(), 0.0)
    assert close((1j * exact).requires_grad_(), 1j * exact, 0.0)
    assert not close(exact + 1e-3, exact, 1e-4)
