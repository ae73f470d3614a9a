"""Coupled resonators that hold A in their capacitors, and the mirror image that makes any sign of coupling possible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from thermolinalg._validation import as_positive
from thermolinalg.circuits.components import Component, preferred
from thermolinalg.circuits.netlist import Transient, noise_source

__all__ = ["CapacitorArray", "mirrored"]


@dataclass(frozen=True)
class CapacitorArray:
    """d cells of a resistor and an inductor to ground, coupled by capacitors: the stochastic processing unit's circuit.

    The voltages v and the currents i of the inductors obey

        C dv = −(v/R + i) dt + sqrt(2 κ₀) dW,    L di = v dt,

    where C is the Maxwell matrix of the capacitors: C_ij of cell i to cell j appears as −C_ij beside the diagonal, and
    the sum of a row is the cell's own capacitor to ground. In equilibrium cov(v) = κ₀ R C⁻¹, so that with C = c A and
    κ₀ = v² T c/R the voltages over v have the covariance T A⁻¹. It needs no amplifiers, and holds only A whose
    off-diagonal entries are ≤ 0 and whose rows sum to ≥ 0; `mirrored` takes others to twice the size.

    Parameters
    ----------
    matrix : array_like, shape (d, d)
        A, symmetric.
    capacitance : float
        Of the largest |A_ij|, F.
    resistance : float
        R in Ω, the same in all cells: cov(v) is not proportional to C⁻¹ otherwise.
    inductance : float, optional
        L in H; None leaves the inductors out, which changes the time scale and not the covariance.
    volts : float
        v, the voltage of x = 1.
    temperature : float
        T, in units of A x².
    series : str, optional
        Series of preferred values that the capacitors come from.

    Raises
    ------
    ValueError
        A is not symmetric, or cannot be programmed: the error names the entry or row of a negative capacitance.

    See Also
    --------
    IntegratorArray : Circuits that hold A.

    References
    ----------
    Melanson et al., Thermodynamic computing system for AI applications, Nature Communications 16, 3757 (2025).

    Examples
    --------
    >>> circuit = CapacitorArray([[3.0, -1.0], [-1.0, 2.0]], capacitance=3e-9)
    >>> for part in circuit.components[:3]:
    ...     print(part)
    C0_1       capacitor           1 nF  x0 – x1
    C0         capacitor           2 nF  x0 – 0
    C1         capacitor           1 nF  x1 – 0
    >>> CapacitorArray([[2.0, 1.0], [1.0, 2.0]])
    Traceback (most recent call last):
    ...
    ValueError: A cannot be programmed: A[0, 1] = 1 takes a negative capacitance between cells 0 and 1; mirrored(A) ...
    """

    matrix: Any
    capacitance: float = 1e-9
    resistance: float = 1e3
    inductance: float | None = None
    volts: float = 0.1
    temperature: float = 1.0
    series: str | None = None

    def __post_init__(self) -> None:
        A = np.array(self.matrix, dtype=float)
        if A.ndim != 2 or A.shape[0] != A.shape[1] or A.shape[0] == 0 or not np.isfinite(A).all():
            raise ValueError(f"A must be square, finite and not empty, got the shape {A.shape}")
        if not np.array_equal(A, A.T):
            i, j = np.unravel_index(np.argmax(abs(A - A.T)), A.shape)
            raise ValueError(f"capacitors couple both ways alike: A[{i}, {j}] = {A[i, j]:g}, A[{j}, {i}] = {A[j, i]:g}")
        for name in ("capacitance", "resistance", "volts", "temperature"):
            as_positive(getattr(self, name), name)
        if self.inductance is not None:
            as_positive(self.inductance, "inductance")
        off = A - np.diag(np.diag(A))
        if (off > 0).any():
            i, j = np.unravel_index(np.argmax(off), A.shape)
            raise ValueError(
                f"A cannot be programmed: A[{i}, {j}] = {A[i, j]:g} takes a negative capacitance between cells {i} and "
                f"{j}; mirrored(A) has couplings of one sign"
            )
        own = A.sum(axis=1)
        if (own < 0).any() or not A.any():
            row = int(np.argmin(own))
            raise ValueError(
                f"A cannot be programmed: row {row} sums to {own[row]:g}, the capacitance of cell {row} to ground; a "
                "multiple of the identity added to A makes it positive"
            )
        object.__setattr__(self, "matrix", A)

    @property
    def unit(self) -> float:
        """c, the capacitance in F that stands for A_ij = 1."""
        return self.capacitance / float(abs(self.matrix).max())

    @property
    def noise_density(self) -> float:
        """Two-sided density of the noise currents, 2 κ₀ = 2 v² T c/R, in A²/Hz."""
        return 2.0 * self.volts**2 * self.temperature * self.unit / self.resistance

    @property
    def components(self) -> list[Component]:
        """All parts: couplings, capacitors to ground, resistors, inductors, noise."""
        d, c = len(self.matrix), self.unit
        pairs = [(i, j) for i in range(d) for j in range(i + 1, d) if self.matrix[i, j]]
        found = [
            Component(f"C{i}_{j}", "capacitor", (f"x{i}", f"x{j}"), self._built(-c * self.matrix[i, j]), "F")
            for i, j in pairs
        ]
        own = c * self.matrix.sum(axis=1)
        found += [
            Component(f"C{i}", "capacitor", (f"x{i}", "0"), self._built(value), "F")
            for i, value in enumerate(own)
            if value > 0
        ]
        found += [Component(f"R{i}", "resistor", (f"x{i}", "0"), self.resistance, "Ω") for i in range(d)]
        if self.inductance is not None:
            found += [Component(f"L{i}", "inductor", (f"x{i}", "0"), self.inductance, "H") for i in range(d)]
        density = self.noise_density
        return [*found, *(Component(f"I{i}", "noise source", ("0", f"x{i}"), density, "A²/Hz") for i in range(d))]

    @property
    def realised(self) -> np.ndarray:
        """The A that the capacitors hold, (d, d)."""
        A: np.ndarray = np.zeros(self.matrix.shape)
        for part in self.components:
            if part.kind == "capacitor":
                ends = [int(node[1:]) for node in part.nodes if node != "0"]
                for i in ends:
                    A[i, i] += part.value / self.unit
                if len(ends) == 2:
                    A[ends[0], ends[1]] = A[ends[1], ends[0]] = -part.value / self.unit
        return A

    def netlist(self, run: Transient, *, samples: str | None = None, spacing: float | None = None) -> str:
        """The circuit, at rest at the start, and a run of it, for ``ngspice -b``.

        Parameters
        ----------
        run : Transient
        samples : str, optional
            File that receives the voltages, `spacing` seconds apart.
        spacing : float, optional

        Returns
        -------
        str
        """
        lines = [f"* {len(self.matrix)} cells coupled by capacitors"]
        for part in self.components:
            if part.kind != "noise source":
                lines.append(f"{part.name} {' '.join(part.nodes)} {part.value:.12g}")
            elif run.seed is not None:
                lines.append(noise_source(part.name[1:], part.nodes[1], part.value, run.step))
        outputs = [f"x{i}" for i in range(len(self.matrix))]
        return "\n".join([*lines, *run.control(outputs, samples, spacing)]) + "\n"

    def _built(self, value: float) -> float:
        return float(value) if self.series is None else preferred(float(value), self.series)


def mirrored(A: Any) -> np.ndarray:
    """E = [[A − N, −N], [−N, A − N]] with the positive off-diagonal entries N of A: of one sign, and twice the size.

    Parameters
    ----------
    A : array_like, shape (d, d)
        Symmetric.

    Returns
    -------
    ndarray, shape (2 d, 2 d)
        Vectors (x, −x) it maps as A does: E (x, −x) = (A x, −A x). Of a device that holds it under the load (b, −b),
        half the difference of the halves settles to A⁻¹b, with the covariance T A⁻¹/2.

    Raises
    ------
    LinAlgError
        A − 2N is not positive definite: the sum of the halves would run away.

    See Also
    --------
    IntegratorArray, OpAmp : What an array of integrators is made of.

    Examples
    --------
    >>> mirrored([[2.0, 0.5], [0.5, 2.0]])
    array([[ 2. ,  0. ,  0. , -0.5],
           [ 0. ,  2. , -0.5,  0. ],
           [ 0. , -0.5,  2. ,  0. ],
           [-0.5,  0. ,  0. ,  2. ]])
    """
    A = np.array(A, dtype=float)
    N = np.where(A > 0, A, 0.0) - np.diag(np.maximum(np.diag(A), 0.0))
    smallest = float(np.linalg.eigvalsh(A - 2 * N)[0])
    if smallest <= 0:
        raise np.linalg.LinAlgError(
            f"A minus twice its positive couplings has the eigenvalue {smallest:.6g}: its mirror image would run away; "
            "an IntegratorArray holds couplings of both signs"
        )
    return np.block([[A - N, -N], [-N, A - N]]) + 0.0
