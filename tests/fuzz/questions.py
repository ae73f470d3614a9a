"""Every public call as a random question and the judgement of what it answers."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np

import thermolinalg as tla

from . import judge, rational
from .drawing import Found, Refused
from .judge import Asked, plain
from .truth import Truth

SYMMETRIC = ("definite", "graded", "toeplitz", "circulant", "kronecker", "low_rank_plus_identity", "hub", "hilbert", "diagonal", "laplacian", "negative", "rank_one", "nearly_symmetric", "block_diagonal")
RTOLS = (1e-1, 1e-3, 1e-6, 1e-9, 1e-12, 1e-15, 0.0)
WRONG = (-1.0, 1.0, float("nan"), 5)


# -- linear systems -----------------------------------------------------------------------------------------------------


def solve(draw):
    form = draw.matrix()
    value, b = draw.rhs(form)
    options = _linear_options(draw) | draw.options(transposed=(0.12, (True,)))
    if options.get("assume_a") == "stable":
        options.pop("device", None)
    x, info = draw.ask(lambda: tla.solve(form.value, value, rng=draw.seed(), return_info=True, **options), form.value, value)
    _linear(draw, form, b, x, info, options)


def prepared(draw):
    """Several questions to one device."""
    form = draw.matrix()
    first = draw.options(assume_a=(0.1, ("gen", "pos", "sym")), device=(0.15, draw.device))
    device = draw.ask(lambda: tla.program(form.value, rng=draw.seed(), **first), form.value)
    for _ in range(2):
        kind = draw.pick("solve", "solve", "inv", "diagonal", "logdet", "sample", "quadratic_form", "variance_of", "shifted", "update")
        draw.words.append(f".{kind}")
        if kind == "solve":
            value, b = draw.rhs(form)
            options = draw.options(rtol=(0.3, RTOLS), refine=(0.2, (False,)))
            x, info = draw.ask(lambda v=value, o=options: device.solve(v, return_info=True, **o), form.value, value)
            _linear(draw, form, b, x, info, first | options)
        elif kind == "inv":
            x, info = draw.ask(lambda: device.inv(return_info=True), form.value)
            _linear(draw, form, np.eye(_rows(form)), x, info, first)
        elif kind == "diagonal":
            x, info = draw.ask(lambda: device.diagonal(return_info=True), form.value)
            _diagonal(draw, form, x, info, first, 1e-2)
        elif kind == "logdet":
            x, info = draw.ask(lambda: device.logdet(return_info=True), form.value)
            _logarithm(draw, form, x, info, first, 1e-2)
        elif kind == "sample":
            x, info = draw.ask(lambda: device.sample(200, return_info=True), form.value)
            _samples(draw, form, x, first, np.zeros(_rows(form)), 1.0)
        elif kind == "quadratic_form":
            value, b = draw.rhs(form)
            x, info = draw.ask(lambda v=value: device.quadratic_form(v, return_info=True), form.value, value)
            _quadratic(draw, form, b, x, info, first)
        elif kind == "variance_of":
            L = draw.rng.standard_normal((2, _rows(form)))
            x, info = draw.ask(lambda L=L: device.variance_of(L, return_info=True), form.value)
            _variances(draw, form, L, x, info, first)
        elif kind == "shifted":
            if form.lies or form.truth is None or form.truth.dtype.kind == "O" or not form.truth.size:
                return
            mu = float(abs(form.truth).max() * draw.rng.uniform(0.1, 2))
            moved = draw.ask(lambda mu=mu: device.shifted(mu), form.value)
            value, b = draw.rhs(form)
            x, info = draw.ask(lambda v=value: moved.solve(v, return_info=True), form.value, value)
            d = len(form.truth)
            truth = rational.exact(form.truth) if not np.iscomplexobj(form.truth) else None
            if truth is None or first.get("assume_a") in ("pos", "sym") or not math.isfinite(mu):
                return
            truth = truth + rational.exact(mu * np.eye(d))
            # A + μI is itself rounded, entry by entry.
            _judged(draw, [Truth(truth)] if not np.iscomplexobj(b) else [], b, x, info, Asked(None, products=4 * (2.0**-23 if "float32" in form.name or "16" in form.name or "single" in form.name else 2.0**-52)), "shifted")
        else:
            form = draw.matrix()
            draw.ask(lambda f=form: device.update(f.value, assume_a=first.get("assume_a")), form.value)


def inv(draw):
    form = draw.matrix()
    options = _linear_options(draw)
    if options.get("assume_a") == "stable":
        options.pop("device", None)
    x, info = draw.ask(lambda: tla.inv(form.value, rng=draw.seed(), return_info=True, **options), form.value)
    _linear(draw, form, np.eye(_rows(form)), x, info, options)


def batch(draw):
    """Stacks of matrices, which have one structure each."""
    d, count = max(draw.size(5), 1), int(draw.rng.integers(0, 4))
    parts = []
    for _ in range(count):
        rng_form = draw.matrix(5, only_arrays=True)
        parts.append(np.resize(np.asarray(plain(_wide(rng_form.truth)), dtype=float) if not np.iscomplexobj(rng_form.truth) else rng_form.truth.real, (d, d)))
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
        _judged(draw, draw.truths, b if kind == "solve" else np.eye(d), one, info, Asked(None), kind)


def inverse_operator(draw):
    form = draw.matrix()
    options = draw.options(rtol=(0.4, RTOLS), assume_a=(0.1, ("gen", "sym", "pos")), device=(0.1, draw.device))
    M = draw.ask(lambda: tla.ThermodynamicInverse(form.value, rng=draw.seed(), **options), form.value)
    for _ in range(2):
        adjoint = draw.chance(0.3)
        draw.words.append("adjoint" if adjoint else "product")
        b = draw.rng.standard_normal((_rows(form), 2) if draw.chance(0.3) else _rows(form))
        b = b + 1j * draw.rng.standard_normal(b.shape) if draw.chance(0.1) else b
        single = M.dtype in (np.float32, np.complex64)
        b = b.astype(np.complex64 if np.iscomplexobj(b) else np.float32) if single else b
        x = draw.ask(lambda b=b, adjoint=adjoint: (M.H if adjoint else M) @ b, b, form.value)
        if form.truth is None or form.truth.dtype.kind == "O" or M.info is None:
            return
        other = form if not adjoint else _Of(form.truth.conj().T, form.by_products, form.lies)
        if not (adjoint and form.lies):
            _linear(draw, other, b, x, M.info, options | ({"lower": True} if adjoint else {}))


def langevin(draw):
    form = draw.matrix()
    value, b = draw.rhs(form)
    options = draw.options(rtol=(0.5, (*RTOLS, 0.5, 2.0)), atol=(0.15, (1e-3, 1e-12)), maxiter=(0.1, (1, 5)), assume_a=(0.1, ("gen", "pos", "sym")), device=(0.12, draw.device))
    x, flag = draw.ask(lambda: tla.langevin(form.value, value, rng=draw.seed(), **options), form.value, value)
    if flag != 0:
        return
    if not judge.finite(x):
        raise Found("nan", f"info = 0 with {x}")
    truths = _truths(draw, form, b, options)
    rtol = options.get("rtol", 1e-5)
    written = "AsWritten" in repr(options.get("device"))
    asked = Asked(rtol, options.get("atol", 0.0), products=_products(form), as_written=written)
    told = []
    for truth in truths:
        y, c = truth.block(plain(x)), truth.block(b)
        told.append(judge._residual(truth, c, y, asked, judge.eps_of(x)))
    if told and "" not in told:
        raise Found("wrong", told[0])


# -- least squares ------------------------------------------------------------------------------------------------------


def lstsq(draw):
    form = draw.rectangle()
    value, b = draw.rhs(form)
    options = draw.options(rtol=(0.3, RTOLS), refine=(0.12, (False,)), maxiter=(0.08, (1, 4)), device=(0.1, draw.device))
    (x, residues, rank, s), info = draw.ask(lambda: tla.lstsq(form.value, value, rng=draw.seed(), return_info=True, **options), form.value, value)
    _least_squares(draw, form, b, x, rank, info, options)


def pinv(draw):
    form = draw.rectangle()
    options = draw.options(tol=(0.3, RTOLS), refine=(0.12, (False,)), maxiter=(0.08, (1, 4)), device=(0.1, draw.device))
    x, rank, info = draw.ask(lambda: tla.pinv(form.value, rng=draw.seed(), return_rank=True, return_info=True, **options), form.value)
    if "tol" in options:
        options["rtol"] = options.pop("tol")
    _least_squares(draw, form, np.eye(_rows(form)), x, rank, info, options)


def _least_squares(draw, form, b, x, rank, info, options):
    if not info.success:
        return
    if not judge.finite(x):
        raise Found("nan", f"success with {x}")
    bar = draw.ask(lambda: info.standard_error)
    if form.truth is None or not np.isfinite(_wide(form.truth)).all():
        return
    truth = Truth(form.truth, np.iscomplexobj(b))
    eps = judge.eps_of(x)
    m, n = truth.A.shape
    if min(m, n) == 0:
        return
    top = max(rational.log2(a) for a in truth.A.ravel())
    if top == -math.inf:
        if np.any(plain(x)):
            raise Found("wrong", "A is zero and the answer is not")
        return
    unit = math.floor(top) if math.isfinite(top) else 0
    plain_values = np.linalg.svd(np.array([[float(a * rational.power(-unit)) for a in row] for row in truth.A]), compute_uv=False)
    shares = plain_values / (plain_values[0] or 1.0)
    cutoff = max(form.truth.shape) * eps
    independent = len(rational.independent(truth.A))
    small = shares[:independent]
    if (small < 1e4 * cutoff).any():  # what counts as zero is a matter of rounding there
        return
    if rank is not None and rank != independent // (2 if truth.is_complex else 1):
        raise Found("wrong", f"rank {rank} of a matrix of rank {independent // (2 if truth.is_complex else 1)}")
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
            raise Found("wrong", f"residual in the range {share.max():.3g} of ‖b‖ (target {target:.3g}), backward error {np.max(backward):.3g}")
    if info.systematic is None:
        return
    text = judge.error(truth, y, found, truth.bar(plain(bar)), asked, eps)
    if text:
        raise Found("bar" if text.startswith("bar") else "wrong", text)


# -- determinants, diagonals, samples -----------------------------------------------------------------------------------


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
        _logarithm(draw, form, x, info, options, asked)


def _logarithm(draw, form, x, info, options, asked):
    if not info.success:
        return
    sign, log = x if isinstance(x, tuple) else (None, x)
    if info.systematic is None or _believed(form, options):
        return
    if not judge.finite(np.asarray(plain(log))):
        raise Found("nan", f"success with {x}")
    truths = _truths(draw, form, np.zeros(1), options)
    told = [_one_logarithm(t, sign, float(plain(log)), info, asked) for t in truths]
    if told and "" not in told:
        raise Found("wrong", told[0])


def _one_logarithm(truth, sign, log, info, asked):
    s, expected = truth.log_determinant
    if s == 0:
        return "success although A is singular"
    if sign is not None and not truth.is_complex and complex(plain(sign)) != s:
        return f"sign {sign} where it is {s}"
    single = 1e-6 * abs(expected) if str(getattr(info, "dtype", "")) else 0.0
    return judge.number(log, expected, float(info.standard_error) + 2.0**-23 * abs(expected) * (np.asarray(log).dtype == np.float32) + single, asked, "log|det A|")


def _determinant(draw, form, x, info, options, asked):
    if not info.success:
        return
    if not judge.finite(np.asarray(plain(x))):
        raise Found("nan", f"success with {x}")
    if info.systematic is None or _believed(form, options):
        return
    told = []
    for truth in _truths(draw, form, np.zeros(1), options):
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
        raise Found("wrong", told[0])


def inv_diagonal(draw):
    form = draw.matrix(10, structures=SYMMETRIC)
    options = draw.options(assume_a=(0.1, ("pos", "sym")), device=(0.1, draw.device))
    rtol = draw.pick(1e-2, 1e-2, 0.1, 3e-3)
    x, info = draw.ask(lambda: tla.inv_diagonal(form.value, rtol=rtol, rng=draw.seed(), return_info=True, **options), form.value)
    _diagonal(draw, form, x, info, options, rtol)


def _diagonal(draw, form, x, info, options, rtol):
    if not info.success:
        return
    if not judge.finite(x):
        raise Found("nan", f"success with {x}")
    told = []
    for truth in _truths(draw, form, np.zeros(1), options):
        d = len(truth.A)
        found = rational.solve(truth.A, rational.exact(np.eye(d)))
        if found is None:
            told.append("success although A is singular")
            continue
        y, bar = rational.exact(plain(x)), rational.exact(plain(info.standard_error))
        for i in range(len(y)):
            e = abs(y[i] - found[i, i])
            relative, bars = rational.quotients(np.array([[e]]), np.array([[found[i, i]]]))[0], rational.quotients(np.array([[e]]), np.array([[bar[i]]]))[0]
            if info.systematic is not None and bars > 6:
                told.append(f"entry {i} errs by {relative:.3g}, {bars:.3g} error bars")
                break
        else:
            told.append("")
    if told and "" not in told:
        raise Found("wrong", told[0])


def sample(draw):
    form = draw.matrix(8, structures=SYMMETRIC)
    options = draw.options(assume_a=(0.1, ("pos", "sym")), temperature=(0.2, (0.5, 3.0, 1e-6)))
    d = _rows(form)
    b = draw.rng.standard_normal(d) if draw.chance(0.3) else np.zeros(d)
    given = {"b": b} if b.any() and not (hasattr(form.value, "detach")) else {}
    x, _ = draw.ask(lambda: tla.sample(form.value, 200, rng=draw.seed(), return_info=True, **given, **options), form.value)
    _samples(draw, form, x, options, b if given else 0 * b, options.get("temperature", 1.0))


def _samples(draw, form, x, options, b, temperature):
    if not judge.finite(x):
        raise Found("nan", f"samples {x}")
    if draw.warned or _believed(form, options) or options.get("device") is not None:
        return
    told = []
    for truth in _truths(draw, form, b, options):
        mean = rational.solve(truth.A, truth.block(b))
        if mean is None:
            told.append("samples although A is singular")
            continue
        X = truth.block(plain(x).T)
        count, d = X.shape[1], truth.A.shape[0]
        if rational.norms(X)[0][1] < -900 or judge.eps_of(x) > 1e-10:  # denormal samples and single ones are rounded
            return
        E = X - mean
        form_ = np.array([float(v) for v in (E * (truth.A @ E)).sum(axis=0)]) / temperature * (2 if truth.is_complex else 1)
        spread = abs(form_.mean() / d - 1) / (2 / count / d) ** 0.5
        rounding = 1e-13 / max(truth.rcond, 1e-300)
        told.append("" if spread < 7 + rounding * (count * d) ** 0.5 else f"xᴴA x/T has the mean {form_.mean() / d:.4g} d, {spread:.3g} standard errors from d")
    if told and "" not in told:
        raise Found("wrong", told[0])


# -- quadratic forms ----------------------------------------------------------------------------------------------------


def _quadratic(draw, form, b, x, info, options):
    if not info.success:
        return
    _logarithm(draw, form, x.logdet, info.logdet, options, 1e-2)
    if not judge.finite(np.asarray(plain(x.value))):
        raise Found("nan", f"success with {x.value}")
    if np.iscomplexobj(b) or np.iscomplexobj(_wide(form.truth) if form.truth is not None else 0j):
        return
    told = []
    for truth in _truths(draw, form, b, options):
        B = truth.block(b)
        expected = (B * rational.solve(truth.A, B)).sum(axis=0)
        value, bar = rational.exact(np.atleast_1d(plain(x.value))), rational.exact(np.atleast_1d(plain(info.standard_error)))
        told.append(_entries(value, expected, bar, 1e-9 if judge.eps_of(np.asarray(plain(x.value))) < 1e-10 else 1e-4))
    if told and "" not in told:
        raise Found("wrong", "quadratic form: " + told[0])


def _variances(draw, form, L, x, info, options):
    if not info.success or form.truth is None:
        return
    if not judge.finite(x):
        raise Found("nan", f"success with {x}")
    if np.iscomplexobj(_wide(form.truth)):
        return
    told = []
    for truth in _truths(draw, form, L, options):
        B = truth.block(L.T)
        expected = (B * rational.solve(truth.A, B)).sum(axis=0)
        told.append(_entries(rational.exact(plain(x)), expected, rational.exact(plain(info.standard_error)), 1e-9 if judge.eps_of(x) < 1e-10 else 1e-4))
    if told and "" not in told:
        raise Found("wrong", "variance: " + told[0])


def _entries(value, expected, bar, rtol):
    for v, e, s in zip(value, expected, bar, strict=True):
        error = abs(v - e)
        if error > max(abs(e) * rational.exact(rtol)[()], 6 * s, rational.exact(1e-300)[()]):
            return f"{float(v):.6g} is {float(e):.6g}, {float(error / s) if s else math.inf:.3g} error bars"
    return ""


# -- Lyapunov equations and exponentials --------------------------------------------------------------------------------


def lyapunov(draw):
    form = draw.matrix(4, only_arrays=draw.chance(0.9), structures=("definite", "stable", "triangular", "negative", "general", "graded", "gaussian"))
    d = _rows(form)
    q = draw.rng.standard_normal((d, d))
    q = q @ q.T if draw.chance(0.4) else q
    if hasattr(form.value, "detach"):
        import torch

        value = torch.as_tensor(q).to(form.value.dtype) if not str(form.value.dtype).endswith("bfloat16") else torch.as_tensor(q).float()
        q = plain(value).astype(complex if value.is_complex() else float)
    else:
        single = getattr(form.value, "dtype", None) == np.float32
        value = q.astype(np.float32) if single else q
        q = value.astype(float)
    options = draw.options(rtol=(0.3, RTOLS), refine=(0.15, (False,)), maxiter=(0.05, (1, 3)))
    x, info = draw.ask(lambda: tla.solve_continuous_lyapunov(form.value, value, rng=draw.seed(), return_info=True, **options), form.value, value)
    if not info.success:
        return
    if not judge.finite(x):
        raise Found("nan", f"success with {x}")
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
    _judged(draw, [truth], q.reshape(-1), plain(x).reshape(-1), info, Asked(options.get("rtol"), refine=options.get("refine", True)), "Lyapunov", bar=plain(bar).reshape(-1))


def expm(draw):
    form = draw.matrix(5, only_arrays=draw.chance(0.9))
    atol = draw.pick(1e-2, 1e-2, 1e-1, 1e-3)
    x, info = draw.ask(lambda: tla.expm(form.value, atol=atol, rng=draw.seed(), return_info=True), form.value)
    if not info.success:
        return
    if not judge.finite(x):
        raise Found("nan", f"success with {x}")
    a = form.truth
    if a is None or a.dtype.kind == "O" or not np.isfinite(a).all() or not a.size or abs(a).max() > 1e5:
        return
    with mp.workdps(60 + int(abs(a).max())):
        found = mp.expm(mp.matrix(a.tolist())) if abs(a).max() > 0 else mp.eye(len(a))
        found = np.array(found.tolist(), dtype=complex)
    e, bar = abs(plain(x) - found), np.asarray(plain(info.standard_error), dtype=float)
    bars = np.where(e > 1e-14 * abs(found).max() + judge.eps_of(x) * abs(found), e / np.where(bar > 0, bar, 1e-300), 0)
    if bars.max() > 6.5:
        raise Found("wrong", f"an entry errs by {e.max():.3g}, {bars.max():.3g} error bars")
    if (bar > 1.6 * atol + 4 * judge.eps_of(x) * abs(found)).any():
        raise Found("wrong", f"success with the standard error {bar.max():.3g} where {atol:.3g} was asked for")


# -- common -------------------------------------------------------------------------------------------------------------


class _Of:
    """What a judge needs to know of a form."""

    def __init__(self, truth, by_products, lies):
        self.truth, self.by_products, self.lies, self.value = truth, by_products, lies, truth


def _linear_options(draw):
    return draw.options(
        rtol=(0.35, RTOLS) if not draw.chance(0.02) else (1.0, WRONG),
        atol=(0.08, (1e-3, 1e-10, 1e3)),
        refine=(0.15, (False,)),
        maxiter=(0.06, (1, 3, 10)),
        assume_a=(0.2, ("gen", "sym", "her", "pos", "stable")),
        lower=(0.1, (True,)),
        device=(0.12, draw.device),
    )


def _linear(draw, form, b, x, info, options):
    written = "AsWritten" in repr(options.get("device"))
    asked = Asked(options.get("rtol"), options.get("atol", 0.0), options.get("refine", True), _products(form), written)
    if not asked.refine and _believed(form, options):
        return  # a single run of what the caller said it was
    truths = _truths(draw, form, b, options)
    if form.truth is None and info.success and judge.finite(x):
        _not_a_matrix(draw, form, b, x, asked, options)
    _judged(draw, truths, b, x, info, asked, "")


def _judged(draw, truths, b, x, info, asked, name, bar=None):
    if not info.success:
        if not judge.finite(x) and not draw.warned:
            raise Found("nan", f"no success, no warning and {plain(x)}")
        return
    if not judge.finite(x):
        raise Found("nan", f"success with {plain(x)}")
    bar = draw.ask(lambda: info.standard_error) if bar is None else bar
    if not judge.finite(bar):
        raise Found("nan", f"success with the standard error {plain(bar)}")
    if not truths or 0 in np.shape(plain(x)):
        return
    text = judge.solution(truths, b, x, bar, asked, systematic=info.systematic is not None)
    if text:
        kind = "bar" if text.startswith("bar") else "wrong"
        raise Found(kind, f"{name} {text}{' (warned)' if draw.warned else ''}".strip())


def _not_a_matrix(draw, form, b, x, asked, options):
    """An operator that is no matrix: at least its own product with x is b."""
    if options.get("transposed") or not asked.refine or np.iscomplexobj(x):
        return
    x = x[:, None] if x.ndim == 1 else x
    c = b[:, None] if b.ndim == 1 else b
    shares = []
    for _ in range(2):  # some change with every product
        r = np.stack([form.value.matvec(v) for v in x.T], axis=1) - c
        shares.append(np.linalg.norm(r, axis=0) / (np.linalg.norm(c, axis=0) + (np.linalg.norm(c, axis=0) == 0)))
    if np.min(shares, axis=0).max() > 1e-3:
        raise Found("wrong", f"an operator that is no matrix: success with the residual {np.min(shares, axis=0).max():.3g} of ‖b‖")


def _truths(draw, form, b, options):
    if form.truth is None or not np.isfinite(_wide(form.truth)).all() or not np.isfinite(b).all():
        return []
    assume = None if form.by_products else options.get("assume_a")
    is_complex = np.iscomplexobj(b) or (form.truth.dtype.kind != "O" and np.iscomplexobj(form.truth))
    if form.truth.dtype.kind == "O" and np.iscomplexobj(b):
        return []
    draw.truths = Truth.readings(form.truth, is_complex, assume, options.get("lower", False), options.get("transposed", False))
    return draw.truths


def _wide(truth):
    return truth.astype(float) if truth.dtype.kind == "O" else truth


def _believed(form, options):
    """Whether the caller says of a map that it is symmetric, which nobody can check."""
    return form.by_products and options.get("assume_a") in ("sym", "her", "pos")


def _products(form):
    return 4 * form.truth.shape[0] * 2.0**-52 if form.by_products and form.truth is not None else 0.0


def _rows(form):
    return form.value.shape[0] if hasattr(form.value, "shape") else len(form.value)


QUESTIONS = {
    solve: 30,
    inv: 10,
    prepared: 12,
    lstsq: 9,
    pinv: 6,
    langevin: 7,
    inverse_operator: 6,
    determinants: 6,
    inv_diagonal: 4,
    sample: 4,
    lyapunov: 6,
    expm: 4,
    batch: 3,
}

__all__ = ["QUESTIONS", "Refused"]
