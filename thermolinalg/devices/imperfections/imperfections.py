"""Departures of a device from its ideal: what is written is not quite A, what is read not quite x."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar, cast

import numpy as np
import scipy.sparse

from thermolinalg._arrays import Array, namespace, standard_normal
from thermolinalg.devices.imperfections.configuration import PARTS, Configuration
from thermolinalg.devices.imperfections.parts import connected
from thermolinalg.devices.imperfections.wires import LONGEST, wired
from thermolinalg.laws import Overdamped, Underdamped
from thermolinalg.operators import Dense, Operator, Sparse

__all__ = ["Imperfections"]

L = TypeVar("L")

FORMABLE = 16384
"""Up to this size the elements of a structured A are formed, to give each its error: 2 GB."""


@dataclass(frozen=True, init=False, eq=False)
class Imperfections(Configuration):
    """What a device is made of, part by part; without arguments the ideal one.

    Every number may be a plain one, an assumption of the caller's, a `Sourced` one that says where it comes from, or
    None: unknown, which is left out of the simulation and printed as unknown.

    Parameters
    ----------
    inputs : Converter, optional
        Digital-to-analog converters of the loads.
    couplings : Couplings, optional
        Elements that hold A.
    amplifiers : Amplifiers, optional
        Op-amps of the nodes.
    capacitors : Capacitors, optional
        Those of the nodes.
    noise : Noise, optional
        What drives the nodes.
    outputs : Converter, optional
        Analog-to-digital converters of the readings.
    interference : Interference, optional
        A line that couples into nodes and readings.
    flicker : Flicker, optional
        Noise of the readings that falls as 1/f.
    warming : Warming, optional
        How far each run starts from what was designed.
    clock : Clock, optional
        What tells when a reading is taken.
    shots : Shots, optional
        A drive of jumps in place of Gaussian noise.
    drive_flicker : DriveFlicker, optional
        Noise of the drive that falls as 1/f.
    die : int, optional
        Seed of everything that is frozen when a chip is made: every program is on that one chip then. By default each
        program is on another one, drawn by its `rng`, which always draws what a run or a write adds.
    matrix_bits, mismatch : float, optional
        Short for ``couplings=Couplings(bits=…, mismatch=…)``; a part that is given keeps its other numbers.
    input_bits, offset : float, optional
        Short for ``inputs=Converter(bits=…, offset=…)``.
    output_bits : int, optional
        Short for ``outputs=Converter(bits=…)``.
    temperature_error : float, optional
        Short for ``noise=Noise(temperature_error=…)``.

    Raises
    ------
    ValueError, TypeError
        A number that its part cannot have, by name.

    See Also
    --------
    devices.Ideal, devices.PaperTNGD, devices.PCB2024, devices.IntegratedCMOS, devices.Pessimistic : Presets.
    LangevinDevice : Takes it.

    Examples
    --------
    >>> from thermolinalg.devices import Amplifiers, Imperfections, Sourced
    >>> Imperfections().is_perfect, Imperfections(matrix_bits=8).is_perfect
    (True, False)
    >>> coarse = Imperfections(matrix_bits=Sourced(8, "data sheet"), amplifiers=Amplifiers(gain=1e3, bandwidth=None))
    >>> print(coarse)
    couplings.bits        8        bit  data sheet
    amplifiers.gain       1000          assumption
    amplifiers.bandwidth  unknown
    everything else is ideal
    >>> Imperfections.from_json(coarse.to_json()) == coarse
    True
    """

    # -- what it is ---------------------------------------------------------------------------------------------------

    @cached_property
    def is_symmetric(self) -> bool:
        """Whether all is still a function of one symmetric matrix, and noise white but for inertia."""
        noise, capacitors = self.noise, self.capacitors
        uneven = [noise.known(name) for name in ("spread", "correlation", "correlation_time")]
        uneven += [capacitors.known("mismatch"), capacitors.known("error"), self.amplifiers.known("stuck")]
        in_time = (self.interference, self.flicker, self.warming, self.clock, self.shots, self.drive_flicker)
        uneven += [not part.is_perfect for part in in_time]
        return not (any(uneven) or self.couplings.differ)

    @cached_property
    def keeps_skew(self) -> bool:
        """Whether a skew embedding on the device stays one."""
        amplifiers = self.amplifiers
        ideal = all(np.isinf(amplifiers.known(name)) for name in ("gain", "bandwidth"))
        return self.is_symmetric and ideal and not self.couplings.known("wire_resistance")

    @cached_property
    def rewrites(self) -> bool:
        """Whether the matrix that stands in the hardware differs from the one that was asked for."""
        return self.couplings.distortion > 0 or bool(np.isfinite(self.amplifiers.known("gain")))

    @cached_property
    def distortion(self) -> float:
        """Relative size of the errors in what is written and loaded, which A⁻¹ amplifies by its condition number."""
        bits, amplifiers = self.inputs.known("bits"), self.amplifiers
        loads = (2.0**-bits if bits else 0.0) + self.inputs.known("offset") + self.outputs.known("offset")
        nodes = amplifiers.known("offset") + 1 / amplifiers.known("gain") + amplifiers.known("stuck") ** 0.5
        return float(self.couplings.distortion + loads + nodes + abs(self.warming.known("conductance")))

    # -- what it does to a device -------------------------------------------------------------------------------------

    def frozen(self, part: str, rng: np.random.Generator, lot: int = 0) -> np.random.Generator:
        """What draws the frozen errors of a part: the chip where it has a seed, the program else.

        Parameters
        ----------
        part : str
        rng : numpy.random.Generator
            Of the program.
        lot : int, optional
            Which of the independent errors of the part.

        Returns
        -------
        numpy.random.Generator
        """
        if self.die is None:
            return rng
        return np.random.default_rng(np.random.SeedSequence(self.die, spawn_key=(list(PARTS).index(part), lot)))

    def write(self, operator: Operator, rng: np.random.Generator) -> Operator:
        """The matrix that ends up in the hardware: what its elements make of it, their wires, and the amplifiers' gain.

        Parameters
        ----------
        operator : Operator, shape (d, d)
            Symmetric.
        rng : numpy.random.Generator

        Returns
        -------
        Operator
            Symmetric where the elements are.

        Raises
        ------
        ValueError
            A is known by its structure only, or its elements have wires, and it has too many elements.
        """
        if not self.rewrites:
            return operator
        wires = self.couplings.known("wire_resistance")
        if wires and operator.shape[0] > LONGEST:
            raise ValueError(
                f"an array whose wires have a resistance is simulated up to {LONGEST} nodes, and A has "
                f"{operator.shape[0]}: pass a TiledDevice of so many cells around this one, or leave out "
                "wire_resistance"
            )
        if not isinstance(operator, Dense | Sparse) and operator.shape[0] > FORMABLE:
            raise ValueError(
                f"elements that err are written one by one, and A ({operator.structure}) has {operator.shape[0]}² of "
                "them; pass a sparse array, or a device with ideal couplings and gain"
            )
        symmetric = not self.couplings.differ
        if isinstance(operator, Sparse) and not wires:
            triangle = scipy.sparse.csr_array(scipy.sparse.tril(operator.matrix) if symmetric else operator.matrix)
            triangle.data = self.write_array(triangle.data, rng)
            matrix = triangle + scipy.sparse.tril(triangle, k=-1).T if symmetric else triangle
            leak = self._leak(matrix)
            matrix = matrix if leak is None else matrix + scipy.sparse.diags_array(leak)
            return operator.holding(matrix, symmetric=symmetric)
        matrix = self.write_array(operator.dense(), rng)
        xp = namespace(matrix)
        if symmetric:
            matrix = xp.tril(matrix) + xp.tril(matrix, k=-1).T
        matrix = wired(matrix, wires) if wires else matrix
        leak = self._leak(matrix)
        matrix = matrix if leak is None else matrix + xp.diag(leak)
        return Dense(matrix, symmetric=symmetric)

    def write_array(self, elements: Array, rng: np.random.Generator) -> Array:
        """What ends up in an array of couplings (m, n) that need not be symmetric, but for wires and amplifiers.

        Parameters
        ----------
        elements : array, shape (m, n)
        rng : numpy.random.Generator

        Returns
        -------
        array, shape (m, n)
        """
        return self.couplings.realise(elements, self.frozen("couplings", rng), rng)

    def _leak(self, matrix: Array) -> Array | None:
        """What a finite gain adds to the diagonal (d,); None where it is infinite."""
        gain = self.amplifiers.known("gain")
        return connected(matrix) / gain if np.isfinite(gain) else None

    def draw_offset(self, part: str, nodes: int, like: Array, rng: np.random.Generator) -> Array | float:
        """The frozen offsets of `inputs`, `amplifiers` or `outputs` (d, 1), in units of the full range of a load.

        Parameters
        ----------
        part : str
        nodes : int
            d.
        like : array
        rng : numpy.random.Generator

        Returns
        -------
        array, shape (d, 1), or 0.0
        """
        size = self.parts[part].known("offset")
        return size * standard_normal(self.frozen(part, rng), (nodes, 1), like) if size else 0.0

    def heat(self, law: L) -> L:
        """The law at the temperature the noise really has.

        Parameters
        ----------
        law : law of motion

        Returns
        -------
        law of motion
        """
        error = self.noise.known("temperature_error")
        if not error:
            return law
        dynamics = cast(Any, law)
        return cast(L, replace(dynamics, temperature=dynamics.temperature * (1 + error)))

    def dynamics(self, law: L) -> L:
        """The law as amplifiers and noise leave it; one more pole is inertia.

        Parameters
        ----------
        law : law of motion

        Returns
        -------
        law of motion

        Raises
        ------
        TypeError
            The bandwidth is finite, and the law is not overdamped.
        """
        law, bandwidth = self.heat(law), self.amplifiers.known("bandwidth")
        if not np.isfinite(bandwidth):
            return law
        if not isinstance(law, Overdamped):
            raise TypeError(f"a finite bandwidth is that of an overdamped device, not of one with the law {law!r}")
        return cast(L, Underdamped(law.temperature, mass=1 / bandwidth, friction=1.0))

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
