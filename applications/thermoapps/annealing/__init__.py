"""Ising and QUBO problems annealed on simulated Langevin cells, as a sampler of dimod."""

from thermoapps.annealing.bifurcation import Bifurcation
from thermoapps.annealing.bipartition import Bipartition, bipartition
from thermoapps.annealing.booking import booked
from thermoapps.annealing.cells import AbsorbingRails, Comparators
from thermoapps.annealing.descent import GreedyDescent
from thermoapps.annealing.ising import Ising
from thermoapps.annealing.moves import FiducciaMattheyses
from thermoapps.annealing.resuming import Memory
from thermoapps.annealing.sampler import LangevinSampler
from thermoapps.annealing.tempering import ParallelTempering

__all__ = [
    "AbsorbingRails",
    "Bifurcation",
    "Bipartition",
    "Comparators",
    "FiducciaMattheyses",
    "GreedyDescent",
    "Ising",
    "LangevinSampler",
    "Memory",
    "ParallelTempering",
    "bipartition",
    "booked",
]
