"""Comparisons of sampled moments with a law, in standard errors."""

from __future__ import annotations

import numpy as np
import pytest


def moment_errors(draws, mean, covariance):
    """Errors of the sample mean and covariance of draws (n, d), in standard errors of a normal sample."""
    n = len(draws)
    variance = np.diag(covariance)
    centred = draws - mean
    mean_error = centred.mean(axis=0) / np.sqrt(variance / n)
    spread = np.sqrt((np.outer(variance, variance) + covariance**2) / n)
    return mean_error, (centred.T @ centred / n - covariance) / spread


@pytest.fixture
def assert_moments():
    def check(draws, mean, covariance, errors=4.5):
        for error in moment_errors(draws, mean, covariance):
            assert np.abs(error).max() < errors

    return check


@pytest.fixture
def covariance_error():
    """Largest error of the sample covariance, in standard errors."""
    return lambda draws, mean, covariance: np.abs(moment_errors(draws, mean, covariance)[1]).max()
