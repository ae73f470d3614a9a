"""Engines: how a scalar function of A is applied to vectors, one file each; `Engines` says which one runs."""

from thermolinalg.matrix_functions.base import Cost, Diagonalising, Engine
from thermolinalg.matrix_functions.block import BlockEngine
from thermolinalg.matrix_functions.chebyshev import ChebyshevEngine
from thermolinalg.matrix_functions.circulant import CirculantEngine
from thermolinalg.matrix_functions.dense import DenseEngine
from thermolinalg.matrix_functions.diagonal import DiagonalEngine
from thermolinalg.matrix_functions.factorised import Factorised
from thermolinalg.matrix_functions.golub_kahan import GolubKahanEngine
from thermolinalg.matrix_functions.kronecker import KroneckerEngine
from thermolinalg.matrix_functions.lanczos import LanczosEngine
from thermolinalg.matrix_functions.low_rank import LowRankEngine
from thermolinalg.matrix_functions.preconditioned import PreconditionedEngine
from thermolinalg.matrix_functions.quasi_definite import QuasiDefiniteEngine
from thermolinalg.matrix_functions.rational import RationalEngine
from thermolinalg.matrix_functions.select import Choice, Engines, Price
from thermolinalg.matrix_functions.singular import PreparedEmbedding, SingularEngine, SingularEngines
from thermolinalg.matrix_functions.singular_factorised import PivotedLUEngine
from thermolinalg.matrix_functions.singular_krylov import KrylovSolvesEngine
from thermolinalg.matrix_functions.singular_values import SingularValueEngine
from thermolinalg.matrix_functions.spectrum import largest_eigenvalue, spectral_interval

__all__ = [
    "BlockEngine",
    "ChebyshevEngine",
    "Choice",
    "CirculantEngine",
    "Cost",
    "DenseEngine",
    "Diagonalising",
    "DiagonalEngine",
    "Engine",
    "Engines",
    "Factorised",
    "GolubKahanEngine",
    "KroneckerEngine",
    "KrylovSolvesEngine",
    "LanczosEngine",
    "LowRankEngine",
    "PivotedLUEngine",
    "PreconditionedEngine",
    "PreparedEmbedding",
    "Price",
    "QuasiDefiniteEngine",
    "RationalEngine",
    "SingularEngine",
    "SingularEngines",
    "SingularValueEngine",
    "largest_eigenvalue",
    "spectral_interval",
]
