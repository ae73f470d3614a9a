"""Curvature rows in coordinates in which some parameters are scaled."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from thermoapps.natural_gradient.curvature.factor import CurvatureFactor
from thermoapps.natural_gradient.curvature.rows import Batch, CurvatureRows
from thermoapps.natural_gradient.layers import LayerRows

__all__ = ["ScaledFactor"]


class ScaledFactor(CurvatureFactor):
    """R S for a factor R (r, N) and S = diag(s), with one s for all entries of a parameter.

    Parameters
    ----------
    factor : CurvatureFactor
        R.
    scales : mapping of int to float
        s by the parameter's id; one where left out.

    Examples
    --------
    >>> import torch
    >>> from thermoapps.natural_gradient import curvature_rows
    >>> model = torch.nn.Linear(2, 1)
    >>> rows, _, _ = curvature_rows(model, torch.eye(2), torch.zeros(2, 1), "mse")
    >>> torch.allclose(ScaledFactor(rows, {id(model.bias): 2.0}).gram(), torch.eye(2) + 4)
    True
    """

    def __init__(self, factor: CurvatureFactor, scales: Mapping[int, float]) -> None:
        super().__init__(factor.shape[0], factor.parameters, factor.count, factor.processes, factor.frozen)
        self.factor, self.scales = factor, scales
        self.formed, self.length = factor.formed, factor.length
        sizes = [(p.numel(), scales.get(id(p), 1.0)) for p in factor.parameters]
        self._diagonal = torch.cat([torch.full((n, 1), s, dtype=self.dtype, device=self.device) for n, s in sizes])

    @property
    def keeps_graph(self) -> bool:
        return self.factor.keeps_graph

    def gram(self, dtype: torch.dtype | None = None) -> Tensor:
        if not isinstance(self.factor, CurvatureRows):
            return self.factor.gram(dtype)
        alike: dict[float, set[int]] = {}
        for p in self.parameters:
            alike.setdefault(self.scales.get(id(p), 1.0), set()).add(id(p))
        grams = [scale**2 * _restricted(self.factor, kept).gram(dtype) for scale, kept in alike.items()]
        return torch.stack(grams).sum(0)

    def apply(self, block: Tensor) -> Tensor:
        return self.factor.apply(self._diagonal * block)

    def apply_transposed(self, block: Tensor) -> Tensor:
        return self._diagonal * self.factor.apply_transposed(block)


def _restricted(rows: CurvatureRows, kept: set[int]) -> CurvatureRows:
    """The same rows, zero but for some parameters."""
    batches = [
        Batch([part for layer in batch.layers for part in _parts(layer, kept)], batch.columns, batch.data)
        for batch in rows.batches
    ]
    return CurvatureRows(batches, rows.parameters, rows.count, rows.processes, rows.frozen)


def _parts(layer: LayerRows, kept: set[int]) -> list[LayerRows]:
    roles = [role for role, parameter in layer.parameters.items() if id(parameter) in kept]
    return [layer] if len(roles) == len(layer.parameters) else [layer.of_role(role) for role in roles]
