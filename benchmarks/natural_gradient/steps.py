"""One training step of each method, gradient and update included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.func import functional_call, jacrev, vmap
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer

from benchmarks.natural_gradient.problems import Problem
from benchmarks.natural_gradient.products import Product, Vector, curvlinops_product, posteriors_product
from benchmarks.timing import Call
from thermoapps.natural_gradient import (
    TNGD,
    ConjugateGradient,
    CrossEntropy,
    Dense,
    Krylov,
    NaturalGradient,
    Solver,
    Woodbury,
)

LR = 1e-4  # small, so that the problem is the same in every round
DAMPING, TIME, TIME_STEP = 0.01, 50.0, 0.1
STEPS = round(TIME / TIME_STEP)
CG_ITERATIONS = 20


@dataclass(frozen=True)
class Method:
    """A way to take a step.

    Parameters
    ----------
    name : str
    build : callable
        From a problem to a call that takes one step.
    complexity : str
        As in the paper's table of complexities.
    share : float
        Part of the step's work that the call does; its time is scaled up by the rest.
    """

    name: str
    build: Callable[[Problem], Call]
    complexity: str
    share: float = 1.0


def _plain(optimizer: Callable[..., Optimizer], problem: Problem) -> Call:
    built = optimizer(problem.network.parameters(), lr=LR)

    def step(_: int) -> None:
        built.zero_grad()
        cross_entropy(problem.network(problem.inputs), problem.targets).backward()
        built.step()

    return step


def _natural(build: Callable[..., NaturalGradient], problem: Problem) -> Call:
    optimizer = build(problem.network, lr=LR, damping=DAMPING)

    def step(_: int) -> None:
        optimizer.zero_grad()
        optimizer.backward(problem.network(problem.inputs), problem.targets)
        optimizer.step()

    return step


def _solved(solver: Solver, problem: Problem) -> Call:
    return _natural(partial(NaturalGradient, solver=solver), problem)


def stepped(product: Callable[[Problem], Product], steps: int, problem: Problem) -> Vector:
    """Direction after so many Euler–Maruyama steps from the gradient, without noise, as in the paper's runs."""
    gradient, multiply = _gradient(problem), product(problem)
    x = gradient
    for _ in range(steps):
        image = multiply(x)
        x = {k: x[k] - TIME_STEP * (image[k] + DAMPING * x[k] - gradient[k]) for k in x}
    return x


def _stepping(product: Callable[[Problem], Product], steps: int, problem: Problem) -> Call:
    def step(_: int) -> None:
        direction = stepped(product, steps, problem)
        with torch.no_grad():
            for name, parameter in problem.network.named_parameters():
                parameter.sub_(direction[name], alpha=LR)

    return step


def _gradient(problem: Problem) -> Vector:
    named = dict(problem.network.named_parameters())
    loss = cross_entropy(problem.network(problem.inputs), problem.targets)
    return dict(zip(named, torch.autograd.grad(loss, list(named.values())), strict=True))


def _stored(problem: Problem) -> Call:
    """Natural gradient from rows that are formed and kept: what not to do."""
    network, loss = problem.network, CrossEntropy()
    named = {name: parameter.detach() for name, parameter in network.named_parameters()}

    def outputs(parameters: Vector, one: Tensor) -> Tensor:
        return functional_call(network, parameters, (one[None],))[0]

    def step(_: int) -> None:
        gradient = torch.cat([part.flatten() for part in _gradient(problem).values()])
        blocks = vmap(jacrev(outputs), (None, 0))(named, problem.inputs)
        jacobian = torch.cat([block.flatten(2) for block in blocks.values()], 2)
        root = loss.hessian_root(network(problem.inputs).detach(), problem.targets).blocks[:, 0]
        rows = (root.mT @ jacobian).flatten(0, 1) / len(jacobian) ** 0.5
        values, vectors = torch.linalg.eigh((rows @ rows.T).double())
        image = vectors.T @ (rows @ gradient).double()
        direction = (gradient - rows.T @ (vectors @ (image / (values + DAMPING))).float()) / DAMPING
        with torch.no_grad():
            for parameter, change in zip(
                network.parameters(), direction.split([p.numel() for p in network.parameters()]), strict=True
            ):
                parameter.sub_(change.view_as(parameter), alpha=LR)

    return step


SGD = Method("SGD", partial(_plain, torch.optim.SGD), "b N")
ADAM = Method("Adam", partial(_plain, torch.optim.Adam), "b N")
EXACT = Method("TNGD, exact law", partial(_natural, partial(TNGD, time=TIME)), "b d_z N + t")
WOODBURY = Method("NGD, Woodbury", partial(_solved, Woodbury()), "b² d_z² N + b³ d_z³")
CG = Method(
    f"NGD, CG (c = {CG_ITERATIONS})",
    partial(_solved, ConjugateGradient(CG_ITERATIONS, progress=0.0)),
    "c b N",
)
KRYLOV = Method("TNGD, Lanczos", partial(_solved, Krylov(TIME)), "c b d_z N")
DENSE = Method("NGD, dense", partial(_solved, Dense(max_parameters=5_000)), "N³ + b d_z N²")
STORED = Method("NGD, J stored", _stored, "b² d_z² N + b³ d_z³")


def euler_maruyama(products: int = STEPS) -> Method:
    """The paper's own simulation, with as many of its products as there is patience for."""
    build = partial(_stepping, posteriors_product, products)
    return Method("TNGD, Euler–Maruyama (posteriors)", build, "c b N", products / STEPS)


def euler_maruyama_curvlinops(products: int = STEPS) -> Method:
    """The same with another library's products."""
    build = partial(_stepping, curvlinops_product, products)
    return Method("TNGD, Euler–Maruyama (curvlinops)", build, "c b N", products / STEPS)
