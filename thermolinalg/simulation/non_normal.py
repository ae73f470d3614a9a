"""General linear devices, dx = −(M x − c) dt + B dW: any square M, any noise covariance D = B Bᵀ, exact at any time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from thermolinalg.simulation._transition import (
    Matrix,
    Rng,
    Size,
    Transition,
    check_drift,
    check_noise,
    check_real,
    check_time,
    norm_bound,
    transition,
)

__all__ = ["LinearProcess", "Transition", "transition"]

_MAX_DOUBLINGS = 200


@dataclass(frozen=True)
class LinearProcess:
    """The process dx = −(M x − c) dt + B dW with D = B Bᵀ, sampled exactly: no time step, no bias.

    Parameters
    ----------
    M : array_like, shape (d, d)
        Drift; any real matrix.
    D : array_like, shape (d, d)
        Covariance of the noise per unit time; symmetric positive semidefinite.
    c : array_like, shape (d,) or (d, k), optional
        Load; zero if omitted. Columns are loads of separate replicas.

    Raises
    ------
    ValueError, TypeError
        As `transition`.

    See Also
    --------
    integrate, transition : Linear processes in time, exactly and in steps.

    Examples
    --------
    >>> import numpy as np
    >>> process = LinearProcess([[1.0, 5.0], [0.0, 2.0]], 2 * np.eye(2), [1.0, 1.0])
    >>> mean, covariance = process.stationary()
    >>> mean.round(12), (6 * covariance).round(12)
    (array([-1.5,  0.5]), array([[31., -5.],
           [-5.,  3.]]))
    """

    M: Matrix
    D: Matrix
    c: Matrix

    def __init__(self, M: ArrayLike, D: ArrayLike, c: ArrayLike | None = None) -> None:
        drift, noise = check_drift(M), check_noise(D)
        load = np.zeros(len(drift)) if c is None else check_real("c", c)
        if drift.shape != noise.shape or load.shape[:1] != drift.shape[:1] or load.ndim > 2:
            raise ValueError(
                f"M, D and c must have shapes (d, d), (d, d) and (d,) or (d, k), "
                f"got {drift.shape}, {noise.shape} and {load.shape}"
            )
        object.__setattr__(self, "M", drift)
        object.__setattr__(self, "D", noise)
        object.__setattr__(self, "c", load)

    def transition(self, t: float) -> Transition:
        """Law of the state a time t after a known one.

        Parameters
        ----------
        t : float
            Time ≥ 0, in units of τ.

        Returns
        -------
        Transition
            Errors as those of `transition`.
        """
        return transition(self.M, self.D, t)

    @cached_property
    def _settled(self) -> Transition:
        """The transition over so long a time that nothing of the start is left."""
        eigenvalues = np.linalg.eigvals(self.M)
        slowest = eigenvalues[np.argmin(eigenvalues.real)]
        if slowest.real <= len(self.M) * np.finfo(float).eps * norm_bound(self.M):
            raise np.linalg.LinAlgError(
                f"no stationary law: M has the eigenvalue {slowest:.3g}, and all must have positive real part; "
                "ask for transition(t) at a finite time instead"
            )
        law = self.transition(1 / norm_bound(self.M))
        for _ in range(_MAX_DOUBLINGS):
            forgotten = np.linalg.norm(law.decay) <= np.finfo(float).eps
            law = law.then(law)
            if forgotten:
                return law
        raise np.linalg.LinAlgError(
            f"the start is not forgotten after {_MAX_DOUBLINGS} doublings of the time: M is too close to unstable "
            f"(eigenvalue {slowest:.3g}, norm {norm_bound(self.M):.3g})"
        )

    def stationary(self) -> tuple[Matrix, Matrix]:
        """Mean M⁻¹c and covariance Σ of the stationary law, M Σ + Σ Mᵀ = D, by doubling the time until it settles.

        Returns
        -------
        mean : ndarray, shape (d,) or (d, k)
            One column for each load.
        covariance : ndarray, shape (d, d)
            The same for every load.

        Raises
        ------
        numpy.linalg.LinAlgError
            If an eigenvalue of M has real part ≤ 0, so that no stationary law exists.
        """
        return self._settled.response @ self.c, self._settled.covariance

    def autocovariance(self, lag: float) -> Matrix:
        """E[(x(t + lag) − μ)(x(t) − μ)ᵀ] in the stationary law: e^{−M lag} Σ, transposed for a negative lag.

        Parameters
        ----------
        lag : float
            Time between the two readings, in units of τ.

        Returns
        -------
        ndarray, shape (d, d)
            The covariance itself at lag 0.

        Raises
        ------
        numpy.linalg.LinAlgError
            As `stationary`.
        """
        ahead = self.transition(abs(lag)).decay @ self._settled.covariance
        return ahead if lag >= 0 else ahead.T

    def sample_state(self, x0: ArrayLike, t: float, *, rng: Rng = None, size: Size = None) -> Matrix:
        """Draw the state a time t after x0.

        Parameters
        ----------
        x0 : array_like, shape (d,) or (d, k)
            Start; columns are replicas.
        t : float
            Time ≥ 0.
        rng : Generator, SeedSequence or int, optional
            Source of randomness; None is fresh entropy.
        size : int or tuple of int, optional
            Number of independent draws; one, without the leading axis, if omitted.

        Returns
        -------
        ndarray, shape (*size, d) or (*size, d, k)
            The draws.
        """
        return self.transition(t).sample(x0, self.c, rng=rng, size=size)

    def sample_stationary(self, *, rng: Rng = None, size: Size = None) -> Matrix:
        """Draw from the stationary law; errors as `stationary`.

        Parameters
        ----------
        rng : Generator, SeedSequence or int, optional
            Source of randomness; None is fresh entropy.
        size : int or tuple of int, optional
            Number of independent draws; one, without the leading axis, if omitted.

        Returns
        -------
        ndarray, shape (*size, d) or (*size, d, k)
            The draws.
        """
        return self._settled.sample(np.zeros_like(self.c), self.c, rng=rng, size=size)

    def path(self, x0: ArrayLike, times: ArrayLike, *, rng: Rng = None) -> Matrix:
        """Draw one path, read at the given times; exact however far apart they are.

        Parameters
        ----------
        x0 : array_like, shape (d,) or (d, k)
            State at time 0; columns are replicas.
        times : array_like, shape (n,)
            Times of the readings, ≥ 0 and not decreasing.
        rng : Generator, SeedSequence or int, optional
            Source of randomness; None is fresh entropy.

        Returns
        -------
        ndarray, shape (n, d) or (n, d, k)
            The states at the given times.
        """
        instants = np.atleast_1d(check_real("times", times))
        steps = np.diff(instants, prepend=0.0)
        if instants.ndim != 1 or not instants.size or np.any(steps < 0):
            raise ValueError("times must be a sorted list of at least one time ≥ 0")
        rng = np.random.default_rng(rng)
        # Spacings that differ only by the rounding of the times share one transition.
        rounding = 4 * np.finfo(float).eps * instants[-1]
        state, states = check_real("x0", x0), []
        spacing, law = steps[0], self.transition(steps[0])
        for step in steps:
            if abs(step - spacing) > rounding:
                spacing, law = step, self.transition(step)
            state = law.sample(state, self.c, rng=rng)
            states.append(state)
        return np.stack(states)

    def window_law(self, burn_in: float, duration: float, readings: int | None = None) -> Transition:
        """Joint law of (state at the end of a window, average over the window), stacked in this order.

        Parameters
        ----------
        burn_in : float
            Time t0 before the first reading.
        duration : float
            Length of the window.
        readings : int, optional
            Number N of readings, spaced by h = duration/N, the first at t0 and the last the final state;
            None averages continuously over [t0, t0 + duration].

        Returns
        -------
        Transition
            From x0 and c, d numbers each, to 2d numbers.

        Raises
        ------
        ValueError
            If burn_in < 0, duration ≤ 0 or readings < 1.
        """
        check_time("burn_in", burn_in)
        check_time("duration", duration)
        if duration == 0 or (readings is not None and readings < 1):
            raise ValueError(f"a window needs duration > 0 and readings ≥ 1, got {duration} and {readings}")
        settle = self.transition(burn_in)
        if readings is None:
            return settle.then(self._integrated(duration))
        return settle.then(self._summed(duration / readings, readings))

    def window(
        self,
        x0: ArrayLike,
        *,
        burn_in: float,
        duration: float,
        readings: int | None = None,
        rng: Rng = None,
        size: Size = None,
    ) -> tuple[Matrix, Matrix]:
        """Draw the average over a window and the state at its end jointly, without a path.

        Parameters
        ----------
        x0 : array_like, shape (d,) or (d, k)
            Start; columns are replicas.
        burn_in, duration : float
            Time before the first reading, and length of the window.
        readings : int, optional
            Number of readings; None averages continuously. Details as `window_law`.
        rng : Generator, SeedSequence or int, optional
            Source of randomness; None is fresh entropy.
        size : int or tuple of int, optional
            Number of independent windows; one, without the leading axis, if omitted.

        Returns
        -------
        average : ndarray, shape (*size, d) or (*size, d, k)
            Average over the window.
        state : ndarray, same shape
            State at its end, from which the device can go on.
        """
        law = self.window_law(burn_in, duration, readings)
        axis = -max(np.ndim(x0), self.c.ndim)
        state, average = np.split(law.sample(x0, self.c, rng=rng, size=size), 2, axis=axis)
        return average, state

    def _integrated(self, duration: float) -> Transition:
        """From x to (x, time average): the average is a further, noiseless state, da = x dt / duration."""
        d = len(self.M)
        zero = np.zeros((d, d))
        M = np.block([[self.M, zero], [-np.eye(d) / duration, zero]])
        D = np.block([[self.D, zero], [zero, zero]])
        law = transition(M, D, duration)
        return Transition(law.decay[:, :d], law.covariance, law.response[:, :d])

    def _summed(self, spacing: float, readings: int) -> Transition:
        """From x to (x, average of the readings): S ← S + x after every step, composed by binary powers."""
        d = len(self.M)
        step = self.transition(spacing)
        zero, one = np.zeros((d, d)), np.eye(d)
        once = Transition(
            np.block([[step.decay, zero], [step.decay, one]]),
            np.block([[step.covariance, step.covariance], [step.covariance, step.covariance]]),
            np.vstack([step.response, step.response]),
        )
        law = Transition(np.vstack([one, one]), np.zeros((2 * d, 2 * d)), np.zeros((2 * d, d)))
        remaining = readings - 1
        while remaining:
            law = law.then(once) if remaining % 2 else law
            remaining //= 2
            once = once.then(once) if remaining else once
        average = np.repeat([1.0, 1.0 / readings], d)
        return Transition(
            average[:, None] * law.decay,
            average[:, None] * law.covariance * average,
            average[:, None] * law.response,
        )
