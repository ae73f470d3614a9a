"""Draws of chains that run side by side: what they say of a distribution, and how well they say it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

import thermolinalg as tla

__all__ = ["Chains", "effective_sample_size", "split_rhat"]

Vector = NDArray[np.float64]

WITHIN = (0.158655253931457, 0.841344746068543)
"""Normal probabilities of one standard deviation below and above the mean."""


ENOUGH = 100.0
"""Effective draws from which error bars of means are told well enough, to about a tenth."""

AGREED = 1.2
"""The largest R̂ of chains that agree."""


@dataclass(frozen=True)
class Chains:
    """Draws from a distribution of d numbers by chains, with error bars that know how correlated they are.

    Parameters
    ----------
    draws : array, shape (chains, draws, d)
        In the order in which ArviZ takes them.

    Raises
    ------
    ValueError
        Draws of another shape, fewer than four of each chain, or draws that are not finite.

    See Also
    --------
    Walk, effective_sample_size, split_rhat : Chains and what they are worth.

    Examples
    --------
    >>> import numpy as np
    >>> chains = Chains(np.random.default_rng(0).standard_normal((4, 1000, 1)))
    >>> bool(abs(chains.mean[0]) < 4 * chains.standard_error[0]), bool(3000 < chains.ess[0] < 5000)
    (True, True)
    """

    draws: Vector

    def __post_init__(self) -> None:
        draws = np.asarray(self.draws, dtype=float)
        if draws.ndim != 3 or draws.shape[1] < 4 or 0 in draws.shape:
            raise ValueError(f"draws must have shape (chains, draws, d) with at least 4 draws, got {draws.shape}")
        if not np.isfinite(draws).all():
            raise ValueError("draws contain NaN or infinity")
        object.__setattr__(self, "draws", draws)

    def __len__(self) -> int:
        return int(self.draws.shape[0] * self.draws.shape[1])

    @property
    def flat(self) -> Vector:
        """All draws, chain after chain, (chains · draws, d)."""
        return self.draws.reshape(-1, self.draws.shape[2])

    @property
    def mean(self) -> Vector:
        """Means, (d,)."""
        return np.asarray(self.flat.mean(axis=0))

    @property
    def std(self) -> Vector:
        """Standard deviations of the distribution, (d,)."""
        return np.asarray(self.flat.std(axis=0, ddof=1))

    @cached_property
    def ess(self) -> Vector:
        """How many independent draws would tell the means as well, (d,)."""
        return effective_sample_size(self.draws)

    @cached_property
    def rhat(self) -> Vector:
        """Spread of all halves of chains over that within them, (d,): 1 where they agree."""
        return split_rhat(self.draws)

    @property
    def standard_error(self) -> Vector:
        """Standard errors of the means, (d,): std/sqrt(ess)."""
        return np.asarray(self.std / np.sqrt(self.ess))

    def vouched(self) -> Chains:
        """These draws, with a warning where their error bars do not hold.

        Returns
        -------
        Chains
            Itself.

        Warns
        -----
        ThermodynamicWarning
            Fewer than 100 effective draws of a number, or chains that do not agree.
        """
        least, most = float(self.ess.min()), float(self.rhat.max())
        if least < ENOUGH or most > AGREED:
            warnings.warn(
                f"{len(self)} draws are worth {least:.3g} independent ones only, and R-hat is {most:.3g}: error bars "
                "of means do not hold; take more draws",
                tla.ThermodynamicWarning,
                stacklevel=3,
            )
        return self

    def quantile(self, q: float) -> tuple[Vector, Vector]:
        """A quantile of every number, and its standard error.

        Parameters
        ----------
        q : float
            Probability, between 0 and 1.

        Returns
        -------
        quantile, standard_error : array, shape (d,)
            The error is half of what lies between the order statistics at the probabilities that ess draws of "is it
            below?" leave within one standard deviation.

        Raises
        ------
        ValueError
            A probability that is not between 0 and 1.

        References
        ----------
        Vehtari et al., Bayesian Analysis 16 (2021) 667, section 4.
        """
        if not 0 < q < 1:
            raise ValueError(f"q must lie between 0 and 1, got {q!r}")
        values = np.quantile(self.flat, q, axis=0)
        size = effective_sample_size((self.draws <= values).astype(float))
        ends = beta.ppf(np.array(WITHIN)[:, None], size * q + 1, size * (1 - q) + 1)
        ordered = np.sort(self.flat, axis=0)
        places = np.clip((ends * len(self)).astype(int), 0, len(self) - 1)
        low, high = np.take_along_axis(ordered, places, axis=0)
        return np.asarray(values), np.asarray((high - low) / 2)


def effective_sample_size(draws: ArrayLike) -> Vector:
    """Number of independent draws whose mean has the same variance, for every number.

    From autocorrelations within and between the halves of chains, summed in pairs as long as these are positive, and
    made to fall: Geyer's initial monotone sequence.

    Parameters
    ----------
    draws : array_like, shape (chains, draws, d)
        At least four draws of each chain.

    Returns
    -------
    array, shape (d,)
        At most N log₁₀ N of N draws; N where nothing varies.

    See Also
    --------
    split_rhat, Chains, Walk : Chains and what they are worth.

    References
    ----------
    Geyer, Statistical Science 7 (1992) 473; Vehtari et al., Bayesian Analysis 16 (2021) 667.

    Examples
    --------
    >>> import numpy as np
    >>> steps = np.random.default_rng(0).standard_normal((4, 4000, 1))
    >>> walk = np.empty_like(steps)
    >>> walk[:, 0] = steps[:, 0]
    >>> for i in range(1, 4000):
    ...     walk[:, i] = 0.8 * walk[:, i - 1] + 0.6 * steps[:, i]
    >>> bool(abs(effective_sample_size(walk)[0] / 16000 * 9 - 1) < 0.15)  # (1 + 0.8)/(1 − 0.8) = 9
    True
    """
    halves = _halves(draws)
    chains, n, _ = halves.shape
    deviations = halves - halves.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(deviations, n=2 * n, axis=1)
    covariances = np.fft.irfft(np.abs(spectrum) ** 2, n=2 * n, axis=1)[:, :n].mean(axis=0) / n
    within, total = covariances[0] * n / (n - 1), _total(halves)
    still = total <= np.finfo(float).tiny
    correlations = 1 - (within - covariances) / np.where(still, 1.0, total)
    correlations[0] = 1.0
    pairs = correlations[: n - n % 2].reshape(-1, 2, halves.shape[2]).sum(axis=1)
    positive = np.logical_and.accumulate(pairs > 0, axis=0)
    falling = np.minimum.accumulate(np.where(positive, pairs, 0.0), axis=0)
    count = chains * n
    time = np.maximum(2 * falling.sum(axis=0) - 1, 1 / np.log10(count))
    return np.asarray(np.where(still, float(count), count / time))


def split_rhat(draws: ArrayLike) -> Vector:
    """Square root of the variance of all halves of chains together over the mean of that within each.

    Parameters
    ----------
    draws : array_like, shape (chains, draws, d)
        At least four draws of each chain.

    Returns
    -------
    array, shape (d,)
        1 where all agree.

    See Also
    --------
    Chains, Walk, effective_sample_size : Chains and what they are worth.

    References
    ----------
    Gelman and Rubin, Statistical Science 7 (1992) 457; Vehtari et al., Bayesian Analysis 16 (2021) 667.

    Examples
    --------
    >>> import numpy as np
    >>> apart = np.random.default_rng(0).standard_normal((2, 500, 1)) + np.array([[[0.0]], [[3.0]]])
    >>> bool(split_rhat(apart)[0] > 1.5)
    True
    """
    halves = _halves(draws)
    within = halves.var(axis=1, ddof=1).mean(axis=0)
    still = within <= np.finfo(float).tiny
    apart = still & (np.ptp(halves, axis=(0, 1)) > 0)
    ratio = np.sqrt(_total(halves) / np.where(still, 1.0, within))
    return np.asarray(np.where(apart, np.inf, np.where(still, 1.0, ratio)))


def _halves(draws: ArrayLike) -> Vector:
    """First and last halves of chains, (2 · chains, half, d)."""
    x = np.asarray(draws, dtype=float)
    if x.ndim != 3 or x.shape[1] < 4:
        raise ValueError(f"draws must have shape (chains, draws, d) with at least 4 draws, got {x.shape}")
    half = x.shape[1] // 2
    return np.concatenate([x[:, :half], x[:, -half:]])


def _total(halves: Vector) -> Vector:
    """Variance of the distribution, from within and between the halves."""
    n = halves.shape[1]
    within, between = halves.var(axis=1, ddof=1).mean(axis=0), halves.mean(axis=1).var(axis=0, ddof=1)
    return np.asarray(within * (n - 1) / n + between)
