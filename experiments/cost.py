"""What a step costs: calls of the model, passes backward, products with R, and bytes (the paper's Table 1, counted)."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from time import process_time
from typing import Any

import torch
from common import options, write
from data import one_convolution
from step_time import OPTIMIZERS, SIDE
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from thermoapps.natural_gradient import NaturalGradient

SHOWN = (
    "Adam",
    "NGD (Woodbury)",
    "NGD (CG)",
    "K-FAC",
    "TNGD, exact law",
    "TNGD, by products",
    "TNGD, Euler–Maruyama",
)


class Alive(TorchDispatchMode):
    """Bytes of the tensors made within it that are alive, now and at most; room within a single kernel is not seen."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._see(tensor.untyped_storage(), tree_leaves((args, kwargs)))
        return result

    def _see(self, storage: Any, given: list[Any]) -> None:
        known = {leaf.untyped_storage()._cdata for leaf in given if isinstance(leaf, Tensor)}
        if storage._cdata in self._known | known:
            return  # a view, or changed in place
        size, name = storage.nbytes(), storage._cdata
        self._known.add(name)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._gone, name, size)

    def _gone(self, name: int, size: int) -> None:
        self._known.discard(name)
        self.now -= size


@contextmanager
def passes_backward() -> Iterator[list[int]]:
    """The number of vectors carried backward by each call of autograd within it."""
    counts: list[int] = []
    grad, backward = torch.autograd.grad, torch.autograd.backward

    def counting_grad(outputs: Any, inputs: Any, grad_outputs: Any = None, *args: Any, **kwargs: Any) -> Any:
        counts.append(len(tree_leaves(grad_outputs)[0]) if kwargs.get("is_grads_batched") else 1)
        return grad(outputs, inputs, grad_outputs, *args, **kwargs)

    def counting_backward(*args: Any, **kwargs: Any) -> None:
        counts.append(1)
        backward(*args, **kwargs)

    torch.autograd.grad, torch.autograd.backward = counting_grad, counting_backward
    try:
        yield counts
    finally:
        torch.autograd.grad, torch.autograd.backward = grad, backward


def measure(name: str, model: nn.Module, x: Tensor, y: Tensor, repeats: int) -> dict[str, float]:
    """Of the second step of a method, after its memory has been laid out; seconds are medians of later ones."""
    optimizer = OPTIMIZERS[name][0](model)

    def step() -> None:
        optimizer.zero_grad()
        if isinstance(optimizer, NaturalGradient):
            optimizer.backward(model(x), y)
        else:
            nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    with Alive() as alive:
        step()
        alive.most = alive.now
        forward: list[None] = []
        counter = model.register_forward_hook(lambda *_: forward.append(None))
        with passes_backward() as backward:
            step()
        counter.remove()
    seconds = []
    for _ in range(repeats):
        began = process_time()
        step()
        seconds.append(process_time() - began)
    products = 0
    if isinstance(optimizer, NaturalGradient):
        assert optimizer.report is not None
        assert optimizer.report.solver is not None
        products = optimizer.report.solver.products
        optimizer.close()
    return {
        "calls of the model": len(forward),
        "vectors carried backward": sum(backward),
        "products with R or its transpose": products,
        "bytes": alive.most,
        "seconds": median(seconds),
    }


def dense(width: int, outputs: int) -> nn.Module:
    """The network of the figure on the time of a step."""
    return nn.Sequential(nn.Linear(SIDE**2, width), nn.ReLU(), nn.Linear(width, outputs))


def main() -> None:
    given = options(__doc__, repeats=3)
    path = given.results / "cost.json"
    tasks: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
        "one convolution, 10 outputs, batch 64": (lambda: one_convolution(28), (64, 1, 28, 28), 10),
        "dense, 20 outputs, batch 32": (lambda: dense(32, 20), (32, SIDE**2), 20),
    }
    found = {}
    for label, (make, shape, outputs) in tasks.items():
        rows = {}
        for name in SHOWN:
            torch.manual_seed(0)
            x, y, model = 0.1 * torch.randn(shape), torch.randint(0, outputs, shape[:1]), make()
            rows[name] = measure(name, model, x, y, given.repeats)
            print(label, name, rows[name], flush=True)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        found[label] = {"parameters": parameters, "rows": shape[0] * (outputs - 1), "methods": rows}
    if not given.draw:
        write({"networks": found}, path)


if __name__ == "__main__":
    main()
