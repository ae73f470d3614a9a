"""``python -m benchmarks.scale.gpu``: large dense matrices, stencils and natural gradients on an accelerator.

Three parts, each with tensors on one device: a solve and samples of a dense matrix, the same of a plane stencil known
by its products, and steps of `TNGD` beside Adam's on one network. Times are wall times that wait for the device.
Without an accelerator it says so and measures nothing, unless ``--device cpu`` asks for a run on the host.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.nn import functional

import thermolinalg as tla
from thermoapps.natural_gradient import TNGD

RESULTS = Path(__file__).parent / "gpu.json"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.gpu", description=__doc__)
    parser.add_argument("--device", help="where tensors live, such as cuda:1, mps or cpu (default: cuda)")
    parser.add_argument("--dense", type=int, default=10_000, metavar="D", help="rows of the dense matrix")
    parser.add_argument("--side", type=int, default=3163, metavar="N", help="side of the stencil's square (n = N²)")
    parser.add_argument("--width", type=int, default=2048, help="of the hidden layers of the network")
    parser.add_argument("--write", action="store_true", help=f"keep the results in {RESULTS.name}")
    options = parser.parse_args()
    device = chosen(options.device)
    results: dict[str, Any] = {"machine": machine(device)}
    for part, run in (
        ("dense", lambda: [dense(options.dense, dtype, device) for dtype in (torch.float32, torch.float64)]),
        ("stencil", lambda: [stencil(options.side, dtype, device) for dtype in (torch.float32, torch.float64)]),
        ("steps", lambda: [steps(options.width, device)]),
    ):
        results[part] = run()
        print(part, json.dumps(results[part]), flush=True)
    if options.write:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def chosen(name: str | None) -> torch.device:
    """The device that is asked for; SystemExit where there is none."""
    if name is None and not torch.cuda.is_available():
        raise SystemExit("torch finds no CUDA device here: nothing to measure; --device cpu runs on the host instead")
    try:
        device = torch.device("cuda" if name is None else name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA raises the latter
        raise SystemExit(f"torch has no device {name!r}: {str(error).splitlines()[0]}") from None
    return device


def machine(device: torch.device) -> dict[str, str]:
    """What ran where."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {"device": str(device), "name": name, "python": platform.python_version(), "torch": version("torch")}


def seconds(call: Callable[[], Any], device: torch.device, rounds: int = 3) -> float:
    """Least wall time of a call after one that warms up."""
    spent = []
    for _ in range(rounds + 1):
        _wait(device)
        begun = time.perf_counter()
        call()
        _wait(device)
        spent.append(time.perf_counter() - begun)
    return min(spent[1:])


def _wait(device: torch.device) -> None:
    """Until everything that was handed to the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def dense(d: int, dtype: torch.dtype, device: torch.device) -> dict[str, Any]:
    """A solve, a raw run and samples of XXᵀ/2d, beside a Cholesky solve."""
    generator = torch.Generator(device=device).manual_seed(0)
    X = torch.randn((d, 2 * d), generator=generator, dtype=dtype, device=device)
    A, b = X @ X.mT / (2 * d), torch.ones(d, dtype=dtype, device=device)
    del X
    return {
        "d": d,
        "dtype": str(dtype),
        **_solves(A, b, lambda: torch.cholesky_solve(b[:, None], torch.linalg.cholesky(A))),
    }


def stencil(side: int, dtype: torch.dtype, device: torch.device) -> dict[str, Any]:
    """The same of −Δ + 0.1 on a square with walls, as a map."""

    def product(V: torch.Tensor) -> torch.Tensor:
        u = V.reshape(side, side, -1)
        w = 4.1 * u
        w[1:] -= u[:-1]
        w[:-1] -= u[1:]
        w[:, 1:] -= u[:, :-1]
        w[:, :-1] -= u[:, 1:]
        return w.reshape(V.shape)

    n = side * side
    place: dict[str, Any] = {"dtype": dtype, "device": device}
    A = SimpleNamespace(shape=(n, n), matvec=product, rmatvec=product, matmat=product, rmatmat=product, **place)
    b = torch.ones(n, **place)
    return {"n": n, "dtype": str(dtype), **_solves(A, b, lambda: product(b))}


def _solves(A: Any, b: torch.Tensor, floor: Callable[[], Any]) -> dict[str, Any]:
    """Seconds of the calls, what a digital step takes, and the residual of the answer."""
    calls: dict[str, Callable[[], Any]] = {
        "floor": floor,
        "solve": lambda: tla.solve(A, b, assume_a="pos", rng=0),
        "raw": lambda: tla.solve(A, b, assume_a="pos", refine=False, rng=0),
        "16 samples": lambda: tla.sample(A, 16, assume_a="pos", rng=0),
    }
    times = {name: seconds(call, b.device) for name, call in calls.items()}
    x, info = tla.solve(A, b, assume_a="pos", rng=0, return_info=True)
    assert x.device == b.device
    return {"seconds": times, "residual": float(info.residual_norm / b.norm()), "engine": info.engine}


def steps(width: int, device: torch.device, batch: int = 128, classes: int = 10) -> dict[str, Any]:
    """A step of `TNGD` beside one of Adam on a perceptron with two hidden layers."""
    torch.manual_seed(0)
    inputs, targets = torch.randn(batch, 784, device=device), torch.randint(classes, (batch,), device=device)

    def network() -> nn.Sequential:
        layers = [nn.Linear(784, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, classes)]
        return nn.Sequential(*layers).to(device)

    first, second = network(), network()
    natural, adam = TNGD(first, lr=0.01, rng=0), torch.optim.Adam(second.parameters())

    def by_device() -> None:
        natural.backward(first(inputs), targets)
        natural.step()
        natural.zero_grad()

    def by_adam() -> None:
        functional.cross_entropy(second(inputs), targets).backward()
        adam.step()
        adam.zero_grad()

    times = {"TNGD": seconds(by_device, device), "Adam": seconds(by_adam, device)}
    return {"parameters": sum(p.numel() for p in first.parameters()), "batch": batch, "seconds": times}


if __name__ == "__main__":
    main()
