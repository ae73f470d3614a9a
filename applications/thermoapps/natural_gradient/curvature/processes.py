"""Several processes that train one model, each on data of its own."""

from __future__ import annotations

from typing import Any, Self

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from thermoapps.natural_gradient.curvature.factor import CurvatureFactor
from thermoapps.natural_gradient.curvature.rows import Batch, CurvatureRows
from thermoapps.natural_gradient.layers import LayerRows, UnsupportedLayerError

__all__ = ["Processes", "refuse_sharded"]


class Processes:
    """What the processes of a ``DistributedDataParallel`` model tell each other; all of them make the same calls.

    Parameters
    ----------
    model : DistributedDataParallel
        What they train together.
    """

    def __init__(self, model: DistributedDataParallel) -> None:
        self.model, self.group = model, model.process_group
        self.size, self.rank = dist.get_world_size(self.group), dist.get_rank(self.group)

    @classmethod
    def of(cls, model: nn.Module) -> Self | None:
        """Those that train a model together, or None."""
        return cls(model) if isinstance(model, DistributedDataParallel) else None

    @staticmethod
    def elsewhere() -> bool:
        """Whether a ``DistributedDataParallel`` model is being called."""
        return DistributedDataParallel._get_active_ddp_module() is not None  # type: ignore[no-untyped-call]

    def total(self, tensor: Tensor) -> Tensor:
        """Sum over all processes, in place."""
        dist.all_reduce(tensor, group=self.group)
        return tensor

    def mean(self, tensor: Tensor, count: int) -> tuple[Tensor, int]:
        """Mean over all data where each process has the mean over so many, and the number of all."""
        counts = self.total(torch.tensor([count], device=tensor.device))
        everywhere = int(counts)
        return self.total(tensor.detach() * (count / everywhere)), everywhere

    def agreed(self, tensor: Tensor) -> Tensor:
        """What the first process has, everywhere, in place."""
        dist.broadcast(tensor, dist.get_global_rank(self.group, 0), group=self.group)
        return tensor

    def gathered(self, rows: CurvatureFactor) -> CurvatureFactor:
        """The rows of all processes, one below the other.

        Parameters
        ----------
        rows : CurvatureFactor
            Of this process.

        Returns
        -------
        CurvatureFactor
            The same everywhere; Gram matrices are formed together, and so are products that go through graphs.

        Raises
        ------
        RuntimeError
            Processes have used different layers, or count the backward passes of a static graph.
        """
        if self.model.static_graph:
            raise RuntimeError("DistributedDataParallel(static_graph=True) allows one backward pass only; leave it out")
        if not isinstance(rows, CurvatureRows):
            sums = self.total(torch.tensor([rows.count, rows.length], device=rows.device)).tolist()
            rows.count, rows.length, rows.processes = int(sums[0]), int(sums[1]), self
            return rows
        found = [(batch.columns, batch.data, [_shapes(layer) for layer in batch.layers]) for batch in rows.batches]
        told: list[Any] = [None] * self.size
        dist.all_gather_object(told, (rows.count, found), group=self.group)
        if len({str([[name for name, _ in layers] for *_, layers in batches]) for _, batches in told}) > 1:
            raise RuntimeError(
                "the processes have used different layers, or data of different lengths: their rows cannot be joined"
            )
        batches = [Batch([], columns, data) for _, told_batches in told for columns, data, _ in told_batches]
        for place, batch in enumerate(rows.batches):
            for which, layer in enumerate(batch.layers):
                shapes = [told_batches[place][2][which][1] for _, told_batches in told]
                for rank, part in enumerate(self._everywhere(layer, shapes)):
                    batches[rank * len(rows.batches) + place].layers.append(part)
        return CurvatureRows(batches, rows.parameters, sum(count for count, _ in told), self, rows.frozen)

    def _everywhere(self, layer: LayerRows, shapes: list[dict[str, tuple[int, ...]]]) -> list[LayerRows]:
        """A layer's rows in every process."""
        parts: list[dict[str, Tensor]] = [{} for _ in shapes]
        for name, tensor in layer.tensors.items():
            sizes = [torch.Size(shape[name]) for shape in shapes]
            # Processes may have different numbers of data; what is sent may not differ in length.
            sent = tensor.new_zeros(max(size.numel() for size in sizes))
            sent[: tensor.numel()] = tensor.reshape(-1)
            received = [torch.empty_like(sent) for _ in sizes]
            dist.all_gather(received, sent, group=self.group)
            for part, flat, size in zip(parts, received, sizes, strict=True):
                part[name] = flat[: size.numel()].view(size)
        return [layer.with_tensors(part) for part in parts]


def _shapes(layer: LayerRows) -> tuple[tuple[str, str], dict[str, tuple[int, ...]]]:
    return (layer.name, type(layer).__name__), {name: tuple(tensor.shape) for name, tensor in layer.tensors.items()}


def refuse_sharded(model: nn.Module) -> None:
    """Raise for models that hold a shard of each parameter only.

    Parameters
    ----------
    model : nn.Module

    Raises
    ------
    UnsupportedLayerError
        It is one.
    """
    for module in model.modules():
        if any(kind.__name__ in ("FullyShardedDataParallel", "FSDPModule") for kind in type(module).__mro__):
            raise UnsupportedLayerError(
                "a sharded model (FSDP) has no whole parameters for curvature rows; use DistributedDataParallel"
            )
