"""The direction from a thermodynamic device whose Gram matrix is too large: the same law from products only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from thermoapps.natural_gradient.solvers._checks import check_count, check_delay, check_start, check_time
from thermoapps.natural_gradient.solvers.base import Rows, Solver, SolverReport, State, as_column, begun
from thermolinalg import Overdamped, Schedule
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions import ChebyshevEngine, LanczosEngine, largest_eigenvalue
from thermolinalg.operators import Operator

__all__ = ["Krylov"]

MARGIN = 1.1
"""The largest eigenvalue is estimated from below, to about a twentieth; Chebyshev's interval must hold it."""

CANCELS = 8
"""How much shorter than its start a state may be as start + change, which loses digits by that factor; beyond it start
and load are propagated apart, at twice the products."""


@dataclass(frozen=True)
class Krylov(Solver):
    """Directions from the device of `Thermodynamic`, matrix-free: for batches with too many rows for a Gram matrix.

    The deviation y = x − x(0) obeys the device's law with the load g − (RᵀR + λI) x(0) from rest, so a noiseless run is
    one function of the curvature matrix on one vector, applied by Lanczos or Chebyshev iteration. Their number of
    products grows like the square root of t times the largest eigenvalue: few for short times.

    Parameters
    ----------
    time, delay, temperature, start, rng
        As for `Thermodynamic`; time defaults to 1.
    method : {"lanczos", "chebyshev"}
        Lanczos needs the fewest products and stores a basis of as many vectors; Chebyshev holds a few vectors, and
        takes up to a dozen more products to find the largest eigenvalue.
    rtol : float
        Error of the direction's change in a run, relative to its size. Default 1e-4.
    max_products : int
        Most products with the curvature matrix for one run. Default 200.

    Raises
    ------
    ValueError
        A setting out of range, or an infinite time with Chebyshev and no damping.

    See Also
    --------
    KroneckerFactored, InverseFree, Thermodynamic, EulerMaruyama : Solvers of the damped step.

    References
    ----------
    Higham, Functions of Matrices, SIAM (2008), chapter 13.

    Examples
    --------
    >>> import torch
    >>> from thermoapps.natural_gradient import Krylov, curvature_rows
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> rows, gradient, loss = curvature_rows(model, torch.eye(2), torch.ones(2, 1), "mse")
    >>> direction, state, report = Krylov(time=50).direction(rows, gradient, damping=0.5)
    >>> torch.allclose(1.5 * direction, gradient)  # RᵀR is the identity
    True
    """

    time: float = 1.0
    delay: float = 0.0
    temperature: float = 0.0
    method: str = "lanczos"
    rtol: float = 1e-4
    max_products: int = 200
    start: str = "previous"
    rng: Any = None

    def __post_init__(self) -> None:
        check_time(self.time)
        check_delay(self.delay)
        check_count(self.max_products, "max_products")
        if not 0 <= self.temperature < math.inf:
            raise ValueError(f"temperature must be finite and not negative, got {self.temperature!r}")
        check_start(self.start, self.delay)
        if self.method not in ("lanczos", "chebyshev"):
            raise ValueError(f"method must be 'lanczos' or 'chebyshev', got {self.method!r}")
        if not 0 < self.rtol < 1:
            raise ValueError(f"rtol must be between 0 and 1, got {self.rtol!r}")

    @property
    def needs_gram(self) -> bool:
        return False

    def by_products(self) -> Krylov:
        return self

    @property
    def most_products(self) -> int:
        return self.max_products

    def direction(
        self, rows: Rows, gradient: Tensor, damping: float, state: State | None = None
    ) -> tuple[Tensor, State, SolverReport]:
        load, rng = as_column(rows, gradient, damping), begun(self.rng, state)
        noise = torch.Generator(load.device).manual_seed(int(rng.integers(2**63 - 1)))
        if state is None or "voltages" not in state or self.start == "gradient":
            start = 0 * load if self.start == "rest" else load
        else:
            start = state["voltages"].to(load)[:, None]
        curvature, device = Curvature(rows, damping), Overdamped(self.temperature)
        engine = self._engine(curvature)
        law = device.stationary() if math.isinf(self.time) else device.step(self.time)
        x = self._run(engine, curvature, law, load, start, noise)
        end = self._run(engine, curvature, device.step(self.delay), load, x, noise) if self.delay else x
        waited = self.time
        if math.isinf(waited) and damping:
            waited = Schedule.for_covariance(1, damping).burn_in
        report = SolverReport(
            "Krylov",
            device_time=waited + self.delay,
            iterations=curvature.products,
            products=2 * curvature.products,
            message=""
            if engine.converged
            else f"stopped at {self.max_products} products with an estimated relative error of {engine.error:.1g}; "
            "pass a larger max_products, more damping or a shorter time",
        )
        return x[:, 0].to(gradient), {"voltages": end[:, 0], "rng": rng.bit_generator.state}, report

    def _engine(self, curvature: Curvature) -> LanczosEngine | ChebyshevEngine:
        if self.method == "lanczos":
            return LanczosEngine(curvature, rtol=self.rtol, max_steps=self.max_products)
        interval = curvature.damping, MARGIN * largest_eigenvalue(curvature)
        return ChebyshevEngine(curvature, interval, rtol=self.rtol, max_degree=self.max_products)

    def _run(
        self,
        engine: LanczosEngine | ChebyshevEngine,
        curvature: Curvature,
        law: LinearLaw,
        load: Tensor,
        start: Tensor,
        noise: torch.Generator,
    ) -> Tensor:
        """The state at the end of a run of the law from `start`."""
        z = None
        if self.temperature:
            z = torch.randn(load.shape, generator=noise, dtype=load.dtype, device=load.device)
        (change,) = engine.apply(law, [None, load - curvature.apply(start), z], ("state",))
        end: Tensor = start + change
        if torch.linalg.vector_norm(start) > CANCELS * torch.linalg.vector_norm(end):
            (end,) = engine.apply(law, [start, load, z], ("state",))
        return end


class Curvature(Operator):
    """RᵀR + λI by its products, which it counts.

    Parameters
    ----------
    rows : Rows
    damping : float
    """

    structure = "matrix-free"

    def __init__(self, rows: Rows, damping: float) -> None:
        super().__init__(rows.dtype, (rows.shape[1], rows.shape[1]), rows.like)
        self.rows, self.damping, self.products = rows, damping, 0

    def apply(self, block: Tensor) -> Tensor:
        self.products += block.shape[1]
        return self.rows.apply_transposed(self.rows.apply(block)) + self.damping * block
