"""Thermodynamic natural gradient descent for PyTorch models.

The loss is a mean over n data, g its gradient, and the curvature is the Gauss–Newton or Fisher matrix
RᵀR = (1/n) Σ_n J_nᵀ H_n J_n. A step is θ ← θ − lr · d with d ≈ (RᵀR + λI)⁻¹ g. Parameters are flattened in the order
in which they are given, each row by row.
"""

from thermoapps.natural_gradient.curvature import curvature_rows
from thermoapps.natural_gradient.curvature.counting import TooManyRowsError
from thermoapps.natural_gradient.curvature.recorded import Recorded
from thermoapps.natural_gradient.curvature.recording import Recorder
from thermoapps.natural_gradient.curvature.rows import CurvatureRows
from thermoapps.natural_gradient.layers import UnsupportedLayerError
from thermoapps.natural_gradient.losses import (
    BCEWithLogits,
    CrossEntropy,
    CustomLoss,
    Loss,
    MeanSquaredError,
    PoissonNLL,
    as_loss,
)
from thermoapps.natural_gradient.losses.fisher import EmpiricalFisher, MonteCarloFisher
from thermoapps.natural_gradient.optimizer import NaturalGradient, RefusedStepWarning
from thermoapps.natural_gradient.solvers import (
    Asynchronous,
    Averaged,
    ConjugateGradient,
    CostModel,
    Dense,
    EulerMaruyama,
    ExactGaussNewton,
    InverseFree,
    KroneckerFactored,
    Krylov,
    LineSearch,
    Scheduled,
    Solver,
    SolverReport,
    Spring,
    Thermodynamic,
    ThermodynamicKFAC,
    Woodbury,
)
from thermoapps.natural_gradient.step.damping import Damping, FixedDamping, LevenbergMarquardt, ScheduledDamping
from thermoapps.natural_gradient.step.report import ProgressBar, ScalarWriter, StepReport, Timings
from thermoapps.natural_gradient.step.updates import SignDescent
from thermoapps.natural_gradient.timing import DeviceTiming, StepTiming, TimingModel
from thermoapps.natural_gradient.tngd import TNGD
from thermoapps.natural_gradient.training import accuracy, fit

__all__ = [
    "TNGD",
    "Asynchronous",
    "Averaged",
    "BCEWithLogits",
    "ConjugateGradient",
    "CostModel",
    "CrossEntropy",
    "CurvatureRows",
    "CustomLoss",
    "Damping",
    "Dense",
    "DeviceTiming",
    "EmpiricalFisher",
    "EulerMaruyama",
    "ExactGaussNewton",
    "FixedDamping",
    "InverseFree",
    "KroneckerFactored",
    "Krylov",
    "LevenbergMarquardt",
    "LineSearch",
    "Loss",
    "MeanSquaredError",
    "MonteCarloFisher",
    "NaturalGradient",
    "PoissonNLL",
    "ProgressBar",
    "Recorded",
    "Recorder",
    "RefusedStepWarning",
    "ScalarWriter",
    "Scheduled",
    "ScheduledDamping",
    "SignDescent",
    "Solver",
    "SolverReport",
    "Spring",
    "StepReport",
    "StepTiming",
    "Thermodynamic",
    "ThermodynamicKFAC",
    "TimingModel",
    "Timings",
    "TooManyRowsError",
    "UnsupportedLayerError",
    "Woodbury",
    "accuracy",
    "as_loss",
    "curvature_rows",
    "fit",
]
