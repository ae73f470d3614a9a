"""Parameters by expectation-maximisation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

import thermolinalg as tla
from thermoapps._journal import Journal
from thermoapps.state_space._batches import symmetric, times_pinv, transposed
from thermoapps.state_space.fitting import Fit
from thermoapps.state_space.model import Model, read_model
from thermoapps.state_space.moments import Expected, expected_of, outer, posterior_of

__all__ = ["expectation_maximisation"]

UPDATES = ("F", "Q", "H", "R", "initial")


def expectation_maximisation(
    F: Any,
    Q: Any,
    H: Any,
    R: Any,
    y: Any,
    *,
    initial_covariance: Any,
    initial_mean: Any = None,
    inputs: Any = None,
    B: Any = None,
    D: Any = None,
    update: Iterable[str] = ("Q", "R"),
    tol: float = 1e-8,
    maxiter: int = 1000,
    callback: Callable[[Fit], Any] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = False,
    device: Any = None,
    rng: Any = None,
) -> Fit:
    """Parameters by expectation-maximisation: smoothed moments, then the arrays that fit these best, in turns.

    Parameters
    ----------
    F, Q, H, R, y, initial_covariance, initial_mean, inputs, B, D, device, rng
        As `thermoapps.state_space.smooth`; where it begins. What is updated may not change with time.
    update : iterable of {"F", "Q", "H", "R", "initial"}, optional
        What to update; the others stay.
    tol : float, optional
        Rise of the log-likelihood in a turn, per observed number, at which the search ends.
    maxiter : int, optional
        Most turns.
    callback : callable, optional
        Called after each turn with a `Fit`; StopIteration ends the search with what there is.
    checkpoint : str or path, optional
        Of a file in which the search notes every turn.
        The same call with the same file goes on from there, bit for bit; at the end the file is removed.
    progress : bool, optional
        Whether to show a bar.

    Returns
    -------
    Fit
        Its `history` never falls but by rounding; a `KeyboardInterrupt` passes through, and the last `Fit` is with the
        callback.

    Raises
    ------
    ValueError
        Names that are unknown or arrays that change with time; a checkpoint of another search; as
        `thermoapps.state_space.smooth`.

    See Also
    --------
    score, Fit, Score, Measured : Parameters of a series.

    References
    ----------
    R. H. Shumway and D. S. Stoffer, J. Time Series Analysis 3 (1982); missing parts of an observation are expected too.

    Examples
    --------
    >>> from thermoapps.state_space import expectation_maximisation
    >>> found = expectation_maximisation(
    ...     1.0, 0.0, 1.0, 1.0, [1.0, 2.0, 3.0, 6.0], initial_covariance=float("inf"), update=["R"], rng=0
    ... )
    >>> found.system["R"].round(2), found.success
    (array([[4.67]]), True)
    """
    names = tuple(update)
    if not names or not set(names) <= set(UPDATES):
        raise ValueError(f"update must name some of {UPDATES}, got {names!r}")
    fixed = {"inputs": inputs, "B": B, "D": D}
    system = {"F": F, "Q": Q, "H": H, "R": R, "initial_mean": initial_mean, "initial_covariance": initial_covariance}
    for name in set(names) - {"initial"}:
        if np.ndim(system[name]) == 3:
            raise ValueError(f"{name} changes with time; one that is updated has to be the same at all times")
    generator = np.random.default_rng(rng)
    result = Fit(system, -np.inf, [], success=False, message=f"{maxiter} turns did not settle; pass a larger maxiter")

    def turn() -> dict[str, Any]:
        model = read_model(**system, y=y, **fixed)
        posterior = posterior_of(model, device, generator)
        value = posterior.log_likelihood
        settled = value - result.log_likelihood <= tol * max(int(model.observed.sum()), 1)
        found = {} if settled else _maximised(model, expected_of(posterior), names)
        return found | {"log_likelihood": value, "settled": settled}

    asked = [*(None if value is None else np.asarray(value) for value in (*system.values(), y, *fixed.values())), names]
    with Journal(checkpoint, asked, generator, progress) as journal:
        for _ in range(maxiter + 1):
            found = journal.step(turn)
            value, settled = found.pop("log_likelihood"), found.pop("settled")
            result.system, result.log_likelihood = system, value
            result.history.append(value)
            if settled:
                result.success, result.message = True, "the likelihood rises no more"
                break
            try:
                if callback is not None:
                    callback(result)
            except StopIteration:
                result.message, journal.ended = "the callback ended the search", False
                break
            system = system | found
    return result


def _maximised(model: Model, expected: Expected, names: tuple[str, ...]) -> dict[str, Any]:
    """Arrays of the largest expected log-density."""
    n, _, m = model.sizes
    updated: dict[str, Any] = {}
    xx = outer(expected.x, expected.x) + expected.P
    if n > 1 and {"F", "Q"} & set(names):
        noise = expected.ww.sum(axis=0)
        if "F" in names:
            products = expected.wx.sum(axis=0)
            change = times_pinv(products, symmetric(xx[:-1].sum(axis=0)))
            noise = noise - change @ products.T
            updated["F"] = model.F[0] + change
        updated["Q"] = symmetric(noise) / (n - 1)
    if m and {"H", "R"} & set(names):
        # Parts that are missing are expected given those that are not, through the noise they share.
        seen = model.observed
        shared = np.where(seen[:, None, :], model.R, 0.0)
        gain = times_pinv(shared, model.observations[1])
        noise = (gain @ expected.vv @ transposed(gain) + model.R - gain @ transposed(shared)).sum(axis=0)
        if "H" in names:
            products = (gain @ expected.vx).sum(axis=0)
            change = times_pinv(products, symmetric(xx.sum(axis=0)))
            noise = noise - change @ products.T
            updated["H"] = model.H[0] + change
        updated["R"] = symmetric(noise) / n
    if "initial" in names:
        if model.diffuse.any():
            raise tla.SingularError("a diffuse initial state has no variance to update; give it a finite one")
        updated |= {"initial_mean": expected.x[0], "initial_covariance": symmetric(expected.P[0])}
    kept = {"F": "F", "Q": "Q", "H": "H", "R": "R"} | {"initial_mean": "initial", "initial_covariance": "initial"}
    return {name: array for name, array in updated.items() if kept[name] in names}
