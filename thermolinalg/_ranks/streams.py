"""Random vectors that do not depend on how many ranks share their rows."""

from __future__ import annotations

import numpy as np

from thermolinalg._ranks.array import DistributedArray

__all__ = ["normal_rows", "random_signs"]

STRIDE = 1 << 13
"""Rows of one stream: a rank draws up to so many beside its own, and a stream takes as long to begin as 500 numbers."""


def normal_rows(rng: np.random.Generator, shape: tuple[int, ...], like: DistributedArray) -> DistributedArray:
    """Standard normal numbers (n, …) on the ranks of `like`, in its dtype.

    Philox counts: piece i of the rows has the stream of the counter (0, 0, 0, i) under one key, which is drawn from
    `rng` on the first rank. The numbers depend on that generator alone, and not on how many ranks draw them.

    Parameters
    ----------
    rng : numpy.random.Generator
        In the same state on every rank, or fresh on each.
    shape : tuple of int
        The first is the number of rows.
    like : DistributedArray

    References
    ----------
    Salmon, Moraes, Dror and Shaw, Parallel random numbers: as easy as 1, 2, 3, SC11 (2011).
    """
    partition = like.partition
    if shape[0] != partition.rows:
        raise ValueError(f"random numbers of shape {shape} do not lie on ranks that share {partition.rows} rows")
    key = partition.comm.bcast(int(rng.integers(2**63 - 1)), 0)
    local = np.empty((partition.stop - partition.start, *shape[1:]), like.dtype)
    first, last = partition.start // STRIDE, -(-partition.stop // STRIDE)
    for piece in range(first, last):
        stream = np.random.Generator(np.random.Philox(key=key, counter=piece << 192))
        begin, end = piece * STRIDE, min((piece + 1) * STRIDE, partition.stop)
        numbers = stream.standard_normal((end - begin, *shape[1:]), dtype=local.dtype.type)
        skipped = max(partition.start - begin, 0)
        local[max(begin - partition.start, 0) : end - partition.start] = numbers[skipped:]
    return DistributedArray(local, partition)


def random_signs(rng: np.random.Generator, shape: tuple[int, ...], like: DistributedArray) -> DistributedArray:
    """Numbers ±1 (n, …) on the ranks of `like`."""
    drawn = normal_rows(rng, shape, like)
    return DistributedArray(np.copysign(1.0, drawn.local), drawn.partition)
