"""The command line: ``thermolinalg solve|inv|logdet|sample|explain|demo``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

__all__ = ["main"]

BAD_INPUT, USAGE, NOT_CONVERGED, LINEAR_ALGEBRA, INTERRUPTED = 1, 2, 3, 4, 130


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
        that is not installed; 3 the tolerance was not reached; 4 singular or indefinite A; 130 interrupted.

    Examples
    --------
    >>> main(["--version"])
    thermolinalg 0.1.0
    0
    """
    try:
        from thermolinalg.cli.commands import app

        return int(app(arguments, prog_name="thermolinalg", standalone_mode=False) or 0)
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
    line = " ".join(str(what).split())
    print(f"thermolinalg: {line}", file=sys.stderr)
    return status
