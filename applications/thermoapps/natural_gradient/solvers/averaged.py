"""Directions with the curvature of several batches: a running average that is held as a few rows of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from thermoapps.natural_gradient.solvers._checks import check_count, check_share
from thermoapps.natural_gradient.solvers._wrapper import Wrapper
from thermoapps.natural_gradient.solvers.base import Rows, SolverReport, State
from thermoapps.natural_gradient.spectra import eigh

__all__ = ["Averaged"]

OVERSAMPLED, ITERATIONS = 8, 4
"""Vectors beyond those wanted, and products with the matrix, by which subspace iteration finds leading eigenvectors."""


@dataclass(frozen=True)
class Averaged(Wrapper):
    """Another solver's directions, with the curvature averaged over batches by exponential weights.

    In the place of the curvature G_k = R_kᵀR_k of its batch, step k hands on

        Ḡ_k = Σ_j w_j G_{k−j},    w_j ∝ memoryʲ,    Σ_j w_j = 1,    j = 0, …, batches,

    with each earlier G_{k−j}, as it was at the parameters of its step, replaced by its part in the span of its leading
    eigenvectors. The gradient is that of the batch alone. A batch of n data with d classes shows n (d − 1) directions
    of the curvature at most, with noise of its own; the average shows more of them, with less.

    What is kept are ``batches · directions`` vectors as long as the parameters. A Gram matrix of them and of the new
    rows costs as many products with R; a solver by products, `Krylov` or `ConjugateGradient`, does without it.

    Parameters
    ----------
    solver : Solver
        Finds the directions; none that takes the curvature layer by layer.
    memory : float
        In [0, 1): how much less a batch weighs than the one after it. Default 0.9; 0 is the solver by itself.
    batches : int
        Earlier batches that are kept. Default 8.
    directions : int
        Leading eigenvectors that are kept of the curvature of each; all of a smaller one. Default 32.

    Raises
    ------
    TypeError
        Not a solver.
    ValueError
        A setting out of range, or a solver that works layer by layer, which averages by itself.

    See Also
    --------
    Spring, Asynchronous, LineSearch, SignDescent : What a step may be made of besides.

    Notes
    -----
    A step that is taken back and tried again counts as one batch for each attempt.

    Examples
    --------
    >>> import torch
    >>> from thermoapps.natural_gradient import Averaged, Woodbury, curvature_rows
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> first, gradient, _ = curvature_rows(model, torch.tensor([[1.0, 0.0]]), torch.ones(1, 1), "mse")
    >>> other, gradient, _ = curvature_rows(model, torch.tensor([[0.0, 1.0]]), torch.ones(1, 1), "mse")
    >>> solver = Averaged(Woodbury(), memory=0.5)
    >>> _, state, _ = solver.direction(first, gradient, damping=1.0)
    >>> direction, _, report = solver.direction(other, torch.ones(2), 1.0, state)
    >>> direction  # Ḡ is diag(1/3, 2/3) times 2
    tensor([0.6000, 0.4286])
    """

    memory: float = 0.9
    batches: int = 8
    directions: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share(self.memory, "memory")
        check_count(self.batches, "batches")
        check_count(self.directions, "directions")
        if self.solver.by_layers:
            raise ValueError(f"{self.solver.name} works layer by layer and has averages of its own; pass it by itself")

    @property
    def needs_gram(self) -> bool:
        return True

    def direction(
        self, rows: Rows, gradient: Tensor, damping: float, state: State | None = None
    ) -> tuple[Tensor, State, SolverReport]:
        step, kept, inner = (0, {}, None) if state is None else (state["step"], state["kept"], state["solver"])
        average = _Average(rows, [kept[number] for number in sorted(kept, reverse=True)], self.memory)
        direction, inner, report = self.solver.direction(average, gradient, damping, inner)
        told = f"curvature of {1 + len(kept)} batches"
        report.message = f"{report.message}; {told}" if report.message else told
        if self.memory and bool(torch.isfinite(average.new_gram).all()):
            kept = {number: block for number, block in kept.items() if number > step - self.batches}
            kept[step] = average.leading(self.directions)
        return direction, {"solver": inner, "step": step + 1, "kept": kept}, report


class _Average:
    """Rows of a batch above those kept of the ones before it, the latest first, each with the root of its weight."""

    def __init__(self, rows: Rows, kept: list[Tensor], memory: float) -> None:
        self.rows, self.dtype, self.like = rows, rows.dtype, rows.like
        self._kept = [block.to(rows.like) for block in kept]
        weights = [memory**age for age in range(1 + len(kept))]
        self._roots = [(weight / sum(weights)) ** 0.5 for weight in weights]
        self._lengths = [rows.shape[0], *(len(block) for block in kept)]
        self.shape = sum(self._lengths), rows.shape[1]

    @cached_property
    def new_gram(self) -> Tensor:
        """R Rᵀ of the batch alone."""
        return self.rows.gram()

    def gram(self) -> Tensor:
        if not self._kept:
            return self.new_gram
        old = torch.cat([root * block for root, block in zip(self._roots[1:], self._kept, strict=True)])
        across = self._roots[0] * self.rows.apply(old.T).to(self.new_gram)
        total = self.new_gram.new_empty(self.shape[0], self.shape[0])
        (new,) = self._lengths[:1]
        total[:new, :new] = self._roots[0] ** 2 * self.new_gram
        total[:new, new:], total[new:, :new] = across, across.T
        total[new:, new:] = old @ old.T
        return total

    def apply(self, block: Tensor) -> Tensor:
        products = [self.rows.apply(block), *(one @ block for one in self._kept)]
        return torch.cat([root * product for root, product in zip(self._roots, products, strict=True)])

    def apply_transposed(self, block: Tensor) -> Tensor:
        new, *old = [root * band for root, band in zip(self._roots, torch.split(block, self._lengths), strict=True)]
        total = self.rows.apply_transposed(new)
        for one, band in zip(self._kept, old, strict=True):
            total = total.addmm_(one.T, band)
        return total

    def leading(self, count: int) -> Tensor:
        """UᵀR (count, N) with the leading eigenvectors U of R Rᵀ of the batch, or all of a shorter R."""
        vectors = _leading_eigenvectors(self.new_gram, count).to(self.dtype)
        return self.rows.apply_transposed(vectors).T.contiguous()


def _leading_eigenvectors(matrix: Tensor, count: int) -> Tensor:
    """Those of the largest eigenvalues of a symmetric matrix (r, r), by subspace iteration where they are few."""
    basis = None
    if (size := count + OVERSAMPLED) < len(matrix) // 2:
        stream = torch.Generator(matrix.device).manual_seed(0)
        basis = torch.randn(len(matrix), size, generator=stream, dtype=matrix.dtype, device=matrix.device)
        for _ in range(ITERATIONS):
            basis = torch.linalg.qr(matrix @ basis).Q
        matrix = basis.T @ matrix @ basis
    vectors: Tensor = eigh((matrix + matrix.T) / 2)[1][:, -count:]
    return vectors if basis is None else basis @ vectors
