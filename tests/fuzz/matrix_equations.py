"""Lyapunov equations and exponentials."""

from __future__ import annotations

import mpmath as mp
import numpy as np

import thermolinalg as tla

from . import judge, rational
from .answers import RTOLS, check, rows_of
from .drawing import Finding
from .judge import Asked, plain
from .truth import Truth


def lyapunov(draw):
    form = draw.matrix(
        4,
        only_arrays=draw.chance(0.9),
        structures=("definite", "stable", "triangular", "negative", "general", "graded", "gaussian"),
    )
    d = rows_of(form)
    q = draw.rng.standard_normal((d, d))
    q = q @ q.T if draw.chance(0.4) else q
    if hasattr(form.value, "detach"):
        import torch

        value = (
            torch.as_tensor(q).to(form.value.dtype)
            if not str(form.value.dtype).endswith("bfloat16")
            else torch.as_tensor(q).float()
        )
        q = plain(value).astype(complex if value.is_complex() else float)
    else:
        single = getattr(form.value, "dtype", None) == np.float32
        value = q.astype(np.float32) if single else q
        q = value.astype(float)
    options = draw.options(rtol=(0.3, RTOLS), refine=(0.15, (False,)), maxiter=(0.05, (1, 3)))
    x, info = draw.ask(
        lambda: tla.solve_continuous_lyapunov(form.value, value, rng=draw.seed(), return_info=True, **options),
        form.value,
        value,
    )
    if not info.success:
        return
    if not judge.finite(x):
        raise Finding("nan", f"success with {x}")
    bar = draw.ask(lambda: info.standard_error)
    a = form.truth
    if a is None or a.dtype.kind == "O" or not np.isfinite(a).all() or d == 0:
        return
    eye = np.eye(d)
    # Row by row, vec(a X + X aᴴ) = (a ⊗ I + I ⊗ conj a) vec X.
    is_complex = np.iscomplexobj(a) or np.iscomplexobj(q)
    parts = [np.kron(a, eye), np.kron(eye, a.conj())]
    if is_complex:
        A = rational.real_form(parts[0], matrix=True) + rational.real_form(parts[1], matrix=True)
    else:
        A = rational.exact(parts[0]) + rational.exact(parts[1])
    truth = Truth(A, is_complex=is_complex)
    draw.truths = [truth]
    check(
        draw,
        [truth],
        q.reshape(-1),
        plain(x).reshape(-1),
        info,
        Asked(options.get("rtol"), refine=options.get("refine", True), as_written=True),
        "Lyapunov",
        bar=plain(bar).reshape(-1),
    )


def expm(draw):
    form = draw.matrix(5, only_arrays=draw.chance(0.9))
    atol = draw.pick(1e-2, 1e-2, 1e-1, 1e-3)
    x, info = draw.ask(lambda: tla.expm(form.value, atol=atol, rng=draw.seed(), return_info=True), form.value)
    if not info.success:
        return
    if not judge.finite(x):
        raise Finding("nan", f"success with {x}")
    a = form.truth
    if a is None or a.dtype.kind == "O" or not np.isfinite(a).all() or not a.size or abs(a).max() > 1e3:
        return
    with mp.workdps(60 + int(abs(a).max())):
        found = mp.expm(mp.matrix(a.tolist())) if abs(a).max() > 0 else mp.eye(len(a))
        found = np.array(found.tolist(), dtype=complex)
    e, bar = abs(plain(x) - found), np.asarray(plain(info.standard_error), dtype=float)
    bars = np.where(e > 1e-14 * abs(found).max() + judge.eps_of(x) * abs(found), e / np.where(bar > 0, bar, 1e-300), 0)
    if bars.max() > 6.5:
        raise Finding("wrong", f"an entry errs by {e.max():.3g}, {bars.max():.3g} error bars")
    if (bar > 1.6 * atol + 4 * judge.eps_of(x) * abs(found)).any():
        raise Finding("wrong", f"success with the standard error {bar.max():.3g} where {atol:.3g} was asked for")
