"""Sample covariances: of readings that come in blocks, and of independent ones by the law of the covariance itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from thermolinalg._arrays import Array, add_gram, as_array, is_distributed, namespace, standard_normal

__all__ = ["sample_covariance", "sample_variance", "wishart_factor"]


def wishart_factor(
    d: int, freedom: int, like: Array, rng: np.random.Generator, width: int | None = None
) -> Iterator[Array]:
    """Blocks of columns of a random F (d, min(d, n) or n) with F Fᵀ from the Wishart law of n degrees of freedom.

    With R Rᵀ = Σ the matrix R F Fᵀ Rᵀ/n has the law of the sample covariance of n + 1 independent readings from
    N(μ, Σ), at a cost that does not grow with n.

    Parameters
    ----------
    d : int
    freedom : int
        n ≥ 1.
    like : array
        Namespace, dtype and device of the blocks.
    rng : numpy.random.Generator
    width : int, optional
        Columns of a block; default all.

    Yields
    ------
    array, shape (d, width)

    Notes
    -----
    Bartlett's decomposition where n ≥ d: F is lower triangular, chi distributed with n − j degrees of freedom on the
    diagonal and standard normal below it. Where n < d, or rows lie on several ranks, the n columns are standard normal.
    """
    triangular = freedom >= d and not is_distributed(like)
    columns = d if triangular else freedom
    for begin in range(0, columns, width or columns):
        count = min(width or columns, columns - begin)
        block = standard_normal(rng, (d, count), like)
        if triangular:
            xp = namespace(block)
            block = xp.tril(block, k=-begin)
            diagonal = np.sqrt(rng.chisquare(freedom - np.arange(begin, begin + count, dtype=float)))
            block[xp.arange(begin, begin + count), xp.arange(count)] = as_array(diagonal, like)
        yield block


def sample_covariance(blocks: Iterable[Array]) -> Array:
    """Covariance (d, d) of n readings, Σ_i (x_i − x̄)(x_i − x̄)ᵀ/(n − 1), that come in blocks (n_i, d)."""
    count = 0
    gram: Array = None
    total: Array = 0.0
    for block in blocks:
        xp = namespace(block)
        count += block.shape[0]
        total = total + xp.sum(block, axis=0)
        gram = add_gram(gram, block)
    lower = gram.T  # in the order of memory
    lower -= total[:, None] * (total / count)
    lower /= count - 1
    lower = xp.tril(lower)
    lower += xp.tril(lower, k=-1).T
    return lower


def sample_variance(blocks: Iterable[Array]) -> Array:
    """Its diagonal (d,)."""
    count = 0
    total: Array = 0.0
    square: Array = 0.0
    for block in blocks:
        xp = namespace(block)
        count += block.shape[0]
        total, square = total + xp.sum(block, axis=0), square + xp.sum(block**2, axis=0)
    return (square - total**2 / count) / (count - 1)
