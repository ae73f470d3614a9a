"""From a recorded pass of a model to the rows of its curvature."""

from thermoapps.natural_gradient.curvature.one_batch import curvature_rows
from thermoapps.natural_gradient.curvature.recorded import Recorded
from thermoapps.natural_gradient.curvature.recording import Recorder
from thermoapps.natural_gradient.curvature.rows import Batch, CurvatureRows

__all__ = ["Batch", "CurvatureRows", "Recorded", "Recorder", "curvature_rows"]
