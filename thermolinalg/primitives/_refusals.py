"""What calls that need a definite matrix do with one that is not: refuse it, with advice that they can follow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from thermolinalg.devices import SingularError
from thermolinalg.operators import Operator
from thermolinalg.operators.read import ReadMatrix

__all__ = ["refusing", "require_symmetric"]


def require_symmetric(read: ReadMatrix, purpose: str, otherwise: str) -> Operator:
    """The operator of a symmetric (Hermitian) A; LinAlgError with the measured asymmetry if it is not.

    Parameters
    ----------
    read : ReadMatrix
    purpose : str
        What needs it, as the beginning of a sentence.
    otherwise : str
        What works for A as it stands.
    """
    try:
        read.require_symmetric(purpose)
    except np.linalg.LinAlgError as error:
        raise np.linalg.LinAlgError(f"{error}; {otherwise}") from None
    return read.operator


@contextmanager
def refusing(advice: str, name: str = "A", *, singular: str = "") -> Iterator[None]:
    """A device's LinAlgError, with the caller's name for the matrix and the caller's advice in place of the device's.

    The device does not know which call it serves: its own advice comes after a semicolon.

    Parameters
    ----------
    advice : str
        What works for a matrix that is not definite; may be empty.
    name : str, optional
        What the caller calls the matrix on the device.
    singular : str, optional
        What works for one that is singular.
    """
    try:
        yield
    except np.linalg.LinAlgError as error:
        evidence = str(error).partition("; ")[0]
        if evidence.startswith("A "):
            evidence = name + evidence[1:]
        if isinstance(error, SingularError):
            message = _advised(evidence, singular)
            raise SingularError(message, error.null_vector, error.smallest, error.largest) from None
        raise np.linalg.LinAlgError(_advised(evidence, advice)) from None


def _advised(evidence: str, advice: str) -> str:
    return f"{evidence}; {advice}" if advice else evidence
