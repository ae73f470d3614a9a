"""Thermodynamic natural gradient descent for PyTorch models.

The loss is a mean over n data, g its gradient, and the curvature is the Gauss–Newton or Fisher matrix
RᵀR = (1/n) Σ_n J_nᵀ H_n J_n. A step is θ ← θ − lr · d with d ≈ (RᵀR + λI)⁻¹ g. Parameters are flattened in the order
in which they are given, each row by row.
"""

from thermoapps.natural_gradient.layers import UnsupportedLayerError
from thermoapps.natural_gradient.losses import (
    BCEWithLogits,
    CrossEntropy,
    CustomLoss,
    EmpiricalFisher,
    Loss,
    MeanSquaredError,
    MonteCarloFisher,
    PoissonNLL,
    as_loss,
)
from thermoapps.natural_gradient.recording import Recorded, Recorder, curvature_rows
from thermoapps.natural_gradient.rows import CurvatureRows

__all__ = [
    "BCEWithLogits",
    "CrossEntropy",
    "CurvatureRows",
    "CustomLoss",
    "EmpiricalFisher",
    "Loss",
    "MeanSquaredError",
    "MonteCarloFisher",
    "PoissonNLL",
    "Recorded",
    "Recorder",
    "UnsupportedLayerError",
    "as_loss",
    "curvature_rows",
]
