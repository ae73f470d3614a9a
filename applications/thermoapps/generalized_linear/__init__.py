"""Generalised linear models as scikit-learn estimators: Fisher scoring, each step a solve on a device."""

from thermoapps.generalized_linear.logistic import ThermodynamicLogisticRegression
from thermoapps.generalized_linear.poisson import ThermodynamicPoissonRegressor

__all__ = ["ThermodynamicLogisticRegression", "ThermodynamicPoissonRegressor"]
