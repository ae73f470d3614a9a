"""Linear-Gaussian state-space models: filtering, smoothing and learning with one linear system on a device."""

from thermoapps.state_space.filtering import Filtered, Forecast, filter
from thermoapps.state_space.smoothing import Measured, Smoothed, smooth

__all__ = ["Filtered", "Forecast", "Measured", "Smoothed", "filter", "smooth"]
