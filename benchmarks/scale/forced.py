"""A device that is simulated by one engine, whatever would be chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from thermolinalg import LangevinDevice
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions.base import Engine
from thermolinalg.matrix_functions.chebyshev import ChebyshevEngine
from thermolinalg.matrix_functions.choice import Choice
from thermolinalg.matrix_functions.factorised import Factorised
from thermolinalg.matrix_functions.lanczos import LanczosEngine
from thermolinalg.matrix_functions.rational import RationalEngine
from thermolinalg.matrix_functions.select import ENDS_RTOL, MOST_PRODUCTS, SHARE, Engines
from thermolinalg.matrix_functions.spectrum import LargeSpectrum, SpectralInterval
from thermolinalg.operators import Operator


def _ends(operator: Operator) -> SpectralInterval:
    """The ends of the spectrum, whatever they cost."""
    return LargeSpectrum(operator).interval(ENDS_RTOL, MOST_PRODUCTS)


ENGINES: dict[str, Callable[[Operator], Engine]] = {
    "chebyshev": lambda operator: ChebyshevEngine(operator, _ends(operator), share=SHARE),
    "lanczos": lambda operator: LanczosEngine(operator, _ends(operator)),
    "factorised": Factorised,
    "rational": lambda operator: RationalEngine(operator, Factorised(operator).interval(), share=SHARE),
}


class Forced(Engines):
    """Engines of which one does everything."""

    def __init__(self, operator: Operator, name: str) -> None:
        super().__init__(operator)
        self.only = ENGINES[name](operator)

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
