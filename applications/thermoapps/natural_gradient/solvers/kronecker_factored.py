"""Directions from Kronecker-factored curvature: K-FAC."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from thermoapps.natural_gradient.solvers._blocks import LayerBlock, layer_blocks
from thermoapps.natural_gradient.solvers._checks import check_count, check_share
from thermoapps.natural_gradient.solvers._factors import balance, factors, flat_of, matrix_of
from thermoapps.natural_gradient.solvers.base import Rows, Solver, SolverReport, State, as_column
from thermoapps.natural_gradient.solvers.dense import Dense
from thermoapps.natural_gradient.solvers.woodbury import Woodbury
from thermoapps.natural_gradient.spectra import eigh

__all__ = ["KroneckerFactored"]

Kept = dict[str, Tensor]
"""Factors of one layer and what was made of them, by name."""


@dataclass(frozen=True)
class KroneckerFactored(Solver):
    """Block-diagonal curvature, with the block of each linear or convolutional layer taken for B ⊗ A (K-FAC).

    A (i, i) is the second moment of the layer's inputs, with a one appended for its bias, and B (o, o) that of the
    loss's root derivatives with respect to its outputs; both are averaged over steps. With G the gradient as a matrix
    (o, i) the direction of the layer is

        (B + √λ/π I)⁻¹ G (A + π√λ I)⁻¹,   π² = (tr A / i) / (tr B / o)

    or, with ``damping_rule="exact"``, (B ⊗ A + λI)⁻¹ G. Layers of other kinds get the exact damped block of the batch.

    Parameters
    ----------
    approximation : {"expand", "reduce"}
        For layers used at many positions (convolutions, sequences): take positions for independent data, or sum them
        up first.
    decay : float
        Weight of the past in the averages. Default 0.95.
    period : int
        Steps between decompositions of the factors. Default 5.
    damping_rule : {"factored", "exact"}
        See above.

    Raises
    ------
    ValueError
        A setting out of range; in `direction`, no damping.

    See Also
    --------
    InverseFree, Thermodynamic, EulerMaruyama, Scheduled : Solvers of the damped step.

    Notes
    -----
    Rows must keep the factors of all such layers, ``Recorder(…, keep_factors=True)``; layers whose rows are stored
    instead get their exact block.

    References
    ----------
    Martens and Grosse, Optimizing neural networks with Kronecker-factored approximate curvature, arXiv:1503.05671;
    Eschenhagen et al., Kronecker-factored approximate curvature for modern neural network architectures,
    arXiv:2311.00636 (expand and reduce).

    Examples
    --------
    >>> import torch
    >>> from thermoapps.natural_gradient import KroneckerFactored, Woodbury, curvature_rows
    >>> model = torch.nn.Linear(3, 2)
    >>> rows, gradient, _ = curvature_rows(model, torch.randn(5, 3), torch.zeros(5, 2), "mse")
    >>> solver = KroneckerFactored(damping_rule="exact")
    >>> direction, state, report = solver.direction(rows, gradient, damping=0.1)
    >>> torch.allclose(direction, Woodbury().direction(rows, gradient, damping=0.1)[0], atol=1e-5)  # exact here
    True
    """

    approximation: str = "expand"
    decay: float = 0.95
    period: int = 5
    damping_rule: str = "factored"

    def __post_init__(self) -> None:
        if self.approximation not in ("expand", "reduce"):
            raise ValueError(f"approximation must be 'expand' or 'reduce', got {self.approximation!r}")
        if self.damping_rule not in ("factored", "exact"):
            raise ValueError(f"damping_rule must be 'factored' or 'exact', got {self.damping_rule!r}")
        check_share(self.decay, "decay")
        check_count(self.period, "period")

    @property
    def needs_factors(self) -> bool:
        return True

    def direction(
        self, rows: Rows, gradient: Tensor, damping: float, state: State | None = None
    ) -> tuple[Tensor, State, SolverReport]:
        g = as_column(rows, gradient, damping)[:, 0]
        if damping == 0:
            raise ValueError("Kronecker factors are inverted with damping; pass damping > 0")
        state = self._begun() if state is None else dict(state)
        kept, exact = dict(state["layers"]), 0
        direction = g / damping
        for block in layer_blocks(rows):
            fresh = factors(block, self.approximation)
            if fresh is None:
                direction[block.index] = _exact(block, g[block.index], damping)
                exact += 1
                continue
            layer = self._updated(kept.get(block.name), fresh)
            if state["step"] % self.period == 0:
                layer |= self._decomposed(layer, damping, state)
            kept[block.name] = layer
            solved = self._solved(layer, matrix_of(block, g[block.index]).to(torch.float64), damping, state)
            direction[block.index] = flat_of(block, solved).to(g)
        state |= {"step": state["step"] + 1, "layers": kept}
        message = f"exact blocks for {exact} of {len(kept) + exact} layers" if exact else ""
        report = SolverReport(type(self).__name__, device_time=state.pop("device_time", 0.0), message=message)
        return direction.to(gradient), state, report

    def _begun(self) -> State:
        """The state before the first step."""
        return {"step": 0, "layers": {}}

    def _updated(self, layer: Kept | None, fresh: tuple[Tensor, Tensor]) -> Kept:
        """Running averages of the factors, beside whatever else is kept of the layer."""
        new = dict(zip(("A", "B"), fresh, strict=True))
        if layer is None:
            return new
        return layer | {name: self.decay * layer[name] + (1 - self.decay) * new[name] for name in new}

    def _decomposed(self, layer: Kept, damping: float, state: State) -> Kept:
        """What is kept of the factors until they are looked at again: their eigenvalues and eigenvectors."""
        found: Kept = {}
        for name in ("A", "B"):
            values, found[f"vectors {name}"] = eigh(layer[name])
            found[f"values {name}"] = values.clamp(min=0)
        return found

    def _solved(self, layer: Kept, G: Tensor, damping: float, state: State) -> Tensor:
        """The direction (o, i) of a layer for its gradient G."""
        a, b = layer["values A"], layer["values B"][:, None]
        if self.damping_rule == "exact":
            denominator = b * a + damping
        else:
            shift_a, shift_b = balance(layer["A"], layer["B"], damping)
            denominator = (b + shift_b) * (a + shift_a)
        left, right = layer["vectors B"], layer["vectors A"]
        return left @ ((left.T @ G @ right) / denominator) @ right.T


def _exact(block: LayerBlock, g: Tensor, damping: float) -> Tensor:
    """(RᵀR + λI)⁻¹ g of one block, by the smaller of the two matrices."""
    r, p = block.rows.shape
    solver: Solver = Dense(max_parameters=p) if p <= r else Woodbury()
    return solver.direction(block.rows, g, damping)[0]
