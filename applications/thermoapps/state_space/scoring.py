"""The slope of the log-likelihood in every array of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from thermoapps.state_space._batches import pinv, symmetric, times
from thermoapps.state_space.model import Model, read_model
from thermoapps.state_space.moments import Expected, expected_of, posterior_of

__all__ = ["Score", "score"]

INITIAL = ("initial_mean", "initial_covariance")


@dataclass(frozen=True)
class Score:
    """Slope of the log-likelihood in every array of a model, each of its shape; made by `score`.

    Parameters
    ----------
    log_likelihood : float
    slopes : dict
        By the names F, Q, H, R, initial_mean, initial_covariance, and B, D where there are.

    See Also
    --------
    Measured, fit, expectation_maximisation, score : Parameters of a series.
    """

    log_likelihood: float
    slopes: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.slopes[name]


def score(
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
    device: Any = None,
    rng: Any = None,
) -> Score:
    r"""Log-likelihood and its slope, from the smoothed moments by Fisher's identity.

    .. math::

        \partial \log p(y) = E[\partial \log p(x, y) \mid y],\quad\text{so that}\quad
        \partial_Q = \tfrac12 \sum_t Q^{-1} (E[w_t w_t^\top \mid y] - Q)\, Q^{-1},\quad
        \partial_F = \sum_t Q^{-1} E[w_t x_t^\top \mid y],

    and the same of R, H and of the initial state. Where a covariance is singular the slope is that in its range.

    Parameters
    ----------
    F, Q, H, R, y, initial_covariance, initial_mean, inputs, B, D, device, rng
        As `thermoapps.state_space.smooth`.

    Returns
    -------
    Score
        Slopes of symmetric matrices are those in all entries, each by itself; diffuse states have none.

    Raises
    ------
    ValueError
        As `thermoapps.state_space.smooth`, or an empty series.

    See Also
    --------
    Fit, Score, Measured, fit : Parameters of a series.

    References
    ----------
    S. J. Koopman and N. Shephard, Exact score for time series models in state space form, Biometrika 79 (1992).

    Examples
    --------
    >>> from thermoapps.state_space import score
    >>> slope = score(1.0, 1.0, 1.0, 1.0, [2.0], initial_covariance=1.0, rng=0)
    >>> slope["R"].round(6), slope["initial_mean"].round(6)  # y ~ N(0, P + R): (4/2 − 1)/4 and 2/2
    (array([[0.25]]), array([1.]))
    """
    model = read_model(F, Q, H, R, y, initial_mean, initial_covariance, inputs, B, D)
    arrays = {"F": F, "Q": Q, "H": H, "R": R}
    posterior = posterior_of(model, device, rng)
    expected = expected_of(posterior)
    slopes = _slopes(model, expected)
    alone = {name: slopes[name] if np.ndim(arrays[name]) == 3 else slopes[name].sum(axis=0) for name in arrays}
    for name, matrix, along in (("B", B, "c"), ("D", D, "e")):
        if matrix is not None:
            u = np.reshape(np.asarray(inputs, float), (len(model.y), -1))
            product = slopes[along][:, :, None] * u[:, None, :]
            alone[name] = product if np.ndim(matrix) == 3 else product.sum(axis=0)
    return Score(posterior.log_likelihood, alone | {name: slopes[name] for name in INITIAL})


def _slopes(model: Model, expected: Expected) -> dict[str, np.ndarray]:
    """At each time; of offsets c and e, too."""
    n = model.sizes[0]
    _, R, _ = model.observations
    Q = model.transitions(model.Q)
    seen = model.observed
    W, V = pinv(Q), pinv(R)
    both = seen[:, :, None] & seen[:, None, :]

    def padded(array: np.ndarray) -> np.ndarray:
        return np.concatenate([array, np.zeros((n - len(array), *array.shape[1:]))])

    P0, chosen = model.covariance, ~model.diffuse
    inverse = pinv(P0[None])[0]
    off = np.where(chosen, expected.x[0] - model.mean, 0.0)
    second = np.outer(off, off) + expected.P[0] * np.outer(chosen, chosen)
    return {
        "F": padded(W @ expected.wx),
        "c": padded(times(W, expected.w)),
        "Q": padded(symmetric(W @ expected.ww @ W - W) / 2),
        "H": np.where(seen[:, :, None], V @ expected.vx, 0.0),
        "e": np.where(seen, times(V, expected.v), 0.0),
        "R": np.where(both, symmetric(V @ expected.vv @ V - V) / 2, 0.0),
        "initial_mean": inverse @ off,
        "initial_covariance": symmetric(inverse @ second @ inverse - inverse) / 2,
    }
