"""The command line: ``thermolinalg solve|inv|logdet|sample|explain|plan|demo``."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import numpy as np

from thermolinalg._info import ThermodynamicWarning

__all__ = ["main"]

BAD_INPUT, USAGE, LINEAR_ALGEBRA, INTERRUPTED, TERMINATED = 1, 2, 4, 130, 143

WORDING = {
    "pass refine=True": "leave out --raw",
    r"assume_a=.(\w+)\b.": r"--assume \1",
    r"\b(rtol|atol|maxiter|limit)=(?=[,;.)]|$)": r"--\1",
    r"\b(rtol|atol|maxiter|limit)= ?": r"--\1 ",
    r"\brtol must\b": "--rtol must",
    r"\breferee=True\b": "--referee",
    r"\blongest_line=": "--longest-line",
    r"\bforce=True\b": "--force",
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
        definite where it must be; 130 interrupted; 143 terminated.

    See Also
    --------
    thermolinalg.demo.run : The demonstration.

    Examples
    --------
    >>> main(["--version"])
    thermolinalg 0.1.0
    0
    """
    try:
        from thermolinalg.cli.commands import app

        with warnings.catch_warnings(), _terminable():
            _escape_what_cannot_be_printed()
            warnings.simplefilter("always", ThermodynamicWarning)
            warnings.showwarning = lambda message, *rest: _say(f"warning: {message}")
            status = int(app(arguments, prog_name="thermolinalg", standalone_mode=False) or 0)
            if sys.stdout is not None:
                sys.stdout.flush()  # to hear of a full disk or a closed pipe while it can still be told
        # typer catches an interrupt and returns its status, in silence.
        return _fail("interrupted", INTERRUPTED) if status == INTERRUPTED else status
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except _Terminated:
        return _fail("terminated", TERMINATED)
    except ImportError as error:
        if error.name in ("typer", "rich"):
            return _fail("the command line needs typer and rich: pip install 'thermolinalg[cli]'", USAGE)
        return _fail(error, USAGE)
    except np.linalg.LinAlgError as error:
        return _fail(error, LINEAR_ALGEBRA)
    except MemoryError as error:
        return _fail(f"it takes more memory than there is ({str(error) or 'no more is told'})", BAD_INPUT)
    except OSError as error:
        if error.errno is not None and error.filename is None:  # what concerns files has their name and no number
            _drop_output()
            return _fail(f"standard output cannot be written: {error.strerror}", BAD_INPUT)
        return _fail(error, BAD_INPUT)
    except (ValueError, TypeError, NotImplementedError) as error:
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
    """One line on standard error, however many the message has, and without what would steer a terminal."""
    print("thermolinalg:", printable(in_options(" ".join(str(what).split()))), file=sys.stderr)


class _Terminated(BaseException):
    """The process was asked to end; what it holds is cleaned up on the way."""


@contextmanager
def _terminable() -> Iterator[None]:
    """Within it the signals that end a process raise an exception, as an interrupt does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(*_: object) -> None:
        raise _Terminated

    wanted = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    kept = {each: signal.getsignal(each) for each in wanted if signal.getsignal(each) == signal.SIG_DFL}
    try:
        for each in kept:
            signal.signal(each, terminate)
        yield
    finally:
        for each, handler in kept.items():
            signal.signal(each, handler)


def _escape_what_cannot_be_printed() -> None:
    """Greek letters and names of files must not end a command where standard output is not in UTF-8."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """What was printed and not written goes nowhere, so that Python does not fail on it once more at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def printable(text: str) -> str:
    """Foreign text, such as the name of a file, without characters that would steer a terminal."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def in_options(message: str) -> str:
    """A message of the library that names options where it names keywords."""
    for keyword, option in WORDING.items():
        message = re.sub(keyword, option, message)
    return message
