"""A small model, a batch, and the natural gradient step by automatic differentiation alone."""

import torch
from oracles import curvature, trained
from torch import nn

from thermoapps.natural_gradient import CrossEntropy

DAMPING = 0.05


def mlp(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()


def convolutional():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(1, 3, 2), nn.Flatten(), nn.LayerNorm(9), nn.Linear(9, 3))


def batch(data=7, seed=1):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(data, 4, dtype=torch.float64, generator=generator)
    return inputs, torch.randint(0, 3, (data,), generator=generator)


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def gradients(model):
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def dense_step(model, inputs, targets, loss=None, damping=DAMPING):
    """(GGN + λI)⁻¹ g, everything by automatic differentiation, in the shapes of the trained parameters."""
    loss = loss or CrossEntropy()
    parameters = list(trained(model).values())
    slopes = torch.autograd.grad(loss.value(model(inputs), targets), parameters)
    g = torch.cat([slope.flatten() for slope in slopes])
    A = curvature(model, inputs, targets, loss) + damping * torch.eye(len(g), dtype=g.dtype)
    parts = torch.linalg.solve(A, g).split([p.numel() for p in parameters])
    return [part.view_as(p) for part, p in zip(parts, parameters, strict=True)]


def assert_moved(model, before, directions, lr, rtol=1e-10):
    after = trained(model)
    assert before.keys() == after.keys()
    for (name, start), direction in zip(before.items(), directions, strict=True):
        torch.testing.assert_close(after[name].detach(), start - lr * direction, rtol=rtol, atol=1e-12)


def copies(model):
    return {name: p.detach().clone() for name, p in trained(model).items()}
