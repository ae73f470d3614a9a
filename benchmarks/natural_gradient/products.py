"""Products with the Gauss–Newton matrix by the libraries that time stepping would use."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial

from torch import Tensor
from torch.func import functional_call
from torch.nn import CrossEntropyLoss
from torch.nn.functional import cross_entropy

from benchmarks.natural_gradient.problems import Problem

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of libraries about one another
    from curvlinops import GGNLinearOperator
    from posteriors import ggnvp

Vector = dict[str, Tensor]
Product = Callable[[Vector], Vector]


def posteriors_product(problem: Problem) -> Product:
    """posteriors' ``ggnvp``, which the paper's authors wrote and used."""
    parameters = {name: parameter.detach() for name, parameter in problem.network.named_parameters()}

    def forward(parameters: Vector) -> Tensor:
        return functional_call(problem.network, parameters, (problem.inputs,))

    loss = partial(cross_entropy, target=problem.targets)
    return lambda vector: ggnvp(forward, loss, (parameters,), (vector,))[1]


def curvlinops_product(problem: Problem) -> Product:
    """curvlinops' ``GGNLinearOperator``."""
    names = [name for name, _ in problem.network.named_parameters()]
    operator = GGNLinearOperator(
        problem.network,
        CrossEntropyLoss(),
        list(problem.network.parameters()),
        [(problem.inputs, problem.targets)],
        check_deterministic=False,
    )
    return lambda vector: dict(zip(names, operator @ [vector[name] for name in names], strict=True))
