"""A device that is simulated by one engine, whatever would be chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from thermolinalg import LangevinDevice
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions.base import Engine
from thermolinalg.matrix_functions.choice import Choice
from thermolinalg.matrix_functions.factorised import Factorised
from thermolinalg.matrix_functions.lanczos import LanczosEngine
from thermolinalg.matrix_functions.select import Engines
from thermolinalg.operators import Operator

ENGINES: dict[str, Callable[[Engines], Engine]] = {
    "chebyshev": lambda engines: engines._chebyshev_engine(),
    "lanczos": lambda engines: LanczosEngine(engines.operator, engines._chebyshev_engine().spectrum()),
    "factorised": lambda engines: Factorised(engines.operator),
}


class Forced(Engines):
    """Engines of which one does everything."""

    def __init__(self, operator: Operator, name: str) -> None:
        super().__init__(operator)
        self.only = ENGINES[name](self)

    def interval(self) -> tuple[float, float]:
        return self.only.interval()

    def choose(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Choice:
        return Choice(self.only, "as forced")


class Forcing:
    """A `LangevinDevice` that knows one engine.

    Parameters
    ----------
    name : str
        Of `ENGINES`.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def program(self, A: Any, *, rng: Any = None) -> Any:
        program = LangevinDevice().program(A, rng=rng)
        if isinstance(program.engines, Engines):
            program.engines = Forced(program.effective, self.name)
        return program
