"""Groups of parameters with a damping of their own, by a change of coordinates.

With λ_g the damping of the group of each parameter and S = diag(√(λ/λ_g)), the direction d = S y obeys

    (RᵀR + diag(λ_g)) d = g    if and only if    (S RᵀR S + λI) y = S g,

which is the system that every solver and device knows, with the rows R S and the gradient S g.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from thermoapps.natural_gradient.curvature.factor import CurvatureFactor
from thermoapps.natural_gradient.curvature.scaled import ScaledFactor
from thermoapps.natural_gradient.solvers import Solver
from thermoapps.natural_gradient.step.damping import Damping, FixedDamping

__all__ = ["Scaling", "admit_group_damping", "check_group_damping"]


class Scaling:
    """The change of coordinates S for groups of parameters.

    Parameters
    ----------
    groups : sequence of mapping
        As of ``Optimizer.param_groups``; those with ``damping`` have one of their own.
    parameters : sequence of Tensor
        In the order of flat vectors.
    damping : float
        λ of the others.
    """

    def __init__(self, groups: Sequence[Mapping[str, Any]], parameters: Sequence[Tensor], damping: float) -> None:
        own = {id(p): group["damping"] for group in groups if "damping" in group for p in group["params"]}
        self.scales = {which: (damping / value) ** 0.5 for which, value in own.items()}
        self._parts = [(p.numel(), self.scales.get(id(p), 1.0)) for p in parameters]

    def rows(self, rows: CurvatureFactor) -> CurvatureFactor:
        """R S."""
        return ScaledFactor(rows, self.scales)

    def times(self, vector: Tensor) -> Tensor:
        """S v for a flat vector (N,)."""
        parts = torch.split(vector, [size for size, _ in self._parts])
        return torch.cat([scale * part for part, (_, scale) in zip(parts, self._parts, strict=True)])


def check_group_damping(groups: Sequence[Mapping[str, Any]], damping: Damping, solver: Solver) -> None:
    """Refuse a damping of groups that would not be honoured.

    Parameters
    ----------
    groups : sequence of mapping
        As of ``Optimizer.param_groups``.
    damping : Damping
        Of the other groups.
    solver : Solver

    Raises
    ------
    ValueError
        It is not positive, stands beside a damping that changes or vanishes, or the solver works layer by layer.
    """
    own = [group["damping"] for group in groups if "damping" in group]
    if not own:
        return
    for value in own:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise ValueError(f"the damping of a group must be a number that is positive and finite, got {value!r}")
    if not isinstance(damping, FixedDamping) or damping.value == 0:
        raise ValueError(
            f"a group has a damping of its own, beside which that of the others must be a positive number, got "
            f"{damping!r}; give every group the same, or pass such a number"
        )
    if solver.by_layers:
        raise ValueError(
            f"{solver.name} takes the curvature layer by layer and knows one damping only; leave that of the groups "
            "out, or pass another solver"
        )


def admit_group_damping(groups: Sequence[Mapping[str, Any]], damping: Damping, solver: Solver) -> None:
    """Check a damping of groups, and say that it is used: other optimisers have no such option."""
    check_group_damping(groups, damping, solver)
    told = ", ".join(f"{group['damping']:g}" for group in groups if "damping" in group)
    if told:
        warnings.warn(f"groups with a damping of their own are damped by it: {told}", UserWarning, stacklevel=3)
