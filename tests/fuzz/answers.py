"""What all judgements of answers share."""

from __future__ import annotations

import numpy as np

from . import judge
from .drawing import Finding
from .judge import Asked, plain
from .truth import Truth

SYMMETRIC = (
    "definite",
    "graded",
    "toeplitz",
    "circulant",
    "kronecker",
    "low_rank_plus_identity",
    "hub",
    "hilbert",
    "diagonal",
    "laplacian",
    "negative",
    "rank_one",
    "nearly_symmetric",
    "block_diagonal",
)
RTOLS = (1e-1, 1e-3, 1e-6, 1e-9, 1e-12, 1e-15, 0.0)


class Of:
    """What a judge needs to know of a form."""

    def __init__(self, truth, by_products, lies):
        self.truth, self.by_products, self.lies, self.value = truth, by_products, lies, truth


def check_linear(draw, form, b, x, info, options):
    written = "AsWritten" in repr(options.get("device"))
    asked = Asked(
        options.get("rtol"), options.get("atol", 0.0), options.get("refine", True), products_of(form), written
    )
    if not asked.refine and believed(form, options):
        return  # a single run of what the caller said it was
    truths = truths_of(draw, form, b, options)
    if form.truth is None and not believed(form, options) and info.success and judge.finite(x):
        check_products(draw, form, b, x, asked, options)
    check(draw, truths, b, x, info, asked, "")


def check(draw, truths, b, x, info, asked, name, bar=None):
    if not info.success:
        if not judge.finite(x) and not draw.warned:
            raise Finding("nan", f"no success, no warning and {plain(x)}")
        return
    if not judge.finite(x):
        raise Finding("nan", f"success with {plain(x)}")
    bar = draw.ask(lambda: info.standard_error) if bar is None else bar
    if np.isnan(plain(bar)).any() or not (asked.atol or judge.finite(bar)):
        raise Finding("nan", f"success with the standard error {plain(bar)}")
    if not judge.finite(bar) or not truths or 0 in np.shape(plain(x)):
        return
    text = judge.solution(truths, b, x, bar, asked, systematic=info.systematic is not None)
    if text:
        kind = "bar" if text.startswith("bar") else "wrong"
        raise Finding(kind, f"{name} {text}{' (warned)' if draw.warned else ''}".strip())


def check_products(draw, form, b, x, asked, options):
    """An operator that is no matrix: at least its own product with x is b."""
    if options.get("transposed") or not asked.refine or np.iscomplexobj(x) or not x.size:
        return
    x = x[:, None] if x.ndim == 1 else x
    c = b[:, None] if b.ndim == 1 else b
    shares = []
    for _ in range(2):  # some change with every product
        r = np.stack([form.value.matvec(v) for v in x.T], axis=1) - c
        shares.append(np.linalg.norm(r, axis=0) / (np.linalg.norm(c, axis=0) + (np.linalg.norm(c, axis=0) == 0)))
    if np.min(shares, axis=0).max() > 1e-3:
        raise Finding(
            "wrong",
            f"an operator that is no matrix: success with the residual {np.min(shares, axis=0).max():.3g} of ‖b‖",
        )


def truths_of(draw, form, b, options):
    if form.truth is None or not np.isfinite(wide(form.truth)).all() or not np.isfinite(b).all():
        return []
    assume = None if form.by_products else options.get("assume_a")
    is_complex = np.iscomplexobj(b) or (form.truth.dtype.kind != "O" and np.iscomplexobj(form.truth))
    if form.truth.dtype.kind == "O" and np.iscomplexobj(b):
        return []
    lower, transposed = options.get("lower", False), options.get("transposed", False)
    draw.truths = Truth.readings(form.truth, is_complex, assume, lower, transposed)
    if transposed and believed(form, options):  # of a symmetric map the transpose is itself
        draw.truths += Truth.readings(form.truth, is_complex)
    return draw.truths


def wide(truth):
    return truth.astype(float) if truth.dtype.kind == "O" else truth


def believed(form, options):
    """Whether the caller says of a map that it is symmetric, which nobody can check."""
    return form.by_products and options.get("assume_a") in ("sym", "her", "pos")


def products_of(form):
    return 4 * form.truth.shape[0] * 2.0**-52 if form.by_products and form.truth is not None else 0.0


def rows_of(form):
    return form.value.shape[0] if hasattr(form.value, "shape") else len(form.value)
