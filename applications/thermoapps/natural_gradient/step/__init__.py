"""One step of an optimiser: direction, damping, judgement and report."""
