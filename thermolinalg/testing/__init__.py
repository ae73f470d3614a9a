"""For tests of your own: random matrices, a conformance suite for devices, and assertions in standard errors.

The strategies need hypothesis: ``pip install thermolinalg[test]``.
"""

from thermolinalg.testing.assertions import assert_covariance, assert_coverage, assert_mean
from thermolinalg.testing.conformance import check_device
from thermolinalg.testing.strategies import STRUCTURES, right_hand_sides, spd_matrices

__all__ = [
    "STRUCTURES",
    "assert_covariance",
    "assert_coverage",
    "assert_mean",
    "check_device",
    "right_hand_sides",
    "spd_matrices",
]
