"""Vectors whose rows lie on several ranks: the array type beneath `thermolinalg.distributed`."""

from thermolinalg._ranks.array import DistributedArray
from thermolinalg._ranks.communicator import Communicator, Serial
from thermolinalg._ranks.partition import Partition
from thermolinalg._ranks.streams import normal_rows, random_signs

__all__ = ["Communicator", "DistributedArray", "Partition", "Serial", "normal_rows", "random_signs"]
