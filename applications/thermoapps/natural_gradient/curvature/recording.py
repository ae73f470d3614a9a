"""Recording of forward passes: hooks keep what each parameterised layer saw and returned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from time import perf_counter
from typing import Any, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle

from thermoapps.natural_gradient.curvature.assembly import layer_rows, owned_parameters, unclaimed_reasons
from thermoapps.natural_gradient.curvature.backward import inseparable, row_by_row
from thermoapps.natural_gradient.curvature.pooling import behind_pooling
from thermoapps.natural_gradient.curvature.rows import Batch, CurvatureRows
from thermoapps.natural_gradient.layers import UnsupportedLayerError, Use
from thermoapps.natural_gradient.layers.use import tensors_in
from thermoapps.natural_gradient.losses import Loss, as_loss

__all__ = ["Recorded", "Recorder"]


class Recorded(NamedTuple):
    """What one recorded pass gives.

    Attributes
    ----------
    rows : CurvatureRows
        The curvature.
    gradient : Tensor, shape (N,)
        Gradient of the mean loss.
    loss : Tensor
        The mean loss, a scalar.
    """

    rows: CurvatureRows
    gradient: Tensor
    loss: Tensor


class Recorder:
    """Records forward passes of a model and turns them into curvature rows.

    As a context manager it records what is called within; `attach` records every training pass from then on. Nothing
    is recorded, and nothing kept, where gradients are switched off.

    Parameters
    ----------
    model : nn.Module
        The model. Data lie along the first axis of its inputs and outputs, and of those of its layers.
    parameters : iterable of Tensor, optional
        Which of its parameters are trained, in the order of flat vectors; by default all. Those that do not require
        gradients are left out.
    unsupported : {"raise", "row_by_row", "gradient"}, optional
        What to do with parameters whose layer has no rule: raise an error that names the layer; form their rows
        exactly by one backward pass for each row; or leave them out of the curvature, with plain gradients.
    keep_factors : bool, optional
        Keep the inputs and cotangents of each linear layer and convolution, as Kronecker factors need them, even
        where its rows would be shorter.

    Raises
    ------
    ValueError
        A parameter that is not the model's, none at all, or an unknown choice.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    >>> recorder = Recorder(model)
    >>> with recorder:
    ...     outputs = model(torch.randn(5, 4))
    >>> rows, gradient, loss = recorder.rows(outputs, torch.tensor([0, 1, 2, 0, 1]), "cross_entropy")
    >>> rows
    <10x67 curvature rows of 2 layers, torch.float32>
    """

    def __init__(
        self,
        model: nn.Module,
        parameters: Iterable[Tensor] | None = None,
        *,
        unsupported: Literal["raise", "row_by_row", "gradient"] = "raise",
        keep_factors: bool = False,
    ) -> None:
        if unsupported not in ("raise", "row_by_row", "gradient"):
            raise ValueError(f"unsupported must be 'raise', 'row_by_row' or 'gradient', got {unsupported!r}")
        self.model, self.unsupported, self.keep_factors = model, unsupported, keep_factors
        self._names = {id(parameter): name for name, parameter in model.named_parameters()}
        self._given = list(model.parameters() if parameters is None else parameters)
        for parameter in self._given:
            if id(parameter) not in self._names:
                raise ValueError(f"parameters holds a tensor of shape {tuple(parameter.shape)} that is not the model's")
        if not self.parameters:
            raise ValueError("the model has no parameters that require gradients")
        self._uses: list[Use] = []
        self._handles: list[RemovableHandle] = []
        self._known_inseparable: dict[tuple[str, ...], dict[str, str]] = {}
        self._data: int | None = None
        self.began = 0.0
        self._every_pass = self._attached = self._busy = False

    @property
    def parameters(self) -> list[Tensor]:
        """The trained parameters, in the order of flat vectors."""
        return [parameter for parameter in self._given if parameter.requires_grad]

    # -- recording --------------------------------------------------------------------------------------------------

    def attach(self) -> Self:
        """Record each pass of the whole model in training mode, until `detach`; a new pass replaces the last."""
        self._install()
        self._every_pass = True
        return self

    def detach(self) -> None:
        """Remove the hooks and forget the record."""
        self._remove()
        self.clear()

    def clear(self) -> None:
        """Forget the record, and with it the graph it holds."""
        self._uses = []

    def __enter__(self) -> Self:
        self.clear()
        self._attached = self._every_pass
        self._install()
        return self

    def __exit__(self, *exception: object) -> None:
        self._remove()
        if self._attached:
            self.attach()

    def _install(self) -> None:
        self._remove()
        self._handles.append(self.model.register_forward_pre_hook(self._begin, prepend=True, with_kwargs=True))
        given = {id(parameter) for parameter in self._given}
        for name, module in self.model.named_modules():
            if isinstance(module, _BatchNorm) or any(id(p) in given for p in module.parameters(recurse=False)):
                hook = partial(self._keep, name)
                self._handles.append(module.register_forward_hook(hook, prepend=True, with_kwargs=True))

    def _remove(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles, self._every_pass = [], False

    def _inert(self) -> bool:
        return self._busy or not torch.is_grad_enabled() or (self._every_pass and not self.model.training)

    def _begin(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._inert():
            return
        if self._every_pass:
            self.clear()
        self.began = perf_counter()
        self._data = next((tensor.shape[0] for tensor in tensors_in((args, kwargs)) if tensor.dim()), None)

    def _keep(self, name: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        if self._inert():
            return None
        if isinstance(module, _BatchNorm) and (module.training or module.running_mean is None):
            raise UnsupportedLayerError(
                f"layer {name!r} (BatchNorm) normalises with the statistics of the batch, so that no datum has "
                "outputs of its own; put the layer in eval mode, or use GroupNorm or LayerNorm"
            )
        own = [p for p in module.parameters(recurse=False) if p.requires_grad]
        if not own:
            return None
        if isinstance(output, Tensor):
            output = self._own_tensor(module, output)
        outputs = {i: tensor for i, tensor in enumerate(tensors_in(output)) if tensor.requires_grad}
        if not outputs:
            return None
        edges = [get_gradient_edge(tensor) for tensor in outputs.values()]
        detached = [tensor.detach() for tensor in outputs.values()]
        self._uses.append(
            Use(name, module, args, kwargs, detached, list(outputs), edges, own[0].dtype, self.keep_factors)
        )
        return output

    def _own_tensor(self, module: nn.Module, output: Tensor) -> Tensor:
        """The output with an entry for each datum, as embedded positions may lack, and no view of another tensor."""
        if isinstance(module, nn.Embedding) and output.shape[0] == 1 and self._data not in (None, 1):
            return output.expand(self._data, *output.shape[1:])
        # A change in place of a view would replace its place in the graph.
        return output.clone() if output._is_view() else output

    def __getstate__(self) -> dict[str, Any]:
        """A copy of the model takes the hooks along; there they are inert and hold nothing."""
        return self.__dict__ | {"_uses": [], "_busy": True}

    # -- rows -------------------------------------------------------------------------------------------------------

    def rows(self, outputs: Tensor, targets: Tensor, loss: Loss | str | Callable[[Tensor, Tensor], Tensor]) -> Recorded:
        """Curvature rows, gradient and loss of the recorded pass, leaving ``.grad`` and the graph as they are.

        Parameters
        ----------
        outputs : Tensor, shape (b, …)
            What the model returned, or the tensor of it that the loss takes.
        targets : Tensor
            As the loss wants them.
        loss : Loss, str or callable
            As for `as_loss`.

        Returns
        -------
        Recorded
            Rows, flat gradient and loss.

        Raises
        ------
        UnsupportedLayerError
            A layer has no rule, or a parameter acts where no layer was seen; the message names it.
        RuntimeError
            Nothing was recorded.
        """
        loss = as_loss(loss)
        self._check_recorded(outputs)
        self._busy = True
        try:
            with torch.autocast(outputs.device.type, enabled=False):
                return self._rows(outputs, targets, loss)
        finally:
            self._busy = False

    def _rows(self, outputs: Tensor, targets: Tensor, loss: Loss) -> Recorded:
        parameters, uses = self.parameters, self._uses
        final = outputs.detach().to(parameters[0].dtype)
        value, count = loss.value(final, targets), loss.count(final, targets)
        root = loss.hessian_root(final, targets)
        owned = owned_parameters(self.model, uses, parameters)
        refused = unclaimed_reasons(outputs, uses, owned, {id(p): self._names[id(p)] for p in parameters})
        for name, reason in self._inseparable(outputs).items():
            refused |= dict.fromkeys(
                (id(p) for use in uses if use.name == name for p in owned[use.module].values()), reason
            )
        self._raise_if(refused)
        layers = layer_rows(outputs, behind_pooling(outputs, uses), root, owned, refused)
        self._raise_if(refused)
        if refused and self.unsupported == "row_by_row":
            layers.append(row_by_row(outputs, {self._names[id(p)]: p for p in parameters if id(p) in refused}, root))
        rows = CurvatureRows([Batch(layers, root.columns, outputs.shape[0])], parameters, count)
        coordinates = None
        if outputs.dtype == final.dtype and not (refused and self.unsupported == "gradient"):
            coordinates = loss.root_coordinates(final, targets, root)
        if coordinates is not None and bool(torch.isfinite(coordinates).all()):
            # The gradient is in the range of the rows, so that it needs no backward pass of its own.
            return Recorded(rows, rows.rmatvec(coordinates.T.flatten()) / count**0.5, value)
        slopes = torch.autograd.grad(
            outputs, parameters, loss.gradient(final, targets).to(outputs.dtype), retain_graph=True, allow_unused=True
        )
        gradient = torch.cat([_flat(slope, p) for slope, p in zip(slopes, parameters, strict=True)])
        return Recorded(rows, gradient, value)

    def _inseparable(self, outputs: Tensor) -> dict[str, str]:
        """Layers that do not keep the data apart, found out at the first pass of more than one datum."""
        names = tuple(use.name for use in self._uses)
        if names not in self._known_inseparable:
            found = inseparable(outputs, self._uses)
            if outputs.shape[0] == 1:  # One datum cannot show whether data mix.
                return found
            self._known_inseparable[names] = found
        return self._known_inseparable[names]

    def _raise_if(self, refused: Mapping[int, str]) -> None:
        if refused and self.unsupported == "raise":
            raise UnsupportedLayerError(
                "; ".join(dict.fromkeys(refused.values()))
                + ". Pass unsupported='row_by_row' for exact rows by one backward pass each, unsupported='gradient' "
                "for plain gradients, or leave these parameters out"
            )

    def _check_recorded(self, outputs: Tensor) -> None:
        if not isinstance(outputs, Tensor) or not outputs.dim():
            raise TypeError(f"outputs must be a tensor with one entry per datum, got {type(outputs).__name__}")
        if not outputs.requires_grad:
            raise RuntimeError("outputs do not depend on any trained parameter; was the pass made under no_grad?")
        if not self._uses:
            raise RuntimeError(
                "no pass was recorded: call the model within `with recorder:`, or attach() the recorder and put the "
                "model in training mode"
            )


def _flat(slope: Tensor | None, parameter: Tensor) -> Tensor:
    if slope is None:
        return parameter.detach().new_zeros(parameter.numel())
    return (slope.to_dense() if slope.is_sparse else slope).reshape(-1)
