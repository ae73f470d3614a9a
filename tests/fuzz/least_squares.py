"""Least squares and pseudo-inverses."""

from __future__ import annotations

import math

import numpy as np

import thermolinalg as tla

from . import judge, rational
from .answers import RTOLS, rows_of, wide
from .drawing import Finding
from .judge import Asked, plain
from .truth import Truth


def lstsq(draw):
    form = draw.rectangle()
    value, b = draw.rhs(form)
    options = draw.options(
        rtol=(0.3, RTOLS), refine=(0.12, (False,)), maxiter=(0.08, (1, 4)), device=(0.1, draw.device)
    )
    (x, _, rank, _), info = draw.ask(
        lambda: tla.lstsq(form.value, value, rng=draw.seed(), return_info=True, **options), form.value, value
    )
    _least_squares(draw, form, b, x, rank, info, options)


def pinv(draw):
    form = draw.rectangle()
    options = draw.options(tol=(0.3, RTOLS), refine=(0.12, (False,)), maxiter=(0.08, (1, 4)), device=(0.1, draw.device))
    x, rank, info = draw.ask(
        lambda: tla.pinv(form.value, rng=draw.seed(), return_rank=True, return_info=True, **options), form.value
    )
    if "tol" in options:
        options["rtol"] = options.pop("tol")
    _least_squares(draw, form, np.eye(rows_of(form)), x, rank, info, options)


def _least_squares(draw, form, b, x, rank, info, options):
    if not info.success:
        return
    if not judge.finite(x):
        raise Finding("nan", f"success with {x}")
    bar = draw.ask(lambda: info.standard_error)
    if form.truth is None or not np.isfinite(wide(form.truth)).all():
        return
    if form.truth.dtype.kind == "O" and np.iscomplexobj(b):
        return
    truth = Truth(form.truth, np.iscomplexobj(b))
    eps = judge.eps_of(x)
    m, n = truth.A.shape
    if min(m, n) == 0:
        return
    top = max(rational.log2(a) for a in truth.A.ravel())
    if top == -math.inf:
        if np.any(plain(x)):
            raise Finding("wrong", "A is zero and the answer is not")
        return
    unit = math.floor(top) if math.isfinite(top) else 0
    plain_values = np.linalg.svd(
        np.array([[float(a * rational.power(-unit)) for a in row] for row in truth.A]), compute_uv=False
    )
    shares = plain_values / (plain_values[0] or 1.0)
    cutoff = max(form.truth.shape) * eps
    independent = len(rational.independent(truth.A))
    small = shares[:independent]
    if (small < 1e4 * cutoff).any():  # what counts as zero is a matter of rounding there
        return
    if rank is not None and rank != independent // (2 if truth.is_complex else 1):
        raise Finding("wrong", f"rank {rank} of a matrix of rank {independent // (2 if truth.is_complex else 1)}")
    B, y = truth.block(b), truth.block(plain(x))
    found = rational.pseudo_solve(truth.A, B)
    asked = Asked(options.get("rtol"), refine=options.get("refine", True))
    if asked.refine:
        target = asked.relative(eps) if asked.rtol is None else asked.rtol
        r = truth.A @ judge.beyond_underflow(found - y, eps)
        share = rational.quotients(r, B)
        power = rational.power(unit)
        backward = rational.quotients(r / power, y) / (float(plain_values[0]) or 1.0)
        # Normwise, and of the augmented system: the residual is an unknown beside x.
        residual = rational.quotients(B - truth.A @ found, B)
        floor = 40 * (8 + (m + n) ** 0.5) * eps * (1 + residual / shares[independent - 1])
        if not np.all((share <= judge.SLACK * target) | (backward <= floor) | (share <= floor)):
            raise Finding(
                "wrong",
                f"residual in the range {share.max():.3g} of ‖b‖ (target {target:.3g}), "
                f"backward error {np.max(backward):.3g}",
            )
    if info.systematic is None:
        return
    text = judge.error(truth, y, found, truth.bar(plain(bar)), asked, eps)
    if text:
        raise Finding("bar" if text.startswith("bar") else "wrong", text)
