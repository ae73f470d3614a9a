"""Least squares on a device: nonlinear problems and curve fits, and ridge regression as scikit-learn estimators."""

from typing import TYPE_CHECKING, Any

from thermoapps.least_squares.curve_fitting import CurveFit, thermodynamic_curve_fit
from thermoapps.least_squares.nonlinear import thermodynamic_least_squares

if TYPE_CHECKING:
    from thermoapps.least_squares.bayesian_ridge import ThermodynamicBayesianRidge
    from thermoapps.least_squares.ridge import ThermodynamicRidge

__all__ = [
    "CurveFit",
    "ThermodynamicBayesianRidge",
    "ThermodynamicRidge",
    "thermodynamic_curve_fit",
    "thermodynamic_least_squares",
]


def __getattr__(name: str) -> Any:
    """The estimators, imported when first asked for: they alone need scikit-learn."""
    if name == "ThermodynamicRidge":
        from thermoapps.least_squares.ridge import ThermodynamicRidge

        return ThermodynamicRidge
    if name == "ThermodynamicBayesianRidge":
        from thermoapps.least_squares.bayesian_ridge import ThermodynamicBayesianRidge

        return ThermodynamicBayesianRidge
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
