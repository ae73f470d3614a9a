"""The clothes a matrix comes in: dtypes, tensors, sparse arrays, linear operators, structures, operators that lie."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from thermolinalg import operators

try:
    import torch
except ImportError:
    torch = None


class Lie(RuntimeError):  # noqa: N818
    """Raised by an operator that fails."""


@dataclass
class Form:
    """A matrix as the library is given it.

    `value` is what is passed; `truth` what it stands for, in double precision (None where it stands for no matrix:
    an operator that is not linear); `by_products` says that entries cannot be read; `lies` names the lie.
    """

    name: str
    value: Any
    truth: Any
    by_products: bool = False
    lies: str = ""


def array_form(rng, A):
    """A NumPy array of any dtype and layout."""
    complex_ = np.iscomplexobj(A)
    names = (
        ["complex128", "complex64"] if complex_ else ["float64", "float32", "float16", "longdouble", "int64", "bool"]
    )
    name = str(rng.choice(names, p=[0.8, 0.2] if complex_ else [0.66, 0.16, 0.04, 0.04, 0.07, 0.03]))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name == "int64":
            A = np.round(np.clip(3 * A, -1e6, 1e6))
        x = A != 0 if name == "bool" else A.astype(name)
    kind = str(rng.choice(["C", "F", "strided", "list", "read-only", ">"], p=[0.6, 0.1, 0.1, 0.1, 0.05, 0.05]))
    truth = x.astype(complex if complex_ else float)
    if kind == "F":
        x = np.asfortranarray(x)
    elif kind == "strided":
        wide = np.zeros((2 * x.shape[0], 3 * x.shape[1]), dtype=x.dtype)
        wide[::2, ::3] = x
        x = wide[::2, ::3]
    elif kind == "list" and x.size and name != "longdouble":
        truth, x = truth, x.tolist()
    elif kind == "read-only":
        x.flags.writeable = False
    elif kind == ">" and name not in ("bool", "longdouble"):
        x = x.astype(x.dtype.newbyteorder(">"))
    return Form(f"{name} array, {kind}", x, truth)


def torch_form(rng, A):
    if torch is None:
        return array_form(rng, A)
    names = ["complex128", "complex64"] if np.iscomplexobj(A) else ["float64", "float32", "bfloat16"]
    name = str(rng.choice(names))
    x = torch.as_tensor(np.ascontiguousarray(A)).to(getattr(torch, name))
    wide = x.to(torch.complex128 if np.iscomplexobj(A) else torch.float64)
    return Form(f"torch {name}", x, wide.numpy().copy())


def sparse_form(rng, A):
    kind = str(rng.choice(["csr", "csc", "coo", "dia", "lil"]))
    single = rng.random() < 0.15
    with np.errstate(all="ignore"):
        x = A.astype(np.complex64 if np.iscomplexobj(A) else np.float32) if single else A
    kind = "csr" if kind == "dia" and len(x) > 12 else kind
    return Form(f"sparse {kind}{', single' * single}", scipy.sparse.coo_array(x).asformat(kind), x.astype(A.dtype))


def operator_form(rng, A):
    kind = int(rng.integers(3))
    if kind == 0:
        return Form("linear operator", aslinearoperator(A), A, by_products=True)
    adjoint = {"rmatvec": lambda v: A.conj().T @ v} if kind == 1 else {}
    value = LinearOperator(A.shape, matvec=lambda v: A @ v, dtype=A.dtype, **adjoint)
    return Form(f"matvec{' and rmatvec' * (kind == 1)}", value, A, by_products=True)


def structured_form(rng, A):
    """An operator of the package; its matrix is what the parts say, whatever A was but for its size."""
    d = A.shape[0]
    if d == 0 or np.iscomplexobj(A) or A.shape != (d, d):
        return array_form(rng, A)
    kind = int(rng.integers(6))
    if kind == 0:
        column = rng.random() ** np.arange(d) + (np.arange(d) == 0)
        return Form("Toeplitz", operators.Toeplitz(column), scipy.linalg.toeplitz(column), by_products=True)
    if kind == 1:
        values = 10.0 ** rng.uniform(-9, 9, d)
        return Form("Diagonal", operators.Diagonal(values), np.diag(values))
    if kind == 2:
        R, shift = rng.standard_normal((max(1, d // 2), d)), 10.0 ** rng.uniform(-10, 1)
        truth = exact_gram(R, shift)
        return Form("LowRankPlusIdentity", operators.LowRankPlusIdentity(R, shift), truth, by_products=True)
    if kind == 3:
        a, b = _definite(rng, 2), _definite(rng, max(1, d // 2))
        truth = np.kron(_exact(a), _exact(b))
        return Form("Kronecker", operators.Kronecker(a, b), truth, by_products=True)
    if kind == 4:
        a, b = _definite(rng, max(1, d // 2)), _definite(rng, 2) * 10.0 ** rng.uniform(-6, 6)
        return Form("BlockDiagonal", operators.BlockDiagonal([a, b]), scipy.linalg.block_diag(a, b))
    S = (A + A.T) / 2
    return Form("Dense", operators.Dense(S), S)


def lying_form(rng, A):
    """A linear operator that is not what it says."""
    d, dtype = A.shape[0], A.dtype
    calls = [0]

    def counted(answer):
        def matvec(v):
            calls[0] += 1
            return answer(np.asarray(v), calls[0])

        return matvec

    def failing(v, n):
        if n > 2:
            raise Lie("the third product fails")
        return A @ v

    other = A + np.triu(np.ones_like(A), 1) * abs(A).max(initial=0.0)
    lies = {
        "not linear": (lambda v, n: A @ v + abs(v) * abs(A).max(initial=0.0), None),
        "affine": (lambda v, n: A @ v + abs(A).max(initial=0.0), None),
        "NaN at the second call": (lambda v, n: A @ v * (np.nan if n == 2 else 1.0), A),
        "NaN from the fourth call on": (lambda v, n: A @ v * (np.nan if n >= 4 else 1.0), A),
        "not symmetric": (lambda v, n: other @ v, other),
        "raises": (failing, A),
        "changes": (lambda v, n: A @ v * (1 + 0.1 * (n % 2)), None),
        "wrong adjoint": (lambda v, n: A @ v, A),
        "wrong shape": (lambda v, n: np.append(A @ v, v.ravel()[:1]), A),
        "writes on its argument": (_overwrites(A), A),
    }
    name = str(rng.choice(list(lies)))
    answer, truth = lies[name]
    wrong = {"wrong adjoint": lambda v: 2 * (A.T @ v) + 1, "not symmetric": lambda v: other.conj().T @ v}
    adjoint = wrong.get(name, lambda v: A.conj().T @ v)
    value = LinearOperator((d, A.shape[1]), matvec=counted(answer), rmatvec=adjoint, dtype=dtype)
    return Form(f"operator: {name}", value, truth, by_products=True, lies=name)


def _overwrites(A):
    def matvec(v, n):
        out = A @ v
        if v.flags.writeable:
            v[...] = 0
        return out

    return matvec


def exact_gram(R, shift):
    """RᵀR + shift I without rounding."""
    R = _exact(R)
    truth = R.T @ R
    for i in range(len(truth)):
        truth[i, i] += _exact(shift)[()]
    return truth


def _definite(rng, d):
    x = rng.standard_normal((d, d))
    return x @ x.T + 0.1 * np.eye(d)


def _exact(x):
    from .rational import exact

    return exact(x)


FORMS = {
    array_form: 0.56,
    torch_form: 0.12,
    sparse_form: 0.12,
    operator_form: 0.08,
    structured_form: 0.06,
    lying_form: 0.06,
}


def dressed(rng, A, *, only_arrays=False):
    """A in the clothes of a random user."""
    if only_arrays:
        return array_form(rng, A) if rng.random() < 0.8 else torch_form(rng, A)
    return list(FORMS)[rng.choice(len(FORMS), p=list(FORMS.values()))](rng, A)
