"""What one run of a device misses, by its cause."""

from __future__ import annotations

import math

from thermolinalg._arrays import Array
from thermolinalg.devices import Reading, Schedule
from thermolinalg.devices.systematic import CAUSES, combined
from thermolinalg.estimation.budget import Budget
from thermolinalg.estimation.certificate import unit
from thermolinalg.laws import forgotten
from thermolinalg.systems import Equation
from thermolinalg.systems.placed import Held

__all__ = ["UNTOLD", "error_budget", "has_settled", "systematic_error"]

UNTOLD = "this device errs in ways that it does not tell"
"""Why an error bar is not all."""


def has_settled(held: Held, schedule: Schedule) -> bool:
    """Whether the burn-in is long enough for the start to be forgotten."""
    left = held.inverse.left(schedule.burn_in)
    return left == 0 or forgotten(-math.log(left))


def systematic_error(held: Held, equation: Equation, reading: Reading, schedule: Schedule) -> Array | None:
    """What a run misses whatever its noise; None where it is unknown.

    That is α² (AᵀA + α²)⁻¹ x at most in an embedding, and what the imperfections of the device imply.
    """
    if not has_settled(held, schedule):
        return None
    errors = _implied(held, reading)
    return None if errors is None else _embedded(held, equation, reading) + combined(errors)


def _implied(held: Held, reading: Reading) -> dict[str, Array] | None:
    """What the imperfections of the device imply, by cause; None where it does not tell."""
    if held.inverse.ideal:
        return dict.fromkeys(CAUSES, 0.0 * reading.value)
    return reading.caused


def _embedded(held: Held, equation: Equation, reading: Reading) -> Array:
    """What a skew embedding leaves at most."""
    bias = equation.xp.zeros_like(reading.value)
    if held.inverse.bias:
        bias = bias + held.inverse.bias * equation.balanced.solution(equation.asked(reading.value))
    return bias


def error_budget(held: Held, equation: Equation, reading: Reading, schedule: Schedule, rounding: Array) -> Budget:
    """What each cause contributes to the error of one run, in the units of the equation."""
    x, ledger = reading.value, held.inverse.ledger
    zero, left = equation.xp.zeros_like(x), held.inverse.left(schedule.burn_in)
    errors, reasons = _implied(held, reading), dict[str, str]()
    parts: dict[str, Array | None] = {
        "burn_in": zero + left * equation.balanced.solution(equation.asked(x)) * unit(equation),
        "thermal": reading.standard_error if reading.replicas is not None else None,
    }
    if reading.replicas is None:
        reasons["thermal"] = "this device tells no noise"
    if errors is None:
        parts |= dict.fromkeys((*CAUSES, "mitigation"))
        reasons |= dict.fromkeys((*CAUSES, "mitigation"), UNTOLD)
    else:
        parts |= {cause: errors.get(cause, zero) for cause in (*CAUSES, "mitigation")}
    parts |= {"clipping": None if ledger.clipped else zero, "embedding": _embedded(held, equation, reading)}
    if ledger.clipped:
        reasons["clipping"] = f"{ledger.clipped} readings or draws were clipped"
    return Budget(parts | {"rounding": rounding}, reasons)
