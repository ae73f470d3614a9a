"""Departures of a device from its ideal: what is written is not quite A, what is read not quite x."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import numpy as np
import scipy.sparse

from thermolinalg._arrays import Array, namespace, standard_normal
from thermolinalg._validation import as_count, as_nonnegative
from thermolinalg.operators import Dense, Operator, Sparse

__all__ = ["Imperfections"]

L = TypeVar("L")


@dataclass(frozen=True)
class Imperfections:
    """Static errors of a device; zero everywhere is the ideal one.

    Parameters
    ----------
    matrix_bits, input_bits, output_bits : int
        Resolution of the written matrix, of loads and of readings over their full range; 0 means ideal.
    mismatch : float
        Relative standard deviation of the couplings, frozen when the matrix is written.
    offset : float
        Standard deviation of a constant added to each load, relative to the input range, frozen likewise.
    temperature_error : float
        Relative error of the noise temperature.

    Notes
    -----
    16 bits are what the cost model of arXiv:2405.13817 assumes for converters. Mismatch and offset of real parts
    vary with technology: values are the caller's assumption.

    Examples
    --------
    >>> Imperfections().is_perfect, Imperfections(matrix_bits=8).is_perfect
    (True, False)
    """

    matrix_bits: int = 0
    input_bits: int = 0
    output_bits: int = 0
    mismatch: float = 0.0
    offset: float = 0.0
    temperature_error: float = 0.0

    def __post_init__(self) -> None:
        for name in ("matrix_bits", "input_bits", "output_bits"):
            as_count(getattr(self, name), name, minimum=0)
        for name in ("mismatch", "offset"):
            as_nonnegative(getattr(self, name), name)
        if not -1.0 < self.temperature_error < float("inf"):
            raise ValueError(f"temperature_error must be finite and above -1, got {self.temperature_error!r}")

    @property
    def is_perfect(self) -> bool:
        """Whether the device is ideal."""
        return self == Imperfections()

    @property
    def distortion(self) -> float:
        """Relative size of the errors in what is written and loaded, which A⁻¹ amplifies by its condition number."""
        steps = (2.0**-bits for bits in (self.matrix_bits, self.input_bits) if bits)
        return sum(steps) + self.mismatch + self.offset

    def write(self, operator: Operator, rng: np.random.Generator) -> Operator:
        """The matrix that ends up in the hardware: rounded to the grid, then mismatched, symmetric throughout."""
        if self.matrix_bits == 0 and self.mismatch == 0.0:
            return operator
        if isinstance(operator, Sparse):
            triangle = scipy.sparse.csr_array(scipy.sparse.tril(operator.matrix))
            triangle.data = quantise(triangle.data, self.matrix_bits)
            triangle.data *= 1 + self.mismatch * rng.standard_normal(triangle.nnz)
            return operator.holding(triangle + scipy.sparse.tril(triangle, k=-1).T)
        matrix = self.write_array(operator.dense(), rng)
        xp = namespace(matrix)
        return Dense(xp.tril(matrix) + xp.tril(matrix, k=-1).T)

    def heat(self, law: L) -> L:
        """The law at the temperature the noise really has."""
        if not self.temperature_error:
            return law
        dynamics = cast(Any, law)
        return cast(L, replace(dynamics, temperature=dynamics.temperature * (1 + self.temperature_error)))

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Whatever is found wrong with a matrix inside is said of the copy of it that the device holds."""
        try:
            yield
        except np.linalg.LinAlgError as error:
            if self.is_perfect:
                raise
            text = str(error).removeprefix("A is")
            raise type(error)(f"the copy of A that this device holds, rounded and mismatched, is{text}") from None

    def write_array(self, elements: Array, rng: np.random.Generator) -> Array:
        """What ends up in an array of couplings (m, n) that need not be symmetric: rounded, then mismatched."""
        written = quantise(elements, self.matrix_bits)
        if self.mismatch == 0.0:
            return written
        return written * (1 + self.mismatch * standard_normal(rng, tuple(elements.shape), elements))


def quantise(x: Array, bits: int, axis: int | None = None) -> Array:
    """Round to the 2^bits − 1 levels of a symmetric converter whose range is the largest entry (per column)."""
    if bits == 0 or 0 in x.shape:
        return x
    xp = namespace(x)
    span = xp.max(xp.abs(x)) if axis is None else xp.max(xp.abs(x), axis=axis, keepdims=True)
    step = xp.where(span > 0, span, 1.0) / (2 ** (bits - 1) - 1 if bits > 1 else 1)
    return xp.round(x / step) * step
