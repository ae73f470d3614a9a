"""One case: drawn, asked and judged."""

from __future__ import annotations

import itertools
import time
import traceback
from dataclasses import asdict, dataclass

import numpy as np

from thermolinalg import SingularError

from . import judge
from .drawing import Draw, Finding, Refusal
from .questions import QUESTIONS

KINDS = (
    "wrong",
    "bar",
    "nan",
    "exception",
    "slow",
    "falsely singular",
    "leaked",
    "stray warning",
    "input changed",
    "judge",
)
"""Kinds of findings: the last is a failure of the judge itself."""


@dataclass(frozen=True)
class Result:
    """What became of a case.

    `outcome` is 'answered', 'refused' or a kind of finding; `entries` counts those of refined answers, `inside` those
    of them within three of their error bars.
    """

    case: int
    call: str
    outcome: str
    text: str
    question: str
    seconds: float
    entries: int = 0
    inside: int = 0

    @property
    def is_finding(self):
        return self.outcome in KINDS

    def record(self):
        return asdict(self)


WEIGHTS = np.array(list(QUESTIONS.values()), dtype=float)


def question_of(seed, case):
    """What case number `case` of a seed asks, and the generator that draws the rest."""
    rng = np.random.default_rng([seed, case])
    return list(QUESTIONS)[rng.choice(len(WEIGHTS), p=WEIGHTS / WEIGHTS.sum())], rng


def numbers(seed, first, count, call=None):
    """Numbers of so many cases from the first on; of those only that ask one call, where it is named."""
    if call is None:
        return range(first, first + count)
    asking = (n for n in itertools.count(first) if question_of(seed, n)[0].__name__ == call)
    return list(itertools.islice(asking, count))


def run(seed, case):
    """Case number `case` of a seed."""
    question, rng = question_of(seed, case)
    draw, begin = Draw(rng), time.process_time()
    judge.tally[:], draw.call = [0, 0], question.__name__
    outcome, text = _asked(question, draw)
    return Result(case, question.__name__, outcome, text, str(draw), time.process_time() - begin, *judge.tally)


def _asked(question, draw):
    try:
        question(draw)
    except Refusal as refusal:
        if isinstance(draw.refusal, SingularError) and (text := _not_singular(draw)):
            return "falsely singular", f"{text}: {refusal}"
        return "refused", str(refusal)
    except Finding as found:
        return found.kind, found.text
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return "judge", f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"
    return "answered", "; ".join(draw.warned)


def _not_singular(draw):
    """Evidence that a matrix said to be singular is far from that; '' where it may be."""
    from .truth import Truth

    form = draw.form
    if (
        "AsWritten" in str(draw)
        or draw.call == "lyapunov"  # singular is what X ↦ a X + X aᴴ is, and not a
        or "assume_a" in str(draw)
        or form is None
        or form.lies
        or form.truth is None
        or form.by_products
        or form.truth.dtype.kind == "O"
    ):
        return ""
    definite = draw.call in ("inv_diagonal", "sample", "determinants")
    if definite and not np.all(np.diag(form.truth).real > 0):
        return ""  # refused rightly, whatever the word for it
    if not np.isfinite(form.truth).all() or form.truth.shape[0] != form.truth.shape[1]:
        return ""
    truth = Truth(form.truth)
    if truth.rcond > 1e-5:
        return f"rcond is {truth.rcond:.3g}"
    return ""
