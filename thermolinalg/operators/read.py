"""From what a user passes as A to what a device can hold: structure, symmetry, and the real form of complex A."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator

from thermolinalg._arrays import (
    Array,
    as_array,
    dtype_name,
    is_array,
    is_sparse_tensor,
    is_torch,
    namespace,
    plus_identity,
)
from thermolinalg._autograd import detached, refuse_gradients, wants_gradients
from thermolinalg._validation import checked_array, checked_sparse, checked_sparse_tensor, is_finite, refuse_uncounted
from thermolinalg.operators._checks import not_empty
from thermolinalg.operators._maps import ComplexSymmetric, RealForm, complexify, formed, has_adjoint, realify
from thermolinalg.operators._matrix import ReadMatrix
from thermolinalg.operators._probes import probe, refuse_nonlinear
from thermolinalg.operators._structures import (
    BELIEVED,
    FORMABLE,
    GENERAL,
    READ_IN_PART,
    as_structure,
    dense_part,
    shows_entries,
    sparse_part,
)
from thermolinalg.operators._symmetry import Asymmetry, asymmetry, notice_of, symmetrised
from thermolinalg.operators.base import Operator, Sum
from thermolinalg.operators.dense import Dense
from thermolinalg.operators.diagonal import Diagonal
from thermolinalg.operators.matrix_free import MatrixFree, product
from thermolinalg.operators.sparse import Sparse
from thermolinalg.operators.sparse_tensor import SparseTensor
from thermolinalg.operators.tensor_map import RealTensorMap, TensorMap, as_linear_operator

__all__ = [
    "Asymmetry",
    "ReadMatrix",
    "complexify",
    "read_matrix",
    "realify",
    "shifted_matrix",
    "shifted_operator",
    "symmetric_operator",
]

SMALL = 64
"""Up to this size a map is formed, which shows its entries to who judges and balances them; beyond it products with
random vectors have to do."""

DIFFERENCES = 1e-7
"""Asymmetry, relative to the scaled map, that finite differences of a symmetric Jacobian leave (1e-4 in single
precision): beyond what rounding explains, and good enough where nothing else is known."""


def read_matrix(
    a: Any,
    *,
    assume_a: str | None = None,
    lower: bool = False,
    check_finite: bool = True,
    square: bool = True,
    scalar: bool = False,
    gradients: bool = False,
    name: str = "A",
) -> ReadMatrix:
    """Read A and say what it is.

    Symmetry is judged entry by entry: A counts as symmetric (Hermitian) if, for all i and j,

        |a_ij − conj a_ji| ≤ 100 d eps (sqrt|a_ii a_jj| + max(|a_ij|, |a_ji|)),

    and is then replaced by (A + Aᴴ)/2 with a notice. A map known by its products is probed with random vectors.

    Parameters
    ----------
    a : array_like, sparse array, LinearOperator, Operator or ReadMatrix
        Two-dimensional; torch tensors, dense or sparse, stay torch tensors.
    assume_a : str, optional
        SciPy's names ('pos', 'sym', 'her', 'gen', 'diagonal', …) or 'stable' (eigenvalues in Re > 0). The first three
        are believed: of an array one triangle is read, a map is not probed.
    lower : bool, optional
        Which triangle is read when `assume_a` says that A is symmetric, as in SciPy.
    check_finite : bool, optional
        Whether to refuse NaN and infinity.
    square : bool, optional
        Whether A has to be square.
    scalar : bool, optional
        Whether a number stands for a matrix of one entry and a vector for one of one row, as in SciPy's solve.
    gradients : bool, optional
        Whether the caller gives gradients: the history of a tensor is then kept as `graph`.
    name : str, optional
        What to call A in errors.

    Returns
    -------
    ReadMatrix

    Raises
    ------
    ValueError
        Wrong shape, NaN or infinity, unknown `assume_a`; a large map that is neither symmetric nor has an adjoint.
    TypeError
        Object, masked or matrix input; a tensor that requires gradients where there are none.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.diag([1e16, 2.0, 1.0])
    >>> A[2, 1] = 1e-6
    >>> read = read_matrix(A)
    >>> read.symmetric, read.asymmetry.row, read.asymmetry.column
    (False, 1, 2)
    >>> read_matrix(A, assume_a="sym").symmetric
    True
    """
    if isinstance(a, ReadMatrix):
        return a
    assume, is_flat = as_structure(assume_a), False
    refuse_uncounted(a, name)
    if isinstance(a, Operator):
        _refuse_history(a, name)
        read = _from_operator(a, assume, lower, check_finite, name)
    elif scipy.sparse.issparse(a):
        read = _from_sparse(checked_sparse(a, name, check_finite=check_finite), assume, lower, name)
    elif is_sparse_tensor(a):
        refuse_gradients(a, name, f"{name}.to_dense()" if gradients else "")
        matrix, like = checked_sparse_tensor(a, name, check_finite=check_finite)
        read = _from_sparse(matrix, assume, lower, name, partial(SparseTensor, like=like))
    elif isinstance(a, LinearOperator) or (not is_array(a) and hasattr(a, "matvec") and hasattr(a, "shape")):
        read = _from_linear_operator(as_linear_operator(a, name), assume, lower, name)
    elif callable(a) and not hasattr(a, "__array__"):
        raise TypeError(
            f"{name} is a function of unknown shape; pass LinearOperator((m, n), matvec={name}, dtype=...), or for "
            f"tensors types.SimpleNamespace(shape=(m, n), matvec={name}, dtype=torch...)"
        )
    else:
        ndim = (0, 1, 2) if scalar else (2,)
        array = checked_array(detached(a) if gradients else a, name, check_finite=check_finite, ndim=ndim)
        is_flat = array.ndim < 2
        if is_flat:
            array = namespace(array).reshape(array, (1, -1))
        read = _from_dense(array, assume, lower, name)
        if wants_gradients(a):
            read = replace(read, graph=_history(a.reshape(array.shape), assume, lower, name))
    m, n = read.shape
    if square and m != n:
        advice = "" if is_flat else "; rectangular systems: lstsq or pinv"
        raise ValueError(f"{name} must be square, got shape {(m, n)}{advice}")
    return read


def shifted_operator(operator: Operator, mu: float) -> Operator:
    """A + μI, of the same structure where that keeps it."""
    d = operator.shape[0]
    if isinstance(operator, Dense):
        return Dense(plus_identity(operator.matrix, mu), symmetric=operator.symmetric)
    if isinstance(operator, Sparse):
        identity = scipy.sparse.eye_array(d, dtype=operator.matrix.dtype)
        return operator.holding(operator.matrix + mu * identity, symmetric=operator.symmetric)
    xp, like = namespace(operator.like), operator.like
    size = Diagonal(xp.zeros(d, dtype=like.dtype, device=like.device) + abs(mu))
    return Sum([operator, size if mu >= 0 else size.negated()])


def shifted_matrix(read: ReadMatrix, mu: Any) -> ReadMatrix:
    """The user's A + μI, where μ is a number or a tensor that holds one; ValueError where that leaves the range."""
    like, graph = read.operator.like, read.graph
    if wants_gradients(mu):
        if not is_torch(like):
            refuse_gradients(mu, "mu", f"{read.name} as a tensor")
        moved = mu * namespace(like).eye(read.shape[0], dtype=like.dtype, device=like.device)
        graph = moved if graph is None else graph + moved
    with np.errstate(over="ignore"):
        operator = shifted_operator(read.operator, float(detached(mu)))
        diagonal = operator.diagonal()
    if diagonal is not None and not is_finite(diagonal):
        raise ValueError(f"{read.name} + mu I leaves the range of {dtype_name(like)}; scale {read.name}, mu and b")
    return replace(read, operator=operator, graph=graph)


