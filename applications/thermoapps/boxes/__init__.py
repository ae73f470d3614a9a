"""Gaussians and least squares in boxes: oscillators between rails, read on the way, and their modes."""

from thermoapps.boxes.flight import Flight
from thermoapps.boxes.least_squares import thermodynamic_lsq_linear, thermodynamic_nnls
from thermoapps.boxes.truncated_gaussian import TruncatedGaussian

__all__ = ["Flight", "TruncatedGaussian", "thermodynamic_lsq_linear", "thermodynamic_nnls"]
