"""Losses: value, gradient and a root of the Hessian of each, all with respect to the outputs of a model."""

from thermoapps.natural_gradient.losses.base import Loss
from thermoapps.natural_gradient.losses.cross_entropy import CrossEntropy
from thermoapps.natural_gradient.losses.custom import CustomLoss
from thermoapps.natural_gradient.losses.elementwise import BCEWithLogits, MeanSquaredError, PoissonNLL
from thermoapps.natural_gradient.losses.fisher import EmpiricalFisher, MonteCarloFisher, with_curvature
from thermoapps.natural_gradient.losses.named import as_loss
from thermoapps.natural_gradient.losses.roots import HessianRoot

__all__ = [
    "BCEWithLogits",
    "CrossEntropy",
    "CustomLoss",
    "EmpiricalFisher",
    "HessianRoot",
    "Loss",
    "MeanSquaredError",
    "MonteCarloFisher",
    "PoissonNLL",
    "as_loss",
    "with_curvature",
]
