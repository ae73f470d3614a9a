"""Plain time stepping: a device simulated by products with A alone, as the independent check of every engine."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike

from thermolinalg._progress import watched
from thermolinalg.simulation._stability import check_step
from thermolinalg.simulation._transition import Matrix, Rng, check_real
from thermolinalg.simulation.non_normal import LinearProcess

__all__ = ["LinearSDE", "integrate"]


@dataclass(frozen=True)
class LinearSDE:
    """The equation dx = (c − M x) dt + B dW, known through products with M only.

    Parameters
    ----------
    drift : array_like, sparse array, LinearOperator or callable
        M, or a function x ↦ M x that takes (d,) and (d, k).
    force : array_like, shape (d,) or (d, k)
        c; columns are the loads of separate replicas. Its length sets the dimension d.
    noise : float, array_like of shape (d,) or (d, m), or sparse array (d, m)
        B; a number or a vector stands for a diagonal.

    Raises
    ------
    ValueError, TypeError
        If the force or the noise has a wrong shape, is complex or not finite.

    See Also
    --------
    LinearSDE.overdamped, LinearSDE.underdamped : the two devices.
    thermolinalg.simulation.LinearProcess : the same process sampled exactly.

    Examples
    --------
    >>> import numpy as np
    >>> device = LinearSDE.overdamped(np.array([[3.0, 1.0], [1.0, 2.0]]), [1.0, 0.0])
    >>> integrate(device, np.zeros(2), step=0.01, n_steps=500, every=100, rng=0).shape
    (6, 2)
    """

    drift: Any
    force: Matrix
    noise: Any

    def __post_init__(self) -> None:
        force = check_real("force", self.force)
        if force.ndim not in (1, 2) or not force.size:
            raise ValueError(f"force must have shape (d,) or (d, k), got {force.shape}; pass np.zeros(d) for none")
        d = len(force)
        noise = self.noise
        if not scipy.sparse.issparse(noise):
            noise = check_real("noise", noise)
            if noise.ndim < 2:
                if noise.shape not in ((), (1,), (d,)):
                    raise ValueError(f"noise must be a number or of length {d} like force, got shape {noise.shape}")
                noise = scipy.sparse.diags_array(np.broadcast_to(noise, d))
        if noise.ndim != 2 or noise.shape[0] != d:
            raise ValueError(f"noise must have {d} rows like force, got shape {noise.shape}")
        if isinstance(self.drift, np.ndarray | list | tuple):
            object.__setattr__(self, "drift", check_real("drift", self.drift))
        if getattr(self.drift, "shape", (d, d)) != (d, d):
            raise ValueError(f"drift must have shape ({d}, {d}) to go with the force, got {self.drift.shape}")
        object.__setattr__(self, "force", force)
        object.__setattr__(self, "noise", noise)

    @classmethod
    def overdamped(cls, A: Any, b: ArrayLike, *, temperature: float = 1.0) -> LinearSDE:
        """Overdamped device dx = −(A x − b) dt + sqrt(2T) dW.

        Parameters
        ----------
        A : array_like, sparse array, LinearOperator or callable
            Symmetric positive semidefinite, or its product.
        b : array_like, shape (d,) or (d, k)
            Load.
        temperature : float
            T ≥ 0.

        Returns
        -------
        LinearSDE
            Of dimension d.
        """
        if not temperature >= 0:
            raise ValueError(f"need temperature ≥ 0, got {temperature}")
        return cls(A, check_real("b", b), math.sqrt(2 * temperature))

    @classmethod
    def underdamped(
        cls, A: Any, b: ArrayLike, *, mass: float = 1.0, friction: float = 1.0, temperature: float = 1.0
    ) -> LinearSDE:
        """Underdamped device dx = v dt, m dv = −(A x − b) dt − γ v dt + sqrt(2γT) dW, with the state (x, v).

        Parameters
        ----------
        A : array_like, sparse array, LinearOperator or callable
            Symmetric positive semidefinite, or its product.
        b : array_like, shape (d,) or (d, k)
            Load.
        mass, friction : float
            m > 0 and γ ≥ 0.
        temperature : float
            T ≥ 0.

        Returns
        -------
        LinearSDE
            Of dimension 2d; only the velocities carry noise.
        """
        if not (mass > 0 and friction >= 0 and temperature >= 0):
            raise ValueError(f"need mass > 0, friction ≥ 0 and temperature ≥ 0, got {mass}, {friction}, {temperature}")
        load = check_real("b", b)
        positions = cls(A, load, 0.0)
        d = len(load)

        def product(state: Matrix) -> Matrix:
            x, v = state[:d], state[d:]
            return np.concatenate([-v, (positions.product(x) + friction * v) / mass])

        amplitude = math.sqrt(2 * friction * temperature) / mass
        noise = amplitude * scipy.sparse.eye_array(2 * d, d, k=-d, format="csr")
        return cls(product, np.concatenate([np.zeros_like(load), load / mass]), noise)

    def product(self, x: Matrix) -> Matrix:
        """M x, the only way the stepping reaches M.

        Parameters
        ----------
        x : ndarray, shape (d,) or (d, k)
            State; columns are replicas.

        Returns
        -------
        ndarray, same shape
            M x.

        Raises
        ------
        ValueError
            If a callable returns another shape, or complex numbers.
        """
        product = np.asarray(self.drift @ x if hasattr(self.drift, "__matmul__") else self.drift(x))
        if product.shape != x.shape or product.dtype.kind == "c":
            raise ValueError(
                f"drift must map real vectors of shape {x.shape} to the same, got {product.dtype} of {product.shape}; "
                "pass the real embedding of a complex one, and a callable that takes (d,) and (d, k)"
            )
        return product

    def exact(self) -> LinearProcess:
        """The same process sampled exactly, with M written out by d products.

        Returns
        -------
        LinearProcess
            With D = B Bᵀ and c the force.
        """
        noise = self.noise @ np.eye(self.noise.shape[1])
        return LinearProcess(self.product(np.eye(len(self.force))), noise @ noise.T, self.force)


def integrate(
    equation: LinearSDE,
    x0: ArrayLike,
    *,
    step: float,
    n_steps: int,
    every: int = 1,
    method: str = "euler_maruyama",
    rng: Rng = None,
    progress: bool = False,
) -> Matrix:
    """Step an equation in time, by Euler–Maruyama or any integrator of sdeint.

    Euler–Maruyama is x ← x + h (c − M x) + sqrt(h) B z. It keeps the stationary mean exact and multiplies the
    stationary variance of a mode λ by 2/(2 − λh); it is stable only for h < 2/λ_max.

    Parameters
    ----------
    equation : LinearSDE
        What to integrate.
    x0 : array_like, shape (d,) or (d, k)
        State at time 0; columns are independent replicas.
    step : float
        Time step h > 0.
    n_steps : int
        Number of steps.
    every : int
        Steps between two readings; divides n_steps.
    method : str
        ``"euler_maruyama"``, or the name of an sdeint integrator: itoEuler, itoSRI2, stratHeun, stratSRS2, stratKP2iS.
        The noise does not depend on the state, so Itô and Stratonovich forms agree.
    rng : Generator, SeedSequence or int, optional
        Source of randomness; None is fresh entropy.
    progress : bool
        Whether to show a progress bar at once; long work shows one anyway.

    Returns
    -------
    ndarray, shape (n_steps // every + 1, d) or (n_steps // every + 1, d, k)
        The readings at times 0, every·h, 2·every·h, …

    Raises
    ------
    ValueError
        If the method is unknown, a shape does not fit, or the step is too long for the method to be stable.
    OverflowError
        If the state leaves the range of double precision.
    ImportError
        If the method is one of sdeint's and sdeint is not installed.

    See Also
    --------
    transition, LinearProcess : Linear processes in time, exactly and in steps.

    Examples
    --------
    >>> import numpy as np
    >>> device = LinearSDE.overdamped(np.diag([1.0, 3.0]), np.zeros(2), temperature=0.5)
    >>> end = integrate(device, np.zeros((2, 4000)), step=0.1, n_steps=100, rng=0)[-1]
    >>> (end.var(axis=1) / (0.5 / np.array([1.0, 3.0]))).round(1)  # 2/(2 − λh): 1.05 and 1.18
    array([1.1, 1.2])
    """
    if not 0 < step < math.inf or n_steps < 1 or every < 1 or n_steps % every:
        raise ValueError(
            f"need step > 0, n_steps ≥ 1 and every a divisor of n_steps, got {step}, {n_steps} and {every}"
        )
    start, force = _replicas(equation, x0)
    run = _euler_maruyama if method == "euler_maruyama" else partial(_sdeint_paths, _sdeint_integrator(method))
    check_step(method, step, equation.product, len(equation.force))
    states = np.empty((n_steps // every + 1, *start.shape))
    states[0] = start
    with np.errstate(over="ignore", invalid="ignore"):
        run(equation, force, states, step, every, np.random.default_rng(rng), progress)
    if not np.isfinite(states).all():
        raise OverflowError(f"the state overflows within {n_steps} steps of {step}: the equation itself is unstable")
    return states if max(np.ndim(x0), equation.force.ndim) == 2 else states[..., 0]


def _euler_maruyama(
    equation: LinearSDE,
    force: Matrix,
    states: Matrix,
    step: float,
    every: int,
    rng: np.random.Generator,
    progress: bool,
) -> None:
    """Fill states[1:], all replicas at once."""
    x, sources = states[0], equation.noise.shape[1]
    for i in watched(range(1, len(states)), "stepping", progress):
        for _ in range(every):
            noise = equation.noise @ rng.standard_normal((sources, x.shape[1]))
            x = x + step * (force - equation.product(x)) + math.sqrt(step) * noise
        states[i] = x


def _sdeint_paths(
    integrator: Callable[..., Matrix],
    equation: LinearSDE,
    force: Matrix,
    states: Matrix,
    step: float,
    every: int,
    rng: np.random.Generator,
    progress: bool,
) -> None:
    """Fill states[1:], one replica after the other."""
    noise = equation.noise @ np.eye(equation.noise.shape[1])
    times = step * np.arange((len(states) - 1) * every + 1)
    for j in watched(range(force.shape[1]), "stepping", progress):

        def drift(x: Matrix, _: float, load: Matrix = force[:, j]) -> Matrix:
            return load - equation.product(x)

        states[:, :, j] = integrator(drift, lambda *_: noise, states[0, :, j], times, generator=rng)[::every]


def _sdeint_integrator(method: str) -> Callable[..., Matrix]:
    """The integrator sdeint has under this name."""
    try:
        import sdeint
    except ImportError as error:
        raise ImportError(f"method={method!r} needs sdeint: pip install thermolinalg[sde]") from error
    known = {name: f for name, f in vars(sdeint).items() if name.startswith(("ito", "strat"))}
    if method not in known:
        raise ValueError(f"method must be 'euler_maruyama' or one of sdeint's {', '.join(known)}, got {method!r}")
    integrator: Callable[..., Matrix] = known[method]
    return integrator


def _replicas(equation: LinearSDE, x0: ArrayLike) -> tuple[Matrix, Matrix]:
    """Start and force as columns, one for each replica."""
    start, d = check_real("x0", x0), len(equation.force)
    if start.shape[:1] != (d,) or start.ndim > 2:
        raise ValueError(f"x0 must have shape ({d},) or ({d}, k) like the force, got {start.shape}")
    start, force = start.reshape(d, -1), equation.force.reshape(d, -1)
    columns = {start.shape[1], force.shape[1]} - {1} or {1}
    if len(columns) > 1:
        raise ValueError(f"x0 has {start.shape[1]} columns and force has {force.shape[1]}; give one or as many")
    shape = (d, *columns)
    return np.broadcast_to(start, shape), np.broadcast_to(force, shape)
