"""Verdicts: what docs/contract.md promises of an answer that is called a success."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from thermolinalg._arrays import is_torch, to_numpy

from . import rational

BARS = 5.0
"""Norms of errors, in norms of error bars: chance goes so far once in a million."""

ENTRY = 12.0
"""Single entries of raw answers, in their own bars: Student's t of 32 degrees of freedom never goes so far."""

FORWARD = 2.0
"""Errors of x are told by the device's corrections, which is an estimate."""

tally = [0, 0]
"""Entries of refined answers, and those of them within three of their bars: nineteen in twenty are promised."""

SLACK = 1.001


@dataclass(frozen=True)
class Asked:
    """Tolerances as the call was given them.

    Parameters
    ----------
    rtol, atol : float
    refine : bool
    products : float
        Share of |A||x| by which products of an operator known by nothing else may be rounded.
    as_written : bool
        Whether the device does not balance A.
    residual_only : bool
        Whether the error of x is not asked for.
    """

    rtol: float | None
    atol: float = 0.0
    refine: bool = True
    products: float = 0.0
    as_written: bool = False
    residual_only: bool = False

    def relative(self, eps):
        if self.rtol is not None:
            return max(self.rtol, 4 * eps)
        return (1e-10 if eps < 1e-10 else 1e-5) if self.refine else 1e-2


def eps_of(x):
    return 2.0**-23 if str(x.dtype).rpartition(".")[2] in ("float32", "complex64") else 2.0**-52


def plain(x):
    """Numbers of any namespace as a NumPy array."""
    return to_numpy(x) if is_torch(x) else np.asarray(x)


def finite(x):
    return bool(np.isfinite(plain(x)).all())


def solution(truths, b, x, bar, asked, *, systematic=True):
    """What is wrong with x as a successful answer of A x = b, for every reading of A; '' where nothing is."""
    told = [_solution(truth, truth.block(b), x, bar, asked, systematic=systematic) for truth in truths]
    return "" if "" in told else told[0]


def _solution(truth, b, x, bar, asked, *, systematic):
    eps = eps_of(x)
    y = truth.block(plain(x))
    found = rational.solve(truth.A, b)
    if found is None:
        return "success although A is singular"
    wrong = _residual(truth, b, y, asked, eps) if asked.refine else ""
    if wrong or bar is None or not systematic:
        return wrong
    target = asked.relative(eps) if asked.rtol is None else asked.rtol
    at_floor = asked.refine and bool((rational.quotients(truth.residual(y, b), b) > SLACK * target).any())
    return error(truth, y, found, truth.bar(plain(bar)), asked, eps, at_floor=at_floor)


def _residual(truth, b, y, asked, eps):
    """Met, or at the rounding floor."""
    r = truth.residual(y, b)
    spacing = Fraction(2) ** (-1074 if eps < 1e-10 else -149)
    lost = 2 * spacing * abs(truth.A).sum(axis=1, keepdims=True) + spacing  # by rounding x among denormal numbers
    r = np.where(abs(r) > lost, r, Fraction(0))
    target = asked.relative(eps) if asked.rtol is None else asked.rtol
    share = rational.quotients(r, b)
    absolute = np.array([_float(n) for n in rational.norms(r)])
    met = (share <= SLACK * target) | (
        absolute <= SLACK * (asked.atol + target * np.array([_float(n) for n in rational.norms(b)]))
    )
    d = max(truth.A.shape)
    backward = truth.backward_error(y, b)
    if asked.as_written:
        size = rational.norms(truth.A.reshape(-1, 1))[0]
        backward = np.minimum(backward, rational.quotients(r, y * rational.exact(size[0])[()] * Fraction(2) ** size[1]))
    floor = 4 * (8 + d**0.5) * eps + asked.products
    if np.all(met | (backward <= floor)):
        return ""
    worst = int(np.argmax(np.where(met, 0, backward)))
    found = f"residual {share[worst]:.3g} of ‖b‖ (target {target:.3g})"
    return f"{found}, backward error {backward[worst]:.3g} (floor {floor:.2g})"


def error(truth, y, found, bar, asked, eps, *, at_floor=False):
    """Errors beyond the tolerance and the bars: in the norm, balanced or not, and entry by entry.

    An answer at the rounding floor is judged in the balanced norm only, where that floor is one.
    """
    E = beyond_underflow(y - found, eps)
    limit = 0.0 if asked.atol or asked.residual_only else asked.relative(eps)
    if asked.products:
        limit = max(limit, asked.products / max(truth.rcond, 1e-300))
    for name, side in (("", None), ("balanced ", "columns"))[at_floor:]:
        e, x, s = (truth.scaled(v, side=side) if side and len(v) == truth.A.shape[1] else v for v in (E, found, bar))
        relative, bars = rational.quotients(e, x), rational.quotients(e, s)
        bad = (relative > FORWARD * limit) & (bars > BARS) & (relative > 4 * eps)
        if bad.any():
            j = int(np.argmax(np.where(bad, bars, 0)))
            return f"{name}error {relative[j]:.3g} of ‖x‖ (asked {limit:.2g}) is {bars[j]:.3g} error bars"
    (e, unit), (s, bar_unit), (x, size) = truth.sizes(E), truth.sizes(bar), truth.sizes(found)
    with np.errstate(all="ignore"):
        bars = (
            np.where(e > 0, e / s * float(unit / bar_unit), 0.0)
            if unit / bar_unit < 2**900
            else np.full(e.shape, np.inf)
        )
        little = e * min(float(unit / size) if unit / size < 2**900 else math.inf, 1e300) <= 4 * eps * x
    bars = np.where(little, 0.0, bars)
    if asked.refine and not asked.products:
        tally[0] += bars.size
        tally[1] += int((bars <= 3).sum())
    if not asked.refine and (bars > ENTRY).any():
        relative = rational.quotients(E, found).max()
        return f"bar: an entry errs by {bars.max():.3g} of its bar, {relative:.3g} of ‖x‖ in the norm"
    return ""


def beyond_underflow(E, eps):
    """Errors but for the spacing of denormal numbers, which no relative bar knows."""
    spacing = Fraction(2) ** (-1074 if eps < 1e-10 else -149)
    return np.where(abs(E) > 2 * spacing, E, Fraction(0))


def _float(norm):
    return norm[0] * 2.0 ** norm[1] if norm[1] < 1000 else math.inf


def number(value, truth, bar, asked, name, *, bars=6.0):
    """A statistical number and its error bar against the truth."""
    e = abs(value - truth)
    if e <= max(bars * bar, 1e-14 * abs(truth)) and bar <= 1.6 * asked + 1e-300:
        return ""
    if bar > 1.6 * asked:
        return f"{name}: success with the standard error {bar:.3g} where {asked:.3g} was asked for"
    return f"{name} {value!r} is {truth!r}: {e / bar if bar else math.inf:.3g} error bars of {bar:.3g}"
