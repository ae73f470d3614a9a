"""Determinants, diagonals of inverses, samples, quadratic forms: numbers with error bars."""

from __future__ import annotations

import math

import numpy as np

import thermolinalg as tla

from . import judge, rational
from .answers import SYMMETRIC, believed, rows_of, truths_of, wide
from .drawing import Finding
from .judge import plain


def determinants(draw):
    kind = draw.pick("slogdet", "logabsdet", "det")
    draw.words.append(kind)
    form = draw.matrix(8, structures=None if kind == "logabsdet" else SYMMETRIC, large=0.003)
    options = draw.options(method=(0.3, ("work", "integration")), assume_a=(0.1, ("pos", "sym")))
    asked = draw.pick(1e-2, 1e-2, 0.1, 3e-3)
    options |= {"rtol" if kind == "det" else "atol": asked}
    x, info = draw.ask(lambda: getattr(tla, kind)(form.value, rng=draw.seed(), return_info=True, **options), form.value)
    if kind == "det":
        _determinant(draw, form, x, info, options, asked)
    else:
        check_logarithm(draw, form, x, info, options, asked)


def check_logarithm(draw, form, x, info, options, asked):
    if not info.success:
        return
    sign, log = x if isinstance(x, tuple) else (None, x)
    if info.systematic is None or believed(form, options):
        return
    if not judge.finite(np.asarray(plain(log))):
        raise Finding("nan", f"success with {x}")
    truths = truths_of(draw, form, np.zeros(1), options)
    told = [_one_logarithm(t, sign, float(plain(log)), info, asked) for t in truths]
    if told and "" not in told:
        raise Finding("wrong", told[0])


def _one_logarithm(truth, sign, log, info, asked):
    s, expected = truth.log_determinant
    if s == 0:
        return "success although A is singular"
    if sign is not None and not truth.is_complex and complex(plain(sign)) != s:
        return f"sign {sign} where it is {s}"
    single = 1e-6 * abs(expected) if str(getattr(info, "dtype", "")) else 0.0
    return judge.number(
        log,
        expected,
        float(info.standard_error) + 2.0**-23 * abs(expected) * (np.asarray(log).dtype == np.float32) + single,
        asked,
        "log|det A|",
    )


def _determinant(draw, form, x, info, options, asked):
    if not info.success:
        return
    if not judge.finite(np.asarray(plain(x))):
        raise Finding("nan", f"success with {x}")
    if info.systematic is None or believed(form, options):
        return
    told = []
    for truth in truths_of(draw, form, np.zeros(1), options):
        s, log = truth.log_determinant
        if s == 0:
            told.append("success although A is singular")
            continue
        value = complex(plain(x))
        relative = math.log(abs(value)) - log if value else math.inf
        bar = float(info.standard_error) / abs(value) if value else 0.0
        told.append(judge.number(relative, 0.0, bar + 1e-6, asked, "log of det A/truth"))
        if not truth.is_complex and value.real * s < 0:
            told[-1] = f"sign of {value} where it is {s}"
    if told and "" not in told:
        raise Finding("wrong", told[0])


def inv_diagonal(draw):
    form = draw.matrix(10, structures=SYMMETRIC)
    options = draw.options(assume_a=(0.1, ("pos", "sym")), device=(0.1, draw.device))
    rtol = draw.pick(1e-2, 1e-2, 0.1, 3e-3)
    x, info = draw.ask(
        lambda: tla.inv_diagonal(form.value, rtol=rtol, rng=draw.seed(), return_info=True, **options), form.value
    )
    check_diagonal(draw, form, x, info, options, rtol)


def check_diagonal(draw, form, x, info, options, rtol):
    if not info.success:
        return
    if not judge.finite(x):
        raise Finding("nan", f"success with {x}")
    if believed(form, options):
        return
    told = []
    for truth in truths_of(draw, form, np.zeros(1), options):
        d = len(truth.A)
        found = rational.solve(truth.A, rational.exact(np.eye(d)))
        if found is None:
            told.append("success although A is singular")
            continue
        y, bar = rational.exact(plain(x)), rational.exact(plain(info.standard_error))
        for i in range(len(y)):
            e = abs(y[i] - found[i, i])
            relative, bars = (
                rational.quotients(np.array([[e]]), np.array([[found[i, i]]]))[0],
                rational.quotients(np.array([[e]]), np.array([[bar[i]]]))[0],
            )
            if info.systematic is not None and bars > 6:
                told.append(f"entry {i} errs by {relative:.3g}, {bars:.3g} error bars")
                break
        else:
            told.append("")
    if told and "" not in told:
        raise Finding("wrong", told[0])


