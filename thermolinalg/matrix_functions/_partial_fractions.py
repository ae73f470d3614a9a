"""A law's functions as sums over common poles, to a share of its noise: as many shifted solves as there are poles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.linalg

from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions._blocks import function_table

__all__ = ["PartialFractions", "partial_fractions"]

SAMPLES, CHECKS = 400, 4001
"""Points of the interval, evenly spaced in log λ, at which functions are fitted and compared."""

MARGIN = 4.0
"""Distance of the interval that is served beyond its ends, as a factor: what is no bound but an estimate is so, too."""

_MOST_POLES = 60
_LEAST_NOISE = 1e-10
"""Amplitudes below this share of the largest count as if they were as large."""
_SLACK = 0.3
"""Share of the error that the search for poles may use; residues are fitted once more."""
_PATIENCE = 12
"""Poles without progress after which rounding has been reached."""
_NOISELESS, _ROUNDED = 1e-10, 1e-12
"""Errors relative to the largest value of a function: where there is no noise, and that always pass."""


class PartialFractions(NamedTuple):
    """f_ij(λ) ≈ constants_ij + Σ_n Re[residues_ijn / (λ − poles_n)].

    Parameters
    ----------
    poles : ndarray of complex, shape (n,)
        Real ones, and those of conjugate pairs above the real line.
    residues : ndarray of complex, shape (outputs, inputs, n)
        Twice the residue where the pole is one of a pair.
    constants : ndarray, shape (outputs, inputs)
    error : float
        Largest error at `CHECKS` points, in parts of what was allowed.
    """

    poles: np.ndarray
    residues: np.ndarray
    constants: np.ndarray
    error: float

    def __call__(self, lam: np.ndarray) -> np.ndarray:
        """The functions at eigenvalues (m,), shape (outputs, inputs, m)."""
        return np.asarray(self.constants[..., None] + (self.residues @ (1 / (lam - self.poles[:, None]))).real)


def partial_fractions(
    law: LinearLaw, outputs: Sequence[str], interval: tuple[float, float], sizes: np.ndarray, *, share: float
) -> PartialFractions | None:
    """Expand the functions of a law over as few common poles as a share of its noise allows.

    Poles are those of the rational functions in barycentric form that the greedy algorithm AAA finds, with one
    denominator for all functions and errors weighted by what is allowed for them,

        |r_ij(λ) − f_ij(λ)| size_j ≤ share · noise_i(λ),    noise_i(λ)² = Σ_z f_iz(λ)²,

    or ≤ 1e-10 max f_ij where an output has no noise. Residues then follow by linear least squares. Their number grows
    with log κ, where a polynomial's degree grows with √κ.

    Parameters
    ----------
    law : LinearLaw
    outputs : sequence of str
    interval : tuple of float
        0 < lower < upper, around the spectrum.
    sizes : ndarray, shape (inputs,)
        Largest component of each input in any mode; 1 for normal ones, 0 for absent ones.
    share : float

    Returns
    -------
    PartialFractions or None
        None where the functions are not finite, or no set of poles does.

    References
    ----------
    Y. Nakatsukasa, O. Sète and L. N. Trefethen, The AAA algorithm for rational approximation, SIAM J. Sci. Comput. 40,
    A1494 (2018), doi:10.1137/16M1106122; N. Hale, N. J. Higham and L. N. Trefethen, Computing A^α, log(A), and related
    matrix functions by contour integrals, SIAM J. Numer. Anal. 46, 2505 (2008), doi:10.1137/070700607.

    Examples
    --------
    >>> import numpy as np
    >>> from thermolinalg.laws import Overdamped
    >>> law = Overdamped().stationary()
    >>> found = partial_fractions(law, ["state"], (1e-8, 1.0), np.array([0.0, 0.0, 1.0]), share=1e-6)
    >>> lam = np.array([1e-8, 1e-3, 1.0])
    >>> bool(np.allclose(found(lam)[0, 2] * lam**0.5, 1.0, rtol=1e-6, atol=0)), len(found.poles) < 25
    (True, True)
    """
    lower, upper = interval
    if not 0 < lower < upper:
        return None
    ends = lower / MARGIN, upper * MARGIN
    nodes, checks = np.geomspace(*ends, SAMPLES), np.geomspace(*ends, CHECKS)
    normal = np.array([name in law.normal_inputs() for name in law.inputs]) & (sizes > 0)
    table, compared = (_Table.of(law, outputs, lam, normal, sizes, share) for lam in (nodes, checks))
    if not (np.isfinite(table.values).all() and np.isfinite(compared.values).all()):
        return None
    shape = table.values.shape[:2]
    if not (wanted := table.wanted()).any():
        return PartialFractions(np.zeros(0), np.zeros((*shape, 0)), np.zeros(shape), 0.0)
    poles = _poles(nodes, table.values[wanted], table.allowed[wanted])
    inside = (poles.imag == 0) & (poles.real > ends[0] / 2) & (poles.real < ends[1] * 2)
    poles = poles[~inside & (poles.imag >= 0)]
    residues, constants = np.zeros((*shape, len(poles)), dtype=complex), np.zeros(shape)
    residues[wanted], constants[wanted] = _residues(nodes, table.values[wanted], table.allowed[wanted], poles)
    found = PartialFractions(poles, residues, constants, 0.0)
    errors = abs(found(checks) - compared.values) / compared.allowed
    error = float(errors[wanted].max())
    return found._replace(error=error) if error <= 1.0 else None


class _Table(NamedTuple):
    """Values of functions, and what each may err by, shape (outputs, inputs, nodes)."""

    values: np.ndarray
    allowed: np.ndarray

    @classmethod
    def of(
        cls,
        law: LinearLaw,
        outputs: Sequence[str],
        lam: np.ndarray,
        normal: np.ndarray,
        sizes: np.ndarray,
        share: float,
    ) -> _Table:
        values = function_table(law, outputs, lam)
        values[:, sizes == 0] = 0.0
        noise = np.sqrt((values[:, normal] ** 2).sum(axis=1, keepdims=True))
        noise = np.maximum(noise, _LEAST_NOISE * noise.max(axis=-1, keepdims=True))
        hidden = share * noise / np.where(sizes > 0, sizes, 1.0)[:, None]
        least = np.where(noise.any(axis=-1, keepdims=True), _ROUNDED, _NOISELESS)
        allowed = np.maximum(hidden, least * abs(values).max(axis=-1, keepdims=True))
        return cls(values, np.where(allowed > 0, allowed, 1.0))

    def wanted(self) -> np.ndarray:
        """Which functions are not zero."""
        return np.asarray((abs(self.values) > self.allowed).any(axis=-1))


def _poles(lam: np.ndarray, values: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Poles of the rational functions of one denominator that AAA finds for several functions, shape (f, nodes)."""
    support: list[int] = []
    found, best = np.repeat(values.mean(axis=1, keepdims=True), len(lam), axis=1), (np.inf, 0, np.zeros(0))
    weights = np.zeros(0)
    for _ in range(_MOST_POLES):
        errors = (abs(found - values) / allowed).max(axis=0)
        errors[support] = 0.0
        worst = int(errors.argmax())
        if errors[worst] < best[0]:
            best = float(errors[worst]), len(support), weights
        if errors[worst] <= _SLACK or len(support) >= best[1] + _PATIENCE:
            break
        support.append(worst)
        rest = np.delete(np.arange(len(lam)), support)
        cauchy = 1 / (lam[rest, None] - lam[support])
        loewner = cauchy * (values[:, rest, None] - values[:, None, support]) / allowed[:, rest, None]
        # Columns of one length: those at small λ are otherwise longer by κ.
        lengths = np.linalg.norm(cauchy, axis=0)
        _, _, right = scipy.linalg.svd(loewner.reshape(-1, len(support)) / lengths, full_matrices=False)
        weights = right[-1] / lengths
        found = values.copy()
        found[:, rest] = (weights * values[:, support]) @ cauchy.T / (cauchy @ weights)
    _, n, weights = best
    support = support[:n]
    if n < 2:  # functions that are constant to what is allowed
        return np.zeros(0, dtype=complex)
    # Roots of Σ w/(λ − node), as eigenvalues of an arrow-shaped pencil.
    arrow, identity = np.diag(np.concatenate([[0.0], lam[support]])), np.eye(n + 1)
    arrow[0, 1:], arrow[1:, 0], identity[0, 0] = weights, 1.0, 0.0
    poles = scipy.linalg.eig(arrow, identity, right=False)
    return _polished(poles[np.isfinite(poles)], lam[support], weights)


