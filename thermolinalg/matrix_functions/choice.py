"""Which engine runs, why, and what it takes: before it is built, and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from thermolinalg.matrix_functions.base import Cost, Engine

__all__ = ["Choice", "Plan", "Price"]


@dataclass(frozen=True)
class Choice:
    """An engine and the reason it was chosen.

    Parameters
    ----------
    engine : Engine
        What runs.
    reason : str
        Why.
    cost : Cost, optional
        Declared before running.

    See Also
    --------
    Price, Cost : What an engine would cost, and which is taken.
    """

    engine: Engine
    reason: str
    cost: Cost | None = None


@dataclass(frozen=True)
class Price:
    """What a call would run and spend.

    Parameters
    ----------
    name : str
        Of the engine.
    reason : str
        Why it would be chosen.
    cost : Cost, optional
        Declared before running; set-up included where it is still to come.

    See Also
    --------
    Cost, Choice : What an engine would cost, and which is taken.
    """

    name: str
    reason: str
    cost: Cost | None = None


@dataclass(frozen=True)
class Plan:
    """An engine to be: where it is kept, how it is built, and why."""

    key: str
    name: str
    build: Callable[[], Engine]
    reason: str
    cost: Cost | None = None
