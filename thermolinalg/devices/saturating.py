"""A device whose nodes bend or stop: rails, clamps, tanh amplifiers, wells, stepped in time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from thermolinalg._validation import as_positive, as_rng
from thermolinalg.devices.imperfections import Imperfections
from thermolinalg.devices.loading import AsWritten, Equilibrated, checked_imperfections, checked_loading
from thermolinalg.devices.saturating_program import SaturatingProgram
from thermolinalg.laws import Overdamped
from thermolinalg.operators import Operator
from thermolinalg.operators.read import read_matrix
from thermolinalg.simulation.nonlinear import Integrator, LeimkuhlerMatthews
from thermolinalg.simulation.nonlinear.energies import read_energy
from thermolinalg.simulation.nonlinear.integrators import read_integrator

__all__ = ["SaturatingDevice"]


@dataclass(frozen=True)
class SaturatingDevice:
    r"""A device of nonlinear nodes, simulated in time: :math:`dx = -(A x - b + \nabla U(x))\,dt + \sqrt{2T}\,dW`.

    Where it has a limit, loads are lowered until the means of all voltages and four standard deviations fit within it,
    as for converters that clip (`ledger.rescaled`); under `AsWritten` they are taken as they are, and `ledger.clipped`
    counts the voltages that do not fit. What one run reads is biased by what bends the nodes; a refined answer is not.

    Parameters
    ----------
    rail : float, optional
        Voltage ± at which outputs stop, in units of the full range of a load; default: none.
    bend : Energy, optional
        U in the device's units: `Clamps`, `Saturation`, `Wells` with a small pump, or a sum of these and others. Its
        `linear_range`, where it tells one, counts as rails do.
    law : Overdamped, optional
        Default: temperature 1.
    loading : Equilibrated or AsWritten, optional
        How A and b are brought into range. Default: `Equilibrated`.
    imperfections : Imperfections, optional
        Linear ones besides, of parts that are alike.
    integrator : Integrator, optional
        Default: `LeimkuhlerMatthews`; where moments at rails matter, `MALA`.
    tolerance : float, optional
        Relative error of variances that the chosen time step may make.

    Raises
    ------
    ValueError
        A rail or a tolerance that is not positive.
    TypeError
        Unequal parts or amplifiers of finite bandwidth.

    See Also
    --------
    TiledDevice, RemoteDevice, LatticeDevice : Devices with limits of hardware.

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> from thermolinalg.devices import SaturatingDevice
    >>> A, b = np.array([[2.0, -0.5], [-0.5, 1.0]]), np.array([1.0, 2.0])
    >>> device = SaturatingDevice(rail=0.8, law=tla.Overdamped(1e-4))
    >>> x, info = tla.solve(A, b, rtol=1e-6, device=device, rng=0, return_info=True)
    >>> np.allclose(A @ x, b), info.ledger.rescaled > 0
    (True, True)
    """

    rail: float = math.inf
    bend: Any = None
    law: Overdamped = field(default_factory=Overdamped)
    loading: Equilibrated | AsWritten = field(default_factory=Equilibrated)
    imperfections: Imperfections = field(default_factory=Imperfections)
    integrator: Integrator = field(default_factory=LeimkuhlerMatthews)
    tolerance: float = 1e-2

    def __post_init__(self) -> None:
        checked_loading(self.loading)
        checked_imperfections(self.imperfections)
        read_integrator(self.integrator)
        if self.bend is not None:
            read_energy(self.bend)
        if self.rail != math.inf:
            as_positive(self.rail, "rail")
        as_positive(self.tolerance, "tolerance")
        if not isinstance(self.law, Overdamped):
            raise TypeError(f"a SaturatingDevice is overdamped, not {self.law!r}")
        if not self.imperfections.is_symmetric or math.isfinite(self.imperfections.amplifiers.known("bandwidth")):
            raise TypeError(
                "a SaturatingDevice has parts that are alike and amplifiers of infinite bandwidth: leave out "
                "capacitors=, the spread, correlation and correlation_time of noise=, stuck amplifiers, bandwidth=, "
                "interference=, flicker=, warming=, clock=, shots=, drive_flicker= and couplings that are not symmetric"
            )

    @property
    def limit(self) -> float:
        """Voltage ± up to which a node is linear, as far as its rails and what bends it tell."""
        return min(self.rail, self._least("linear_range"))

    @property
    def stop(self) -> float:
        """Voltage ± that no node gets beyond."""
        return min(self.rail, self._least("rail"))

    def _least(self, name: str) -> float:
        """The least of what the energies that bend the nodes tell under that name."""
        parts = getattr(self.bend, "parts", (self.bend,))
        return min(float(getattr(part, name, math.inf)) for part in parts)

    def program(self, A: Any, *, rng: Any = None) -> SaturatingProgram:
        """Write A into the device.

        Parameters
        ----------
        A : array_like, sparse array or Operator, shape (d, d)
            Real, symmetric positive definite.
        rng : None, int or numpy.random.Generator, optional
            Draws the imperfections of this copy.

        Returns
        -------
        SaturatingProgram

        Raises
        ------
        TypeError
            A is not symmetric.
        """
        operator = A if isinstance(A, Operator) else read_matrix(A).operator
        if not operator.symmetric:
            raise TypeError("the couplings of a SaturatingDevice are symmetric, and A is not")
        return SaturatingProgram(self, operator, as_rng(rng))
