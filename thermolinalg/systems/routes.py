"""How a matrix gets onto a device: as it is, negated, as a stable drift, in the skew embedding, or as AᵀA."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from thermolinalg._arrays import Array, eps, is_distributed, namespace, to_numpy
from thermolinalg.devices import AsWritten, Device, LangevinDevice, Program, Schedule
from thermolinalg.devices.watched import watched_program
from thermolinalg.matrix_functions.singular import SingularEngines
from thermolinalg.matrix_functions.spectrum import largest_eigenvalue
from thermolinalg.operators import Dense, Operator, Sparse
from thermolinalg.operators.equilibrate import equilibrate
from thermolinalg.operators.preconditioned import Preconditioned
from thermolinalg.operators.read import ReadMatrix, complexify
from thermolinalg.systems.balance import diagonal_signs, gram_operator, unit_diagonal, units_of
from thermolinalg.systems.base import Chain, System
from thermolinalg.systems.chosen import as_device, distortion_of, undistorted
from thermolinalg.systems.equation import Measure
from thermolinalg.systems.held import Condition, DeviceInverse
from thermolinalg.systems.inner import Embedded, Negated, NormalEquations
from thermolinalg.systems.placed import Held
from thermolinalg.systems.rescaled import Unscaled
from thermolinalg.systems.structure import refuse_structurally_singular

__all__ = ["Held", "Router"]

SHARE = 0.1
"""α over the smallest singular value where residuals are sent back: a run leaves its square, one per cent, of the
error along the softest direction; device time grows as its inverse, runs as its logarithm."""


FORMABLE = 4096
"""Up to this size a general map is formed from its products: one LU takes fewer of them than the Krylov spaces of a few
runs, and 128 MB."""


class _Balanced(NamedTuple):
    """2^−e R A C, with its engines."""

    matrix: Operator
    rows: Array | None
    columns: Array | None
    exponent: int
    engines: SingularEngines


class Router:
    """The ways of one matrix onto one device, tried in the order in which they cost device time.

    Parameters
    ----------
    read : ReadMatrix
        The user's A.
    exponent : int
        The power of two that brings its entries near one.
    device : Device or None
        None: the default one of each way.
    rng : numpy.random.Generator
        Draws the imperfections of the copy.
    inverse : Operator, optional
        An approximation of A⁻¹ that makes simulated runs short, for symmetric A.

    Attributes
    ----------
    covariance : Schedule or None
        Of a covariance that will be read first.
    shifts : bool
        Whether the same device will hold A + μI for many μ.
    """

    covariance: Schedule | None = None
    shifts: bool = False

    def __init__(
        self,
        read: ReadMatrix,
        exponent: int,
        device: Device | None,
        rng: np.random.Generator,
        inverse: Operator | None = None,
    ) -> None:
        self.read, self.exponent, self.rng = read, exponent, rng
        operator = read.operator if inverse is None else Preconditioned(read.operator, inverse)
        self.operator = operator.rescaled(None, None, 2.0**-exponent) if exponent else operator
        self.device = as_device(device, stable=read.assume == "stable")
        self._embedding: _Balanced | None = None

    def hold(self) -> Held:
        """A on the device by the first way that it can go.

        Raises
        ------
        LinAlgError
            A is singular to working precision (a `SingularError` with the evidence), or it is not what `assume_a`
            insists on.
        """
        reason = self.read.notice
        refuse_structurally_singular(self.read.operator, is_complex=self.read.is_complex)
        for way, why in self._ways():
            try:
                return way("; ".join(filter(None, (reason, why))))
            except NotDefinite as refusal:
                reason = "; ".join(filter(None, (reason, str(refusal))))
        raise np.linalg.LinAlgError(f"{reason}; pass assume_a='gen' to hold any square A")

    def _ways(self) -> Iterator[tuple[Callable[[str], Held], str]]:
        """The ways to try, with a reason each."""
        if self.read.assume == "stable":
            yield self._stable, "taken as a drift with eigenvalues in Re > 0"
            return
        if self.read.symmetric:
            signs = diagonal_signs(self.operator)
            if self.read.assume == "pos" or signs > 0:
                yield self._definite, ""
            elif signs < 0:
                yield self._negative, "A is held as −A: its diagonal is negative"
            if self.read.assume == "pos":
                return
            yield self.embedded, "A is symmetric but not definite"
        else:
            yield self.embedded, "A is not symmetric"

    def _definite(self, reason: str) -> Held:
        return self._symmetric(self.operator, (), "definite", reason)

    def _negative(self, reason: str) -> Held:
        try:
            return self._symmetric(self.operator.negated(), (Negated(),), "negative", reason)
        except NotDefinite as refusal:
            raise NotDefinite(f"its diagonal is negative, but with −A for A: {refusal}") from None

    def hold_written(self, program: Program) -> Held:
        """A, which is positive definite and stands on the device already."""
        return self._placed(self.operator, program, _condition(program, self.operator), (), "definite", "")

    def _symmetric(self, operator: Operator, systems: tuple[System, ...], kind: str, reason: str) -> Held:
        """A (or −A) as the symmetric couplings of the device."""
        program, condition = self._programmed(operator)
        if condition is not None and condition.singular and self._is_unbalanced(operator):
            raise NotDefinite("its diagonal has a zero, with which it cannot be balanced as definite")
        return self._placed(operator, program, condition, systems, kind, reason)

    def _is_unbalanced(self, operator: Operator) -> bool:
        """Whether what looks singular may only be badly scaled: rows and columns of an embedding can be balanced."""
        if self.read.assume == "pos" or _as_written(self.device):
            return False
        diagonal = operator.diagonal()
        return diagonal is not None and not bool((diagonal > 0).all())

    def _placed(
        self,
        operator: Operator,
        program: Program,
        condition: Condition | None,
        systems: tuple[System, ...],
        kind: str,
        reason: str,
    ) -> Held:
        """What a symmetric program holds, with the units that balance it."""
        scaling = None if _as_written(self.device) else unit_diagonal(operator)
        scaled = operator if scaling is None else operator.scaled(1.0, scaling)
        around = () if scaling is None else (Unscaled(1 / scaling[:, None]),)
        size = _told_size(program, condition, scaling)
        size = largest_eigenvalue(scaled) if size is None else size
        if condition is not None:
            condition.refuse_singular(self._annihilated(SingularEngines(scaled), scaling))
        inverse, measures = DeviceInverse(program, Chain(around)), units_of(scaling, scaling)
        held = Held(inverse, scaled, scaling, scaling, measures, size, condition, kind, reason, systems=systems)
        return self._labelled(held, self.exponent)

    def _programmed(self, operator: Operator) -> tuple[Program, Condition | None]:
        """The program and the condition of what it holds; NotDefinite where that has no equilibrium."""
        try:
            program = watched_program(self.device, operator, self.rng)
            if self.covariance is not None and hasattr(program, "anticipate"):
                program.anticipate(self.covariance)
            if self.shifts and hasattr(program, "anticipate_shifts"):
                program.anticipate_shifts()
            condition = _condition(program, operator)
            told = condition
            if (itself := undistorted(self.device, program, operator)) is not None:
                condition = _condition(itself, operator)
        except np.linalg.LinAlgError as refusal:
            self._blame_copy(operator, "not positive definite although A is", _evidence(refusal))
            raise NotDefinite(_evidence(refusal)) from None
        if told is not None and told.singular:
            ends = f"its spectrum is {told.smallest:.3g} to {told.largest:.3g}"
            self._blame_copy(operator, "singular although A is not", ends)
        return program, condition

    def _blame_copy(self, operator: Operator, flaw: str, evidence: str) -> None:
        """LinAlgError naming the device's copy where it is that, and not A, which has the flaw."""
        if getattr(getattr(self.device, "imperfections", None), "is_perfect", True):
            return
        try:
            LangevinDevice().program(operator).rate()
        except np.linalg.LinAlgError:
            return
        raise np.linalg.LinAlgError(
            f"the device's copy of A, rounded and mismatched as its imperfections say, is {flaw} "
            f"({evidence}); pass a device with more matrix_bits or less mismatch"
        )

    def _stable(self, reason: str) -> Held:
        """A as the drift itself."""
        program = watched_program(self.device, self.operator, self.rng)
        program.rate()
        values = to_numpy(namespace(self.operator.like).linalg.svdvals(self.operator.dense()))
        condition = Condition(float(values[-1]), float(values[0]), self.operator.rounding, eps(self.operator.like))
        condition.refuse_singular(self._annihilated(SingularEngines(self.operator), None))
        inverse = DeviceInverse(program, Chain(()), definite=False)
        size = float(values[0])
        held = Held(inverse, self.operator, None, None, (Measure(),), size, condition, "stable", reason)
        return self._labelled(held, self.exponent)

    def embedded(self, reason: str, share: float = SHARE) -> Held:
        """Any A as the skew couplings of the device; as AᵀA where it has symmetric ones only."""
        if is_distributed(self.operator.like):
            raise np.linalg.LinAlgError(
                f"{reason}, and rows on several ranks are held as definite couplings only: pass a definite A, or bring "
                "its rows together in one sparse array"
            )
        matrix, rows, columns, exponent, engines = self._balanced()
        smallest, largest = engines.interval()
        condition = Condition(smallest, largest, matrix.rounding, eps(matrix.like))
        condition.refuse_singular(self._annihilated(engines, columns))
        try:
            program = watched_program(self.device, engines.embedding(share * smallest), self.rng)
        except TypeError as refusal:
            return self._normal(f"{reason}: held as AᵀA, since {refusal}", condition)
        inverse = DeviceInverse(program, Chain((Embedded(matrix.shape),)), definite=False, bias=share**2)
        measures = units_of(rows, columns)
        reason = f"{reason}: held in the skew embedding"
        held = Held(inverse, matrix, rows, columns, measures, largest, condition, "embedded", reason)
        return self._labelled(held, exponent)

    def _labelled(self, held: Held, exponent: int) -> Held:
        """The same with what it does not know of itself."""
        program = getattr(held.inverse, "program", None)
        return replace(held, exponent=exponent, distortion=distortion_of(self.device, program))

    def _annihilated(self, engines: SingularEngines, columns: Array | None) -> Callable[[], Array]:
        """What gives the vector, in the user's units and with a largest entry of one, that A takes to rounding."""

        def vector() -> Array:
            v = engines.null_vector()
            v = v if columns is None else columns * v
            v = complexify(v) if self.read.is_complex else v
            return v / v[int(namespace(v).argmax(abs(v)))]

        return vector

    def _balanced(self) -> _Balanced:
        """R A C with its engines, made once."""
        if self._embedding is None:
            operator, exponent = self.read.operator, 0
            if not isinstance(operator, Dense | Sparse) and max(operator.shape) <= FORMABLE:
                operator = Dense(operator.dense(), symmetric=False)
            rows, columns = (None, None) if _as_written(self.device) else equilibrate(operator)
            if rows is None and columns is None:
                # Else R and C do it alone: one number for all rows, of very different size, would lose the small ones.
                exponent = self.exponent
                operator = operator.rescaled(None, None, 2.0**-exponent) if exponent else operator
            matrix = operator.rescaled(rows, columns)
            self._embedding = _Balanced(matrix, rows, columns, exponent, SingularEngines(matrix))
        return self._embedding

    def _normal(self, reason: str, condition: Condition) -> Held:
        """AᵀA as the symmetric couplings of the device."""
        matrix, rows, columns, exponent, _ = self._balanced()
        gram = gram_operator(matrix)
        try:
            program, squared = self._programmed(gram)
            evidence = f"rcond {squared.rcond:.2g}" if squared is not None and squared.singular else ""
        except NotDefinite as refusal:
            evidence = str(refusal)
        if evidence:
            # A itself is not singular: that was refused with the embedding.
            raise np.linalg.LinAlgError(
                f"A has the condition number {condition.number:.3g}, and its normal operator the square of it, too "
                f"much for this device ({evidence}); pass device=None, whose couplings need not be symmetric"
            )
        inverse = DeviceInverse(program, Chain((NormalEquations(matrix),)), definite=False)
        measures = units_of(rows, columns)
        held = Held(inverse, matrix, rows, columns, measures, condition.largest, condition, "normal", reason)
        return self._labelled(held, exponent)


