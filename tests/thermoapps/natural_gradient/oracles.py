"""Naive dense oracles by torch.func: per-datum Jacobians and loss Hessians, one after the other."""

import torch
from helpers import close
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from thermoapps.natural_gradient import Loss, Recorder


def trained(model: nn.Module) -> dict[str, Tensor]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def jacobian(model: nn.Module, inputs: Tensor) -> Tensor:
    """(b, outputs of a datum, N), with one datum in the batch at a time."""
    values = {name: p.detach() for name, p in trained(model).items()}

    def single(values: dict[str, Tensor], datum: Tensor) -> Tensor:
        return torch.func.functional_call(model, values, (datum[None],), tie_weights=True)[0].flatten()

    with sdpa_kernel(SDPBackend.MATH):
        parts = [torch.func.jacrev(single)(values, datum) for datum in inputs]
    return torch.stack([torch.cat([part[name].reshape(len(part[name]), -1) for name in values], 1) for part in parts])


def datum_hessians(loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
    """Hessian of the mean loss times n with respect to the outputs of each datum (b, outputs, outputs)."""
    b, n = outputs.shape[0], loss.count(outputs, targets)
    size = outputs[0].numel()
    full = torch.func.jacrev(torch.func.grad(lambda z: loss.value(z, targets)))(outputs.detach()) * n
    full = full.reshape(b, size, b, size)
    blocks = torch.arange(b)
    return full[blocks, :, blocks]


def curvature(model: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss) -> Tensor:
    """Dense (1/n) Σ_n J_nᵀ H_n J_n."""
    outputs = model(inputs).detach()
    J, H = jacobian(model, inputs), datum_hessians(loss, outputs, targets)
    return torch.einsum("nai,nab,nbj->ij", J, H, J) / loss.count(outputs, targets)


def from_the_same_graph(model, outputs):
    """Gauss–Newton matrix of the mean squared error by one backward pass per output, through the graph at hand."""
    parameters = list(trained(model).values())
    rows = []
    for entry in outputs.flatten():
        slopes = torch.autograd.grad(entry, parameters, retain_graph=True, materialize_grads=True)
        rows.append(torch.cat([slope.to_dense().flatten() for slope in slopes]))
    J = torch.stack(rows)
    return J.T @ J * (2 / outputs.numel())


def check_exact(model, inputs, **options):
    recorder = Recorder(model, **options)
    with recorder:
        outputs = model(inputs)
    rows, gradient, _ = recorder.rows(outputs, torch.zeros_like(outputs), "mse")
    R = rows.apply(torch.eye(rows.shape[1], dtype=rows.dtype))
    assert close(R.T @ R, from_the_same_graph(model, outputs))
    assert close(rows.gram(), R @ R.T)
    slopes = torch.autograd.grad(outputs.square().mean(), list(trained(model).values()), materialize_grads=True)
    assert close(gradient, torch.cat([slope.to_dense().flatten() for slope in slopes]))
    return rows
