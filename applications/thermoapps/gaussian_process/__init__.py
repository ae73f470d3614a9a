"""Gaussian processes as scikit-learn estimators, whose covariance matrix a device holds."""

from thermoapps.gaussian_process.classifier import ThermodynamicGPClassifier
from thermoapps.gaussian_process.kernels import Wendland
from thermoapps.gaussian_process.regressor import ThermodynamicGPRegressor

__all__ = ["ThermodynamicGPClassifier", "ThermodynamicGPRegressor", "Wendland"]
