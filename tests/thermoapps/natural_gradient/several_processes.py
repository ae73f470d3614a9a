"""What each of two processes does; run by test_processes.py, which compares with one process on all data."""

import sys

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from thermoapps.natural_gradient import TNGD, KroneckerFactored, Krylov, LevenbergMarquardt, NaturalGradient


def model():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Embedding(11, 4), nn.Linear(4, 6), nn.Tanh(), nn.LayerNorm(6), nn.Flatten(), nn.Linear(18, 3)
    ).double()


def batch():
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 11, (8, 3), generator=generator), torch.randint(0, 3, (8,), generator=generator)


BY_PRODUCTS = Krylov(float("inf"), rtol=1e-12)
OPTIMISERS = {
    "exact": lambda m: NaturalGradient(m, lr=0.2, damping=0.05, momentum=0.9),
    "noisy": lambda m: TNGD(m, lr=0.2, damping=0.05, time=5.0, temperature=1e-3),
    "judged": lambda m: NaturalGradient(m, lr=5.0, damping=LevenbergMarquardt(1e-3, attempts=9)),
    "by products": lambda m: NaturalGradient(m, lr=0.2, damping=0.05, solver=BY_PRODUCTS, memory_limit=1.0),
    "judged, by products": lambda m: NaturalGradient(
        m, lr=5.0, damping=LevenbergMarquardt(1e-3, attempts=9), solver=BY_PRODUCTS, memory_limit=1.0
    ),
    "factored": lambda m: NaturalGradient(m, lr=0.2, damping=0.05, solver=KroneckerFactored()),
}


def trained(wrap, own, name):
    """Parameters and losses after a few steps on a share of the data, in each of the ways a loop can be written."""
    net = model()
    wrapped = wrap(net)
    opt = OPTIMISERS[name](wrapped)
    (inputs, targets), losses = batch(), []
    for step in range(3):
        x, y = inputs.roll(step, 0)[own], targets.roll(step)[own]
        if name.startswith("judged"):
            losses.append(float(opt.step(lambda x=x, y=y: (wrapped(x), y))))
            continue
        if name == "noisy" and step == 1 and len(y) == 4:
            opt.criterion(wrapped(x), y).backward()
        elif step == 2:
            for half in (slice(0, len(y) // 2), slice(len(y) // 2, None)):
                opt.backward(wrapped(x[half]), y[half])
        else:
            opt.backward(wrapped(x), y)
        opt.step()
        losses.append(opt.report.loss)
        opt.zero_grad()
    return [p.detach().clone() for p in net.parameters()], losses, opt.report.rows, opt.report.new_loss


if __name__ == "__main__":
    rank, folder = int(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    shares = {"even": [slice(0, 4), slice(4, 8)], "uneven": [slice(0, 6), slice(6, 8)]}
    found = {
        (name, share): trained(DistributedDataParallel, own[rank], name)
        for name in OPTIMISERS
        for share, own in shares.items()
    }
    inner = model()
    outer, opt = DistributedDataParallel(inner), NaturalGradient(inner)
    try:
        outer(batch()[0])
    except RuntimeError as error:
        found["refused"] = str(error)
    static = DistributedDataParallel(model(), static_graph=True)
    opt, (x, y) = NaturalGradient(static), batch()
    try:
        opt.backward(static(x), y)
    except RuntimeError as error:
        found["static"] = str(error)
    torch.save(found, f"{folder}/{rank}")
    dist.destroy_process_group()
