"""A on a device, ready for right-hand sides: the way that every linear solve takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, is_torch
from thermolinalg._autograd import detached, wants_gradients
from thermolinalg._info import Info
from thermolinalg._progress import seen_as, showing, watched
from thermolinalg._validation import as_count, as_nonnegative, as_rng
from thermolinalg.devices import Device, Ledger, Program, Schedule
from thermolinalg.operators import Operator
from thermolinalg.operators.read import ReadMatrix
from thermolinalg.primitives._devices import as_schedule
from thermolinalg.primitives._gradients import of_inverse, of_solution
from thermolinalg.primitives._linear_solve import RAW_RTOL, solve_raw, solve_refined
from thermolinalg.primitives._report import joined, not_reached, side_by_side
from thermolinalg.primitives._rhs import RightHandSide, identity, read_rhs
from thermolinalg.primitives._tolerance import MAXITER, Tolerance, Wanted, read_rtol
from thermolinalg.primitives._units import units_around
from thermolinalg.systems import Chain, DeviceInverse
from thermolinalg.systems.balance import share_of_one_run
from thermolinalg.systems.rescaled import matrix_exponent
from thermolinalg.systems.routes import Held, Router

__all__ = ["Solver"]

COLUMNS = 512
"""Columns of the identity refined side by side: bounds the memory that a block of residuals takes."""


class Solver:
    """A matrix written into a device, ready for any number of right-hand sides.

    Parameters
    ----------
    read : ReadMatrix
        A.
    device : Device or None
    rng : numpy.random.Generator
        Draws the imperfections of the copy and, unless a call brings its own, all noise.
    inverse : Operator, optional
        An approximation of A⁻¹ that makes simulated runs short, for symmetric A.
    """

    def __init__(
        self, read: ReadMatrix, device: Device | None, rng: np.random.Generator, inverse: Operator | None = None
    ) -> None:
        self.rng, self._device, self._inverse = rng, device, inverse
        self._carried: Ledger | None = None
        self._take(read, int(rng.integers(2**63)))

    def _take(self, read: ReadMatrix, die: int) -> None:
        """A as it will be written when it is first needed, by a piece of hardware of that number."""
        self.read, self._die = read, die
        self.exponent = matrix_exponent(read.operator) if 0 not in read.operator.shape else 0
        self._router = Router(read, self.exponent, self._device, np.random.default_rng(die), self._inverse)
        self._raw: dict[float, Held] = {}
        vars(self).pop("held", None)
        vars(self).pop("adjoint", None)

    def anticipate(self, schedule: Schedule | None = None, *, shifts: bool = False) -> None:
        """Say, before anything runs, what will be asked: one engine may do for all then.

        Parameters
        ----------
        schedule : Schedule, optional
            Of a covariance that is read first; None for none.
        shifts : bool, optional
            Whether `shifted` devices follow, which then share one eigendecomposition of A.
        """
        self._router.covariance, self._router.shifts = schedule, shifts

    # -- what it is ---------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of A."""
        return self.read.shape

    @cached_property
    def held(self) -> Held:
        """A on the device, as systems that send residuals back need it."""
        held = self._router.hold()
        if self._carried is not None:
            held.inverse.ledger.carry(self._carried)
        return held

    @cached_property
    def adjoint(self) -> Solver:
        """Aᴴ on the same device: on the same program where that solves with both, else written beside it."""
        if self.read.symmetric:
            return self
        other = Solver(self.read.adjoint(), self._device, np.random.default_rng(self._die))
        held = self.held.adjoint()
        if held is None:
            other.count_on(self.ledger)
        else:
            other.held = held
        return other

    @property
    def program(self) -> Program:
        """What the device itself holds, as its own protocol has it."""
        inverse = self.held.inverse
        assert isinstance(inverse, DeviceInverse)
        return inverse.program

    @property
    def ledger(self) -> Ledger:
        """What the device has been asked to do; nothing is written for asking."""
        if "held" in vars(self):
            return self.held.inverse.ledger
        return Ledger() if self._carried is None else self._carried

    def count_on(self, ledger: Ledger) -> None:
        """Write A and count its runs on the ledger of another program of this device."""
        if self.ledger is not ledger:
            ledger.carry(self.program.ledger)
            self.program.ledger = ledger

    def __repr__(self) -> str:
        m, n = self.shape
        if "held" not in vars(self):
            return f"<{m}x{n} {self.read.operator.structure} matrix for {self._router.device!r}>"
        ledger = self.ledger
        return (
            f"<{m}x{n} {self.read.operator.structure} matrix, held as {self.held.kind}: {ledger.runs} runs, "
            f"{ledger.device_time:.4g} τ>"
        )

    def __getstate__(self) -> dict[str, Any]:
        if self.read.graph is not None:
            raise TypeError("a device whose matrix requires gradients has no copy that they reach; pass A.detach()")
        ledger = None if "held" not in vars(self) and self._carried is None else self.ledger
        given = {"read": self.read, "device": self._device, "inverse": self._inverse}
        return {**given, "rng": self.rng, "die": self._die, "ledger": ledger}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.rng, self._device, self._inverse = state["rng"], state["device"], state["inverse"]
        self._carried = state["ledger"]
        self._take(state["read"], state["die"])

    # -- linear systems -----------------------------------------------------------------------------------------------

    def solve(
        self,
        b: Any,
        *,
        rtol: float | None = None,
        atol: float = 0.0,
        maxiter: int = MAXITER,
        refine: bool = True,
        schedule: Schedule | None = None,
        check_finite: bool = True,
        callback: Callable[..., Any] | None = None,
        progress: bool = False,
        rng: Any = None,
        return_info: bool = False,
    ) -> Any:
        """Solve A x = b; parameters, results and errors as `thermolinalg.solve`.

        Parameters
        ----------
        b : array_like, shape (d,) or (d, k)
        rtol, atol, maxiter, refine, schedule, check_finite, callback, progress, rng, return_info
            As `thermolinalg.solve`; `rng` None goes on with the device's own stream.

        Returns
        -------
        x : array, shape of b
        info : Info
            Only with ``return_info=True``.
        """
        generator = self.rng if rng is None else as_rng(rng)
        asked: dict[str, Any] = {"rtol": rtol, "maxiter": maxiter, "schedule": schedule}
        given: dict[str, Any] = {"atol": atol, "refine": refine, "check_finite": check_finite}
        with showing(progress, callback):
            x, info = self.answer(detached(b), **asked, **given, rng=generator)
        if wants_gradients(self.read.graph, b):
            loads = b if is_torch(b) else read_rhs(self.read, b).given
            asked = asked if refine else {"maxiter": maxiter}
            x = of_solution(x, self, self.read.graph, loads, generator, exact=refine, **asked)
        return (x, info) if return_info else x

    def answer(
        self,
        b: Any,
        *,
        rtol: float | None = None,
        atol: float = 0.0,
        maxiter: int = MAXITER,
        refine: bool = True,
        schedule: Schedule | None = None,
        check_finite: bool = True,
        rng: np.random.Generator,
    ) -> tuple[Array, Info]:
        """x and its report as `solve` gives them, in numbers without a history."""
        rhs = read_rhs(self.read, b, check_finite=check_finite)
        asked, atol = read_rtol(rtol, refine=refine), as_nonnegative(atol, "atol")
        maxiter, schedule = as_count(maxiter, "maxiter"), as_schedule(schedule)
        if rhs.is_empty:
            return rhs.empty_solution()
        if not refine:
            return self._run_once(rhs, asked, schedule, rng)
        tolerance = Tolerance.read(asked, atol, rhs.block, definite=self.held.kind == "definite")
        return self.refined(rhs, tolerance, maxiter=maxiter, schedule=schedule, rng=rng)

    def refined(
        self,
        rhs: RightHandSide,
        tolerance: Tolerance,
        *,
        maxiter: int,
        schedule: Schedule | None,
        rng: np.random.Generator,
        x0: Array | None = None,
        preconditioner: Callable[[Chain, Array], Array] | None = None,
        quiet: bool = False,
    ) -> tuple[Array, Info]:
        """Refined solutions of checked right-hand sides, in the shape of the user's b, and the report.

        Parameters
        ----------
        rhs : RightHandSide
        tolerance : Tolerance
        maxiter, schedule, rng
            As `thermolinalg.solve`.
        x0 : array, shape (n, k), optional
            Guesses, in the user's numbers.
        preconditioner : callable, optional
            ``preconditioner(outer, r)``: a direction for a residual of the equation inside `outer`.
        quiet : bool, optional
            Whether to leave warnings to the caller.
        """
        solve = partial(self._refined, rhs, tolerance, maxiter, schedule, rng, x0, preconditioner, quiet=quiet)
        held = self.held
        try:
            return solve(held)
        except np.linalg.LinAlgError as refusal:
            # Known by its products only, A showed a negative direction no sooner than in a run.
            if held.kind not in ("definite", "negative") or self.read.assume == "pos":
                raise
            self.held = self._router.embedded(str(refusal))
            return solve(self.held)

    def _refined(
        self,
        rhs: RightHandSide,
        tolerance: Tolerance,
        maxiter: int,
        schedule: Schedule | None,
        rng: np.random.Generator,
        x0: Array | None,
        preconditioner: Callable[[Chain, Array], Array] | None,
        held: Held,
        *,
        quiet: bool,
    ) -> tuple[Array, Info]:
        """The same with A held in one way."""
        outer = self.outer(held, rhs.block)
        equation = held.equation(outer.into(rhs.block))
        direction = None if preconditioner is None else partial(preconditioner, outer)
        wanted = Wanted(tolerance, maxiter, schedule, direction, quiet)
        start = None if x0 is None else outer.start(x0)
        x, info = solve_refined(held, equation, outer, wanted, rng, start, rhs.shaped)
        return rhs.shaped(outer.back(x)), info

    def _run_once(
        self, rhs: RightHandSide, rtol: float | None, schedule: Schedule | None, rng: np.random.Generator
    ) -> tuple[Array, Info]:
        """Exactly what one run returns."""
        held = self.held_for_one_run(RAW_RTOL if rtol is None else rtol)
        outer = self.outer(held, rhs.block)
        equation = held.equation(outer.into(rhs.block))
        x, info = solve_raw(held, equation, outer, rtol, schedule, rng, rhs.shaped)
        return rhs.shaped(outer.back(x)), info

    def held_for_one_run(self, rtol: float) -> Held:
        """A as a single run with a residual of `rtol` needs it: an embedding with a bias well below the noise."""
        if self.held.kind != "embedded":
            return self.held
        if rtol not in self._raw:
            share = share_of_one_run(rtol, self.held.matrix.shape[1])
            self._raw[rtol] = self._router.embedded(self.held.reason.partition(": held")[0], share)
        return self._raw[rtol]

    def outer(self, held: Held, b: Array) -> Chain:
        """From the user's right-hand sides (m, k) to those of the equation."""
        return units_around(held, b, is_complex=self.read.is_complex)

    def inv(
        self,
        *,
        rtol: float | None = None,
        atol: float = 0.0,
        maxiter: int = MAXITER,
        schedule: Schedule | None = None,
        callback: Callable[..., Any] | None = None,
        progress: bool = False,
        rng: Any = None,
        return_info: bool = False,
    ) -> Any:
        """A⁻¹ by refined columns of the identity; parameters and errors as `thermolinalg.inv`.

        Returns
        -------
        ainv : array, shape (d, d)
        info : Info
            Only with ``return_info=True``.
        """
        generator = self.rng if rng is None else as_rng(rng)
        asked: dict[str, Any] = {"rtol": rtol, "maxiter": maxiter, "schedule": schedule}
        with showing(progress, callback):
            x, info = self.columns(atol=atol, rng=generator, **asked)
        x = of_inverse(x, self, self.read.graph, generator, **asked)
        return (x, info) if return_info else x

    def columns(self, *, rng: np.random.Generator, **asked: Any) -> tuple[Array, Info]:
        """A⁻¹ and its report as `inv` gives them, in numbers without a history."""
        columns = identity(self.read)
        if columns.is_empty:
            return columns.empty_solution()
        starts = range(0, columns.size, COLUMNS)
        blocks = watched(starts, "block of columns") if columns.size > COLUMNS else starts
        parts: list[Array] = []
        infos: list[Info] = []

        def together(x: Array) -> Array:
            return side_by_side([*parts, x], columns.block)

        for begin in blocks:
            with seen_as(together):
                x, info = self.answer(columns.block[:, begin : begin + COLUMNS], rng=rng, **asked)
            parts, infos = [*parts, x], [*infos, info]
            if info.get("stopped") and (rest := columns.block[:, begin + COLUMNS :]).shape[1]:
                infos.append(not_reached(info, rest))
                break
        return side_by_side(parts, columns.block), joined(infos)
