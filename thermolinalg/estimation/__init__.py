"""From readings to numbers with error bars."""

from thermolinalg.estimation.free_energy import FreeEnergy, bennett, jarzynski

__all__ = ["FreeEnergy", "bennett", "jarzynski"]
