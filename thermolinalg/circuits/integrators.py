"""An array of op-amp integrators that holds A in its resistors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from thermolinalg._validation import as_nonnegative, as_positive
from thermolinalg.circuits.components import Component, preferred
from thermolinalg.circuits.netlist import IDEAL, OpAmp, Transient, noise_source

__all__ = ["IntegratorArray"]


@dataclass(frozen=True)
class IntegratorArray:
    """d integrators whose resistors hold A: the circuit of Thermodynamic Natural Gradient Descent, Appendix C.

    Node i is the output of an op-amp with the capacitor C in its feedback. What flows into its virtual ground through
    the resistors R_ij from the outputs V_j, through R from the source U_i and from a noise source I_i charges it,

        C dV_i/dt = −Σ_j V_j/R_ij − U_i/R − I_i,

    so that with 1/R_ij = g A_ij and U = −v R g b the voltages V = v x obey dx = −(A x − b) dt/τ with τ = C/g. A
    negative A_ij takes the output of node j inverted. White noise of the two-sided density 2 C g v² T makes
    N(A⁻¹b, T A⁻¹) the law of x in equilibrium.

    Parameters
    ----------
    matrix : array_like, shape (d, d)
        A. It need not be symmetric; what its eigenvalues with negative real parts do to the circuit is not prevented.
    load : array_like, shape (d,), optional
        b; default zero.
    resistance : float
        R in Ω, and the resistor of the largest |A_ij|.
    capacitance : float
        C in F.
    volts : float
        v, the voltage that stands for x = 1.
    temperature : float
        T, in units of A x²; zero leaves the noise sources out.
    series : str, optional
        Series of preferred values that the resistors come from, as ``"E96"``; None: any value.
    amplifier : OpAmp
        Of all nodes.

    Raises
    ------
    ValueError
        A is empty, zero or not finite, or a parameter is not positive.

    See Also
    --------
    CapacitorArray : Circuits that hold A.
    OpAmp, mirrored : What an array of integrators is made of.

    Notes
    -----
    Amplifiers that are not ideal change the law: the offset V_os adds V_os (Σ_j 1/R_ij + 1/R) to the currents of the
    load, and a finite gain A₀ adds (Σ_j 1/R_ij + 1/R)/A₀ to the conductance of a node to itself. `netlist` has both;
    its inverters are ideal.

    References
    ----------
    Donatella et al., Thermodynamic Natural Gradient Descent, arXiv:2405.13817, Appendix C. Its equation has the other
    sign for the load, as if the sources were drawn with the opposite polarity.

    Examples
    --------
    >>> circuit = IntegratorArray([[2.0, -1.0], [-1.0, 4.0]], [1.0, 0.0], series="E24")
    >>> print(circuit)
    IntegratorArray: 2 nodes, 4 + 2 resistors, 2 capacitors, 2 op-amps, 2 inverters, 0 noise sources; τ = 4 µs
    >>> circuit.realised
    array([[ 2.        , -1.02564103],
           [-1.02564103,  4.        ]])
    >>> print(circuit.components[0])
    R0_0       resistor            2 kΩ  x0 – s0
    """

    matrix: Any
    load: Any = None
    resistance: float = 1e3
    capacitance: float = 1e-9
    volts: float = 0.1
    temperature: float = 0.0
    series: str | None = None
    amplifier: OpAmp = IDEAL

    def __post_init__(self) -> None:
        A = np.array(self.matrix, dtype=float)
        if A.ndim != 2 or A.shape[0] != A.shape[1] or A.shape[0] == 0:
            raise ValueError(f"A must be square and not empty, got the shape {A.shape}")
        b = np.zeros(len(A)) if self.load is None else np.array(self.load, dtype=float)
        if b.shape != (len(A),):
            raise ValueError(f"b must have the shape {(len(A),)}, got {b.shape}")
        if not (np.isfinite(A).all() and np.isfinite(b).all()):
            raise ValueError("A and b must be finite")
        if not A.any():
            raise ValueError("a circuit cannot hold A = 0: it has no scale")
        for name in ("resistance", "capacitance", "volts"):
            as_positive(getattr(self, name), name)
        as_nonnegative(self.temperature, "temperature")
        object.__setattr__(self, "matrix", A)
        object.__setattr__(self, "load", b)

    def __str__(self) -> str:
        kinds = [part.kind for part in self.components]
        d, inverters, noisy = len(self.matrix), kinds.count("inverter"), kinds.count("noise source")
        couplings = kinds.count("resistor") - d
        return (
            f"IntegratorArray: {d} nodes, {couplings} + {d} resistors, {d} capacitors, {d} op-amps, "
            f"{inverters} inverters, {noisy} noise sources; τ = {1e6 * self.time_constant:.4g} µs"
        )

    # -- what is built ------------------------------------------------------------------------------------------------

    @property
    def conductance(self) -> float:
        """g, the conductance in S that stands for A_ij = 1."""
        return 1.0 / (self.resistance * float(abs(self.matrix).max()))

    @property
    def time_constant(self) -> float:
        """τ = C/g in seconds: the unit of time of dx = −(A x − b) dt."""
        return self.capacitance / self.conductance

    @property
    def resistors(self) -> np.ndarray:
        """R_ij (d, d) as they are built, infinite where A_ij = 0."""
        with np.errstate(divide="ignore"):
            exact = 1.0 / (self.conductance * abs(self.matrix))
        if self.series is None:
            return np.asarray(exact)
        return np.array([[preferred(r, self.series) if np.isfinite(r) else np.inf for r in row] for row in exact])

    @property
    def input_resistor(self) -> float:
        """R as it is built."""
        return self.resistance if self.series is None else preferred(self.resistance, self.series)

    @property
    def realised(self) -> np.ndarray:
        """The A that the resistors hold, (d, d)."""
        return np.asarray(np.sign(self.matrix) / (self.conductance * self.resistors))

    @property
    def noise_density(self) -> float:
        """Two-sided density of the noise currents, 2 C g v² T, in A²/Hz."""
        return 2.0 * self.capacitance * self.conductance * self.volts**2 * self.temperature

    @property
    def sources(self) -> np.ndarray:
        """U (d,) in V."""
        return np.asarray(-self.volts * self.input_resistor * self.conductance * self.load)

    @property
    def components(self) -> list[Component]:
        """All parts: resistors row by row, then sources, capacitors, amplifiers, inverters, noise."""
        d, R = len(self.matrix), self.resistors
        found = [
            Component(f"R{i}_{j}", "resistor", (self._output(i, j), f"s{i}"), float(R[i, j]), "Ω")
            for i in range(d)
            for j in range(d)
            if self.matrix[i, j]
        ]
        found += [Component(f"R{i}", "resistor", (f"u{i}", f"s{i}"), self.input_resistor, "Ω") for i in range(d)]
        found += [Component(f"U{i}", "source", (f"u{i}", "0"), float(u), "V") for i, u in enumerate(self.sources)]
        found += [Component(f"C{i}", "capacitor", (f"s{i}", f"x{i}"), self.capacitance, "F") for i in range(d)]
        found += [Component(f"A{i}", "op-amp", (f"s{i}", f"x{i}"), 1, "") for i in range(d)]
        found += [Component(f"N{j}", "inverter", (f"x{j}", f"n{j}"), 1, "") for j in self._inverted]
        if self.temperature:
            density = self.noise_density
            found += [Component(f"I{i}", "noise source", ("0", f"s{i}"), density, "A²/Hz") for i in range(d)]
        return found

    @property
    def _inverted(self) -> list[int]:
        return [int(j) for j in np.flatnonzero((self.matrix < 0).any(axis=0))]

    def _output(self, i: int, j: int) -> str:
        """Where resistor (i, j) gets its voltage from."""
        return f"x{j}" if self.matrix[i, j] > 0 else f"n{j}"

    # -- as ngspice reads it ------------------------------------------------------------------------------------------

    def netlist(
        self,
        run: Transient,
        start: ArrayLike | None = None,
        *,
        samples: str | None = None,
        spacing: float | None = None,
    ) -> str:
        """The circuit and a run of it, for ``ngspice -b``.

        Parameters
        ----------
        run : Transient
        start : array_like, shape (d,), optional
            x at the start; default zero.
        samples : str, optional
            File that receives the voltages, `spacing` seconds apart.
        spacing : float, optional

        Returns
        -------
        str
        """
        x0 = np.zeros(len(self.matrix)) if start is None else np.asarray(start, dtype=float)
        lines = [f"* {self}"]
        for part in self.components:
            match part.kind:
                case "resistor" | "source":
                    name = part.name.replace("U", "V")
                    lines.append(f"{name} {' '.join(part.nodes)} {part.value:.12g}")
                case "capacitor":
                    at = self.volts * x0[int(part.name[1:])]
                    lines.append(f"{part.name} {' '.join(part.nodes)} {part.value:.12g} IC={-at:.12g}")
                case "op-amp":
                    lines += self.amplifier.lines(part.name, *part.nodes)
                case "inverter":
                    lines.append(f"E{part.name} {part.nodes[1]} 0 0 {part.nodes[0]} 1")
                case "noise source" if run.seed is not None:
                    lines.append(noise_source(part.name[1:], part.nodes[1], part.value, run.step))
        outputs = [f"x{i}" for i in range(len(self.matrix))]
        return "\n".join([*lines, *run.control(outputs, samples, spacing)]) + "\n"
