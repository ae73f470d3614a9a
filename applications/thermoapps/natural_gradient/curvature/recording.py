"""Recording of forward passes: hooks keep what each parameterised layer saw and returned."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle

from thermoapps.natural_gradient.curvature.counting import MemoryLimit
from thermoapps.natural_gradient.curvature.factor import CurvatureFactor
from thermoapps.natural_gradient.curvature.graph import Graph
from thermoapps.natural_gradient.curvature.precision import working_dtype
from thermoapps.natural_gradient.curvature.processes import Processes, refuse_sharded
from thermoapps.natural_gradient.curvature.reading import Reader
from thermoapps.natural_gradient.curvature.recorded import Record, Recorded, flattened
from thermoapps.natural_gradient.curvature.repetition import Pass
from thermoapps.natural_gradient.layers import Use, generic_rows, rule_for
from thermoapps.natural_gradient.layers.frozen import takes_statistics, with_frozen_statistics
from thermoapps.natural_gradient.layers.use import tensors_in, with_tensors
from thermoapps.natural_gradient.losses import Loss, as_loss

__all__ = ["Recorder"]


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
    memory_limit : float, optional
        Most memory for the rows of a batch, in bytes, or below 1 as a share of what is free; by default half of that.
        Rows are counted before they are formed.
    gram : bool, optional
        Whether their Gram matrix will be formed, which then counts as well.
    products : int, optional
        Where there are too many rows, products with the curvature matrix do in their place, and no more than so many
        of them are taken; by default they do not.

    Raises
    ------
    ValueError
        A parameter that is not the model's, none at all, or an unknown choice.
    UnsupportedLayerError
        The model holds shards of its parameters only.

    See Also
    --------
    Recorded, curvature_rows, CurvatureRows : Rows of the curvature.

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
        memory_limit: float | None = None,
        gram: bool = False,
        products: int | None = None,
    ) -> None:
        if unsupported not in ("raise", "row_by_row", "gradient"):
            raise ValueError(f"unsupported must be 'raise', 'row_by_row' or 'gradient', got {unsupported!r}")
        model = getattr(model, "_orig_mod", model)  # of a compiled one
        self.model, self.keep_factors = model, keep_factors
        refuse_sharded(model)
        self.processes = Processes.of(model)
        self._reader = Reader(model, unsupported, MemoryLimit(memory_limit), gram, products, self.processes)
        self._given = list(model.parameters() if parameters is None else parameters)
        for parameter in self._given:
            if id(parameter) not in self._reader.names:
                raise ValueError(f"parameters holds a tensor of shape {tuple(parameter.shape)} that is not the model's")
        if not self.parameters:
            raise ValueError("the model has no parameters that require gradients")
        self._uses: list[Use] = []
        self._handles: list[RemovableHandle] = []
        self.leaves: list[Tensor] = []
        self._data: int | None = None
        self._made: Pass | None = None
        self.began = 0.0
        self._every_pass = self._attached = self._busy = False

    @property
    def parameters(self) -> list[Tensor]:
        """The trained parameters, in the order of flat vectors."""
        return [parameter for parameter in self._given if parameter.requires_grad]

    @property
    def dtype(self) -> torch.dtype:
        """In which everything is computed that the model does not compute itself."""
        return working_dtype(self.parameters)

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
        self._uses, self.leaves, self._made = [], [], None

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
        if self.processes is None and Processes.elsewhere():
            raise RuntimeError("curvature belongs to all processes: give the DistributedDataParallel model itself")
        compiling = torch.compiler.is_compiling()  # Compilers know no clocks, and no random generators.
        self.began = math.inf if compiling else perf_counter()
        self._made = None if compiling else Pass(args, kwargs, self.parameters[0].device)
        self._data = next((tensor.shape[0] for tensor in tensors_in((args, kwargs)) if tensor.dim()), None)

    def _keep(self, name: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        if self._inert():
            return None
        if takes_statistics(module) and self._reader.unsupported != "row_by_row":
            output = with_frozen_statistics(name, module, tensors_in((args, kwargs))[0], output)
        own = {role: p for role, p in module.named_parameters(recurse=False) if p.requires_grad}
        if not own:
            return output
        output = self._own(module, output)
        outputs = {i: tensor for i, tensor in enumerate(tensors_in(output)) if tensor.requires_grad}
        if not outputs:
            return None
        edges = [get_gradient_edge(tensor) for tensor in outputs.values()]
        detached = [tensor.detach() for tensor in outputs.values()]
        if rule_for(module, own) is generic_rows:  # What a replay is compared with may be changed in place.
            detached = [tensor.clone() for tensor in detached]
        use = Use(name, module, args, kwargs, detached, list(outputs), edges, self.dtype, self.keep_factors)
        self._uses.append(use)
        return output

    def _own(self, module: nn.Module, output: Any) -> Any:
        """The output with an entry for each datum, as embedded positions may lack, and without views."""
        if isinstance(module, nn.Embedding) and output.shape[0] == 1 and self._data not in (None, 1):
            return output.expand(self._data, *output.shape[1:])
        # A change in place of a view would replace its place in the graph.
        if any(tensor._is_view() for tensor in tensors_in(output)):
            return with_tensors(output, lambda tensor: tensor.clone() if tensor._is_view() else tensor)
        return output

    def __getstate__(self) -> dict[str, Any]:
        """A copy of the model takes the hooks along; there they are inert and hold nothing."""
        return self.__dict__ | {"_uses": [], "leaves": [], "_made": None, "processes": None, "_busy": True}

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
        TooManyRowsError
            Rows would take more memory than they may.
        RuntimeError
            Nothing was recorded.
        """
        loss = as_loss(loss)
        rows = self.curvature(outputs, targets, loss)
        value = self.value(outputs, targets, loss)
        slopes = torch.autograd.grad(value, rows.parameters, retain_graph=True, allow_unused=True)
        gradient = flattened(slopes, rows.parameters).to(rows.dtype)
        value = value.detach()
        if self.processes is not None:
            count = loss.count(outputs, targets)
            gradient, value = self.processes.mean(gradient, count)[0], self.processes.mean(value, count)[0]
        return Recorded(rows, gradient, value)

    def value(self, outputs: Tensor, targets: Tensor, loss: Loss) -> Tensor:
        """The loss as a scalar that autograd can differentiate.

        Parameters
        ----------
        outputs : Tensor, shape (b, …)
            What the model returned.
        targets : Tensor
            As the loss wants them.
        loss : Loss
            The loss.

        Returns
        -------
        Tensor
        """
        with self._at_work(outputs):
            return loss.value(outputs.to(self.dtype), targets)

    def taken(self, outputs: Tensor) -> Record:
        """The record of the pass that gave these outputs, which the recorder forgets, for `curvature` later.

        Parameters
        ----------
        outputs : Tensor, shape (b, …)
            What the model returned.

        Returns
        -------
        tuple of (list of Use, Pass or None)

        Raises
        ------
        RuntimeError
            Nothing was recorded.
        """
        self._check_recorded(outputs)
        record = self._uses, self._made
        self.clear()
        return record

    def curvature(self, outputs: Tensor, targets: Tensor, loss: Loss, record: Record | None = None) -> CurvatureFactor:
        """The curvature rows alone; otherwise as `rows`.

        At the first pass of each kind and at a few later ones they are compared with a backward pass of the graph.

        Parameters
        ----------
        outputs : Tensor, shape (b, …)
            What the model returned.
        targets : Tensor
            As the loss wants them.
        loss : Loss
            With respect to whose Hessian.
        record : tuple, optional
            What `taken` gave; by default that of the last pass.

        Returns
        -------
        CurvatureFactor

        Raises
        ------
        UnsupportedLayerError, RuntimeError
            As for `rows`.
        """
        freed = record is not None
        if record is None:
            self._check_recorded(outputs)
        uses, made = (self._uses, self._made) if record is None else record
        with self._at_work(outputs), torch.enable_grad():
            graph = Graph(outputs)
            if record is None:
                self.leaves = graph.leaves
            rows = self._reader.rows(outputs, graph, uses, self.parameters, targets, loss, self._data, made, freed)
            return rows if self.processes is None else self.processes.gathered(rows)

    def learn(self, products: int) -> None:
        """Expect so many products of the next direction, where there is a choice between them and rows."""
        self._reader.expected = max(1, products)

    @contextmanager
    def _at_work(self, outputs: Tensor) -> Iterator[None]:
        """Within it nothing is recorded, and autocast reduces no precision."""
        self._busy = True
        try:
            with torch.autocast(outputs.device.type, enabled=False):
                yield
        finally:
            self._busy = False

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
