"""What a training loop has given since the last step, by calls of ``backward`` or by a closure."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from thermoapps.natural_gradient.curvature import Recorder
from thermoapps.natural_gradient.losses import Loss, as_loss
from thermoapps.natural_gradient.step.accumulation import Accumulated
from thermoapps.natural_gradient.step.replay import Closure, ReplayedClosure
from thermoapps.natural_gradient.step.report import Timings
from thermoapps.natural_gradient.step.start import Start

__all__ = ["Given"]


class Given:
    """Batches that went backward since the last step, and the time that went into them.

    Parameters
    ----------
    recorder : Recorder
        Attached to the model.
    loss : Loss
        The loss, with its curvature.
    """

    def __init__(self, recorder: Recorder, loss: Loss) -> None:
        self.recorder, self.loss = recorder, loss
        self._judged: Accumulated | None = None
        self.forget()

    @property
    def judging(self) -> bool:
        """Whether a closure is being called again, only to learn the loss."""
        return self._judged is not None

    def forget(self) -> None:
        """Begin anew."""
        self.batch, self.timings = Accumulated(), Timings()

    def backward(self, outputs: Tensor, targets: Any, scale: float = 1.0, retain_graph: bool = False) -> Tensor:
        """Curvature and gradient of one batch; returns its loss."""
        began = perf_counter()
        if self._judged is not None:
            loss = self.recorder.value(outputs, targets, self.loss)
            mean, count, _ = self._together(loss, outputs, targets)
            self._judged.note(mean, count)
            return mean
        self._forget_if_reset()
        with torch.enable_grad():
            rows = self.recorder.curvature(outputs, targets, self.loss)
            loss = self.recorder.value(outputs, targets, self.loss)
        leaves = self.recorder.leaves
        self.recorder.clear()
        mean, _, weight = self._together(loss, outputs, targets)
        self.batch.add(rows, loss, mean, leaves, scale * weight, retain_graph)
        self.timings.forward += max(0.0, began - self.recorder.began)
        self.timings.rows += perf_counter() - began
        return mean

    def criterion(self, outputs: Tensor, targets: Any) -> Tensor:
        """The loss of one batch, whose curvature is taken in when a backward pass comes to it."""
        if self._judged is not None:
            return self.backward(outputs, targets).requires_grad_()
        self._forget_if_reset()
        loss = self.recorder.value(outputs, targets, self.loss)
        if not torch.is_grad_enabled():
            return loss
        record, value = self.recorder.taken(outputs), loss.detach()

        def arrived(_: Tensor) -> None:
            began = perf_counter()
            handle.remove()  # and with it the record
            self.batch.parts.append(self.recorder.curvature(outputs, targets, self.loss, record))
            self.batch.note(*self._together(value, outputs, targets)[:2])
            self.timings.rows += perf_counter() - began

        handle = loss.register_hook(arrived)  # type: ignore[no-untyped-call]
        self.timings.forward += max(0.0, perf_counter() - self.recorder.began)
        return loss

    def add_curvature(
        self, outputs: Tensor, targets: Any, loss: Loss | str | Callable[[Tensor, Tensor], Tensor] | None
    ) -> None:
        """Curvature of a pass that has no part in the gradient."""
        if self._judged is None:
            began = perf_counter()
            rows = self.recorder.curvature(outputs, targets, self.loss if loss is None else as_loss(loss))
            self.batch.parts.append(rows)
            self.timings.forward += max(0.0, began - self.recorder.began)
            self.timings.rows += perf_counter() - began
        self.recorder.clear()

    def start(self, replayed: ReplayedClosure | None) -> Start:
        """Where a step on all that was given starts; whoever comes next begins anew.

        Raises
        ------
        RuntimeError
            There is no curvature, or no gradient.
        """
        batch, timings = self.batch, self.timings
        if not batch.parts:
            raise RuntimeError(
                "nothing to step on: call backward(outputs, targets) first, or pass a closure that returns (outputs, "
                "targets) or calls backward(outputs, targets) of this optimizer"
            )
        if not batch.count and all(parameter.grad is None for parameter in self.recorder.parameters):
            raise RuntimeError("there is curvature to step on, but no gradient: go backward from the loss as well")
        self.forget()
        loss = batch.loss if batch.count else math.nan
        loss_again = None if replayed is None else partial(self.loss_again, replayed)
        return Start(batch.rows, loss, batch.count, loss_again, timings)

    def run(self, closure: Closure) -> ReplayedClosure | None:
        """Call a closure for what it gives; None if it gives nothing, beside what was there before.

        Raises
        ------
        RuntimeError
            It gives something that would add to what was there.
        """
        batch, parts = self.batch, len(self.batch.parts)
        replayed = ReplayedClosure(closure, self.recorder.parameters[0].device)
        result = replayed.first()
        added = isinstance(result, tuple) or self.batch is not batch or len(batch.parts) > parts
        if added and parts and self.batch is batch:
            raise RuntimeError(
                "backward() or add_curvature() was called since the last step: call step() without a closure, or "
                "zero_grad()"
            )
        replayed.seconds -= self.timings.rows  # of a closure that goes backward itself
        self._take(result)
        return replayed if added else None

    def _take(self, result: Any) -> None:
        """What a closure has returned: outputs and targets, or anything if it has called `backward` itself."""
        if isinstance(result, tuple):
            self.backward(*result)

    def loss_again(self, replayed: ReplayedClosure) -> float:
        """The loss that a closure gives now."""
        try:
            self._take(replayed.again(self._judge))
            judged = self._judged
        finally:
            self._judged = None
            self.recorder.clear()
        if judged is None or not judged.count:
            raise RuntimeError("a closure must call the model, and backward if it does so, each time it is called")
        return judged.loss

    def _judge(self) -> None:
        self._judged = Accumulated()

    def _together(self, loss: Tensor, outputs: Tensor, targets: Any) -> tuple[Tensor, int, float]:
        """Mean loss and number of data of all processes, and the factor of this one's gradient before they average."""
        count, processes = self.loss.count(outputs, targets), self.recorder.processes
        if processes is None:
            return loss.detach(), count, 1.0
        mean, everywhere = processes.mean(loss, count)
        return mean, everywhere, count * processes.size / everywhere

    def _forget_if_reset(self) -> None:
        """Gradients may have been reset through the model."""
        if self.batch.count and all(parameter.grad is None for parameter in self.recorder.parameters):
            self.batch = Accumulated()
