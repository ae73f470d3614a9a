"""Linear systems and inverses, by every call that has them."""

from __future__ import annotations

import math

import numpy as np

import thermolinalg as tla

from . import judge, rational
from .answers import RTOLS, Of, check, check_linear, products_of, rows_of, truths_of, wide
from .drawing import Finding
from .judge import Asked, plain
from .statistics import check_diagonal, check_logarithm, check_quadratic, check_samples, check_variances
from .truth import Truth

WRONG = (-1.0, 1.0, float("nan"), 5)


def linear_options(draw):
    return draw.options(
        rtol=(0.35, RTOLS) if not draw.chance(0.02) else (1.0, WRONG),
        atol=(0.08, (1e-3, 1e-10, 1e3)),
        refine=(0.15, (False,)),
        maxiter=(0.06, (1, 3, 10)),
        assume_a=(0.2, ("gen", "sym", "her", "pos", "stable")),
        lower=(0.1, (True,)),
        device=(0.12, draw.device),
    )


def solve(draw):
    form = draw.matrix()
    value, b = draw.rhs(form)
    options = linear_options(draw) | draw.options(transposed=(0.12, (True,)))
    if options.get("assume_a") == "stable":
        options.pop("device", None)
    x, info = draw.ask(
        lambda: tla.solve(form.value, value, rng=draw.seed(), return_info=True, **options), form.value, value
    )
    check_linear(draw, form, b, x, info, options)


def prepared(draw):
    """Several questions to one device."""
    form = draw.matrix()
    first = draw.options(assume_a=(0.1, ("gen", "pos", "sym")), device=(0.15, draw.device))
    device = draw.ask(lambda: tla.program(form.value, rng=draw.seed(), **first), form.value)
    for _ in range(2):
        kind = draw.pick(
            "solve",
            "solve",
            "inv",
            "diagonal",
            "logdet",
            "sample",
            "quadratic_form",
            "variance_of",
            "shifted",
            "update",
        )
        draw.words.append(f".{kind}")
        if kind == "solve":
            value, b = draw.rhs(form)
            options = draw.options(rtol=(0.3, RTOLS), refine=(0.2, (False,)))
            x, info = draw.ask(lambda v=value, o=options: device.solve(v, return_info=True, **o), form.value, value)
            check_linear(draw, form, b, x, info, first | options)
        elif kind == "inv":
            x, info = draw.ask(lambda: device.inv(return_info=True), form.value)
            check_linear(draw, form, np.eye(rows_of(form)), x, info, first)
        elif kind == "diagonal":
            x, info = draw.ask(lambda: device.diagonal(return_info=True), form.value)
            check_diagonal(draw, form, x, info, first, 1e-2)
        elif kind == "logdet":
            x, info = draw.ask(lambda: device.logdet(return_info=True), form.value)
            check_logarithm(draw, form, x, info, first, 1e-2)
        elif kind == "sample":
            x, info = draw.ask(lambda: device.sample(200, return_info=True), form.value)
            check_samples(draw, form, x, first, np.zeros(rows_of(form)), 1.0)
        elif kind == "quadratic_form":
            value, b = draw.rhs(form)
            x, info = draw.ask(lambda v=value: device.quadratic_form(v, return_info=True), form.value, value)
            check_quadratic(draw, form, b, x, info, first)
        elif kind == "variance_of":
            L = draw.rng.standard_normal((2, rows_of(form)))
            x, info = draw.ask(lambda L=L: device.variance_of(L, return_info=True), form.value)
            check_variances(draw, form, L, x, info, first)
        elif kind == "shifted":
            if form.lies or form.truth is None or form.truth.dtype.kind == "O" or not form.truth.size:
                return
            mu = float(abs(form.truth).max() * draw.rng.uniform(0.1, 2))
            moved = draw.ask(lambda mu=mu: device.shifted(mu), form.value)
            value, b = draw.rhs(form)
            x, info = draw.ask(lambda v=value, moved=moved: moved.solve(v, return_info=True), form.value, value)
            d = len(form.truth)
            truth = rational.exact(form.truth) if not np.iscomplexobj(form.truth) else None
            if truth is None or first.get("assume_a") in ("pos", "sym") or not math.isfinite(mu):
                return
            truth = truth + rational.exact(mu * np.eye(d))
            # A + μI is itself rounded, entry by entry.
            check(
                draw,
                [Truth(truth)] if not np.iscomplexobj(b) else [],
                b,
                x,
                info,
                Asked(
                    None,
                    products=4
                    * (2.0**-23 if "float32" in form.name or "16" in form.name or "single" in form.name else 2.0**-52),
                ),
                "shifted",
            )
        else:
            form = draw.matrix()
            draw.ask(lambda f=form: device.update(f.value, assume_a=first.get("assume_a")), form.value)


