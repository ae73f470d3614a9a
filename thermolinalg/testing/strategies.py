"""Hypothesis strategies: symmetric positive definite matrices by condition number and structure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph

from thermolinalg._validation import as_count, as_positive
from thermolinalg.operators import (
    BlockDiagonal,
    Circulant,
    Diagonal,
    DiagonalPlusLowRank,
    Kronecker,
    KroneckerSum,
    LowRankPlusIdentity,
    Normal,
    Toeplitz,
)

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["STRUCTURES", "right_hand_sides", "spd_matrices"]

Build = Callable[[np.random.Generator, int, float, Any], Any]


def spd_matrices(
    min_size: int = 1,
    max_size: int = 12,
    *,
    condition: float = 1e3,
    dtype: Any = np.float64,
    structure: str | Sequence[str] = "dense",
) -> SearchStrategy[Any]:
    """Symmetric positive definite matrices of a condition number up to `condition`.

    Eigenvalues lie between 1/κ and 1 (Laplacians and low rank: 1 and κ), with κ log-uniform from 1 to `condition`.
    Examples shrink towards small sizes, κ = 1 and a fixed seed.

    Parameters
    ----------
    min_size, max_size : int, optional
        Order of the matrix.
    condition : float, optional
        Largest condition number.
    dtype : dtype, optional
        float32 or float64.
    structure : str or sequence of str, optional
        One of `STRUCTURES`, or several to choose from: 'dense' gives arrays, 'laplacian' (of a random graph, shifted)
        sparse arrays, all others the operators of `thermolinalg.operators`.

    Returns
    -------
    hypothesis.strategies.SearchStrategy
        Of arrays, sparse arrays or operators of shape (d, d).

    Raises
    ------
    ImportError
        Hypothesis is not installed.
    ValueError
        An unknown structure, sizes that leave nothing, or a condition number below 1.

    See Also
    --------
    right_hand_sides : Strategies of hypothesis.

    Examples
    --------
    >>> from hypothesis import given
    >>> import numpy as np
    >>> @given(spd_matrices(max_size=6, condition=1e8))
    ... def test(A):
    ...     assert np.linalg.cond(A) < 1.01e8
    >>> test()
    """
    st = _hypothesis()
    names = [structure] if isinstance(structure, str) else list(structure)
    unknown = [name for name in names if name not in STRUCTURES]
    if unknown or not names:
        raise ValueError(f"structure must be among {', '.join(STRUCTURES)}; got {structure!r}")
    if not 0 < as_count(min_size, "min_size") <= as_count(max_size, "max_size"):
        raise ValueError(f"min_size must not exceed max_size, got {min_size} and {max_size}")
    if as_positive(condition, "condition") < 1:
        raise ValueError(f"condition must be at least 1, got {condition!r}")

    def build(name: str, size: int, decades: float, seed: int) -> Any:
        return STRUCTURES[name](np.random.default_rng(seed), size, 10.0**decades, np.dtype(dtype))

    strategy: SearchStrategy[Any] = st.builds(
        build,
        st.sampled_from(names),
        st.integers(min_size, max_size),
        st.floats(0.0, float(np.log10(condition))),
        st.integers(0, 2**32 - 1),
    )
    return strategy


def right_hand_sides(
    size: int, columns: int | None = None, *, dtype: Any = np.float64, scale: float = 1.0
) -> SearchStrategy[np.ndarray]:
    """Right-hand sides of a system: normal entries, now and then a unit vector, ones or zeros.

    Parameters
    ----------
    size : int
        Number of rows.
    columns : int, optional
        Number of columns; None gives vectors.
    dtype : dtype, optional
        A real or complex floating-point type.
    scale : float, optional
        Factor in front.

    Returns
    -------
    hypothesis.strategies.SearchStrategy
        Of arrays of shape (size,) or (size, columns).

    Raises
    ------
    ImportError
        Hypothesis is not installed.

    See Also
    --------
    spd_matrices : Strategies of hypothesis.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(right_hand_sides(3, columns=2))
    ... def test(b):
    ...     assert b.shape == (3, 2)
    >>> test()
    """
    st = _hypothesis()
    shape = (as_count(size, "size"),) if columns is None else (as_count(size, "size"), as_count(columns, "columns"))

    def build(kind: str, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        block = np.zeros(shape, dtype)
        if kind == "ones":
            block[...] = 1
        elif kind == "unit":
            block[int(rng.integers(size))] = 1
        elif kind == "normal":
            block[...] = rng.standard_normal(shape)
            if block.dtype.kind == "c":
                block += (1j * rng.standard_normal(shape)).astype(dtype)
        return (scale * block).astype(dtype)

    kinds = st.sampled_from(["ones", "unit", "zeros", "normal", "normal", "normal"])
    strategy: SearchStrategy[np.ndarray] = st.builds(build, kinds, st.integers(0, 2**32 - 1))
    return strategy


def _hypothesis() -> Any:
    try:
        import hypothesis.strategies
    except ImportError as error:
        raise ImportError("the strategies need hypothesis: pip install thermolinalg[test]") from error
    return hypothesis.strategies


# -- one function per structure: a generator, an order n, a condition number κ ≥ 1 and a dtype → A ---------------------


def _spectrum(rng: np.random.Generator, n: int, condition: float) -> np.ndarray:
    """Eigenvalues from 1/κ to 1, both ends included where there are two."""
    values = condition ** -rng.uniform(size=n)
    values[: min(n, 2)] = np.array([1.0, 1.0 / condition])[: min(n, 2)]
    return values


def _dense(rng: np.random.Generator, n: int, condition: float, dtype: Any) -> np.ndarray:
    q, _ = np.linalg.qr(rng.standard_normal((n, n)))
    matrix = (q * _spectrum(rng, n, condition)) @ q.T
    return np.asarray((matrix + matrix.T) / 2, dtype)


def _diagonal(rng: np.random.Generator, n: int, condition: float, dtype: Any) -> Diagonal:
    return Diagonal(_spectrum(rng, n, condition).astype(dtype))


def _low_rank(rng: np.random.Generator, n: int, condition: float, dtype: Any) -> LowRankPlusIdentity:
    return LowRankPlusIdentity(_factor(rng, n, condition - 1).astype(dtype), 1.0)


def _diagonal_plus_low_rank(rng: np.random.Generator, n: int, condition: float, dtype: Any) -> DiagonalPlusLowRank:
    diagonal = np.sqrt(condition) ** -rng.uniform(size=n)
    return DiagonalPlusLowRank(diagonal.astype(dtype), _factor(rng, n, np.sqrt(condition) - 1).astype(dtype) / 2)


def _normal(rng: np.random.Generator, n: int, condition: float, dtype: Any) -> Normal:
    return Normal(_factor(rng, n, condition - 1).astype(dtype), 1.0)


def _factor(rng: np.random.Generator, n: int, largest: float) -> np.ndarray:
    """R (r, n) whose RᵀR has eigenvalues up to `largest`."""
    r = int(rng.integers(1, n + 1))
    q, _ = np.linalg.qr(rng.standard_normal((n, r)))
    factor: np.ndarray = np.sqrt(largest * rng.uniform(size=(r, 1))) * q.T
    return factor


def _kronecker(rng: np.random.Generator, n: int, condition: float, dtype: Any) -> Kronecker:
    first, second = _divided(rng, n)
    root = float(np.sqrt(condition))
    return Kronecker(_dense(rng, first, root, dtype), _dense(rng, second, root, dtype))


def _kronecker_sum(rng: np.random.Generator, n: int, condition: float, dtype: Any) -> KroneckerSum:
    first, second = _divided(rng, n)
    return KroneckerSum(_dense(rng, first, condition, dtype), _dense(rng, second, condition, dtype))


def _divided(rng: np.random.Generator, n: int) -> tuple[int, int]:
    first = int(rng.choice([m for m in range(1, n + 1) if n % m == 0]))
    return first, n // first


def _circulant(rng: np.random.Generator, n: int, condition: float, dtype: Any) -> Circulant:
    column = np.fft.irfft(_spectrum(rng, n // 2 + 1, condition), n=n)
    column[1:] = (column[1:] + column[:0:-1]) / 2
    return Circulant(column.astype(dtype))


def _toeplitz(_: np.random.Generator, n: int, condition: float, dtype: Any) -> Toeplitz:
    # The spectral density of ρ^|k| lies between (1 − ρ)/(1 + ρ) and its inverse.
    root = np.sqrt(condition)
    return Toeplitz((((root - 1) / (root + 1)) ** np.arange(n)).astype(dtype))


def _block(rng: np.random.Generator, n: int, condition: float, dtype: Any) -> BlockDiagonal:
    first = int(rng.integers(1, n + 1))
    blocks: list[Any] = [_dense(rng, first, condition, dtype)]
    if first < n:
        blocks.append(_diagonal(rng, n - first, condition, dtype))
    return BlockDiagonal(blocks)


def _laplacian(rng: np.random.Generator, n: int, condition: float, dtype: Any) -> Any:
    """I + w L of a random graph around a path, w so that w ‖L‖ ≤ κ − 1."""
    ends = np.concatenate([np.stack([np.arange(n - 1), np.arange(1, n)]), rng.integers(n, size=(2, n))], axis=1)
    graph = scipy.sparse.coo_array((rng.uniform(0.1, 1, ends.shape[1]), tuple(ends)), shape=(n, n))
    laplacian = scipy.sparse.csgraph.laplacian(scipy.sparse.csr_array(graph + graph.T), form="array").tocsr()
    bound = max(2.0 * float(laplacian.diagonal().max()), 1e-300)
    return scipy.sparse.csr_array(scipy.sparse.eye_array(n) + (condition - 1) / bound * laplacian).astype(dtype)


STRUCTURES: dict[str, Build] = {
    "dense": _dense,
    "diagonal": _diagonal,
    "low rank": _low_rank,
    "diagonal plus low rank": _diagonal_plus_low_rank,
    "normal": _normal,
    "kronecker": _kronecker,
    "kronecker sum": _kronecker_sum,
    "circulant": _circulant,
    "toeplitz": _toeplitz,
    "block": _block,
    "laplacian": _laplacian,
}
"""Builders of a random matrix of each structure, from a generator, an order, a condition number and a dtype."""
