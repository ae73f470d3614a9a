"""Kronecker factors of a layer's block of the curvature matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from thermoapps.natural_gradient.curvature.rows import CurvatureRows
from thermoapps.natural_gradient.layers import LinearRows
from thermoapps.natural_gradient.solvers._blocks import LayerBlock

__all__ = ["balance", "factors", "flat_of", "matrix_of"]


def factors(block: LayerBlock, approximation: str) -> tuple[Tensor, Tensor] | None:
    """A (i, i) and B (o, o) with B ⊗ A ≈ RᵀR of the block, in double precision; None for layers of other kinds.

    Sums over data are taken in the precision of the rows; positions t are summed up before outer products are taken
    ("reduce") or after ("expand").
    """
    layers = [layer for layer in block.layers if isinstance(layer, LinearRows)]
    if not layers or len(layers) < len(block.layers) or not isinstance(block.rows, CurvatureRows):
        return None
    if any(layer.parameters.keys() != layers[0].parameters.keys() for layer in layers):
        return None
    moments, inputs_seen = [], 0
    for layer in layers:
        inputs, cotangents = layer.inputs, layer.cotangents
        if approximation == "reduce":
            inputs, cotangents = inputs.mean(1, keepdim=True), cotangents.sum(2, keepdim=True)
        inputs, cotangents = inputs.flatten(0, 1), cotangents.flatten(0, 2)
        of_inputs = inputs.T @ inputs
        if "bias" in layer.parameters:
            of_inputs = _with_ones(of_inputs, inputs.sum(0), len(inputs))
        moments.append((of_inputs.to(torch.float64), (cotangents.T @ cotangents).to(torch.float64)))
        inputs_seen += len(inputs)
    of_inputs, of_cotangents = (torch.stack(parts).sum(0) for parts in zip(*moments, strict=True))
    return of_inputs / inputs_seen, of_cotangents / block.rows.count


def _with_ones(gram: Tensor, sums: Tensor, count: int) -> Tensor:
    """aᵀa for inputs a with a one appended, from aᵀa without."""
    corner = sums.new_full((1,), count)
    return torch.cat([torch.cat([gram, sums[None]]), torch.cat([sums, corner])[:, None]], 1)


def balance(A: Tensor, B: Tensor, damping: float) -> tuple[float, float]:
    """What is added to the diagonals of A and B: π√λ and √λ/π, with π² the ratio of their mean eigenvalues."""
    means = float(A.diagonal().mean()), float(B.diagonal().mean())
    pi = (means[0] / means[1]) ** 0.5 if min(means) > 0 else 1.0
    return pi * damping**0.5, damping**0.5 / pi


def matrix_of(block: LayerBlock, flat: Tensor) -> Tensor:
    """A flat vector of the block's parameters as a matrix (o, i), the bias as its last column."""
    parts = [part.reshape(len(parameter), -1) for part, parameter in _parts(block, flat)]
    return torch.cat(parts, dim=1)


def flat_of(block: LayerBlock, matrix: Tensor) -> Tensor:
    """The inverse of `matrix_of`."""
    flat = torch.empty(block.rows.shape[1], dtype=matrix.dtype, device=matrix.device)
    start = 0
    for part, parameter in _parts(block, flat):
        width = parameter.numel() // len(parameter)
        part.copy_(matrix[:, start : start + width].reshape(-1))
        start += width
    return flat


def _parts(block: LayerBlock, flat: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Views of the entries of the weight and then of the bias, each with its parameter."""
    assert isinstance(block.rows, CurvatureRows)
    own = block.layers[0].parameters
    places = dict(
        zip(
            (id(parameter) for parameter in block.rows.parameters),
            torch.split(flat, [parameter.numel() for parameter in block.rows.parameters]),
            strict=True,
        )
    )
    return [(places[id(own[role])], own[role]) for role in ("weight", "bias") if role in own]
