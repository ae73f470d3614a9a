"""A digital thermodynamic device: a lattice random walk of accumulators, whose precision is the length of its run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from thermolinalg._validation import as_nonnegative, as_positive, as_rng
from thermolinalg.devices.lattice_program import LatticeProgram
from thermolinalg.devices.loading import AsWritten, Equilibrated, checked_loading
from thermolinalg.operators import Operator
from thermolinalg.operators.read import read_matrix

__all__ = ["LatticeDevice"]

ROOM = 7.0
"""Standard deviations of the force that a full load leaves before a chance is clipped: 3e-12 of draws are beyond."""

EQUILIBRATED = Equilibrated()


@dataclass(frozen=True)
class LatticeDevice:
    """A digital thermodynamic device: per step h each node moves by +δ, −δ or 0, p± = ½(2Th/δ² ± h f/δ), f = b − A x.

    There are no Gaussian numbers and no converters: a ternary draw and an accumulator per node. Its fixed point is
    A⁻¹b for every step; its covariance solves AΣ + ΣA − h offdiag(AΣA) = 2T I, T A⁻¹ up to O(h) and exactly for
    diagonal A. Precision comes from the length of a run.

    Runs are walked step by step. One that is longer than `longest`, forgets its start in its burn-in, but for slow
    modes that start within their noise of where they settle, and is not clipped at it is drawn from normal laws with
    the moments of the walk instead; `info.reason` says which. The moments are exact where all is forgotten, else to
    O(h λ) of the slow modes. Draws whose chances leave [0, 1] are clipped,
    counted in `info.ledger.clipped`, and more than one in ten thousand warns.

    Parameters
    ----------
    temperature : float, optional
        T > 0.
    spacing : float, optional
        δ, of the lattice in units of the full range of a load. Default: 2T/(1 + 7 √T), at which a full load and seven
        standard deviations of the force are not clipped.
    step : float, optional
        h in τ, at most δ²/(2T). Default: half of that, so that a node rests every second step.
    loading : Equilibrated or AsWritten, optional
        How A and b are brought into range.
    longest : float, optional
        Draws up to which a run is walked, a step counted as 2048 more; 0 always takes the moments where the run is in
        equilibrium, infinity never does.

    Raises
    ------
    ValueError
        A parameter is not positive, or the step is too long for the lattice.

    See Also
    --------
    SaturatingDevice, TiledDevice, RemoteDevice : Devices with limits of hardware.

    References
    ----------
    Lattice random walk, arXiv:2508.20883; the covariance is derived in docs/laws.md.

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> A, b = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([1.0, 2.0])
    >>> x, info = tla.solve(A, b, rtol=1e-8, device=LatticeDevice(), rng=0, return_info=True)
    >>> np.round(x, 6), info.ledger.clipped
    (array([0.2, 0.6]), 0)
    """

    temperature: float = 1.0
    spacing: float | None = None
    step: float | None = None
    loading: Equilibrated | AsWritten = EQUILIBRATED
    longest: float = 2.0**22

    def __post_init__(self) -> None:
        checked_loading(self.loading)
        T = as_positive(self.temperature, "temperature")
        spacing = 2 * T / (1 + ROOM * T**0.5) if self.spacing is None else as_positive(self.spacing, "spacing")
        fastest = spacing**2 / (2 * T)
        step = fastest / 2 if self.step is None else as_positive(self.step, "step")
        if step > fastest * (1 + 1e-12):
            raise ValueError(
                f"2 temperature step/spacing² = {step / fastest:.4g} is the chance of a move and must not exceed 1; "
                f"pass step ≤ {fastest:.4g}, or a wider spacing"
            )
        if self.longest != math.inf:
            as_nonnegative(self.longest, "longest")
        object.__setattr__(self, "spacing", spacing)
        object.__setattr__(self, "step", step)

    def program(self, A: Any, *, rng: Any = None) -> LatticeProgram:
        """Write A into the device.

        Parameters
        ----------
        A : array_like, sparse array, LinearOperator or Operator, shape (d, d)
            Real, symmetric positive definite; up to 4096 nodes.
        rng : None, int or numpy.random.Generator, optional
            Not used: the parts of a digital device are alike.

        Returns
        -------
        LatticeProgram

        Raises
        ------
        TypeError
            A is not symmetric.
        ValueError
            More nodes than dense arrays can hold, or a step at which the walk is not stable.
        """
        if not isinstance(A, Operator):
            loadable = read_matrix(A)
            if loadable.is_complex or not loadable.symmetric:
                raise TypeError("a LatticeDevice holds real symmetric A only; solve() takes others to such a form")
            A = loadable.operator
        assert self.spacing is not None
        assert self.step is not None
        return LatticeProgram(A, self.temperature, self.spacing, self.step, self.loading, self.longest, as_rng(rng))