def inv(draw):
    form = draw.matrix()
    options = linear_options(draw)
    if options.get("assume_a") == "stable":
        options.pop("device", None)
    x, info = draw.ask(lambda: tla.inv(form.value, rng=draw.seed(), return_info=True, **options), form.value)
    check_linear(draw, form, np.eye(rows_of(form)), x, info, options)


def batch(draw):
    """Stacks of matrices, which have one structure each."""
    d, count = max(draw.size(5), 1), int(draw.rng.integers(0, 4))
    parts = []
    for _ in range(count):
        rng_form = draw.matrix(5, only_arrays=True)
        parts.append(
            np.resize(
                np.asarray(plain(wide(rng_form.truth)), dtype=float)
                if not np.iscomplexobj(rng_form.truth)
                else rng_form.truth.real,
                (d, d),
            )
        )
    A = np.array(parts).reshape(count, d, d)
    draw.words = [f"batch of {count} of {d}×{d}"]
    draw.form = None
    kind = draw.pick("solve", "inv", "pinv", "slogdet")
    draw.words.append(kind)
    b = draw.rng.standard_normal((d, 2))
    call = {
        "solve": lambda: tla.solve(A, b, rng=0, return_info=True),
        "inv": lambda: tla.inv(A, rng=0, return_info=True),
        "pinv": lambda: tla.pinv(A, rng=0, return_info=True),
        "slogdet": lambda: tla.slogdet(A, rng=0, return_info=True),
    }[kind]
    x, infos = draw.ask(call, A)
    if kind in ("pinv", "slogdet"):
        return
    for a, one, info in zip(A, x, [infos] if not isinstance(infos, list) else infos, strict=True):
        draw.truths = Truth.readings(a)
        check(draw, draw.truths, b if kind == "solve" else np.eye(d), one, info, Asked(None), kind)


def inverse_operator(draw):
    form = draw.matrix()
    options = draw.options(rtol=(0.4, RTOLS), assume_a=(0.1, ("gen", "sym", "pos")), device=(0.1, draw.device))
    M = draw.ask(lambda: tla.ThermodynamicInverse(form.value, rng=draw.seed(), **options), form.value)
    for _ in range(2):
        adjoint = draw.chance(0.3)
        draw.words.append("adjoint" if adjoint else "product")
        b = draw.rng.standard_normal((rows_of(form), 2) if draw.chance(0.3) else rows_of(form))
        b = b + 1j * draw.rng.standard_normal(b.shape) if draw.chance(0.1) else b
        single = M.dtype in (np.float32, np.complex64)
        b = b.astype(np.complex64 if np.iscomplexobj(b) else np.float32) if single else b
        x = draw.ask(lambda b=b, adjoint=adjoint: (M.H if adjoint else M) @ b, b, form.value)
        if form.truth is None or form.truth.dtype.kind == "O" or M.info is None:
            return
        other = form if not adjoint else Of(form.truth.conj().T, form.by_products, form.lies)
        if not (adjoint and form.lies):
            check_linear(draw, other, b, x, M.info, options | ({"lower": True} if adjoint else {}))


def langevin(draw):
    form = draw.matrix()
    value, b = draw.rhs(form)
    options = draw.options(
        rtol=(0.5, (*RTOLS, 0.5, 2.0)),
        atol=(0.15, (1e-3, 1e-12)),
        maxiter=(0.1, (1, 5)),
        assume_a=(0.1, ("gen", "pos", "sym")),
        device=(0.12, draw.device),
    )
    x, flag = draw.ask(lambda: tla.langevin(form.value, value, rng=draw.seed(), **options), form.value, value)
    if flag != 0:
        return
    if not judge.finite(x):
        raise Finding("nan", f"info = 0 with {x}")
    truths = truths_of(draw, form, b, options)
    rtol = options.get("rtol", 1e-5)
    written = "AsWritten" in repr(options.get("device"))
    asked = Asked(rtol, options.get("atol", 0.0), products=products_of(form), as_written=written)
    told = []
    for truth in truths:
        y, c = truth.block(plain(x)), truth.block(b)
        told.append(judge._residual(truth, c, y, asked, judge.eps_of(x)))
    if told and "" not in told:
        raise Finding("wrong", told[0])
