"""What a step reports, and what can be done with a report."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from tqdm.auto import tqdm

from thermoapps.natural_gradient.solvers import SolverReport
from thermoapps.natural_gradient.timing import StepTiming, TimingModel

__all__ = ["ProgressBar", "RefusedStepWarning", "ScalarWriter", "StepReport", "Timings", "warn_if_refused"]


class RefusedStepWarning(UserWarning):
    """A step would have led to numbers that are not finite, and was taken back.

    See Also
    --------
    UnsupportedLayerError, TooManyRowsError : How a step is refused.
    """


@dataclass
class Timings:
    """Wall-clock seconds of the parts of a step; work queued on an accelerator counts where it is waited for.

    Parameters
    ----------
    forward : float
        From the beginning of the model's pass to the call of `backward`, or in closures, trial points included.
    rows : float
        Gradient and curvature rows: everything that goes backward.
    solve : float
        The direction, Gram matrix included.
    update : float
        Changing the parameters.

    See Also
    --------
    CostModel, DeviceTiming, StepTiming, TimingModel : Time of a step.
    """

    forward: float = 0.0
    rows: float = 0.0
    solve: float = 0.0
    update: float = 0.0

    @property
    def total(self) -> float:
        """Sum of all parts."""
        return self.forward + self.rows + self.solve + self.update


@dataclass
class StepReport:
    """One step of a natural gradient optimiser; None or NaN where it did not learn a number.

    Parameters
    ----------
    step : int
        Its number, from 0.
    loss : float
        Loss on the batch before the step.
    data, rows, parameters : int
        Data n in the batch, rows of the curvature factor, and its columns: the trained parameters.
    gradient_norm, direction_norm : float
        ‖g‖ and ‖d‖.
    cosine : float
        Cosine of the angle between g and d.
    damping : float
        λ.
    accepted : bool
        Whether the step stayed.
    attempts : int
        How often it was tried.
    new_loss : float, optional
        Loss on the same batch after the step.
    ratio : float, optional
        ρ, actual over predicted change of the loss.
    divergence : float
        ½ pᵀRᵀR p for the change p of the parameters, for likelihoods their Kullback–Leibler divergence to second order.
    device_time : float
        Time on the device, in units of τ, of all attempts.
    solver : SolverReport, optional
        How the last direction was found: rank, extreme eigenvalues, residual, products.
    timings : Timings
        Time split.
    curvature : str
        Whether it is exact, or how it is approximated.
    message : str
        Why the step was refused or shortened.

    See Also
    --------
    SolverReport, Solver : What a step and its solver tell.

    Examples
    --------
    >>> report = StepReport(step=0, loss=0.5, data=64, rows=576, damping=0.01)
    >>> report.scalars()["loss"]
    0.5
    """

    step: int
    loss: float
    data: int
    rows: int
    parameters: int = 0
    damping: float = math.nan
    gradient_norm: float = math.nan
    direction_norm: float = math.nan
    cosine: float = math.nan
    accepted: bool = True
    attempts: int = 1
    new_loss: float | None = None
    ratio: float | None = None
    divergence: float = math.nan
    device_time: float = 0.0
    solver: SolverReport | None = None
    timings: Timings = field(default_factory=Timings)
    curvature: str = "exact"
    message: str = ""

    @property
    def hardware(self) -> StepTiming | None:
        """What the step would take with the device in hardware, by the paper's constants; None for digital solvers.

        Other constants: ``TimingModel(…).step(report)``.
        """
        return TimingModel().step(self) if self.device_time > 0 else None

    def scalars(self) -> dict[str, float]:
        """All finite numbers by name, as TensorBoard and its kin take them."""
        found: dict[str, float] = {}
        _gather(self, "", found)
        if self.hardware is not None:
            found |= {"hardware/digital": self.hardware.digital, "hardware/device": self.hardware.device.total}
        return found


def warn_if_refused(report: StepReport) -> None:
    """Warn of a step that was taken back for numbers that are not finite, not of one that damping took back.

    Parameters
    ----------
    report : StepReport
    """
    if not report.accepted and report.ratio in (None, -math.inf):
        advice = "lower lr or raise damping; where every step is taken back, load a state from before"
        message = f"step {report.step} was taken back: {report.message}; {advice}"
        warnings.warn(message, RefusedStepWarning, stacklevel=4)


def _gather(record: Any, prefix: str, found: dict[str, float]) -> None:
    for entry in fields(record):
        value = getattr(record, entry.name)
        if isinstance(value, bool | int | float):
            if math.isfinite(value):
                found[prefix + entry.name] = float(value)
        elif hasattr(value, "__dataclass_fields__"):
            _gather(value, f"{prefix}{entry.name}/", found)


class SummaryWriter(Protocol):
    """What TensorBoard's writer can do, and Weights & Biases' or MLflow's wrappers of it."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> Any:
        """Write one number."""


class ScalarWriter:
    """Callback that writes the numbers of every step to a TensorBoard ``SummaryWriter`` or its like.

    Parameters
    ----------
    writer : object
        Has ``add_scalar(tag, value, global_step)``.
    prefix : str
        Put before every tag.

    See Also
    --------
    fit, accuracy, ProgressBar : Loops of training.

    Examples
    --------
    >>> class Printer:
    ...     def add_scalar(self, tag, value, step):
    ...         print(step, tag, value) if tag == "step/loss" else None
    >>> ScalarWriter(Printer())(StepReport(step=3, loss=0.5, data=64, rows=576, damping=0.01))
    3 step/loss 0.5
    """

    def __init__(self, writer: SummaryWriter, prefix: str = "step/") -> None:
        self.writer, self.prefix = writer, prefix

    def __call__(self, report: StepReport) -> None:
        for name, value in report.scalars().items():
            self.writer.add_scalar(self.prefix + name, value, report.step)


class ProgressBar:
    """Callback that shows loss, damping and refused steps in a tqdm bar.

    Parameters
    ----------
    total : int, optional
        Number of steps.
    **options
        For ``tqdm.tqdm``.

    See Also
    --------
    ScalarWriter, fit, accuracy : Loops of training.

    Examples
    --------
    >>> import io
    >>> bar = ProgressBar(total=2, file=io.StringIO())
    >>> bar(StepReport(step=0, loss=0.5, data=64, rows=576, damping=0.01))
    >>> bar.close()
    """

    def __init__(self, total: int | None = None, **options: Any) -> None:
        self.bar = tqdm(total=total, **options)
        self.refused = 0

    def __call__(self, report: StepReport) -> None:
        self.refused += not report.accepted
        shown = {"loss": f"{report.loss:.4g}", "λ": f"{report.damping:.2g}"}
        self.bar.set_postfix(shown | ({"refused": self.refused} if self.refused else {}), refresh=False)
        self.bar.update()

    def close(self) -> None:
        """Leave the bar as it is."""
        self.bar.close()
