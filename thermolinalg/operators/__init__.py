"""What A can be, beyond arrays and sparse matrices: structures whose products and spectra are cheap."""

from thermolinalg.operators.base import Operator, Scaled, Sum
from thermolinalg.operators.block import BlockDiagonal
from thermolinalg.operators.dense import Dense
from thermolinalg.operators.diagonal import Diagonal
from thermolinalg.operators.embedding import SkewEmbedding
from thermolinalg.operators.kronecker import Kronecker, KroneckerSum
from thermolinalg.operators.low_rank import DiagonalPlusLowRank, LowRankPlusIdentity
from thermolinalg.operators.matrix_free import MatrixFree
from thermolinalg.operators.normal import Normal
from thermolinalg.operators.quasi_definite import quasi_definite
from thermolinalg.operators.sparse import Sparse
from thermolinalg.operators.toeplitz import Circulant, Toeplitz

__all__ = [
    "BlockDiagonal",
    "Circulant",
    "Dense",
    "Diagonal",
    "DiagonalPlusLowRank",
    "Kronecker",
    "KroneckerSum",
    "LowRankPlusIdentity",
    "MatrixFree",
    "Normal",
    "Operator",
    "Scaled",
    "SkewEmbedding",
    "Sparse",
    "Sum",
    "Toeplitz",
    "quasi_definite",
]
