"""From readings to numbers with error bars."""
