"""The simulated Langevin device: A scaled into range, perturbed as hardware would, read through its law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from thermolinalg._validation import as_rng
from thermolinalg.devices.imperfections import Imperfections
from thermolinalg.devices.langevin_program import LangevinProgram
from thermolinalg.devices.loading import AsWritten, Equilibrated, checked_imperfections, checked_loading
from thermolinalg.devices.simulated import Law
from thermolinalg.devices.skew import SkewProgram
from thermolinalg.devices.uneven import UnevenProgram
from thermolinalg.laws import Overdamped
from thermolinalg.operators import Operator, SkewEmbedding
from thermolinalg.operators.read import read_matrix

__all__ = ["LangevinDevice"]

OVERDAMPED, EQUILIBRATED, IDEAL = Overdamped(), Equilibrated(), Imperfections()
"""What a device is made of unless it is told; nothing changes them, so all devices share them."""


@dataclass(frozen=True)
class LangevinDevice:
    """A thermodynamic device, simulated by its exact law.

    Parameters
    ----------
    law : Overdamped, Underdamped or EulerMaruyama, optional
        Dynamics in the device's units; default: overdamped at temperature 1.
    loading : Equilibrated or AsWritten, optional
        How A and b are brought into the device's range. Default: `Equilibrated`.
    imperfections : Imperfections, optional
        Default: none.

    Raises
    ------
    TypeError
        A part is of another kind.

    See Also
    --------
    GeneralDevice : Of a drift that is not symmetric.
    devices.LatticeDevice, devices.TiledDevice, devices.SaturatingDevice : With limits of hardware.
    devices.RemoteDevice : A chip at the end of a line.

    Examples
    --------
    >>> import numpy as np
    >>> from thermolinalg import Schedule
    >>> program = LangevinDevice().program(np.array([[2.0, 1.0], [1.0, 2.0]]))
    >>> reading = program.average(
    ...     np.array([[3.0], [3.0]]), Schedule(burn_in=50, duration=1e8), rng=np.random.default_rng(0)
    ... )
    >>> np.round(reading.value[:, 0], 2)
    array([1., 1.])
    """

    law: Law = OVERDAMPED
    loading: Equilibrated | AsWritten = EQUILIBRATED
    imperfections: Imperfections = IDEAL

    def __post_init__(self) -> None:
        if isinstance(self.law, type) or not hasattr(self.law, "stationary_variance"):
            raise TypeError(f"law must be one such as Overdamped(temperature=1.0), got {self.law!r}")
        checked_loading(self.loading)
        checked_imperfections(self.imperfections)

    @property
    def averages_are_solves(self) -> bool:
        """Whether the average over a window in equilibrium is A⁻¹ of a perturbed load: overdamped, and perfect."""
        return isinstance(self.law, Overdamped) and self.imperfections.is_perfect

    def program(self, A: Any, *, rng: Any = None) -> LangevinProgram | SkewProgram | UnevenProgram:
        """Write A into the device.

        Parameters
        ----------
        A : array_like, sparse array, LinearOperator or Operator, shape (d, d)
            Real, symmetric positive semidefinite; or a `SkewEmbedding`, which holds any other matrix.
        rng : None, int or numpy.random.Generator, optional
            Draws the imperfections of this copy of the hardware.

        Returns
        -------
        LangevinProgram, SkewProgram or UnevenProgram
            Of symmetric A, of an embedding, and of symmetric A where the parts of the device are not alike.

        Raises
        ------
        LinAlgError
            A is not positive semidefinite, as far as loading it shows.
        TypeError
            A is a skew embedding, or the parts of the device are not alike, and its law is not overdamped; or it has
            imperfections that a skew embedding does not survive.
        ValueError
            A is complex or not symmetric.
        TypeError
            A is an operator that is not symmetric.
        """
        if isinstance(A, SkewEmbedding):
            if not isinstance(self.law, Overdamped):
                raise TypeError(f"only an overdamped device holds a skew embedding, not one with the law {self.law!r}")
            if not self.imperfections.keeps_skew:
                raise TypeError(
                    "a skew embedding needs equal parts, wires without resistance and amplifiers of infinite gain and "
                    "bandwidth, which this device has not"
                )
            return SkewProgram(A, self.law, self.loading, self.imperfections, as_rng(rng))
        if not isinstance(A, Operator):
            loadable = read_matrix(A)
            if loadable.is_complex or not loadable.symmetric:
                raise ValueError("a device holds real symmetric A only; solve() takes others to such a form")
            A = loadable.operator
        if not self.imperfections.is_symmetric:
            if not isinstance(self.law, Overdamped):
                raise TypeError(f"parts that are not alike are those of an overdamped device, not of {self.law!r}")
            return UnevenProgram(A, self.law, self.loading, self.imperfections, as_rng(rng))
        return LangevinProgram(A, self.law, self.loading, self.imperfections, as_rng(rng))
