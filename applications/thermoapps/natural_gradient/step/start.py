"""Where a step starts from: curvature and gradient of what has been given, and the loss again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from torch import Tensor
from torch.autograd.grad_mode import _unsafe_preserve_version_counter

from thermoapps.natural_gradient.curvature.factor import CurvatureFactor
from thermoapps.natural_gradient.step.accumulation import flat_gradient, flat_values, write
from thermoapps.natural_gradient.step.report import Timings

__all__ = ["Start"]


class Start:
    """Where a step starts from; the gradient is what stands in ``.grad``.

    Parameters
    ----------
    rows : CurvatureFactor
        Curvature, of the parameters that are trained.
    loss : float, optional
        Mean loss; NaN, where nobody knows it.
    data : int, optional
        Number of data in this mean.
    loss_again : callable, optional
        Evaluates the loss on the same batch with the parameters as they are.
    timings : Timings, optional
        Of what has been done before the step.
    """

    def __init__(
        self,
        rows: CurvatureFactor,
        loss: float = math.nan,
        data: int = 0,
        loss_again: Callable[[], float] | None = None,
        timings: Timings | None = None,
    ) -> None:
        self.rows, self.loss, self.data, self.loss_again = rows, loss, data, loss_again
        self.timings = Timings() if timings is None else timings
        self.gradient, self.values = flat_gradient(rows.parameters), flat_values(rows.parameters)

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """Within it parameters change unseen by graphs that products go through, for which they are put back."""
        with ExitStack() as stack:
            for parameter in () if self.rows.formed else self.rows.parameters:
                stack.enter_context(_unsafe_preserve_version_counter(parameter))
            yield

    def divergence(self, change: Tensor) -> float:
        """½ ‖R p‖² for a change p (N,) of the parameters that they have made."""
        if self.rows.formed:
            return float(self.rows.matvec(change).square().sum()) / 2
        reached = flat_values(self.rows.parameters)
        self.go()
        # Rᵀ adds up what several processes have.
        divergence = float(change @ self.rows.rmatvec(self.rows.matvec(change))) / 2
        write(reached, self.rows.parameters)
        return divergence

    def go(self, change: Tensor | None = None) -> None:
        """Set the parameters to the start, or away from it by a flat vector (N,)."""
        write(self.values if change is None else self.values + change, self.rows.parameters)
