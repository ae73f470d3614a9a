"""Labels that spread over a graph, as scikit-learn estimators: one linear system on the graph's Laplacian."""

from thermoapps.semi_supervised.label_spreading import ThermodynamicLabelPropagation, ThermodynamicLabelSpreading

__all__ = ["ThermodynamicLabelPropagation", "ThermodynamicLabelSpreading"]
