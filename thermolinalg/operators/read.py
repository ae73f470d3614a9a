"""From what a user passes as A to what a device can hold: structure, triangles, and the real form of complex A."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from thermolinalg._arrays import Array, dtype_name, eps, is_array, is_torch, namespace
from thermolinalg._validation import checked_array, checked_sparse
from thermolinalg.operators.base import Dense, MatrixFree, Operator, Sparse, product

__all__ = ["ReadMatrix", "read_matrix", "complexify", "realify"]

_STRUCTURES = {
    None: "auto",
    "pos": "pos",
    "positive definite": "pos",
    "sym": "sym",
    "symmetric": "sym",
    "her": "her",
    "hermitian": "her",
    "gen": "gen",
    "general": "gen",
    "banded": "gen",
    "diagonal": "diagonal",
    "tridiagonal": "tridiagonal",
    "upper triangular": "upper",
    "lower triangular": "lower",
    "stable": "stable",
}
FORMABLE = 1024
"""Up to this size a map without an adjoint is formed from its products."""

_READ_IN_PART = ("pos", "sym", "her", "diagonal", "tridiagonal", "upper", "lower")


@dataclass(frozen=True)
class ReadMatrix:
    """A, ready for a device.

    Parameters
    ----------
    operator : Operator
        Real operator; for complex A its real form [[Re, −Im], [Im, Re]] of twice the size.
    symmetric : bool
        Whether A is (taken as) Hermitian.
    is_complex : bool
        Whether `operator` is the real form of a complex A.
    assume : str
        The normalised `assume_a`: 'auto', 'pos', 'sym', 'her', 'gen', 'stable', ….
    """

    operator: Operator
    symmetric: bool
    is_complex: bool
    assume: str

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the user's A."""
        m, n = self.operator.shape
        return (m // 2, n // 2) if self.is_complex else (m, n)

    def adjoint(self) -> ReadMatrix:
        """The same for Aᴴ, whose real form is the transpose of that of A."""
        if self.symmetric:
            return self
        if isinstance(self.operator, (Dense, Sparse)):
            return replace(self, operator=type(self.operator)(self.operator.matrix.T, symmetric=False))
        return replace(self, operator=MatrixFree(self.operator.H, symmetric=False))

    def transposed(self) -> ReadMatrix:
        """The same for Aᵀ (not conjugated)."""
        if self.symmetric and not self.is_complex:
            return self
        if self.is_complex or not isinstance(self.operator, (Dense, Sparse)):
            raise NotImplementedError("transposed=True needs a real array or sparse array; pass A.T instead")
        return replace(self, operator=type(self.operator)(self.operator.matrix.T, symmetric=False))


def read_matrix(
    a: Any,
    *,
    assume_a: str | None = None,
    lower: bool = False,
    check_finite: bool = True,
    square: bool = True,
    name: str = "A",
) -> ReadMatrix:
    """Read A and say what it is.

    Parameters
    ----------
    a : array_like, sparse array, LinearOperator or Operator
        Two-dimensional; torch tensors stay torch tensors.
    assume_a : str, optional
        SciPy's names ('pos', 'sym', 'her', 'gen', 'diagonal', …) or 'stable' (eigenvalues in Re > 0).
    lower : bool, optional
        Which triangle is read when `assume_a` says that A is symmetric, as in SciPy.
    check_finite : bool, optional
        Whether to refuse NaN and infinity.
    square : bool, optional
        Whether A has to be square.
    name : str, optional
        What to call A in errors.

    Returns
    -------
    ReadMatrix

    Raises
    ------
    ValueError
        Wrong shape, NaN or infinity, unknown `assume_a`.
    TypeError
        Object, masked or matrix input.
    """
    if assume_a not in _STRUCTURES:
        known = ", ".join(repr(key) for key in _STRUCTURES if key)
        raise ValueError(f"assume_a must be None or one of {known}; got {assume_a!r}")
    assume = _STRUCTURES[assume_a]
    if isinstance(a, Operator):
        loaded = ReadMatrix(a, a.symmetric and assume not in ("gen", "stable"), False, assume)
    elif scipy.sparse.issparse(a):
        loaded = _from_sparse(checked_sparse(a, name, check_finite=check_finite), assume, lower)
    elif isinstance(a, LinearOperator) or (not is_array(a) and hasattr(a, "matvec") and hasattr(a, "shape")):
        loaded = _from_linear_operator(aslinearoperator(a), assume, name)
    else:
        loaded = _from_dense(checked_array(a, name, check_finite=check_finite, ndim=(2,)), assume, lower)
    m, n = loaded.shape
    if square and m != n:
        raise ValueError(f"{name} must be square, got shape {(m, n)}; rectangular systems: lstsq or pinv")
    return loaded


def realify(block: Array) -> Array:
    """The real form [Re; Im] of a complex block (d, k); the imaginary part of a real one is zero."""
    xp = namespace(block)
    if "complex" not in dtype_name(block):
        return xp.concat([block, xp.zeros_like(block)])
    return xp.concat([xp.real(block), xp.imag(block)])


def complexify(block: Array) -> Array:
    """The complex block (d, k) whose real form is `block` (2d, k)."""
    d = block.shape[0] // 2
    return block[:d] + 1j * block[d:]


def _from_dense(a: Array, assume: str, lower: bool) -> ReadMatrix:
    square = a.shape[0] == a.shape[1]
    if square and assume in _READ_IN_PART:
        a = _structured_part(a, assume, lower)
    symmetric = square and assume not in ("gen", "stable") and _is_hermitian(a)
    is_complex = "complex" in dtype_name(a)
    if is_complex:
        xp = namespace(a)
        re, im = xp.real(a), xp.imag(a)
        a = xp.concat([xp.concat([re, -im], axis=1), xp.concat([im, re], axis=1)])
    return ReadMatrix(Dense(a, symmetric=symmetric), symmetric, is_complex, assume)


def _structured_part(a: Array, assume: str, lower: bool) -> Array:
    """The part of A that SciPy reads under this assumption."""
    xp = namespace(a)
    if assume == "pos" and _is_hermitian(a):
        return a
    if assume == "diagonal":
        return xp.tril(xp.triu(a))
    if assume == "tridiagonal":
        return xp.tril(xp.triu(a, k=-1), k=1)
    if assume in ("upper", "lower"):
        return xp.tril(a) if assume == "lower" or lower else xp.triu(a)
    strict = xp.tril(a, k=-1) if lower else xp.triu(a, k=1)
    conjugate = assume in ("her", "pos") and "complex" in dtype_name(a)
    diagonal = xp.tril(xp.triu(a))
    if conjugate:
        _refuse_complex_diagonal(xp.linalg.diagonal(a), assume)
        diagonal = xp.real(diagonal)
    return strict + (xp.conj(strict) if conjugate else strict).T + diagonal


def _refuse_complex_diagonal(diagonal: Array, assume: str) -> None:
    """Rounding, of single precision too, is forgiven."""
    sizes = abs(namespace(diagonal).imag(diagonal))
    if diagonal.shape[0] and float(sizes.max()) > 1e-5 * float(abs(diagonal).max()):
        raise np.linalg.LinAlgError(
            f"assume_a={assume!r} but A is not Hermitian: diagonal entry {int(sizes.argmax())} is not real; "
            "pass assume_a='gen'"
        )


def _is_hermitian(a: Array) -> bool:
    """Whether A = Aᴴ to rounding."""
    if a.shape[0] == 0:
        return True
    if not is_torch(a) and (scipy.linalg.ishermitian(a) if np.iscomplexobj(a) else scipy.linalg.issymmetric(a)):
        return True
    xp = namespace(a)
    adjoint = xp.conj(a).T if "complex" in dtype_name(a) else a.T
    return float(xp.max(xp.abs(a - adjoint))) <= 100 * eps(a) * float(xp.max(xp.abs(a)))


def _from_sparse(a: Any, assume: str, lower: bool) -> ReadMatrix:
    square = a.shape[0] == a.shape[1]
    if square and assume in _READ_IN_PART:
        a = _structured_sparse(a, assume, lower)
    symmetric = square and assume not in ("gen", "stable") and _is_hermitian_sparse(a)
    is_complex = a.dtype.kind == "c"
    if is_complex:
        a = scipy.sparse.block_array([[a.real, -a.imag], [a.imag, a.real]], format="csr")
    return ReadMatrix(Sparse(a, symmetric=symmetric), symmetric, is_complex, assume)


def _structured_sparse(a: Any, assume: str, lower: bool) -> Any:
    if assume == "pos" and _is_hermitian_sparse(a):
        return a
    tril, triu = scipy.sparse.tril, scipy.sparse.triu
    if assume == "diagonal":
        part = scipy.sparse.diags_array(a.diagonal())
    elif assume == "tridiagonal":
        part = tril(triu(a, -1), 1)
    elif assume in ("upper", "lower"):
        part = tril(a) if assume == "lower" or lower else triu(a)
    else:
        strict = scipy.sparse.csr_array(tril(a, -1) if lower else triu(a, 1))
        mirrored, diagonal = strict.T, a.diagonal()
        if assume in ("her", "pos") and a.dtype.kind == "c":
            _refuse_complex_diagonal(diagonal, assume)
            mirrored, diagonal = mirrored.conj(), diagonal.real
        part = strict + mirrored + scipy.sparse.diags_array(diagonal)
    return scipy.sparse.csr_array(part)


def _is_hermitian_sparse(a: Any) -> bool:
    if a.nnz == 0:
        return True
    difference = abs(a - a.conj().T)
    largest = difference.max() if difference.nnz else 0.0
    return bool(largest <= 100 * np.finfo(a.dtype).eps * abs(a).max())


def _from_linear_operator(op: LinearOperator, assume: str, name: str) -> ReadMatrix:
    square = op.shape[0] == op.shape[1]
    symmetric = square and assume not in ("gen", "stable") and _is_hermitian_map(op, name)
    if not symmetric and assume in _READ_IN_PART:
        raise ValueError(f"{name} is not symmetric, as products with random vectors show; pass assume_a='gen'")
    if not symmetric and not _has_adjoint(op):
        if max(op.shape) > FORMABLE:
            raise ValueError(f"{name} is not symmetric and its adjoint is unknown; give it rmatvec")
        return _from_dense(checked_array(product(op, np.eye(op.shape[1], dtype=op.dtype)), name), assume, False)
    is_complex = op.dtype is not None and np.dtype(op.dtype).kind == "c"
    return ReadMatrix(
        MatrixFree(_real_form(op) if is_complex else op, symmetric=symmetric), symmetric, is_complex, assume
    )


def _is_hermitian_map(op: LinearOperator, name: str) -> bool:
    """Whether products with two random vectors leave it possible that A = Aᴴ, to the accuracy of differences."""
    d = op.shape[0]
    if d == 0:
        return True
    u, v = np.random.default_rng(d).standard_normal((2, d))
    au, av = op.matvec(u), op.matvec(v)
    if not (np.all(np.isfinite(au)) and np.all(np.isfinite(av))):
        raise ValueError(f"products with {name} give NaN or infinity")
    unit = max(np.abs(au).max(), np.abs(av).max()) or 1.0  # the squares of tiny and huge products leave the range
    au, av = au / unit, av / unit
    size = np.linalg.norm(u) * np.linalg.norm(av) + np.linalg.norm(au) * np.linalg.norm(v)
    single = op.dtype is not None and np.dtype(op.dtype).name in ("float32", "complex64")
    return bool(abs(np.vdot(u, av) - np.vdot(au, v)) <= (1e-4 if single else 1e-7) * size)


def _has_adjoint(op: LinearOperator) -> bool:
    try:
        op.rmatvec(np.zeros(op.shape[0]))
    except NotImplementedError:
        return False
    return True


def _real_form(op: LinearOperator) -> LinearOperator:
    """[[Re, −Im], [Im, Re]] of a complex map, by its own products."""
    m, n = op.shape

    def real(factor: LinearOperator) -> Any:
        def matmat(x: np.ndarray) -> np.ndarray:
            half = x.shape[0] // 2
            y = product(factor, x[:half] + 1j * x[half:])
            return np.concatenate([y.real, y.imag])

        return matmat

    forward, adjoint = real(op), real(op.H)
    return LinearOperator(
        shape=(2 * m, 2 * n),
        dtype=np.float32 if np.dtype(op.dtype) == np.complex64 else np.float64,
        matvec=lambda x: forward(x.reshape(-1, 1))[:, 0],
        matmat=forward,
        rmatvec=lambda x: adjoint(x.reshape(-1, 1))[:, 0],
        rmatmat=adjoint,
    )
