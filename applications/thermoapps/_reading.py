"""What the estimators read: weights, numbers, sparse samples, sources of randomness; and how they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import _check_sample_weight, check_random_state

import thermolinalg as tla

__all__ = ["FLOATS", "naming", "read_count", "read_number", "read_rng", "read_weights", "sparse_array"]

FLOATS = [np.float64, np.float32]
"""Precisions of samples that are kept in what is fitted; all work is in double precision."""


def sparse_array(X: Any) -> Any:
    """Sparse matrices as CSR arrays, whose ``*`` is elementwise; anything else as it is."""
    return sp.csr_array(X) if sp.issparse(X) else X


def read_weights(sample_weight: Any, X: Any) -> np.ndarray:
    """Weights of the samples, ones by default; refused where one is negative or all are zero."""
    weights: np.ndarray = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if np.any(weights < 0):
        raise ValueError("sample_weight has negative entries; weights count samples")
    if not np.any(weights > 0):
        raise ValueError("sample_weight is zero everywhere; at least one sample needs a positive weight")
    return weights


def read_number(value: Any, name: str, *, positive: bool = False, infinite: bool = False) -> float:
    """A finite number ≥ 0, or > 0; infinity where that is allowed."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    if np.isnan(number) or (np.isinf(number) and not infinite) or number < 0 or (positive and number == 0):
        finite = "" if infinite else "finite and "
        raise ValueError(f"{name} must be {finite}{'> 0' if positive else '≥ 0'}, got {value!r}")
    return number


def read_count(value: Any, name: str, least: int = 1) -> int:
    """A whole number, no smaller than the least."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} must be a whole number ≥ {least}, got {value!r}")
    return int(value)


def read_rng(rng: Any, random_state: Any) -> np.random.Generator:
    """The source of randomness of an estimator: NumPy's `rng`, or scikit-learn's `random_state`."""
    if rng is not None and random_state is not None:
        raise ValueError("both rng and random_state are given; pass one of them")
    if random_state is None:
        return np.random.default_rng(rng)
    if isinstance(random_state, int | np.integer):
        return np.random.default_rng(int(random_state))
    return np.random.default_rng(check_random_state(random_state).randint(2**31, size=4))


@contextmanager
def naming(matrix: str, advice: str) -> Iterator[None]:
    """A singular matrix, refused by the caller's name for it and with the caller's advice."""
    try:
        yield
    except tla.SingularError as error:
        evidence = str(error).partition("; ")[0].removeprefix("A ")
        raise tla.SingularError(
            f"{matrix} {evidence}; {advice}", error.null_vector, error.smallest, error.largest
        ) from None
