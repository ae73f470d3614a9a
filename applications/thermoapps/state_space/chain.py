"""Covariances and determinants of a chain of states by odd-even elimination: vectorised, and linear in its length.

A link leads from a state x_l to a later one x_r, with all that is observed on its way: given these observations y,

    x_r | x_l, y ~ N(A x_l + b, C),    −2 log p(y | x_l) = x_lᵀ J x_l − 2 ηᵀ x_l + g  (up to constants).

Two links in a row make one (Särkkä and García-Fernández, IEEE Trans. Autom. Control 66 (2021), lemma 8), every second
state is left out, and so on until two states are left; on the way back each state is conditioned on its two neighbours.
No covariance is inverted that may be singular, and covariances are only ever sums of semidefinite matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import thermolinalg as tla
from thermoapps.state_space._batches import log_abs_det, solve, symmetric, times, times_pinv, transposed
from thermoapps.state_space.model import Model

__all__ = ["Gaussian", "Links", "beginning", "filtered", "links_of", "smoothed"]

SINGULAR = 1e-14
"""Reciprocal condition of a symmetric matrix with rows of equal size, from which on it counts as singular."""

GROWN = 3e6
"""Deviation of a state by what came before, in units of what later observations tell of it, that is beyond digits."""


@dataclass(frozen=True)
class Gaussian:
    """Means (…, d) and covariances (…, d, d)."""

    mean: np.ndarray
    covariance: np.ndarray


@dataclass(frozen=True)
class Links:
    """Any number of links in a row; see the module.

    Parameters
    ----------
    A, C, J : array, shape (k, d, d)
    b, eta : array, shape (k, d)
    g : array, shape (k,)
    """

    A: np.ndarray
    b: np.ndarray
    C: np.ndarray
    eta: np.ndarray
    J: np.ndarray
    g: np.ndarray

    def __len__(self) -> int:
        return len(self.g)

    def __getitem__(self, which: slice) -> Links:
        return Links(*(array[which] for array in self._arrays()))

    def _arrays(self) -> tuple[np.ndarray, ...]:
        return (self.A, self.b, self.C, self.eta, self.J, self.g)

    def even(self) -> Links:
        """With a last link, to a state that is zero, where the number is odd."""
        if len(self) % 2 == 0:
            return self
        return Links(*(np.concatenate([array, np.zeros_like(array[:1])]) for array in self._arrays()))

    def followed_by(self, later: Links) -> Links:
        """Each link and the one after it as one."""
        M, W = _between(self, later)
        At, Mt = transposed(self.A), transposed(M)
        inner = times(M, self.b + times(self.C, later.eta))
        seen = times(Mt, later.eta - times(later.J, self.b))
        return Links(
            later.A @ M @ self.A,
            times(later.A, inner) + later.b,
            symmetric(later.A @ W @ transposed(later.A)) + later.C,
            times(At, seen) + self.eta,
            symmetric(At @ Mt @ later.J @ self.A) + self.J,
            self.g
            + later.g
            - log_abs_det(M)
            - np.sum(self.b * (seen + times(Mt, later.eta)), axis=-1)
            - np.sum(later.eta * times(W, later.eta), axis=-1),
        )


def links_of(model: Model, rows: tuple[np.ndarray, np.ndarray]) -> Links:
    """The links between neighbouring times, each with the observations at its end.

    Parameters
    ----------
    model : Model
    rows : tuple of arrays, shapes (n − 1, d) and (n, m)
        What stands in the place of c and y: residuals at states that all the Gaussians are then relative to.
    """
    d = model.sizes[1]
    F, Q = model.transitions(model.F), model.transitions(model.Q)
    H, R, y, g = _condensed(model, rows[1])
    H, R, y, c = H[1:], R[1:], y[1:], rows[0]
    S = symmetric(H @ Q @ transposed(H)) + R
    _refuse_singular(S)
    gain = transposed(solve(S, H @ Q))
    kept = np.eye(d) - gain @ H
    HF = H @ F
    innovation = y - times(H, c)
    weighed = times(transposed(HF), solve(S, innovation[..., None])[..., 0])
    C = kept @ Q @ transposed(kept) + gain @ R @ transposed(gain)
    squares = np.sum(innovation * solve(S, innovation[..., None])[..., 0], axis=-1)
    J = symmetric(transposed(HF) @ solve(S, HF))
    return Links(kept @ F, times(kept, c) + times(gain, y), symmetric(C), weighed, J, g[1:] + log_abs_det(S) + squares)


def beginning(model: Model, rows: tuple[np.ndarray, np.ndarray], first: Links | None) -> tuple[Gaussian, float]:
    """x_0 given what the observation of its time and a link to a later one tell of it, and −2 log of their density.

    Infinite variances have no row in the system, of the covariances themselves, that this solves: none is inverted.

    Parameters
    ----------
    model : Model
    rows : tuple of arrays, shapes (d,) and (n, m)
        Initial mean and observations, or residuals in their place.
    first : Links or None
        One link, or None for nothing observed later.

    Raises
    ------
    thermolinalg.SingularError
        Diffuse states that the observations do not determine, or observations without noise that repeat each other.
    """
    H, R, y, g = (array[0] for array in _condensed(model.until(1), rows[1][:1]))
    d, m = H.shape[1], H.shape[0]
    proper = np.flatnonzero(~model.diffuse)
    p = len(proper)
    K, load = np.zeros((p + d + m, p + d + m)), np.zeros(p + d + m)
    K[:p, :p], K[p + d :, p + d :] = -model.covariance[np.ix_(proper, proper)], -R
    K[np.arange(p), p + proper] = K[p + proper, np.arange(p)] = 1.0
    K[p + d :, p : p + d], K[p : p + d, p + d :] = H, H.T
    load[:p], load[p + d :] = rows[0][proper], y
    if first is not None:
        K[p : p + d, p : p + d] = first.J[0]
        load[p : p + d] = first.eta[0]
        g = g + first.g[0]
    scales = _balance(K)
    inverse, singular = _inverse(K * scales * scales[:, None])
    if singular is not None:
        raise _undetermined(model, singular)
    inverse = inverse * scales * scales[:, None]
    x = slice(p, p + d)
    if (np.diag(inverse)[x] < 0).any():
        raise _undetermined(model, np.zeros(len(K)))
    solution = inverse @ load
    evidence = g + log_abs_det(K * scales * scales[:, None]) - 2 * np.log(scales).sum()
    # −2 log of the density is the energy's stationary value, −loadᵀ K⁻¹ load with the signs of the augmented system.
    evidence = evidence - float(load @ solution)
    return Gaussian(solution[x], symmetric(inverse[x, x])), float(evidence)


def smoothed(links: Links, model: Model, rows: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray, float]:
    """Covariances (n, d, d) of all states, those of neighbours, Cov(x_t, x_{t+1}) (n − 1, d, d), and −2 log density."""
    ends = (rows[0], rows[2])
    if not len(links):
        first, evidence = beginning(model, ends, None)
        return first.covariance[None], np.zeros((0, *first.covariance.shape)), evidence
    levels = []
    while len(links) > 1:
        links = links.even()
        levels.append(links)
        links = links[::2].followed_by(links[1::2])
    first, evidence = beginning(model, ends, links)
    P0, A = first.covariance, links.A[0]
    P = np.stack([P0, symmetric(A @ P0 @ A.T) + links.C[0]])
    X = (P0 @ A.T)[None]
    for level in reversed(levels):
        P, X = _with_the_odd(level, P, X)
    n = model.sizes[0]
    return P[:n], X[: n - 1], evidence


def filtered(start: Gaussian, links: Links) -> Gaussian:
    """States at the ends of all links given the observations up to there, beginning with `start`; (k + 1, …)."""
    if not len(links):
        return Gaussian(start.mean[None], start.covariance[None])
    pairs = links.even()
    coarse = filtered(start, pairs[::2].followed_by(pairs[1::2])) if len(links) > 1 else filtered(start, links[:0])
    left = Gaussian(coarse.mean[: len(pairs) // 2], coarse.covariance[: len(pairs) // 2])
    odd = _through(pairs[::2], left)
    d = len(start.mean)
    mean, covariance = np.empty((len(pairs) + 1, d)), np.empty((len(pairs) + 1, d, d))
    mean[1::2], covariance[1::2] = odd.mean, odd.covariance
    mean[: 2 * len(coarse.mean) : 2], covariance[: 2 * len(coarse.mean) : 2] = coarse.mean, coarse.covariance
    return Gaussian(mean[: len(links) + 1], covariance[: len(links) + 1])


def _through(links: Links, left: Gaussian) -> Gaussian:
    """The ends of links that begin in Gaussian states."""
    M, P = _combined(left.covariance, links.J)
    mean = times(links.A @ M, left.mean + times(left.covariance, links.eta)) + links.b
    return Gaussian(mean, symmetric(links.A @ P @ transposed(links.A)) + links.C)


def _between(earlier: Links, later: Links) -> tuple[np.ndarray, np.ndarray]:
    """M = (I + CJ)⁻¹ and MC of the states between two links."""
    return _combined(earlier.C, later.J)


def _combined(C: np.ndarray, J: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """M = (I + CJ)⁻¹ and MC, the covariance C after what is told by J."""
    told = np.sqrt(np.maximum(np.einsum("tii->ti", J), 0.0)).max(axis=-1, initial=0.0)
    free = np.sqrt(np.maximum(np.einsum("tii->ti", np.broadcast_to(C, J.shape)), 0.0)).max(axis=-1, initial=0.0)
    if not (told * free <= GROWN).all():
        raise tla.SingularError(
            "the states grow so much between observations that rounding hides their covariances; sample and "
            "measured_covariances of smooth need none of these"
        )
    d = J.shape[-1]
    M = solve(np.eye(d) + C @ J, np.broadcast_to(np.eye(d), J.shape))
    return M, symmetric(M @ C)


def _with_the_odd(links: Links, P: np.ndarray, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Covariances of all ends of the links, and those of neighbours, from those of every second one."""
    earlier, later = links[::2], links[1::2]
    k, d = len(earlier), links.A.shape[-1]
    P, X = P[: k + 1], X[:k]
    M, W = _between(earlier, later)
    reached = symmetric(later.A @ W @ transposed(later.A)) + later.C
    right = times_pinv(W @ transposed(later.A), reached)
    kept = np.eye(d) - right @ later.A
    left = kept @ M @ earlier.A
    P_l, P_r = P[:-1], P[1:]
    mixed = left @ X @ transposed(right)
    odd = kept @ W @ transposed(kept) + right @ later.C @ transposed(right)
    odd = symmetric(odd + left @ P_l @ transposed(left) + right @ P_r @ transposed(right) + mixed + transposed(mixed))
    all_P, all_X = np.empty((2 * k + 1, d, d)), np.empty((2 * k, d, d))
    all_P[::2], all_P[1::2] = P, odd
    all_X[::2] = P_l @ transposed(left) + X @ transposed(right)
    all_X[1::2] = left @ X + right @ P_r
    return all_P, all_X


