"""Bayesian inference on simulated devices: posteriors read in equilibrium, evidences from work."""

from typing import TYPE_CHECKING, Any

from thermoapps.bayesian.chains import Chains, effective_sample_size, split_rhat
from thermoapps.bayesian.walk import Walk

if TYPE_CHECKING:
    from thermoapps.bayesian.linear import ThermodynamicBayesianLinearRegression
    from thermoapps.bayesian.logistic import ThermodynamicBayesianLogisticRegression
    from thermoapps.bayesian.poisson import ThermodynamicBayesianPoissonRegressor

__all__ = [
    "Chains",
    "ThermodynamicBayesianLinearRegression",
    "ThermodynamicBayesianLogisticRegression",
    "ThermodynamicBayesianPoissonRegressor",
    "Walk",
    "effective_sample_size",
    "split_rhat",
]


def __getattr__(name: str) -> Any:
    """The estimators, imported when first asked for: they alone need scikit-learn."""
    if name == "ThermodynamicBayesianLinearRegression":
        from thermoapps.bayesian.linear import ThermodynamicBayesianLinearRegression

        return ThermodynamicBayesianLinearRegression
    if name == "ThermodynamicBayesianLogisticRegression":
        from thermoapps.bayesian.logistic import ThermodynamicBayesianLogisticRegression

        return ThermodynamicBayesianLogisticRegression
    if name == "ThermodynamicBayesianPoissonRegressor":
        from thermoapps.bayesian.poisson import ThermodynamicBayesianPoissonRegressor

        return ThermodynamicBayesianPoissonRegressor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
