"""One A on several ranks: rows stay where they are, products exchange halos, inner products are one reduction."""

from thermolinalg._ranks import Communicator, DistributedArray, Partition, Serial
from thermolinalg.distributed.halo import Halo
from thermolinalg.distributed.matrix_free_rows import MatrixFreeRows
from thermolinalg.distributed.mpi import Ranks
from thermolinalg.distributed.partitioned import Partitioned
from thermolinalg.distributed.row_partitioned import RowPartitioned
from thermolinalg.distributed.stencil import Stencil
from thermolinalg.distributed.vectors import gather, rows_of, scatter, vector

__all__ = [
    "Communicator",
    "DistributedArray",
    "Halo",
    "MatrixFreeRows",
    "Partition",
    "Partitioned",
    "Ranks",
    "RowPartitioned",
    "Serial",
    "Stencil",
    "gather",
    "rows_of",
    "scatter",
    "vector",
]
