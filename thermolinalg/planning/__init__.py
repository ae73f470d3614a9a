"""Would this hardware help my problem? Time, energy, precision and size of a solve beside digital ways."""

from thermolinalg.planning.ahead import plan
from thermolinalg.planning.break_even import BreakEven
from thermolinalg.planning.crossover import Crossover
from thermolinalg.planning.precision import Bits
from thermolinalg.planning.report import Plan
from thermolinalg.planning.ways import Way

__all__ = ["Bits", "BreakEven", "Crossover", "Plan", "Way", "plan"]
