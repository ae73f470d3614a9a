"""One random question: what is drawn, how it is asked, and what may come back."""

from __future__ import annotations

import signal
import traceback
import warnings
from pathlib import Path

import numpy as np
import scipy.sparse

import thermolinalg as tla
from thermolinalg._arrays import is_torch
from thermolinalg.devices.watched import DeviceError

from . import forms, matrices

ALLOWED = (ValueError, TypeError, np.linalg.LinAlgError, DeviceError, OverflowError)
"""What a refusal may be; an operator's own error passes as it is."""

SECONDS = 20
"""Processor time that a call may take."""

PACKAGE = str(Path(tla.__file__).parent)


class Refusal(Exception):  # noqa: N818
    """The call refused, as it may."""


class Finding(Exception):  # noqa: N818
    """A finding: its kind and what it is."""

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind, self.text = kind, text


class Draw:
    """A question being drawn.

    Parameters
    ----------
    rng : numpy.random.Generator

    Attributes
    ----------
    words : list of str
        The question, in words.
    warned : list of str
        Warnings of the call.
    truths : list of Truth
        What A may stand for, once that is known.
    """

    def __init__(self, rng):
        self.rng, self.words, self.warned, self.truths = rng, [], [], []
        self.form = self.refusal = self.call = None

    def __str__(self):
        return "; ".join(filter(None, self.words))

    def chance(self, p):
        return self.rng.random() < p

    def pick(self, *options):
        return options[int(self.rng.integers(len(options)))]

    def seed(self):
        return int(self.rng.integers(2**31))

    # -- what is drawn ------------------------------------------------------------------------------------------------

    def size(self, most=12):
        return int(
            self.rng.choice(
                [0, 1, 2, 3, 4, 5, 6, 8, 10, 12], p=[0.02, 0.1, 0.16, 0.16, 0.16, 0.14, 0.1, 0.08, 0.04, 0.04]
            ).clip(0, most)
        )

    def matrix(self, most=12, *, only_arrays=False, structures=None, large=0.01):
        """A square matrix in some form."""
        d = int(self.rng.integers(20, 61)) if most >= 12 and self.chance(large) else self.size(most)
        name, A = matrices.drawn(self.rng, d, complex_=self.chance(0.15))
        for _ in range(20):
            if structures is None or name in structures or d == 0:
                break
            name, A = matrices.drawn(self.rng, d, complex_=self.chance(0.15))
        scaling, A = matrices.scaled(self.rng, A)
        return self._dressed(A, f"{name} {A.shape[0]}×{A.shape[1]} {scaling}", only_arrays)

    def rectangle(self, most=8):
        """A rectangular matrix, or a square one."""
        if self.chance(0.2):
            return self.matrix(most)
        m, n = int(self.rng.integers(1, most + 1)), int(self.rng.integers(1, most + 1))
        d = max(m, n)
        name, A = matrices.drawn(self.rng, d, complex_=self.chance(0.15))
        scaling, A = matrices.scaled(self.rng, A[:m, :n])
        return self._dressed(A, f"{name}, of which {m}×{n} {scaling}", only_arrays=False)

    def _dressed(self, A, words, only_arrays):
        self.form = forms.dressed(self.rng, A, only_arrays=only_arrays)
        self.words.append(f"{words.strip()} as {self.form.name}")
        return self.form

    def rhs(self, form):
        """Right-hand sides that fit: (value, as an array of double precision)."""
        rng, m = self.rng, form.value.shape[0] if hasattr(form.value, "shape") else len(form.value)
        shape = (m,) if self.chance(0.6) else (m, int(rng.choice([1, 2, 3])))
        b = rng.standard_normal(shape)
        kind = str(
            rng.choice(
                ["normal", "range", "integers", "zero column", "scaled", "graded", "zero", "denormal"],
                p=[0.4, 0.2, 0.1, 0.08, 0.08, 0.07, 0.04, 0.03],
            )
        )
        truth = form.truth
        with np.errstate(all="ignore"):
            if kind == "range" and truth is not None and truth.dtype.kind != "O":
                b = (truth @ np.ones(truth.shape[1])).real
                b = b if len(shape) == 1 else np.repeat(b[:, None], shape[1], axis=1)
                kind = "range" if np.isfinite(b).all() else "range, infinite"
            elif kind == "integers":
                b = rng.integers(-9, 10, shape)
            elif kind == "zero column":
                b = b * (np.arange(shape[-1]) > 0 if len(shape) == 2 else np.arange(m) > 0)
            elif kind == "scaled":
                b = b * 10.0 ** rng.uniform(-250, 250)
            elif kind == "graded":
                b = b * (10.0 ** rng.uniform(-30, 30, m)).reshape(-1, *[1] * (len(shape) - 1))
            elif kind == "zero":
                b = 0.0 * b
            elif kind == "denormal":
                b = b * 2.0**-1060
            complex_ = self.chance(0.12)
            b = b + 1j * rng.standard_normal(shape) if complex_ else b
            if is_torch(form.value):
                import torch

                wide = str(form.value.dtype).rpartition(".")[2]
                name = (
                    {"bfloat16": "float32"}.get(wide, wide)
                    .replace("complex64", "float32")
                    .replace("complex128", "float64")
                )
                name = {"float32": "complex64", "float64": "complex128"}[name] if np.iscomplexobj(b) else name
                value = torch.as_tensor(b).to(getattr(torch, name))
                b = value.numpy().astype(complex if np.iscomplexobj(b) else float)
            else:
                single = getattr(form.value, "dtype", None) in (np.float32, np.complex64) and self.chance(0.8)
                value = (
                    b.astype(np.complex64 if np.iscomplexobj(b) else np.float32)
                    if single and b.dtype.kind != "i"
                    else b
                )
                b = value.astype(complex if np.iscomplexobj(b) else float)
        self.words.append(f"b {kind} {shape}{' complex' * complex_}")
        return value, b

    def options(self, **chances):
        """Keywords at random, each with its chance; a value may be a callable."""
        chosen = {}
        for name, (p, values) in chances.items():
            if self.chance(p):
                chosen[name] = values() if callable(values) else self.pick(*values)
        if chosen:
            self.words.append(", ".join(f"{name}={value!r}" for name, value in chosen.items()))
        return chosen

    def device(self):
        """A simulated device that is not the default."""
        rng = self.rng
        kinds = {
            "underdamped": lambda: tla.LangevinDevice(tla.Underdamped(float(10 ** rng.uniform(-1, 1)))),
            "time steps": lambda: tla.LangevinDevice(tla.EulerMaruyama(float(rng.uniform(0.05, 0.5)))),
            "as written": lambda: tla.LangevinDevice(loading=tla.AsWritten()),
            "worn": lambda: tla.LangevinDevice(
                imperfections=tla.Imperfections(
                    matrix_bits=self.pick(0, 8, 12),
                    input_bits=self.pick(0, 8),
                    output_bits=self.pick(0, 8),
                    mismatch=self.pick(0.0, 0.01, 0.1),
                    offset=self.pick(0.0, 0.01),
                    temperature_error=self.pick(0.0, 0.2),
                )
            ),
        }
        return kinds[self.pick(*kinds)]()

    # -- how it is asked ----------------------------------------------------------------------------------------------

    def ask(self, call, *inputs):
        """What a call returns; Refusal where it refuses, Finding where it does what it may not."""
        before = [fingerprint(x) for x in inputs]
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                with limited(SECONDS):
                    value = call()
        except forms.Lie:
            raise Refusal("the operator's own error") from None
        except ALLOWED as error:
            where = traceback.extract_tb(error.__traceback__)[-1].filename
            self.refusal = error
            text = f"{type(error).__name__}: {error}"
            if not where.startswith(PACKAGE) and not (self.form is not None and self.form.lies):
                raise Finding("leaked", f"{text} (raised in {where})") from None
            raise Refusal(text) from None
        except TooSlow as slow:
            last = traceback.extract_tb(slow.__traceback__)[-2]
            where = f"in {last.name} ({last.filename}:{last.lineno})"
            raise Finding("slow", f"more than {SECONDS} s of processor time, {where}") from None
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            if self.form is not None and self.form.lies and not where.filename.startswith(PACKAGE):
                raise Refusal(f"{type(error).__name__}: {error}") from None
            raise Finding("exception", f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})") from None
        self.warned = [str(w.message) for w in caught if issubclass(w.category, tla.ThermodynamicWarning)]
        stray = [w for w in caught if not issubclass(w.category, tla.ThermodynamicWarning)]
        if stray:
            w = stray[0]
            raise Finding("stray warning", f"{w.category.__name__}: {w.message} ({w.filename}:{w.lineno})")
        if [fingerprint(x) for x in inputs] != before:
            raise Finding("input changed", "an argument is not what it was before the call")
        return value


class TooSlow(BaseException):
    """A call took more processor time than it may."""


class limited:
    """Raises TooSlow after so much processor time."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __enter__(self):
        def stop(signum, frame):
            raise TooSlow

        self.before = signal.signal(signal.SIGPROF, stop)
        signal.setitimer(signal.ITIMER_PROF, self.seconds)

    def __exit__(self, *exc):
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, self.before)


def fingerprint(x):
    """What must not change about an input."""
    if scipy.sparse.issparse(x):
        return x.format, x.dtype, x.toarray().tobytes()
    if is_torch(x):
        import torch

        return x.dtype, x.to(torch.complex128).numpy().tobytes()
    if isinstance(x, np.ndarray):
        return x.dtype, x.strides, x.tobytes()
    return repr(x) if isinstance(x, list) else None
