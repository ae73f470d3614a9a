"""Curvature rows of a model on one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from torch import Tensor, nn

from thermoapps.natural_gradient.curvature.recorded import Recorded
from thermoapps.natural_gradient.curvature.recording import Recorder
from thermoapps.natural_gradient.losses import Loss

__all__ = ["curvature_rows"]


def curvature_rows(
    model: nn.Module,
    inputs: Any,
    targets: Tensor,
    loss: Loss | str | Callable[[Tensor, Tensor], Tensor],
    *,
    parameters: Iterable[Tensor] | None = None,
    outputs_of: Callable[[Any], Tensor] | None = None,
    unsupported: Literal["raise", "row_by_row", "gradient"] = "raise",
) -> Recorded:
    """Curvature rows, gradient and loss of a model on one batch.

    Parameters
    ----------
    model : nn.Module
        The model, called once.
    inputs : Tensor, tuple or mapping
        Its input, its positional arguments, or its keyword arguments.
    targets : Tensor
        As the loss wants them.
    loss : Loss, str or callable
        As for `as_loss`.
    parameters : iterable of Tensor, optional
        As for `Recorder`.
    outputs_of : callable, optional
        Takes the outputs tensor from what the model returns, such as ``lambda result: result.logits``.
    unsupported : {"raise", "row_by_row", "gradient"}, optional
        As for `Recorder`.

    Returns
    -------
    Recorded
        Rows, flat gradient (N,) and loss.

    See Also
    --------
    CurvatureRows, Recorder, Recorded : Rows of the curvature.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Linear(3, 1)
    >>> rows, gradient, loss = curvature_rows(model, torch.ones(2, 3), torch.zeros(2, 1), "mse")
    >>> rows.matvec(torch.ones(4))
    tensor([4., 4.])
    """
    recorder = Recorder(model, parameters, unsupported=unsupported)
    with recorder:
        if isinstance(inputs, Mapping):
            result = model(**inputs)
        else:
            result = model(*inputs) if isinstance(inputs, tuple) else model(inputs)
    return recorder.rows(result if outputs_of is None else outputs_of(result), targets, loss)