def sample(draw):
    form = draw.matrix(8, structures=SYMMETRIC)
    options = draw.options(assume_a=(0.1, ("pos", "sym")), temperature=(0.2, (0.5, 3.0, 1e-6)))
    d = rows_of(form)
    b = draw.rng.standard_normal(d) if draw.chance(0.3) else np.zeros(d)
    given = {"b": b} if b.any() and not (hasattr(form.value, "detach")) else {}
    x, _ = draw.ask(
        lambda: tla.sample(form.value, 200, rng=draw.seed(), return_info=True, **given, **options), form.value
    )
    check_samples(draw, form, x, options, b if given else 0 * b, options.get("temperature", 1.0))


def check_samples(draw, form, x, options, b, temperature):
    if not judge.finite(x):
        raise Finding("nan", f"samples {x}")
    if draw.warned or believed(form, options) or options.get("device") is not None:
        return
    told = []
    for truth in truths_of(draw, form, b, options):
        mean = rational.solve(truth.A, truth.block(b))
        if mean is None:
            told.append("samples although A is singular")
            continue
        X = truth.block(plain(x).T)
        count, d = X.shape[1], truth.A.shape[0]
        if rational.norms(X)[0][1] < -900 or judge.eps_of(x) > 1e-10:  # denormal samples and single ones are rounded
            return
        E = X - mean
        form_ = (
            np.array([float(v) for v in (E * (truth.A @ E)).sum(axis=0)]) / temperature * (2 if truth.is_complex else 1)
        )
        spread = abs(form_.mean() / d - 1) / (2 / count / d) ** 0.5
        rounding = 1e-13 / max(truth.rcond, 1e-300)
        told.append(
            ""
            if spread < 7 + rounding * (count * d) ** 0.5
            else f"xᴴA x/T has the mean {form_.mean() / d:.4g} d, {spread:.3g} standard errors from d"
        )
    if told and "" not in told:
        raise Finding("wrong", told[0])


def check_quadratic(draw, form, b, x, info, options):
    if not info.success:
        return
    check_logarithm(draw, form, x.logdet, info.logdet, options, 1e-2)
    if not judge.finite(np.asarray(plain(x.value))):
        raise Finding("nan", f"success with {x.value}")
    if np.iscomplexobj(b) or np.iscomplexobj(wide(form.truth) if form.truth is not None else 0j):
        return
    told = []
    for truth in truths_of(draw, form, b, options):
        B = truth.block(b)
        expected = (B * rational.solve(truth.A, B)).sum(axis=0)
        value, bar = (
            rational.exact(np.atleast_1d(plain(x.value))),
            rational.exact(np.atleast_1d(plain(info.standard_error))),
        )
        told.append(_entries(value, expected, bar, 1e-9 if judge.eps_of(np.asarray(plain(x.value))) < 1e-10 else 1e-4))
    if told and "" not in told:
        raise Finding("wrong", "quadratic form: " + told[0])


def check_variances(draw, form, L, x, info, options):
    if not info.success or form.truth is None:
        return
    if not judge.finite(x):
        raise Finding("nan", f"success with {x}")
    if np.iscomplexobj(wide(form.truth)):
        return
    told = []
    for truth in truths_of(draw, form, L, options):
        B = truth.block(L.T)
        expected = (B * rational.solve(truth.A, B)).sum(axis=0)
        told.append(
            _entries(
                rational.exact(plain(x)),
                expected,
                rational.exact(plain(info.standard_error)),
                1e-9 if judge.eps_of(x) < 1e-10 else 1e-4,
            )
        )
    if told and "" not in told:
        raise Finding("wrong", "variance: " + told[0])


def _entries(value, expected, bar, rtol):
    for v, e, s in zip(value, expected, bar, strict=True):
        error = abs(v - e)
        if error > max(abs(e) * rational.exact(rtol)[()], 6 * s, rational.exact(1e-300)[()]):
            return f"{float(v):.6g} is {float(e):.6g}, {float(error / s) if s else math.inf:.3g} error bars"
    return ""
