"""A plain training loop for the examples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sized
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from tqdm.auto import tqdm

from thermoapps.natural_gradient.losses import Loss, as_loss
from thermoapps.natural_gradient.optimizer import NaturalGradient

__all__ = ["accuracy", "fit"]

Batches = Iterable[tuple[Tensor, Tensor]]


def fit(
    model: nn.Module,
    optimizer: Optimizer,
    train_loader: Batches,
    epochs: int = 1,
    *,
    loss: Loss | str | Callable[[Tensor, Tensor], Tensor] = "cross_entropy",
    test_loader: Batches | None = None,
    scheduler: Any = None,
    progress: bool = True,
) -> list[dict[str, float]]:
    """Train a model with a natural gradient or any other torch optimiser.

    Written for the examples: with a loop of your own call `NaturalGradient.backward` and ``step``.

    Parameters
    ----------
    model : nn.Module
    optimizer : Optimizer
        A `NaturalGradient` brings its loss; where its damping judges steps it is given closures.
    train_loader : iterable of (inputs, targets)
        Gone through once in each epoch.
    epochs : int
    loss : Loss, str or callable
        For other optimisers.
    test_loader : iterable of (inputs, targets), optional
        For accuracy after each epoch.
    scheduler : optional
        Its ``step`` is called after each epoch.
    progress : bool
        Whether to show a tqdm bar.

    Returns
    -------
    list of dict
        For each epoch its ``epoch`` from 1, ``loss`` (mean over batches, before each step), ``seconds`` of training so
        far, and ``accuracy`` where a `test_loader` is given.

    See Also
    --------
    accuracy, ProgressBar, ScalarWriter : Loops of training.

    Examples
    --------
    >>> import torch
    >>> from thermoapps.natural_gradient import TNGD
    >>> _ = torch.manual_seed(0)
    >>> inputs = torch.randn(64, 2)
    >>> data = [(inputs, (inputs[:, 0] > 0).long())]
    >>> model = torch.nn.Linear(2, 2)
    >>> history = fit(model, TNGD(model, lr=0.5), data, epochs=10, test_loader=data, progress=False)
    >>> history[-1]["accuracy"] > 0.95
    True
    """
    plain = as_loss(loss)
    history: list[dict[str, float]] = []
    total = epochs * len(train_loader) if isinstance(train_loader, Sized) else None
    seconds = 0.0
    with tqdm(total=total, disable=not progress) as bar:
        for epoch in range(1, epochs + 1):
            model.train()
            losses = []
            began = perf_counter()
            for inputs, targets in train_loader:
                losses.append(float(_step(model, optimizer, plain, inputs, targets)))
                bar.set_postfix(loss=f"{losses[-1]:.4g}", refresh=False)
                bar.update()
            seconds += perf_counter() - began
            record = {"epoch": epoch, "loss": sum(losses) / len(losses), "seconds": seconds}
            if test_loader is not None:
                record["accuracy"] = accuracy(model, test_loader)
            if scheduler is not None:
                scheduler.step()
            history.append(record)
    return history


def accuracy(model: nn.Module, loader: Batches) -> float:
    """Share of data whose largest output is that of their class, in eval mode.

    Parameters
    ----------
    model : nn.Module
    loader : iterable of (inputs, targets)

    Returns
    -------
    float

    See Also
    --------
    ProgressBar, ScalarWriter, fit : Loops of training.

    Examples
    --------
    >>> import torch
    >>> accuracy(torch.nn.Identity(), [(torch.eye(4), torch.tensor([0, 1, 2, 0]))])
    0.75
    """
    was_training = model.training
    model.eval()
    right = count = 0
    with torch.no_grad():
        for inputs, targets in loader:
            right += int((model(inputs).argmax(-1) == targets).sum())
            count += targets.numel()
    model.train(was_training)
    return right / count


def _step(model: nn.Module, optimizer: Optimizer, loss: Loss, inputs: Tensor, targets: Tensor) -> Tensor:
    if isinstance(optimizer, NaturalGradient):
        if optimizer.damping.judges:
            value = optimizer.step(lambda: (model(inputs), targets))
            assert value is not None
            return value
        value = optimizer.backward(model(inputs), targets)
    else:
        value = loss.value(model(inputs), targets)
        value.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    optimizer.zero_grad()
    return value.detach()
