"""The same device with a conductance to ground at every node: A + μI where only A was written."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import TypeVar

import numpy as np

from thermolinalg._arrays import plus_identity
from thermolinalg.devices.simulated import Simulated
from thermolinalg.operators import Dense

__all__ = ["anticipate_shifts", "shifted_program"]

P = TypeVar("P", bound=Simulated)


def anticipate_shifts(program: Simulated) -> None:
    """See `LangevinProgram.anticipate_shifts`."""
    if _scale_of_all(program) is not None:
        program.engines.modes()


def shifted_program(program: P, mu: float) -> P | None:
    """See `LangevinProgram.shifted`."""
    scale = _scale_of_all(program)
    if scale is None:
        return None
    effective = Dense(plus_identity(program.effective.dense(), scale**2 * mu))
    try:
        engines = program.engines.shifted(effective, scale**2 * mu)
    except np.linalg.LinAlgError:  # no longer positive: it has to be held in another way
        return None
    if engines is None:
        return None
    other = copy.copy(program)
    for name in [name for name in vars(other) if isinstance(getattr(type(other), name, None), cached_property)]:
        del vars(other)[name]
    other.operator, other.effective = Dense(plus_identity(program.operator.matrix, mu)), effective
    other.engines = engines
    if program.largest is not None:
        other.largest = engines.interval()[1]
        other.factor = 1.0 / other.largest
        engines.largest = other.largest
    return other


def _scale_of_all(program: Simulated) -> float | None:
    """The one scale of all nodes; None where they differ, or the copy is none that a shift leaves as it is."""
    scale = 1.0 if program.scaling is None else float(program.scaling[0])
    uniform = program.scaling is None or bool((program.scaling == scale).all())
    return scale if uniform and program.is_perfect and isinstance(program.operator, Dense) else None
