"""SciPy's names for what A may be assumed to be, and the part of A that is read under each."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from thermolinalg._arrays import Array, dtype_name, namespace
from thermolinalg._autograd import detached

__all__ = ["BELIEVED", "GENERAL", "READ_IN_PART", "as_structure", "dense_part", "sparse_part"]

_NAMES = {
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

GENERAL = ("gen", "stable")
"""Structures under which A is not taken as symmetric even if it is."""

BELIEVED = ("pos", "sym", "her")
"""Structures that say that A is symmetric: one triangle of an array is read, a map is not tested."""

BY_ENTRIES = ("diagonal", "tridiagonal", "upper", "lower")
"""Structures that name the entries that are read."""

READ_IN_PART = (*BELIEVED, *BY_ENTRIES)
"""Structures under which some entries of an array are not looked at."""


def as_structure(assume_a: str | None) -> str:
    """The one name of an `assume_a`: 'auto', 'pos', 'sym', 'her', 'gen', 'stable', …."""
    if assume_a not in _NAMES:
        known = ", ".join(repr(key) for key in _NAMES if key)
        raise ValueError(f"assume_a must be None or one of {known}; got {assume_a!r}")
    return _NAMES[assume_a]


def shows_entries(shape: tuple[int, ...], assume: str, name: str) -> bool:
    """Whether a map's entries have to be looked at; ValueError where there are too many products for that."""
    if assume not in BY_ENTRIES or shape[0] != shape[1]:
        return False
    if max(shape) > FORMABLE:
        raise ValueError(
            f"assume_a={assume!r} reads single entries, and {name} is a map of {shape[0]} x {shape[1]} that shows them "
            "by its products only; pass assume_a=None, or an array"
        )
    return True


def dense_part(a: Array, assume: str, *, lower: bool, name: str) -> Array:
    """The part of a square array that SciPy reads under this assumption."""
    xp = namespace(a)
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
        _refuse_complex_diagonal(xp.linalg.diagonal(a), assume, name)
        diagonal = xp.real(diagonal)
    return strict + (xp.conj(strict) if conjugate else strict).T + diagonal


def sparse_part(a: Any, assume: str, *, lower: bool, name: str) -> Any:
    """The same of a square sparse array."""
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
            _refuse_complex_diagonal(diagonal, assume, name)
            mirrored, diagonal = mirrored.conj(), diagonal.real
        part = strict + mirrored + scipy.sparse.diags_array(diagonal)
    return scipy.sparse.csr_array(part)


def _refuse_complex_diagonal(diagonal: Array, assume: str, name: str) -> None:
    """Rounding, of single precision too, is forgiven."""
    diagonal = detached(diagonal)
    sizes = abs(namespace(diagonal).imag(diagonal))
    if diagonal.shape[0] and float(sizes.max()) > 1e-5 * float(abs(diagonal).max()):
        raise np.linalg.LinAlgError(
            f"assume_a={assume!r} but {name} is not Hermitian: diagonal entry {int(sizes.argmax())} is not real; "
            "pass assume_a='gen'"
        )