def _polished(poles: np.ndarray, nodes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Roots z of Σ w/(z − node) by Newton's steps: eigenvalues err by a part of the largest, and small ones count."""
    for _ in range(3):
        with np.errstate(all="ignore"):  # a root at a node stays there
            fractions = weights / (poles[:, None] - nodes)
            step = fractions.sum(axis=1) / (fractions / (poles[:, None] - nodes)).sum(axis=1)
        poles = np.where(abs(step) < 0.1 * abs(poles[:, None] - nodes).min(axis=1), poles + step, poles)
    return np.asarray(poles)


def _residues(
    lam: np.ndarray, values: np.ndarray, allowed: np.ndarray, poles: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Residues (f, poles) and constants (f,) that fit values (f, nodes) best, in parts of what is allowed."""
    fractions, pair = 1 / (lam[:, None] - poles), poles.imag > 0
    # Re[(a + ib) q] = a Re q − b Im q, and no b where the pole is real.
    columns = np.concatenate([fractions.real, -fractions.imag[:, pair], np.ones((len(lam), 1))], axis=1)
    residues, constants = np.zeros((len(values), len(poles)), dtype=complex), np.zeros(len(values))
    for k, (own, error) in enumerate(zip(values, allowed, strict=True)):
        weighted = columns / error[:, None]
        lengths = np.linalg.norm(weighted, axis=0)
        fit = np.linalg.lstsq(weighted / lengths, own / error, rcond=None)[0] / lengths
        residues[k] = fit[: len(poles)]
        residues[k, pair] += 1j * fit[len(poles) : -1]
        constants[k] = fit[-1]
    return residues, constants
