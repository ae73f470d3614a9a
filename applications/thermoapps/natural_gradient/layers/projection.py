"""Linear layers within a layer, seen in the graph alone: the projections of attention."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["Projection"]


class Projection(nn.Module):
    """Stands for products with a weight.

    Parameters
    ----------
    weight : Tensor, shape (o, i)
        A parameter of another module.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight

    def forward(self) -> None:
        """Never called."""
        raise NotImplementedError("a projection is called by the layer that it is a part of")
