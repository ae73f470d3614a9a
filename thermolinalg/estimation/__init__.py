"""From readings to numbers with error bars: refinement, covariances, free energies."""
