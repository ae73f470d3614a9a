"""Gaussian processes as scikit-learn estimators, whose kernel matrix a device holds."""

from thermoapps.gaussian_process.regressor import ThermodynamicGPRegressor

__all__ = ["ThermodynamicGPRegressor"]
