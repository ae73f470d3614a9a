"""Linear-Gaussian state-space models: filtering, smoothing and learning with one linear system on a device."""

from thermoapps.state_space.filtering import Filtered, Forecast, filter
from thermoapps.state_space.fitting import Fit, fit
from thermoapps.state_space.maximisation import expectation_maximisation
from thermoapps.state_space.scoring import Score, score
from thermoapps.state_space.smoothing import Measured, Smoothed, smooth

__all__ = [
    "Filtered",
    "Fit",
    "Forecast",
    "Measured",
    "Score",
    "Smoothed",
    "expectation_maximisation",
    "filter",
    "fit",
    "score",
    "smooth",
]
