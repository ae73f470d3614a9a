"""What a call reports besides its value: the information object, and the one warning of the package."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse.linalg
from scipy.linalg import LinAlgWarning

__all__ = ["Info", "ThermodynamicWarning", "warn"]

_NOT_THE_CALLER = (str(Path(__file__).parent), str(Path(scipy.sparse.linalg.__file__).parent))
"""The package, and SciPy's solvers and operators, which call it for the user: `cg(A, b, M=ThermodynamicInverse(A))`."""


class ThermodynamicWarning(LinAlgWarning):  # type: ignore[misc]
    """An estimate could not be certified; the text ends with the keyword to change.

    See Also
    --------
    Info : The same as numbers.
    """


def warn(message: str) -> None:
    """Issue a `ThermodynamicWarning` that points at the first line outside the package, SciPy and torch: the caller's.

    Parameters
    ----------
    message : str
    """
    level, frame = 2, sys._getframe(1)
    inside: tuple[str, ...] = _NOT_THE_CALLER
    if "torch" in sys.modules:  # whose backward passes call for adjoint solves
        inside = (*inside, str(Path(str(sys.modules["torch"].__file__)).parent))
    while frame.f_back is not None and frame.f_code.co_filename.startswith(inside):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, ThermodynamicWarning, stacklevel=level)


class Info(dict[str, Any]):
    """Report of a call: a dictionary whose entries are also attributes, like SciPy's `OptimizeResult`.

    Values may be given as callables without arguments: they are evaluated when first read, so that
    what costs extra device readings (an error bar, say) is only paid by those who look at it.

    See Also
    --------
    PreparedDevice : Whose calls return it.
    planning.Plan : What is known before a call.

    Notes
    -----
    Entries of most reports:

    - `success`: whether the estimate met what was asked.
    - `status`: 0 on success, > 0 the number of runs when they ran out.
    - `message`: what happened, and what to pass instead.
    - `n_runs`, `n_matvec`: device runs, and digital products with A.
    - `residual_norm`: norm of the true residual b − A x, recomputed.
    - `backward_error`: that over ‖A‖‖x‖ + ‖b‖, in balanced units.
    - `condition`: condition number of A in balanced units; None where a device does not tell it.
    - `noise`, `rounding`, `systematic`: parts of the error bar in the shape of the value; `systematic` is None where a
      device errs in ways that it does not tell, and the bar then holds the others only.
    - `budget`: of solves, the error by its cause, a `Budget` with None for what is unknown; refined ones know two, what
      the true `residual` leaves and `rounding`.
    - `standard_error`: their sum, one standard deviation of the returned value.
    - `degrees_of_freedom`: of its Student t.
    - `effective_sample_size`, `autocorrelation_time`: of the slowest mode; the time in units of τ.
    - `engine`, `reason`: which engine drew the readings, and why.
    - `schedule`: timetable of one run; `schedule.bound` names the rule that chose it.
    - `device_time`: time the device had run in all when the call returned, in units of τ.
    - `start`: of a `PreparedStart` device, what the start saves and what it took.
    - `stopped`: True, and only there, where a callback ended the call before its time.
    - `failures`: runs of the device that failed and were right the second time.
    - `ledger`: programs written, runs, conversions in and out.

    Examples
    --------
    >>> info = Info(success=True, standard_error=lambda: 0.1)
    >>> info.success, info.standard_error
    (True, 0.1)
    """

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if callable(value):
            value = value()
            self[name] = value
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """Entry by name, evaluated if it was deferred; `default` where it is missing."""
        return self[name] if name in self else default  # noqa: SIM401 - dict.get would not evaluate

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __reduce__(self) -> tuple[type[Info], tuple[dict[str, Any]]]:
        # Deferred entries are closures, which do not pickle: a report is evaluated before it travels.
        return type(self), ({name: self[name] for name in self},)

    def __dir__(self) -> list[str]:
        return list(self)

    def __repr__(self) -> str:
        if not self:
            return "Info()"
        width = max(map(len, self)) + 1
        entries = ((name, "(evaluated when read)" if callable(value) else value) for name, value in self.items())
        with np.printoptions(threshold=20, precision=4):
            return "\n".join(f"{name:>{width}}: {value}" for name, value in entries)
