"""Minima of smooth functions, with Newton steps and natural gradients from a device, in the shape of SciPy."""

from thermoapps.minimize.methods import natural_gradient, newton

__all__ = ["natural_gradient", "newton"]
