"""Backward passes through one recorded graph: root columns, and single rows as the last resort."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from thermoapps.natural_gradient.layers import DenseRows, Use
from thermoapps.natural_gradient.layers.base import IN_CACHE
from thermoapps.natural_gradient.layers.frozen import frozen_statistics
from thermoapps.natural_gradient.losses.roots import HessianRoot

__all__ = ["at_once", "columns_backward", "row_by_row", "vector_jacobian_products"]

ON_ACCELERATOR = 1 << 26
"""Numbers that fill an accelerator."""


def at_once(device: torch.device) -> int:
    """Numbers per layer for which columns travel together on this device."""
    return IN_CACHE if device.type == "cpu" else ON_ACCELERATOR


def columns_backward(outputs: Tensor, uses: Sequence[Use], root: HessianRoot) -> Iterator[list[list[Tensor]]]:
    """What some columns are at the outputs of each use, a few columns after the other.

    Data do not mix, so that column v of every datum's root travels at once and V passes do instead of b·V.

    Parameters
    ----------
    outputs : Tensor
        What the model returned.
    uses : sequence of Use
        The recorded uses.
    root : HessianRoot
        S.

    Yields
    ------
    list of list of Tensor
        The cotangents (v, n, …) of each use, one for each of its outputs, or none where the model's outputs do not
        depend on it.
    """
    edges = [edge for use in uses for edge in use.edges]
    numbers = max(output.numel() for use in uses for output in use.outputs)
    # A pass reads the weights, for which it pays to have as many numbers in hand.
    weights = [use.module.weight.numel() for use in uses if isinstance(use.module, nn.Linear)]
    most = max(at_once(outputs.device), *weights, 0)
    step = max(1, most // numbers)
    for columns in _groups(root, step, most // outputs.numel()):
        found = iter(vector_jacobian_products(outputs, edges, columns.to(outputs.dtype)))
        yield [_cotangents(use, [next(found) for _ in use.outputs]) for use in uses]


def _cotangents(use: Use, found: Sequence[Tensor | None]) -> list[Tensor]:
    """Cotangents of a use in the shape and type of its rows, from what came back to its outputs."""
    known = next((slopes for slopes in found if slopes is not None), None)
    if known is None:
        return []
    pairs = zip(found, use.outputs, strict=True)
    return [
        known.new_zeros(len(known), *output.shape).to(use.dtype)
        if slopes is None
        else use.arranged(slopes).to(use.dtype)
        for slopes, output in pairs
    ]


def _groups(root: HessianRoot, step: int, drawn: int) -> Iterator[Tensor]:
    """All columns in groups of `step`, written out `drawn` or so at once."""
    drawn = max(step, drawn // step * step)
    for start in range(0, root.columns, drawn):
        yield from torch.split(root.cotangents(start, min(start + drawn, root.columns)), step)


def vector_jacobian_products(outputs: Tensor, inputs: Sequence[Any], cotangents: Tensor) -> tuple[Tensor | None, ...]:
    """Vector–Jacobian products for a batch of cotangents, with the statistics of batches taken for constants.

    Parameters
    ----------
    outputs : Tensor, shape (b, …)
        What the model returned.
    inputs : sequence of Tensor or GradientEdge
        With respect to what.
    cotangents : Tensor, shape (v, b, …)
        At the outputs.

    Returns
    -------
    tuple of Tensor or None
        Of shape (v, …); None for what the outputs do not depend on.
    """
    with frozen_statistics():
        if len(cotangents) > 1:
            try:
                return torch.autograd.grad(
                    outputs, inputs, cotangents, is_grads_batched=True, retain_graph=True, allow_unused=True
                )
            except (RuntimeError, UserWarning):
                pass  # An operation without a rule for batches of cotangents: one by one.
        single = [torch.autograd.grad(outputs, inputs, c, retain_graph=True, allow_unused=True) for c in cotangents]
    if len(single) == 1:
        return tuple(None if part is None else part[None] for part in single[0])
    return tuple(None if parts[0] is None else torch.stack(parts) for parts in zip(*single, strict=True))


def row_by_row(outputs: Tensor, parameters: Mapping[str, Tensor], root: HessianRoot) -> DenseRows:
    """Exact rows of any parameters by one backward pass for each row.

    Parameters
    ----------
    outputs : Tensor
        What the model returned.
    parameters : mapping of str to Tensor
        Parameters by their qualified names.
    root : HessianRoot
        S.

    Returns
    -------
    DenseRows
    """
    b = outputs.shape[0]
    rows: dict[str, list[Tensor]] = {name: [] for name in parameters}
    for column in range(root.columns):
        cotangent = root.cotangents(column, column + 1)[0]
        single = torch.diag_embed(cotangent.movedim(0, -1)).movedim((-2, -1), (0, 1))
        found = vector_jacobian_products(outputs, list(parameters.values()), single.to(outputs.dtype))
        for (name, parameter), slopes in zip(parameters.items(), found, strict=True):
            missing = cotangent.new_zeros(b, parameter.numel())
            rows[name].append(missing if slopes is None else slopes.reshape(b, -1).to(cotangent))
    return DenseRows.of_parts("row by row", parameters, {name: torch.stack(parts) for name, parts in rows.items()})
