"""Gaussian Markov random fields: what a device in equilibrium is, conditioned on observations."""

from thermoapps.random_field.field import GaussianField
from thermoapps.random_field.fitting import MaternFit, fit_matern
from thermoapps.random_field.grid import Grid
from thermoapps.random_field.posterior import Posterior

__all__ = ["GaussianField", "Grid", "MaternFit", "Posterior", "fit_matern"]
