"""The digital computer beside the device: what factorisations and products take on it, each rate with its source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from time import perf_counter, process_time
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse

from thermolinalg.hardware.quantity import NOT_GIVEN, Quantity

__all__ = ["A100", "Computer", "this_computer"]

UNITS = {
    "factor_rate": "flop/s",
    "product_rate": "flop/s",
    "sparse_factor_rate": "flop/s",
    "sparse_product_rate": "flop/s",
    "overhead": "s",
    "power": "W",
}

LEFT_OUT = Quantity(0.0, "s", "left out")

REPEATS = 8
"""Timings of which the shortest counts: more are steadier, and make the first plan of a process slower."""

FACTORED = 500
"""Order of the matrix whose factorisation is timed: large enough for its rate, and a few milliseconds."""

MULTIPLIED = 2000
"""Order of the matrix whose products are timed: 32 MB, more than most caches hold."""

GRID = 120
"""Points a side of the plane grid whose sparse factorisation and products are timed."""


@dataclass(frozen=True)
class Computer:
    """A digital computer. A number may be given for a `Quantity`, and None for what is unknown.

    Parameters
    ----------
    name : str
        What it is called.
    factor_rate, product_rate : Quantity or float, optional
        Operations a second of a dense factorisation, and of a dense product with one vector.
    sparse_factor_rate, sparse_product_rate : Quantity or float, optional
        Likewise with sparse matrices.
    overhead : Quantity or float, optional
        Of one step of an iteration besides its product, in s.
    power : Quantity or float, optional
        While it works, in W.

    Raises
    ------
    ValueError
        A number that is negative or not finite, or a rate of zero.

    See Also
    --------
    this_computer : The digital side of a comparison.

    Examples
    --------
    >>> computer = Computer("a slow one", factor_rate=1e9)
    >>> computer.seconds(1e6, "factor"), computer.seconds(1e6, "product")
    (0.001, None)
    """

    name: str
    factor_rate: Quantity = NOT_GIVEN
    product_rate: Quantity = NOT_GIVEN
    sparse_factor_rate: Quantity = NOT_GIVEN
    sparse_product_rate: Quantity = NOT_GIVEN
    overhead: Quantity = LEFT_OUT
    power: Quantity = NOT_GIVEN

    def __post_init__(self) -> None:
        for name, unit in UNITS.items():
            quantity = Quantity(None, unit, "not given").given(getattr(self, name), name)
            if quantity.value == 0 and name.endswith("rate"):
                raise ValueError(f"{name} must be positive, got 0; None says that it is unknown")
            object.__setattr__(self, name, quantity)

    def __str__(self) -> str:
        width = max(map(len, UNITS))
        rows = (f"{name.replace('_', ' '):>{width}}  {getattr(self, name)}" for name in UNITS)
        return "\n".join([f"{'computer':>{width}}  {self.name}", *rows])

    def seconds(self, operations: float, kind: str) -> float | None:
        """Time of so many operations.

        Parameters
        ----------
        operations : float
        kind : {'factor', 'product', 'sparse_factor', 'sparse_product'}

        Returns
        -------
        float or None
            None where the rate is unknown.
        """
        rate: Quantity = getattr(self, f"{kind}_rate")
        return None if rate.value is None else operations / rate.value


A100 = Computer(
    "A100",
    factor_rate=Quantity(9.7e12, "flop/s", "assumption: half of the data sheet's 19.5 Tflop/s in float64"),
    product_rate=Quantity(2039e9 / 4, "flop/s", "2 operations for 8 bytes at the data sheet's 2039 GB/s"),
    sparse_factor_rate=Quantity(None, "flop/s", "depends on the matrix"),
    sparse_product_rate=Quantity(2039e9 / 6, "flop/s", "2 operations for 12 bytes at the data sheet's 2039 GB/s"),
    overhead=Quantity(10e-6, "s", "assumption: two launches"),
    power=Quantity(400.0, "W", "data sheet, 80 GB SXM"),
)
"""NVIDIA's A100 by its data sheet, in double precision; nothing of it is measured here."""


@cache
def this_computer() -> Computer:
    """The machine this runs on, timed once for a process in some tenths of a second; its power is unknown.

    Returns
    -------
    Computer
        With as many threads as NumPy's and SciPy's BLAS take.

    See Also
    --------
    Computer : The digital side of a comparison.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((FACTORED, FACTORED))
    A, B = X @ X.T + FACTORED * np.eye(FACTORED), rng.standard_normal((MULTIPLIED, MULTIPLIED))
    v, line = (
        rng.standard_normal(MULTIPLIED),
        scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(GRID, GRID)),
    )
    grid = scipy.sparse.csc_array(scipy.sparse.kronsum(line, line))
    u, unit = rng.standard_normal(grid.shape[0]), np.ones(100)
    factor = scipy.sparse.linalg.splu(grid, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    # One of its two factors, as symmetric factorisations need.
    fill = np.diff(factor.L.indptr).astype(float)
    measured = {
        "factor_rate": FACTORED**3 / 3 / _least(lambda: scipy.linalg.cho_factor(A, check_finite=False)),
        "product_rate": 2.0 * MULTIPLIED**2 / _least(lambda: B @ v),
        "sparse_factor_rate": float(fill @ fill)
        / _least(lambda: scipy.sparse.linalg.splu(grid, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})),
        "sparse_product_rate": 2.0 * grid.nnz / _least(lambda: grid @ u, 20),
    }
    overhead = _least(lambda: [unit @ unit, unit @ unit, unit + 2.0 * unit, unit + 2.0 * unit, unit + 2.0 * unit], 100)
    rates = {name: Quantity(value, "flop/s", "measured here") for name, value in measured.items()}
    return Computer("this computer", **rates, overhead=Quantity(overhead, "s", "measured here"))


def _least(call: Callable[[], Any], inner: int = 1) -> float:
    """Seconds of one call, the shortest of a few."""

    def calls() -> None:
        for _ in range(inner):
            call()

    calls()
    return max(min(clocked(calls)[0] for _ in range(REPEATS)) / inner, 1e-9)


def clocked(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of a call, and what it returns.

    By the clock, or of the processor where that is less: what other programs take of the machine is not the call's.
    """
    wall, processor = perf_counter(), process_time()
    value = call()
    processor, wall = process_time() - processor, perf_counter() - wall
    return min(wall, processor) if processor > 0 else wall, value