def _refuse_history(a: Operator, name: str) -> None:
    """TypeError for an operator made of tensors that require gradients, which only dense tensors get."""
    like = a.like
    if not is_torch(like):
        return
    vector = namespace(like).zeros((a.shape[1], 1), dtype=like.dtype, device=like.device)
    if wants_gradients(like, a.apply(vector)):
        raise TypeError(
            f"{name} is an operator made of tensors that require gradients, which dense tensors only are given; pass "
            f"{name} as a tensor, or make it of tensors.detach()"
        )


def _history(a: Array, assume: str, lower: bool, name: str) -> Array:
    """What is read of a tensor, with its history: entries that are not looked at have no gradient."""
    in_part = assume in READ_IN_PART and a.shape[0] == a.shape[1]
    return dense_part(a, assume, lower=lower, name=name) if in_part else a


def symmetric_operator(A: Any, name: str) -> Operator:
    """Whatever stands for a real symmetric matrix, as an operator."""
    read = read_matrix(A, name=name)
    if read.is_complex:
        raise TypeError(f"{name} must be real; a Hermitian matrix has a real symmetric form of twice its size")
    if not read.symmetric:
        raise ValueError(f"{name} must be symmetric; pass ({name} + {name}.T)/2 if that is what is meant")
    not_empty(read, name)
    return read.operator


def _from_dense(a: Array, assume: str, lower: bool, name: str) -> ReadMatrix:
    symmetric, notice = False, ""
    if a.shape[0] == a.shape[1]:
        a, symmetric, notice = _judged(a, assume, lower, name)
    is_complex = "complex" in dtype_name(a)
    if is_complex:
        xp = namespace(a)
        re, im = xp.real(a), xp.imag(a)
        a = xp.concat([xp.concat([re, -im], axis=1), xp.concat([im, re], axis=1)])
    return ReadMatrix(Dense(a, symmetric=symmetric), symmetric, is_complex, assume, name, notice)


