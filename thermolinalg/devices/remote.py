"""A device in a process of its own: with a driver that may be slow, may hang, and may die."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np

from thermolinalg._validation import as_positive
from thermolinalg.devices.protocols import Correlated, Device, Drivable, Program, checked_device
from thermolinalg.devices.reading import CovarianceReading, Ledger, Reading
from thermolinalg.operators import Operator

__all__ = ["RemoteDevice"]

NAMES = frozenset(name for kind in (Program, Drivable, Correlated) for name in vars(kind) if name[0] != "_")
"""Methods that are passed on, where the device there has them."""

STARTING = 120.0
"""Seconds that a process may take to start."""

KEPT = 4096
"""Functions that readings bring along and that are kept over there, the latest ones."""


class RemoteDevice:
    """Another device, run in a process of its own: what its driver does there cannot harm this one.

    Where the process has died, a call starts another one, writes the matrix again and asks once more. A call that gets
    no answer in time ends the process and raises; what this package runs is then tried once more. Either fault costs a
    rewrite and no answer.

    Parameters
    ----------
    device : Device or callable
        The device, or what makes it over there; it is pickled.
    timeout : float, optional
        Seconds to wait for the answer to a call.

    See Also
    --------
    LatticeDevice, SaturatingDevice, TiledDevice : Devices with limits of hardware.

    Notes
    -----
    Randomness: each call sends one number drawn from its `rng`, from which the process over there seeds its own, so
    that equal seeds give equal readings. Scripts that use it need the guard ``if __name__ == "__main__":``, as all that
    start processes do.

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> from thermolinalg.devices import RemoteDevice
    >>> with RemoteDevice(tla.LangevinDevice()) as device:
    ...     x = tla.solve(np.array([[4.0, 1.0], [1.0, 3.0]]), [1.0, 2.0], device=device, rng=0)
    >>> np.allclose(x, [1 / 11, 7 / 11])
    True
    """

    def __init__(self, device: Device | Callable[[], Device], *, timeout: float = 60.0) -> None:
        self._made_by = device if callable(device) else checked_device(device)
        self.timeout = as_positive(timeout, "timeout")
        self._process: Any = None
        self._connection: Any = None
        self._asked = self.starts = 0

    def __repr__(self) -> str:
        return f"RemoteDevice({self._made_by!r}, timeout={self.timeout:g})"

    def __enter__(self) -> RemoteDevice:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """Without the process: a copy starts its own."""
        return vars(self) | {"_process": None, "_connection": None, "_asked": 0, "starts": 0}

    def program(self, operator: Operator, *, rng: np.random.Generator | None = None) -> RemoteProgram:
        """Write A over there.

        Parameters
        ----------
        operator : Operator
        rng : numpy.random.Generator, optional

        Returns
        -------
        RemoteProgram
        """
        return RemoteProgram(self, operator, None if rng is None else int(rng.integers(2**63)))

    def runs(self, start: int) -> bool:
        """Whether the process of that start is the one that answers."""
        return self._process is not None and self.starts == start

    def close(self) -> None:
        """End the process; the next call starts another one."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
        self._process = self._connection = None

    def ask(self, *question: Any) -> Any:
        """The answer from over there.

        Raises
        ------
        TimeoutError
            There was none in time.
        ConnectionError
            The process is gone.
        Exception
            What the device raised there.
        """
        self._asked += 1
        try:
            if self._process is None:
                self._start()
            self._connection.send((self._asked, question))
            number = 0
            while number != self._asked:  # an answer that an interrupt has left unread comes first
                if not self._connection.poll(self.timeout):
                    self.close()
                    raise TimeoutError(f"the device gave no answer in {self.timeout:g} s; pass a longer timeout=")
                number, raised, answer = self._connection.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            self._process.join(1.0)
            code = self._process.exitcode
            self.close()
            raise ConnectionError(
                f"the device's process is gone (exit code {code}); the next call starts it"
            ) from error
        if raised:
            raise answer
        return answer

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, self._made_by), daemon=True)
        self._process.start()
        there.close()
        self.starts += 1
        if not self._connection.poll(STARTING):
            self.close()
            raise TimeoutError(f"the device's process has not started in {STARTING:g} s")
        self._connection.recv()


