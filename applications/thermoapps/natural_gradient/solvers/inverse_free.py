"""Directions without any inverse after the first epoch: fast natural gradient descent."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from thermoapps.natural_gradient.curvature import CurvatureRows
from thermoapps.natural_gradient.solvers._blocks import LayerBlock, layer_blocks
from thermoapps.natural_gradient.solvers._checks import check_count
from thermoapps.natural_gradient.solvers._shifted import solve_shifted
from thermoapps.natural_gradient.solvers.base import Rows, Solver, SolverReport, State, as_column

__all__ = ["InverseFree"]


@dataclass(frozen=True)
class InverseFree(Solver):
    """Natural gradients of the layers' empirical Fisher matrices as weighted sums of per-datum gradients (FNGD).

    For one layer, with the gradients g_i of the n data in a batch, F = (1/n) Σ g_i g_iᵀ and their Gram matrix K,

        (F + λI)⁻¹ ḡ = Σ_i c_i g_i,   c = (K + nλI)⁻¹ 1.

    The coefficients are computed during the first epoch only and shared with all later ones, where a direction is no
    more than a weighted backward pass.

    Parameters
    ----------
    batches : int
        Number of batches in an epoch.
    share : {"mean", "per_batch"}
        What later epochs use: at each place in a batch the mean over the first epoch, which for shuffled data tends
        to one number for all places, that is to a length of step for each layer; or the coefficients of the batch with
        the same number, which is sensible only if batches are the same in every epoch.

    Raises
    ------
    ValueError
        A setting out of range; in `direction`, rows or a gradient that are not those of the empirical Fisher matrix,
        no damping, or a batch of a size that the first epoch had not.

    See Also
    --------
    Thermodynamic, EulerMaruyama, Scheduled, Dense : Solvers of the damped step.

    References
    ----------
    Fast natural gradient descent, arXiv:2403.03473 (the idea of sharing; which coefficients later epochs should use
    is our reading); coefficients by Woodbury's identity.

    Examples
    --------
    >>> import torch
    >>> from thermoapps.natural_gradient import EmpiricalFisher, InverseFree, Woodbury, curvature_rows
    >>> model = torch.nn.Linear(3, 2)
    >>> loss = EmpiricalFisher("cross_entropy")
    >>> rows, gradient, _ = curvature_rows(model, torch.eye(3), torch.tensor([0, 1, 1]), loss)
    >>> direction, state, report = InverseFree(batches=10).direction(rows, gradient, damping=0.1)
    >>> torch.allclose(direction, Woodbury().direction(rows, gradient, damping=0.1)[0], atol=1e-5)
    True
    """

    batches: int
    share: str = "mean"

    def __post_init__(self) -> None:
        check_count(self.batches, "batches")
        if self.share not in ("mean", "per_batch"):
            raise ValueError(f"share must be 'mean' or 'per_batch', got {self.share!r}")

    @property
    def by_layers(self) -> bool:
        return True

    def direction(
        self, rows: Rows, gradient: Tensor, damping: float, state: State | None = None
    ) -> tuple[Tensor, State, SolverReport]:
        g = as_column(rows, gradient, damping)[:, 0]
        if damping == 0:
            raise ValueError("the coefficients need damping > 0")
        state = {"step": 0, "totals": {}, "counts": {}} if state is None else dict(state)
        place = f"batch {state['step'] % self.batches}" if self.share == "per_batch" else f"{rows.shape[0]} data"
        blocks, first_epoch = layer_blocks(rows), state["step"] < self.batches
        if first_epoch:
            coefficients = torch.stack([_coefficients(block.rows, damping) for block in blocks])
            total = state["totals"].get(place, torch.zeros_like(coefficients))
            state["totals"] = state["totals"] | {place: total + coefficients}
            state["counts"] = state["counts"] | {place: state["counts"].get(place, 0) + 1}
        else:
            coefficients = self._recalled(state, place, rows)
        direction = _weighted(blocks, coefficients, g, damping)
        state["step"] += 1
        message = "coefficients of this batch" if first_epoch else f"shared coefficients ({self.share})"
        return direction.to(gradient), state, SolverReport("InverseFree", products=1, message=message)

    def _recalled(self, state: State, place: str, rows: Rows) -> Tensor:
        total = state["totals"].get(place)
        if total is None or total.shape[1] != rows.shape[0]:
            raise ValueError(
                f"the first epoch had no batch of {rows.shape[0]} data to share coefficients from (share="
                f"{self.share!r}); drop odd batches, and with 'per_batch' keep their order in every epoch"
            )
        mean: Tensor = total.to(rows.like) / state["counts"][place]
        return mean


def _coefficients(rows: Rows, damping: float) -> Tensor:
    """c = (K + nλI)⁻¹ 1 with K = n RRᵀ."""
    gram = rows.gram().to(torch.float64)
    ones = gram.new_full((len(gram), 1), 1 / _terms(rows))
    return solve_shifted(gram, damping, ones)[0][:, 0].to(rows.dtype)


def _terms(rows: Rows) -> int:
    """n, of which there may be several for one datum, such as the positions of a sequence."""
    return rows.count if isinstance(rows, CurvatureRows) else rows.shape[0]


def _weighted(blocks: list[LayerBlock], coefficients: Tensor, g: Tensor, damping: float) -> Tensor:
    """Σ_i c_i g_i layer by layer, from R = G/√n; the plain mean comes along as a check of what was passed."""
    direction, mean = g / damping, g.clone()
    for block, c in zip(blocks, coefficients, strict=True):
        root = _terms(block.rows) ** 0.5
        sums = block.rows.apply_transposed(torch.stack([root * c, torch.full_like(c, 1 / root)], dim=1))
        direction[block.index], mean[block.index] = sums[:, 0], sums[:, 1]
    if torch.linalg.vector_norm(mean - g) > 1e-3 * torch.linalg.vector_norm(g):
        raise ValueError(
            "the gradient is not the mean of the rows: InverseFree needs the rows of the empirical Fisher matrix "
            "(curvature='empirical') and the gradient of the loss itself, without clipping"
        )
    return direction
