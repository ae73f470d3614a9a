"""A program under watch: one failure of the device is tried again and recorded, a second one ends the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from thermolinalg._arrays import is_array, namespace
from thermolinalg._validation import is_finite
from thermolinalg.devices.general import GeneralProgram
from thermolinalg.devices.langevin_program import LangevinProgram
from thermolinalg.devices.mitigation import AveragedProgram, CalibratedProgram, EnsembleProgram
from thermolinalg.devices.protocols import Device, Program
from thermolinalg.devices.reading import CovarianceReading, Reading
from thermolinalg.devices.skew import SkewProgram
from thermolinalg.devices.starting import PreparedStartProgram
from thermolinalg.devices.uneven import UnevenProgram
from thermolinalg.operators import Operator

__all__ = ["AlreadyWritten", "DeviceError", "Watched", "watched_program"]

WATCHED = (
    "average",
    "readings",
    "covariance",
    "variances",
    "settle",
    "noise_covariance",
    "lagged_covariance",
    "readings_along",
    "energies_along",
    "work",
)
"""The methods that run a device."""

MEANT = (np.linalg.LinAlgError, ValueError, TypeError, NotImplementedError)
"""What a device says of its input is no failure, and would be said again."""


OWN = (LangevinProgram, GeneralProgram, SkewProgram, UnevenProgram)
"""Programs that are simulated by laws; a class derived from one, or one that contains it, is a stranger's."""


class DeviceError(RuntimeError):
    """A device failed twice in one run.

    Attributes
    ----------
    x : array or None
        What had been found so far, in the shape of the answer.
    info : Info or None
        The report of that, with `success` False.
    """

    x: Any = None
    info: Any = None


class Watched:
    """A program whose every reading is checked; it has all the methods and attributes of the one it watches.

    Parameters
    ----------
    program : Program

    Attributes
    ----------
    failures : list of str
        What went wrong and was right the second time.
    """

    def __init__(self, program: Program) -> None:
        self.program, self.failures = program, cast(list[str], [])

    @property
    def vouched(self) -> bool:
        """Whether it is this package's own simulation of an ideal device, whose readings nobody need look at."""
        return self.own and bool(getattr(self.program, "ideal", False))

    @property
    def own(self) -> bool:
        """Whether it is simulated by this package, perfect or not."""
        inside = self.program
        while type(inside) in AROUND:
            inside = cast(Any, inside).program
        return type(inside) in OWN

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "program" not in vars(self):
            raise AttributeError(name)
        attribute = getattr(self.program, name)
        if name not in WATCHED:
            return attribute
        # Kept under its name, where it is found without coming here again.
        vars(self)[name] = tried = self._tried(name)
        return tried

    def __setattr__(self, name: str, value: object) -> None:
        if name in ("program", "failures"):
            super().__setattr__(name, value)
        else:
            setattr(self.program, name, value)

    def _tried(self, name: str) -> Callable[..., Any]:
        """The method, tried twice."""

        def tried(*args: Any, **options: Any) -> Any:
            run, failures = getattr(self.program, name), list[str]()
            for _ in range(2):
                try:
                    result = run(*args, **options)
                except MEANT:
                    raise
                except Exception as failure:
                    failures.append(f"{name}: {type(failure).__name__}: {failure}")
                    cause: Exception | None = failure
                    continue
                if _is_sound(result):
                    self.failures.extend(failures)
                    return result
                failures.append(f"{name}: NaN or infinity in the reading")
                cause = None
            raise DeviceError(
                f"the device failed twice in a row ({'; then '.join(failures)}); what was found before is in the "
                "attributes x and info of this error"
            ) from cause

        return tried


def _is_sound(result: Any) -> bool:
    """Whether all numbers of a reading are finite; a variance may be too large for its dtype, which is no failure."""
    if isinstance(result, Reading):
        return is_finite(result.value)
    if isinstance(result, CovarianceReading):
        xp = namespace(result.value)
        return not bool(xp.any(xp.isnan(result.value)))
    if isinstance(result, tuple):
        return all(_is_sound(part) for part in result)
    return is_finite(result) if is_array(result) else True


AROUND = (Watched, AveragedProgram, CalibratedProgram, EnsembleProgram, PreparedStartProgram)
"""This package's programs around others."""


def watched_program(device: Device, operator: Operator, rng: np.random.Generator | None = None) -> Any:
    """Write A into a device and watch it.

    Parameters
    ----------
    device : Device
    operator : Operator
    rng : numpy.random.Generator, optional
        Draws the imperfections of the copy.

    Returns
    -------
    Watched
        With the methods of the device's own `Program`.
    """
    return Watched(device.program(operator, rng=rng))


class AlreadyWritten:
    """A device with a matrix on it already: writing the same one again costs nothing.

    Parameters
    ----------
    program : Program
        Of that matrix.
    """

    def __init__(self, program: Program) -> None:
        self.written = program

    def __repr__(self) -> str:
        return f"a device that holds {self.written!r}"

    def program(self, operator: Operator, *, rng: np.random.Generator | None = None) -> Program:
        """The program of the matrix, whatever stands here for it."""
        return self.written