def _condensed(model: Model, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """H, R, y of at most d rows where R allows, and what of −2 log density the other rows are.

    Rows whitened by a factor of R have a QR decomposition, of which only the triangle tells of the states (Jungbacker
    and Koopman, Econometrics Journal 18 (2015), section 2).
    """
    H, R, _ = model.observations
    n, m, d = H.shape
    if m <= d or n == 0:
        return H, R, y, np.zeros(n)
    try:
        L = np.linalg.cholesky(R[:1] if _same(R) else R)
    except np.linalg.LinAlgError:
        return H, R, y, np.zeros(n)
    L = np.broadcast_to(L, R.shape)
    white = solve(L, np.concatenate([H, y[..., None]], axis=-1))
    turned, triangle = np.linalg.qr(white[..., :d])
    inside = times(transposed(turned), white[..., d])
    beyond = np.sum((white[..., d] - times(turned, inside)) ** 2, axis=-1)
    logs = 2 * np.log(np.einsum("tii->ti", L)).sum(axis=-1)
    return triangle, np.broadcast_to(np.eye(d), (n, d, d)), inside, logs + beyond


def _same(array: np.ndarray) -> bool:
    """Whether an array is one row shown many times."""
    return array.strides[0] == 0


def _refuse_singular(S: np.ndarray) -> None:
    """Refuse innovations of which some combination has no variance."""
    if not S.size:
        return
    sizes = np.sqrt(np.einsum("tii->ti", S))
    if (sizes > 0).all():
        correlations = S / (sizes[:, :, None] * sizes[:, None, :])
        if S.shape[-1] == 1 or (np.linalg.eigvalsh(correlations)[:, 0] > SINGULAR).all():
            return
    raise tla.SingularError(
        "the observations have a combination without any noise, neither in R nor by Q through H; give R "
        "a small variance there, or read measured_covariances of smooth, which need none"
    )


def _balance(K: np.ndarray) -> np.ndarray:
    """Powers of two s for which the rows of S K S have entries near one."""
    s = np.ones(len(K))
    for _ in range(8):
        rows = np.abs(K * s * s[:, None]).max(axis=1)
        s = s / np.where(rows > 0, 2.0 ** np.round(np.log2(np.where(rows > 0, rows, 1.0)) / 2), 1.0)
    return s


def _inverse(K: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """K⁻¹ of a symmetric matrix, or the vector that K maps to nothing."""
    values, vectors = np.linalg.eigh(K)
    least = int(np.argmin(np.abs(values)))
    if np.abs(values[least]) <= SINGULAR * np.abs(values).max():
        return K, vectors[:, least]
    return np.linalg.inv(K), None


def _undetermined(model: Model, null: np.ndarray) -> tla.SingularError:
    """What is wrong where x_0 has no distribution."""
    p = int(np.count_nonzero(~model.diffuse))
    if model.diffuse.any() and np.abs(null[p : p + len(model.diffuse)]).max() > 1e-6:
        return tla.SingularError(
            "the observations do not determine all diffuse initial states; give those a finite initial variance"
        )
    return tla.SingularError(
        "observations without noise repeat what the initial state tells without noise; give R a small variance there, "
        "or infinity to initial_covariance where a large number stands for not known"
    )
