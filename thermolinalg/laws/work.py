"""Work on a device whose matrix is driven from aI to A: the path of each eigenvalue, and the law of the work.

Everything on the way, A_s = (1 − s) aI + s A, commutes with A, so a drive is scalar functions of λ too: the stiffness
of a mode is α(s) = (1 − s) a + s λ. The matrix is changed in jumps, each followed by a dwell at the new matrix. A jump
at the state x does the work ½(α' − α)x². The free energy of a mode is (T/2) ln α, so work tells log det A − d log a.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from thermolinalg._arrays import Array, namespace
from thermolinalg.laws._linear import Coefficients, LinearLaw

__all__ = ["Drive", "WorkMoments", "logistic", "slow_dissipation", "work_moments"]


def logistic(log_odds: Any) -> Any:
    """s = 1/(1 + e^{−x}), where a drive stands whose log-odds ln(s/(1 − s)) are x; precise however small."""
    return np.exp(-np.logaddexp(0.0, -log_odds))


class WorkMoments(NamedTuple):
    """Law of the work of a drive, mode by mode: exact mean and variance, and the free energy it estimates."""

    mean: Array
    variance: Array
    free_energy: Array

    @property
    def dissipated(self) -> Array:
        """What the mean work exceeds the free energy by, ≥ 0."""
        return self.mean - self.free_energy


@dataclass(frozen=True)
class Drive:
    """Timetable of a drive from aI to A.

    Parameters
    ----------
    start : float
        a > 0, the stiffness all modes begin with.
    schedule : {'linear', 'geometric', 'oracle'}
        'linear' moves s in equal steps. 'geometric' lets the condition number of A_s grow by the same factor at each
        step, which spreads the jumps of stiff and of soft modes alike. 'oracle' moves each mode's α^{−1/2} in equal
        steps: the least dissipation there is, but out of reach for a device, since A_s then is no longer linear in A.
    interval : tuple of float, optional
        Smallest and largest eigenvalue of A, with a between them; 'geometric' needs it.

    See Also
    --------
    Skew, LinearLaw : What a law is.

    References
    ----------
    Derived in docs/laws.md.

    Examples
    --------
    >>> import numpy as np
    >>> Drive(1.0, "geometric", interval=(0.01, 100.0)).progress(np.array([0.0, 0.5, 1.0])).round(2)
    array([0. , 0.5, 1. ])
    >>> Drive(2.0).path(np.array([1.0, 4.0]), 2)
    array([[2. , 2. ],
           [1.5, 3. ],
           [1. , 4. ]])
    """

    start: float
    schedule: Literal["linear", "geometric", "oracle"] = "linear"
    interval: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.schedule not in ("linear", "geometric", "oracle"):
            raise ValueError(f"schedule must be 'linear', 'geometric' or 'oracle', got {self.schedule!r}")
        if not self.start > 0:
            raise ValueError(f"start must be positive, got {self.start}")
        if self.schedule == "geometric" and (
            self.interval is None or not 0 < self.interval[0] <= self.start <= self.interval[1]
        ):
            raise ValueError(
                f"a geometric schedule needs interval=(lam_min, lam_max) with 0 < lam_min <= start <= lam_max, "
                f"got interval={self.interval}, start={self.start}"
            )

    def progress(self, times: np.ndarray) -> np.ndarray:
        """The s of A_s at times between 0 and 1; there is none for 'oracle'."""
        if self.schedule == "oracle":
            raise ValueError("an oracle schedule drives each mode on its own way, no A_s = (1 − s) aI + s A is on it")
        if self.schedule == "linear":
            return times
        assert self.interval is not None
        softest, stiffest = self.interval
        if softest == stiffest:
            return times
        condition = (stiffest / softest) ** times
        grown, left = self.start * (condition - 1), stiffest - condition * softest
        return np.asarray(np.where(times >= 1, 1.0, grown / (grown + np.where(times >= 1, 0.0, left))))

    def path(self, lam: Array, steps: int) -> Array:
        """Stiffness of each mode before the first and after each jump.

        Parameters
        ----------
        lam : array, shape (modes,)
            Eigenvalues of A, > 0.
        steps : int
            Number of jumps.

        Returns
        -------
        array, shape (steps + 1, modes)
        """
        xp = namespace(lam)
        times = np.linspace(0.0, 1.0, steps + 1)
        if self.schedule == "oracle":
            return xp.stack([(1 - t) * self.start**-0.5 + t * lam**-0.5 for t in times.tolist()]) ** -2
        return xp.stack([(1 - s) * self.start + s * lam for s in self.progress(times).tolist()])

    def along(self, law: LinearLaw, s: float) -> LinearLaw:
        """A law of the device while it holds A_s, as functions of the eigenvalues of A."""

        def functions(lam: Array) -> Coefficients:
            return law.functions((1 - s) * self.start + s * lam)

        return LinearLaw(law.inputs, law.outputs, functions)


def work_moments(path: Array, *, temperature: float = 1.0, dwell: float | None = None) -> WorkMoments:
    """Exact mean and variance of the work of a drive in jumps, mode by mode.

    Per jump α → α' at a state of variance m the mean grows by ½(α' − α)m; then m relaxes towards T/α'. The variance
    needs the covariance of the work so far with x², which grows by (α' − α)m² and decays by e^{−2α't}.

    Parameters
    ----------
    path : array, shape (steps + 1, modes)
        As `Drive.path`; a path read backwards is the reverse drive.
    temperature : float, optional
        T.
    dwell : float, optional
        Time between jumps, in units of τ; None lets the device reach equilibrium each time.

    Returns
    -------
    WorkMoments

    Examples
    --------
    >>> import numpy as np
    >>> path = Drive(1.0, "oracle").path(np.array([10.0]), 5000)
    >>> work_moments(path, dwell=0.02).dissipated.round(4)
    array([0.0047])
    """
    xp = namespace(path)
    variance_x = temperature / path[0, ...]
    mean, variance, shared = 0 * variance_x, 0 * variance_x, 0 * variance_x
    for before, after in zip(path[:-1, ...], path[1:, ...], strict=True):
        half = (after - before) / 2
        mean = mean + half * variance_x
        variance = variance + 2 * half * shared + 2 * (half * variance_x) ** 2
        shared = shared + 2 * half * variance_x**2
        kept = 0.0 if dwell is None else xp.exp(-2 * dwell * after)
        lost = 1.0 if dwell is None else -xp.expm1(-2 * dwell * after)
        variance_x = kept * variance_x + lost * temperature / after
        shared = kept * shared
    free_energy = temperature / 2 * (xp.log(path[-1, ...]) - xp.log(path[0, ...]))
    return WorkMoments(mean, variance, free_energy)


def slow_dissipation(path: Array, duration: float, *, temperature: float = 1.0) -> Array:
    """Dissipated work of a slow drive along a finely divided path, mode by mode: T ∫ (dα^{−1/2}/dt)² dt.

    For a linear path this is T(α₂ − α₁)(α₁⁻² − α₂⁻²)/(8 t_r), for the oracle's T(α₁^{−1/2} − α₂^{−1/2})²/t_r.

    Parameters
    ----------
    path : array, shape (steps + 1, modes)
        As `Drive.path`, at equal time intervals.
    duration : float
        Time t_r of the whole drive, in units of τ; ≫ 1/α.
    temperature : float, optional
        T.

    Returns
    -------
    array, shape (modes,)

    Examples
    --------
    >>> import numpy as np
    >>> slow_dissipation(Drive(1.0).path(np.array([10.0]), 10_000), 100.0).round(5)
    array([0.01114])
    """
    xp = namespace(path)
    steps = path.shape[0] - 1
    length = path**-0.5
    return temperature * steps / duration * xp.sum((length[1:, ...] - length[:-1, ...]) ** 2, axis=0)