def _from_sparse(a: Any, assume: str, lower: bool, name: str, held: Callable[..., Sparse] = Sparse) -> ReadMatrix:
    symmetric, notice = False, ""
    if a.shape[0] == a.shape[1]:
        a, symmetric, notice = _judged(a, assume, lower, name)
    is_complex = a.dtype.kind == "c"
    if is_complex:
        a = scipy.sparse.block_array([[a.real, -a.imag], [a.imag, a.real]], format="csr")
    return ReadMatrix(held(a, symmetric=symmetric), symmetric, is_complex, assume, name, notice)


def _judged(a: Any, assume: str, lower: bool, name: str) -> tuple[Any, bool, str]:
    """What is read of a square array or sparse array, whether that is Hermitian, and the notice."""
    part = sparse_part if scipy.sparse.issparse(a) else dense_part
    if assume in GENERAL:
        return a, False, ""
    if assume in READ_IN_PART and assume != "pos":
        a = part(a, assume, lower=lower, name=name)
    found = asymmetry(a, worst=False)
    if found is None:
        return a, True, ""
    if found.ratio <= 1:
        return symmetrised(a), True, notice_of(found, name, a.shape[0], is_complex="complex" in dtype_name(a))
    if assume == "pos":
        return part(a, assume, lower=lower, name=name), True, ""
    return a, False, ""


def _from_operator(a: Operator, assume: str, lower: bool, check_finite: bool, name: str) -> ReadMatrix:
    """An operator is what it says it is, but the entries of one that has them are looked at."""
    if (a.symmetric and assume not in GENERAL) or assume in READ_IN_PART:
        if type(a) is Dense:
            return _from_dense(checked_array(a.matrix, name, check_finite=check_finite), assume, lower, name)
        if isinstance(a, Sparse):
            matrix = checked_sparse(a.matrix, name, check_finite=check_finite)
            return _from_sparse(matrix, assume, lower, name, a.holding)
    if not isinstance(a, (Dense, Sparse)) and shows_entries(a.shape, assume, name):
        return _from_dense(a.dense(), assume, lower, name)
    if isinstance(a, (Dense, Sparse)) and check_finite and not is_finite(getattr(a.matrix, "data", a.matrix)):
        raise ValueError(f"{name} contains NaN or infinity; all entries must be finite")
    believed = assume in BELIEVED and a.shape[0] == a.shape[1]
    if believed and not a.symmetric:
        a = copy.copy(a)
        a.symmetric = True
    return ReadMatrix(a, believed or (a.symmetric and assume not in GENERAL), False, assume, name)


def _formed(op: LinearOperator, name: str) -> Array:
    """The matrix of a map, where its vectors live."""
    matrix = formed(op, name)
    return as_array(matrix, op.like) if isinstance(op, TensorMap) else matrix


def _real(op: LinearOperator) -> Any:
    """The real form of a complex map."""
    return RealTensorMap(op) if isinstance(op, TensorMap) else RealForm(op)


def _from_linear_operator(op: LinearOperator, assume: str, lower: bool, name: str) -> ReadMatrix:
    is_complex = op.dtype is not None and np.dtype(op.dtype).kind == "c"
    like = op.like.real if isinstance(op, TensorMap) else None
    if shows_entries(op.shape, assume, name):
        return _from_dense(_formed(op, name), assume, lower, name)
    symmetric, notice, found, nearly = False, "", None, False
    if assume not in BELIEVED:
        refuse_nonlinear(op, product, name)
    if op.shape[0] == op.shape[1] and assume not in GENERAL:
        if is_complex and assume == "sym":
            op = ComplexSymmetric(op)
        elif assume in BELIEVED or op.shape[0] == 0:
            symmetric = True
        elif op.shape[0] <= SMALL:
            return replace(_from_dense(_formed(op, name), assume, lower, name), is_map=True)
        else:
            evidence = probe(op, product, name)
            found, symmetric = evidence.worst, evidence.worst.ratio <= 1
            single = np.dtype(op.dtype or float).name in ("float32", "complex64")
            nearly = evidence.relative <= (1e3 if single else 1) * DIFFERENCES
    if not symmetric and not has_adjoint(op):
        if max(op.shape) <= FORMABLE:
            return replace(_from_dense(_formed(op, name), assume, lower, name), is_map=True)
        if not nearly:
            raise ValueError(
                f"{name} is not symmetric and its adjoint is unknown; give it rmatvec"
                + ("" if assume in GENERAL else ", or pass assume_a='sym' if it is symmetric all the same")
            )
        symmetric, notice = True, f"{name} is taken as symmetric: its products show it to the accuracy of differences"
    operator = MatrixFree(_real(op) if is_complex else op, symmetric=symmetric, like=like, name=name)
    return ReadMatrix(operator, symmetric, is_complex, assume, name, notice, None if symmetric else found)
