"""From recorded work, or readings along the way, to a free-energy difference with its standard error."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermolinalg._info import ThermodynamicWarning
from thermolinalg.laws.work import logistic

__all__ = ["FreeEnergy", "bennett", "jarzynski", "thermodynamic_integration"]

RELIABLE = 20.0
"""Below so many trajectories that matter, an exponential average and its error bar are not to be believed."""


@dataclass(frozen=True)
class FreeEnergy:
    """An estimated free-energy difference.

    Parameters
    ----------
    value : float
        ΔF, in the units of the work.
    standard_error : float
        One standard deviation of `value`.
    effective_size : float
        How many independent trajectories or readings carry the estimate.
    bias : float
        Estimate of the systematic error that is left.
    overlap : float
        Of the forward and reverse distributions of the work, between 0 and 1; NaN where only one was recorded.

    See Also
    --------
    bennett, jarzynski : Free energies from work.
    """

    value: float
    standard_error: float
    effective_size: float
    bias: float = 0.0
    overlap: float = np.nan

    @property
    def reliable(self) -> bool:
        """Whether enough trajectories carry the estimate for its error bar to hold."""
        return self.effective_size >= RELIABLE

    def rescaled(self, factor: float, offset: float = 0.0) -> FreeEnergy:
        """The estimate of factor · ΔF + offset, factor > 0."""
        return replace(
            self,
            value=factor * self.value + offset,
            standard_error=factor * self.standard_error,
            bias=factor * self.bias,
        )


def jarzynski(work: ArrayLike, *, temperature: float = 1.0) -> FreeEnergy:
    """Free energy from the work of forward drives alone: ΔF = −T ln⟨e^{−W/T}⟩.

    Exact for any drive on average over e^{−W/T}, but that average is carried by the rare trajectories of least work:
    from few of them the estimate is too high, by about T var(e^{−W/T})/(2n ⟨e^{−W/T}⟩²), which is reported as `bias`.

    Parameters
    ----------
    work : array_like, shape (n,)
        Work of n ≥ 2 trajectories that started in equilibrium.
    temperature : float, optional
        T.

    Returns
    -------
    FreeEnergy
        The standard error is that of the delta method.

    Raises
    ------
    ValueError
        Fewer than two trajectories, or work that is not finite.

    Warns
    -----
    ThermodynamicWarning
        Fewer than 20 trajectories carry the average.

    See Also
    --------
    FreeEnergy, bennett : Free energies from work.

    References
    ----------
    Jarzynski, Nonequilibrium equality for free energy differences, Phys. Rev. Lett. 78 (1997).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> work = 1.0 + 0.5 * 0.2**2 + 0.2 * rng.standard_normal(10_000)  # Gaussian work that dissipates σ²/(2T)
    >>> estimate = jarzynski(work)
    >>> bool(abs(estimate.value - 1.0) < 4 * estimate.standard_error)
    True
    """
    w = _recorded("work", work) / temperature
    n = len(w)
    carriers, spread = _carriers(-w), _spread(-w)
    estimate = FreeEnergy(
        value=-temperature * float(np.logaddexp.reduce(-w) - np.log(n)),
        standard_error=temperature * spread**0.5,
        effective_size=carriers,
        bias=temperature * spread / 2,
    )
    if not estimate.reliable:
        warnings.warn(
            f"only {estimate.effective_size:.1f} of {n} trajectories carry the average of e^(-W/T), so the estimate "
            f"is too high by an unknown amount; drive more slowly (steps=, dwell=), or use bennett with reverse drives",
            ThermodynamicWarning,
            stacklevel=2,
        )
    return estimate


def bennett(forward: ArrayLike, reverse: ArrayLike, *, temperature: float = 1.0) -> FreeEnergy:
    """Free energy from forward and reverse drives: the acceptance ratio of Bennett, BAR.

    ΔF solves Σ_F f(M + (W − ΔF)/T) = Σ_R f(−M + (W + ΔF)/T) with f(x) = 1/(1 + e^x) and M = ln(n_F/n_R): of all
    estimators that use both sets, the one of least variance. The difference of the two sides is monotonic in ΔF, so
    the root is bracketed and unique.

    Parameters
    ----------
    forward, reverse : array_like, shape (n_F,) and (n_R,)
        Work of forward drives, and of reverse drives (of the opposite sign when nothing is dissipated).
    temperature : float, optional
        T.

    Returns
    -------
    FreeEnergy
        The standard error is Bennett's asymptotic one. `overlap` is ∫ 2 P_F P_R/(P_F + P_R) dW.

    Raises
    ------
    ValueError
        Fewer than two trajectories in a set, or work that is not finite.

    Warns
    -----
    ThermodynamicWarning
        The two distributions hardly overlap.

    See Also
    --------
    jarzynski, FreeEnergy : Free energies from work.

    References
    ----------
    Bennett, Efficient estimation of free energy differences from Monte Carlo data, J. Comput. Phys. 22 (1976);
    Shirts et al., Equilibrium free energies from nonequilibrium measurements, Phys. Rev. Lett. 91 (2003).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> forward, reverse = 1.5 + rng.standard_normal(5000), -0.5 + rng.standard_normal(5000)  # ΔF = 1, W_diss = 1/2
    >>> estimate = bennett(forward, reverse)
    >>> bool(abs(estimate.value - 1.0) < 4 * estimate.standard_error)
    True
    """
    from scipy.optimize import brentq  # here, because it takes a tenth of the package's time to import

    wf, wr = _recorded("forward", forward) / temperature, _recorded("reverse", reverse) / temperature
    nf, nr = len(wf), len(wr)
    shift = np.log(nf / nr)

    def accepted(free_energy: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """ln f for both sets: logarithms, so that works far apart do not all become zero."""
        return -np.logaddexp(0, shift + wf - free_energy), -np.logaddexp(0, free_energy + wr - shift)

    def imbalance(free_energy: float) -> float:
        ahead, back = accepted(free_energy)
        return float(np.logaddexp.reduce(ahead) - np.logaddexp.reduce(back))

    # Beyond all works by more than their number's logarithm one side is full and the other all but empty.
    margin = abs(shift) + np.log(nf + nr) + 2.0
    lower = min(wf.min(), (-wr).min()) - margin
    upper = max(wf.max(), (-wr).max()) + margin
    root = float(brentq(imbalance, lower, upper, xtol=1e-13 * max(1.0, abs(lower), abs(upper)), rtol=1e-14))
    ahead, back = accepted(root)
    estimate = FreeEnergy(
        value=temperature * root,
        standard_error=temperature * (_spread(ahead) + _spread(back)) ** 0.5,
        effective_size=min(_carriers(ahead), _carriers(back)),
        overlap=float(np.mean(logistic(root - wf)) + np.mean(logistic(-wr - root))),
    )
    if not estimate.reliable:
        warnings.warn(
            f"forward and reverse work hardly overlap ({estimate.overlap:.2g}): only {estimate.effective_size:.1f} "
            "trajectories carry the estimate and its error bar is too small; drive more slowly (steps=, dwell=)",
            ThermodynamicWarning,
            stacklevel=2,
        )
    return estimate


def _spread(log_weights: NDArray[np.float64]) -> float:
    """Variance of the mean of the weights, relative to its square.

    That is 1/n_eff − 1/n; from deviations it keeps its digits where all weights are nearly the same.
    """
    weights = np.exp(log_weights - log_weights.max())
    return float(np.sum((weights - weights.mean()) ** 2) / weights.sum() ** 2)


def _carriers(log_weights: NDArray[np.float64]) -> float:
    """Effective number of terms of a sum of positive weights, (Σw)²/Σw²."""
    return float(np.exp(2 * np.logaddexp.reduce(log_weights) - np.logaddexp.reduce(2 * log_weights)))


def thermodynamic_integration(samples: Sequence[ArrayLike], weights: ArrayLike) -> FreeEnergy:
    """Free energy as Σ_k w_k ⟨dF/ds⟩_k over quadrature nodes, from independent readings at each node.

    Parameters
    ----------
    samples : sequence of array_like, shape (n_k,)
        Readings of the integrand at each node, or means of equally many; at least two each.
    weights : array_like, shape (nodes,)
        Quadrature weights.

    Returns
    -------
    FreeEnergy
        The standard error combines the scatter at the nodes; `effective_size` is its degrees of freedom
        (Welch–Satterthwaite), for a quantile of Student's t. The error of the quadrature is not in it.

    Raises
    ------
    ValueError
        Fewer than two readings at a node, readings that are not finite, or not one weight for each node.

    Examples
    --------
    >>> estimate = thermodynamic_integration([[1.0, 1.2, 0.8], [2.0, 2.2, 1.8]], [0.5, 0.5])
    >>> estimate.value, round(estimate.standard_error, 4)
    (1.5, 0.0816)
    """
    w = np.asarray(weights, dtype=float)
    nodes = [_recorded(f"samples[{k}]", x) for k, x in enumerate(samples)]
    if w.shape != (len(nodes),):
        raise ValueError(f"weights must have shape ({len(nodes)},), one for each node; got {w.shape}")
    variances = np.array([v * v * np.var(x, ddof=1) / len(x) for v, x in zip(w, nodes, strict=True)])
    freedom = np.array([len(x) - 1.0 for x in nodes])
    total = float(variances.sum())
    return FreeEnergy(
        value=float(sum(v * np.mean(x) for v, x in zip(w, nodes, strict=True))),
        standard_error=total**0.5,
        effective_size=total**2 / float((variances**2 / freedom).sum()) if total > 0 else float(freedom.sum()),
    )


def _recorded(name: str, values: ArrayLike) -> NDArray[np.float64]:
    x = np.asarray(values, dtype=float)
    if x.ndim != 1 or len(x) < 2:
        raise ValueError(f"{name} must be one-dimensional with at least two entries, got shape {x.shape}")
    if not np.all(np.isfinite(x)):
        raise ValueError(f"{name} contains NaN or infinity")
    return x
