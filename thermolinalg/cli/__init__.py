"""The command line: ``thermolinalg solve|inv|logdet|sample|explain|demo``."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Sequence

import numpy as np

from thermolinalg._info import ThermodynamicWarning

__all__ = ["main"]

BAD_INPUT, USAGE, LINEAR_ALGEBRA, INTERRUPTED = 1, 2, 4, 130

WORDING = {
    "pass refine=True": "leave out --raw",
    r"assume_a=.(\w+)\b.": r"--assume \1",
    r"\b(rtol|atol|maxiter)= ?": r"--\1 ",
}
"""Keywords in messages of the library, and what they are called here."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what fails is told in one line on standard error.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.

    Returns
    -------
    int
        0 done; 1 a file that cannot be read or written, or holds no matrix that can be used; 2 wrong usage, or an extra
        that is not installed; 3 the tolerance was not reached; 4 singular A, or one that is not
        definite where it must be; 130 interrupted.

    Examples
    --------
    >>> main(["--version"])
    thermolinalg 0.1.0
    0
    """
    try:
        from thermolinalg.cli.commands import app

        with warnings.catch_warnings():
            warnings.simplefilter("always", ThermodynamicWarning)
            warnings.showwarning = lambda message, *rest: _say(f"warning: {message}")
            status = int(app(arguments, prog_name="thermolinalg", standalone_mode=False) or 0)
        # typer catches an interrupt and returns its status, in silence.
        return _fail("interrupted", INTERRUPTED) if status == INTERRUPTED else status
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except ImportError as error:
        if error.name in ("typer", "rich"):
            return _fail("the command line needs typer and rich: pip install 'thermolinalg[cli]'", USAGE)
        return _fail(error, USAGE)
    except np.linalg.LinAlgError as error:
        return _fail(error, LINEAR_ALGEBRA)
    except (OSError, ValueError, TypeError, NotImplementedError, MemoryError) as error:
        return _fail(error, BAD_INPUT)
    except Exception as error:
        # Usage errors of typer, whose base class has moved between its versions.
        if not hasattr(error, "format_message"):
            raise
        return _fail(f"{error.format_message()} (thermolinalg --help tells more)", USAGE)


def _fail(what: object, status: int) -> int:
    _say(what)
    return status


def _say(what: object) -> None:
    """One line on standard error, however many the message has."""
    print("thermolinalg:", in_options(" ".join(str(what).split())), file=sys.stderr)


def in_options(message: str) -> str:
    """A message of the library that names options where it names keywords."""
    for keyword, option in WORDING.items():
        message = re.sub(keyword, option, message)
    return message
