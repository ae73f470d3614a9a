"""Every public call as a random question and the judgement of what it answers, with how often it is drawn."""

from __future__ import annotations

from .least_squares import lstsq, pinv
from .matrix_equations import expm, lyapunov
from .statistics import determinants, inv_diagonal, sample
from .systems import batch, inv, inverse_operator, langevin, prepared, solve

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