class NotDefinite(np.linalg.LinAlgError):
    """A is not positive definite to the precision in which it was tried."""


def _told_size(program: Program, condition: Condition | None, scaling: Array | None) -> float | None:
    """Largest eigenvalue of the balanced A where the program tells it; None where it has to be found."""
    largest, factor = getattr(program, "largest", None), getattr(program, "factor", None)
    if scaling is not None:
        return float(largest) if largest else None
    if not hasattr(program, "scaling"):
        return None  # how it has loaded A is not told
    own: Any = program.scaling
    if own is None:
        return condition.largest / float(factor) if factor and condition is not None else None
    # What has one scale for all nodes need not be balanced, but the program has written it so.
    return float(largest / own[0] ** 2) if largest and bool((own == own[0]).all()) else None


def _condition(program: Program, operator: Operator) -> Condition | None:
    """What the device tells of its spectrum; a device that does not has to refuse by its rate."""
    interval = getattr(program, "interval", None)
    if interval is None:
        program.rate()
        return None
    smallest, largest = interval()
    return Condition(max(float(smallest), 0.0), float(largest), operator.rounding, eps(operator.like))


def _as_written(device: Device) -> bool:
    return isinstance(getattr(device, "loading", None), AsWritten)


def _evidence(refusal: Exception) -> str:
    """What an error says, without its advice."""
    return str(refusal).split("; pass", 1)[0].split("; use", 1)[0]
