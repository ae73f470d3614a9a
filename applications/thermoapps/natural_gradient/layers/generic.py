"""Any other layer: its own rows by replaying it, datum by datum, on what it was called with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from thermoapps.natural_gradient.layers.base import DenseRows, LayerRows
from thermoapps.natural_gradient.layers.use import UnsupportedLayerError, Use, tensors_in, with_tensors

__all__ = ["generic_rows"]


def generic_rows(uses: Sequence[Use], parameters: Mapping[str, Tensor]) -> LayerRows:
    """Rows of a layer of any kind, from vector–Jacobian products of the layer alone, vectorised over data.

    Parameters
    ----------
    uses : sequence of Use
        All uses of the layer in one forward pass.
    parameters : mapping of str to Tensor
        The layer's own trained parameters.

    Returns
    -------
    LayerRows

    Raises
    ------
    UnsupportedLayerError
        The layer cannot be replayed for single data: it draws random numbers, mixes data, or uses an operation that
        cannot be vectorised.
    """
    rows = dict.fromkeys(parameters, torch.zeros(()))
    for use in uses:
        use.check_unchanged()
        try:
            outputs, parts = _replayed(use, parameters)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise UnsupportedLayerError(_message(use, f"replaying it for single data fails: {error}")) from error
        if not all(_agree(new, old) for new, old in zip(outputs, use.outputs, strict=True)):
            raise UnsupportedLayerError(_message(use, "replaying it for single data gives other outputs"))
        rows = {role: rows[role] + parts[role] for role in parameters}
    return DenseRows.of_parts(uses[0].name, parameters, rows)


def _replayed(use: Use, parameters: Mapping[str, Tensor]) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Outputs (n, …) and rows (v, n, …) by each parameter's name."""
    data = use.outputs[0].shape[0]
    inputs = [tensor.detach() for tensor in use.inputs]
    carries_data = [tensor.dim() > 0 and tensor.shape[0] == data for tensor in inputs]

    def one(tensors: list[Tensor], cotangents: list[Tensor]) -> tuple[list[Tensor], dict[str, Tensor]]:
        single = iter(t.unsqueeze(0) if carries else t for t, carries in zip(tensors, carries_data, strict=True))
        args, kwargs = with_tensors((use.args, dict(use.kwargs)), lambda _: next(single))

        def forward(values: dict[str, Tensor]) -> list[Tensor]:
            result = torch.func.functional_call(use.module, values, args, kwargs)
            every = tensors_in(result)
            return [every[position].squeeze(0) for position in use.positions]

        outputs, pull, *_ = torch.func.vjp(forward, {role: p.detach() for role, p in parameters.items()})
        return outputs, torch.func.vmap(pull)(cotangents)[0]

    batched = torch.func.vmap(one, in_dims=([0 if carries else None for carries in carries_data], 1), out_dims=(0, 1))
    # Fused attention has no rule for vectorisation; its plain form does.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        outputs, rows = batched(inputs, use.cotangents)
    return outputs, rows


def _agree(new: Tensor, old: Tensor) -> bool:
    tolerance = torch.finfo(old.dtype).eps ** 0.5
    return new.shape == old.shape and bool(((new - old).abs() <= tolerance * (1 + old.abs())).all())


def _message(use: Use, reason: str) -> str:
    return f"layer {use.name!r} ({type(use.module).__name__}) has no rule of its own, and {reason}"
