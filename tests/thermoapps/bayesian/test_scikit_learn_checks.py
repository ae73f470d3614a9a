"""scikit-learn's own checks of estimators; none is expected to fail."""

import pytest

pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import parametrize_with_checks

from thermoapps.bayesian import (
    ThermodynamicBayesianLinearRegression,
    ThermodynamicBayesianLogisticRegression,
    ThermodynamicBayesianPoissonRegressor,
)

ESTIMATORS = [
    ThermodynamicBayesianLinearRegression(),
    ThermodynamicBayesianLogisticRegression(),
    ThermodynamicBayesianPoissonRegressor(),
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
