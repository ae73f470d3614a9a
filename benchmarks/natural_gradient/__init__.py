"""Natural gradient steps beside Adam and time stepping, in one run: ``python -m benchmarks.natural_gradient``."""