class RemoteProgram:
    """A matrix that stands in a device in another process; it has the methods that the program there has.

    Parameters
    ----------
    device : RemoteDevice
    operator : Operator
        Written again where the process has been started anew.
    seed : int or None
        Of the imperfections of the copy.

    Attributes
    ----------
    ledger : Ledger
        What was asked of it, rewrites included.
    """

    def __init__(self, device: RemoteDevice, operator: Operator, seed: int | None) -> None:
        self._device, self._operator, self._seed = device, operator, seed
        self.ledger, self._known = Ledger(), Ledger()
        self._written = 0
        self._write()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._methods:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

        def call(*args: Any, rng: np.random.Generator | None = None, **options: Any) -> Any:
            seed = None if rng is None else int(rng.integers(2**63))
            try:
                answer, ledger = self._asked(name, args, options, seed)
            except ConnectionError:  # once more, on a process that has just been started
                answer, ledger = self._asked(name, args, options, seed)
            self._book(ledger)
            return self._received(answer)

        return call

    def _asked(self, name: str, args: Any, options: Any, seed: int | None) -> Any:
        """The answer to a call, by a process that holds the matrix."""
        if not self._device.runs(self._written):
            self._write()
        return self._device.ask("call", self._number, name, args, options, seed)

    def __getstate__(self) -> dict[str, Any]:
        """As a program that has still to be written, by a process of its own."""
        return vars(self) | {"_written": -1}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    def _write(self) -> None:
        self._number, self._methods, ledger = self._device.ask("program", self._operator, self._seed)
        self._written, self._known = self._device.starts, Ledger()
        self._book(ledger)

    def _received(self, answer: Any) -> Any:
        """An answer whose functions ask over there."""
        for name in ("replicas", "implied", "autocovariance"):
            kept = getattr(answer, name, None)
            if isinstance(kept, _There):
                answer = replace(answer, **{name: partial(self._evaluated, kept.number)})
        return answer

    def _evaluated(self, number: int, *args: Any) -> Any:
        """The value of a function over there."""
        value, ledger = self._device.ask("evaluate", self._number, number, *args)
        self._book(ledger)
        return value

    def _book(self, ledger: Ledger) -> None:
        """Add what the ledger there has gained since it was last seen."""
        for name in (field.name for field in fields(Ledger) if field.name != "couplings"):
            mine, now, before = (getattr(book, name) for book in (self.ledger, ledger, self._known))
            setattr(self.ledger, name, None if None in (mine, now) else mine + now - (before or 0))
        self.ledger.couplings, self._known = ledger.couplings, ledger


@dataclass(frozen=True)
class _There:
    """A function that is kept over there."""

    number: int


class _Server:
    """What runs over there: programs by number, and answers to questions about them."""

    def __init__(self, device: Device) -> None:
        self.device, self.programs = device, list[Any]()
        self.functions, self.kept = dict[int, Callable[..., Any]](), 0

    def program(self, operator: Operator, seed: int | None) -> tuple[int, set[str], Ledger]:
        """Write a matrix; its number, what its program can do, and its ledger."""
        program = self.device.program(operator, rng=None if seed is None else np.random.default_rng(seed))
        self.programs.append(program)
        return (
            len(self.programs) - 1,
            {name for name in NAMES if callable(getattr(program, name, None))},
            program.ledger,
        )

    def call(self, number: int, name: str, args: Any, options: Any, seed: int | None) -> tuple[Any, Ledger]:
        """Call a method of a program; what it returns, and the ledger after it."""
        if seed is not None:
            options = options | {"rng": np.random.default_rng(seed)}
        answer = getattr(self.programs[number], name)(*args, **options)
        return self._sendable(answer), self.programs[number].ledger

    def evaluate(self, number: int, function: int, *args: Any) -> tuple[Any, Ledger]:
        """The value of a function that a reading of a program brought along, and the ledger after it."""
        if function not in self.functions:
            raise LookupError("this reading is too old: the device has forgotten how its error bar is made")
        return self.functions[function](*args), self.programs[number].ledger

    def _sendable(self, answer: Any) -> Any:
        """A reading with numbers for its functions."""
        if isinstance(answer, Reading):
            return replace(answer, replicas=self._keep(answer.replicas), implied=self._keep(answer.implied))
        if isinstance(answer, CovarianceReading):
            return replace(answer, autocovariance=self._keep(answer.autocovariance))
        return answer

    def _keep(self, function: Callable[..., Any] | None) -> Any:
        """The number of a function that is kept."""
        if function is None:
            return None
        self.kept += 1
        self.functions[self.kept] = function
        self.functions.pop(self.kept - KEPT, None)
        return _There(self.kept)


def _serve(connection: Any, made_by: Any) -> None:
    """Answer questions until there is nobody to ask them."""
    server: _Server | None = None
    connection.send("ready")
    while True:
        try:
            number, (kind, *rest) = connection.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            if server is None:
                made = (
                    made_by
                    if callable(getattr(made_by, "program", None)) and not isinstance(made_by, type)
                    else made_by()
                )
                server = _Server(made)
            reply = (number, False, getattr(server, kind)(*rest))
        except Exception as error:
            reply = (number, True, error)
        try:
            connection.send(reply)
        except Exception as error:  # what cannot be pickled is told by name
            connection.send((number, True, RuntimeError(f"{type(reply[2]).__name__} cannot be sent: {error}")))
