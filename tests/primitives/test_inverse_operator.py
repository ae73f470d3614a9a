"""A⁻¹ as a linear operator, where SciPy takes one."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from cases import path
from helpers import relative_residual, spd
from scipy.sparse.linalg import LinearOperator, aslinearoperator, cg, eigsh, gmres

from thermolinalg import Imperfections, LangevinDevice, ThermodynamicInverse, ThermodynamicWarning


class CountingDevice(LangevinDevice):
    programs = 0

    def program(self, operator, *, rng=None):
        type(self).programs += 1
        return super().program(operator, rng=rng)


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array, aslinearoperator, np.asfortranarray])
def test_products_are_solutions(form):
    A, b = spd(30), np.random.default_rng(1).standard_normal((30, 4))
    inverse = ThermodynamicInverse(form(A), rng=0)
    assert isinstance(inverse, LinearOperator)
    assert inverse.shape == (30, 30)
    assert inverse.dtype == np.float64
    for x in (inverse @ b, inverse.matmat(b), inverse.rmatmat(b), inverse.H @ b):
        assert relative_residual(A, x, b) <= 1e-10
    assert relative_residual(A, inverse @ b[:, :1], b[:, :1]) <= 1e-10
    assert (inverse @ b[:, 0]).shape == (30,)
    assert inverse.info.success
    assert inverse.info.residual_norm <= 1e-10 * np.linalg.norm(b[:, 0])


def test_a_is_programmed_once():
    CountingDevice.programs = 0
    inverse = ThermodynamicInverse(spd(10), device=CountingDevice(), rng=0)
    assert inverse.info is None
    for _ in range(3):
        inverse @ np.ones(10)
        inverse.rmatvec(np.ones(10))
    assert CountingDevice.programs == 1


def test_complex_hermitian():
    A = spd(12, dtype=complex)
    b = np.random.default_rng(2).standard_normal((12, 3)) * (1 + 2j)
    inverse = ThermodynamicInverse(A, rng=0)
    assert inverse.dtype == np.complex128
    assert relative_residual(A, inverse @ b, b) <= 1e-10
    assert relative_residual(A, inverse.H @ b, b) <= 1e-10


@pytest.mark.parametrize("dtype", [float, complex])
def test_general_a_and_its_adjoint(dtype):
    rng = np.random.default_rng(3)
    A = rng.standard_normal((8, 8)) + 4 * np.eye(8) + (1j * rng.standard_normal((8, 8)) if dtype is complex else 0)
    b = rng.standard_normal((8, 2))
    for form in (np.asarray, scipy.sparse.csr_array, aslinearoperator):
        inverse = ThermodynamicInverse(form(A), rng=0)
        assert relative_residual(A, inverse @ b, b) <= 1e-10
        assert relative_residual(A.conj().T, inverse.H @ b, b) <= 1e-10


@pytest.mark.parametrize("method", [cg, gmres])
@pytest.mark.parametrize("rtol", [1e-10, 1e-3])
def test_as_a_preconditioner(method, rtol):
    A = path(60) + 0.1 * scipy.sparse.diags_array(np.random.default_rng(0).uniform(size=60))
    b, products = np.ones(60), []
    M = ThermodynamicInverse(path(60), rtol=rtol, rng=0)
    x, info = method(
        A, b, rtol=1e-6, M=M, callback=products.append, **({"callback_type": "pr_norm"} if method is gmres else {})
    )
    assert info == 0
    assert np.linalg.norm(A @ x - b) <= 1.1e-6 * np.linalg.norm(b) or method is gmres
    assert len(products) <= 30


def test_gives_eigsh_its_shifted_inverse():
    A = spd(40)
    sigma = 0.01
    inverse = ThermodynamicInverse(A - sigma * np.eye(40), rng=0)
    values, vectors = eigsh(A, k=4, sigma=sigma, OPinv=inverse)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(A)[:4], rtol=1e-8)
    np.testing.assert_allclose(A @ vectors, vectors * values, atol=1e-7)


def test_gives_eigsh_the_interior_through_the_normal_operator():
    A = spd(20)
    exact = np.linalg.eigvalsh(A)
    sigma = (exact[9] + exact[10]) / 2
    inverse = ThermodynamicInverse(A - sigma * np.eye(20), assume_a="gen", rng=0)
    values = np.sort(eigsh(A, k=2, sigma=sigma, OPinv=inverse, return_eigenvectors=False))
    np.testing.assert_allclose(values, exact[9:11], rtol=1e-7)


def test_hermitian_eigsh():
    A = spd(24, dtype=complex)
    inverse = ThermodynamicInverse(A, rng=0)
    values = eigsh(A, k=3, sigma=0, OPinv=inverse, return_eigenvectors=False)
    np.testing.assert_allclose(np.sort(values), np.linalg.eigvalsh(A)[:3], rtol=1e-8)


def test_a_biased_device_still_inverts():
    A, b = spd(20), np.ones(20)
    device = LangevinDevice(imperfections=Imperfections(matrix_bits=8, mismatch=0.01))
    inverse = ThermodynamicInverse(A, device=device, rng=0)
    assert relative_residual(A, (inverse @ b)[:, None], b[:, None]) <= 1e-10
    assert inverse.info.n_runs > 1


def test_single_precision_and_torch():
    A, b = spd(10), np.ones(10)
    single = ThermodynamicInverse(A.astype(np.float32), rng=0)
    assert single.dtype == np.float32
    assert (single @ b.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(single @ b, np.linalg.solve(A, b), rtol=1e-3)
    torch = pytest.importorskip("torch")
    np.testing.assert_allclose(ThermodynamicInverse(torch.asarray(A), rng=0) @ b, np.linalg.solve(A, b), rtol=1e-8)


def test_nothing_to_do():
    assert (ThermodynamicInverse(np.eye(3)) @ np.zeros(3) == 0).all()
    assert (ThermodynamicInverse(np.empty((0, 0))) @ np.empty(0)).shape == (0,)
    np.testing.assert_allclose(ThermodynamicInverse([[4.0]]) @ [2.0], [0.5])


def test_refusals():
    with pytest.raises(ValueError, match="square"):
        ThermodynamicInverse(np.ones((2, 3)))
    with pytest.raises(ValueError, match="rtol"):
        ThermodynamicInverse(np.eye(2), rtol=-1)
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        ThermodynamicInverse(np.ones((3, 3))) @ np.array([1.0, 2.0, 3.0])
    with pytest.raises(np.linalg.LinAlgError, match="not positive"):
        ThermodynamicInverse(np.diag([1.0, -1.0]), assume_a="pos") @ np.ones(2)
    with pytest.raises(ValueError, match=r"(?i)dimension mismatch"):
        ThermodynamicInverse(np.eye(2)) @ np.ones(3)


def test_a_missed_tolerance_is_said():
    inverse = ThermodynamicInverse(spd(10), maxiter=1, rng=0)
    with pytest.warns(ThermodynamicWarning, match="maxiter"):
        inverse @ np.ones(10)
    assert not inverse.info.success
