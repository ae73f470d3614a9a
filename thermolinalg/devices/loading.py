"""How A and b are brought into a device's range."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from thermolinalg._arrays import Array, all_true, any_true, column_maxima, eps, namespace, smallest_normal, to_numpy
from thermolinalg.devices.imperfections import Imperfections, connected
from thermolinalg.devices.restoring import lifted, missing_lift
from thermolinalg.operators import Dense, Operator, Sparse

__all__ = ["AsWritten", "Equilibrated", "Loaded", "checked_imperfections", "checked_loading", "even"]


@dataclass(frozen=True)
class Equilibrated:
    """Loading that fits A into the hardware: S A S with a unit diagonal, its largest eigenvalue 1, b at full range.

    S is a diagonal of powers of two, so that scaling makes no rounding errors; operators whose structure it would
    break are only scaled by a number. The device then solves (c S A S) y = c S b β with x = S y / β.

    See Also
    --------
    AsWritten : How A is loaded.
    """


@dataclass(frozen=True)
class AsWritten:
    """Loading of A and b as they are: dx = −(A x − b) dt + noise in the user's own units of time and voltage.

    See Also
    --------
    Equilibrated : How A is loaded.
    """


def checked_loading(loading: object) -> None:
    """TypeError for what is no loading."""
    if not isinstance(loading, Equilibrated | AsWritten):
        raise TypeError(f"loading must be Equilibrated() or AsWritten(), got {loading!r}")


def checked_imperfections(imperfections: object) -> None:
    """TypeError for what is no imperfections."""
    if not isinstance(imperfections, Imperfections):
        raise TypeError(f"imperfections must be those of one die, such as PCB2024(), got {imperfections!r}")


class Loaded:
    """A matrix as it stands in the hardware, and the way between the user's units and the device's.

    A_dev = c S A S, b_dev = c β S b, x = S y / β, with imperfections on top.

    Parameters
    ----------
    operator : Operator, shape (d, d)
        The user's A.
    loading : Equilibrated or AsWritten
        Where S and c come from.
    imperfections : Imperfections
    rng : numpy.random.Generator
        Draws this copy's imperfections.

    Attributes
    ----------
    effective : Operator
        S A S as it was written.
    factor : float
        c, 1 until it is chosen.
    scaling : array, shape (d,), or None
        Diagonal of S; None is the identity.
    attenuation : float
        By how much loads stay below full range, so that readings do not clip.
    lift : float
        μ on the diagonal of `effective`, without which the copy of a positive definite matrix would not be one.
    distortion : float
        Relative error of `effective` that depends on A, as that of wires does; what the configuration says comes on
        top.
    """

    attenuation = 1.0
    lift = 0.0
    distortion = 0.0

    def __init__(
        self,
        operator: Operator,
        loading: Equilibrated | AsWritten,
        imperfections: Imperfections,
        rng: np.random.Generator,
    ) -> None:
        self.operator, self.loading, self.imperfections = operator, loading, imperfections
        self.scaling: Array | None = None
        scaled = operator
        if isinstance(loading, Equilibrated):
            self.scaling = _unit_diagonal(operator)
            if self.scaling is not None:
                scaled = operator.scaled(1.0, self.scaling)
        self.effective = imperfections.write(scaled, rng)
        if imperfections.couplings.known("wire_resistance"):
            self.distortion = _relative_difference(self.effective, scaled)
        if imperfections.rewrites and operator.symmetric:
            self.lift = missing_lift(even(self.effective), scaled, imperfections.couplings.resolution)
            self.effective = lifted(self.effective, self.lift) if self.lift else self.effective
        self.factor = 1.0
        self._draw_offsets(rng)

    def _draw_offsets(self, rng: np.random.Generator) -> None:
        """The constants that the converters and amplifiers of this copy add, whatever is loaded."""
        draw, d, like = self.imperfections.draw_offset, self.operator.shape[0], self.operator.like
        self.offset = draw("inputs", d, like, rng)
        self.amplifier_offset = draw("amplifiers", d, like, rng)
        self.output_offset = draw("outputs", d, like, rng)

    @cached_property
    def _constant(self) -> Array | float:
        """What stands at the inputs (d, 1) whatever is loaded: offsets of the converters and of the amplifiers."""
        if isinstance(self.amplifier_offset, float):
            return self.offset
        held = self.effective.matrix if isinstance(self.effective, Sparse) else self.effective.dense()
        return self.offset + self.factor * connected(held)[:, None] * self.amplifier_offset

    def load(self, b: Array, gain: float | None = None, rng: np.random.Generator | None = None) -> tuple[Array, Array]:
        """b_dev (d, k) as it stands at the inputs, and the gains β (k,): the one given, or up to full range.

        `rng` draws what each conversion adds.
        """
        load = b if self.scaling is None else self.scaling[:, None] * b
        if gain is None and isinstance(self.loading, Equilibrated) and b.shape[0]:
            largest = column_maxima(load)
            # A gain beyond the range of the dtype would be none.
            seen = largest > smallest_normal(b) ** 0.75
            some = largest if all_true(seen) else namespace(b).where(seen, largest, 1.0 / self.factor)
            load, gains = load / some, 1.0 / (self.factor * some)
            if (top := self.attenuation * self._full_range) != 1.0:
                load, gains = top * load, top * gains
        else:
            xp = namespace(b)
            gains = xp.ones_like(b[0, :]) if b.shape[0] else xp.ones(b.shape[1])
            gains = gains if gain is None else gain * gains
            load = self.factor * load * gains
        if not self.is_perfect:
            self._refuse_beyond(load)
            load = self.imperfections.inputs.convert(load, rng) + self._constant
        return load, gains

    def refuse_lifted(self) -> None:
        """LinAlgError where readings, unlike refined solutions, would be those of A + μI."""
        if self.lift:
            raise np.linalg.LinAlgError(
                "the copy of A that this device holds, rounded and mismatched, is positive definite only with μ = "
                f"{self.lift:.3g} on its diagonal: its readings tell A + μI, not A; pass a device with more "
                "matrix_bits or less mismatch, or solve to a tolerance, which takes μ out"
            )

    def told_lift(self) -> str:
        """What a report says of μ; nothing where there is none."""
        if not self.lift:
            return ""
        return f"; the device's copy of A is positive definite only with μ = {self.lift:.3g} on its diagonal"

    @cached_property
    def _full_range(self) -> float:
        """The largest entry that a load is brought to, as far as its converters go."""
        return min(1.0, self.imperfections.inputs.known("full_scale"))

    def _refuse_beyond(self, load: Array) -> None:
        """ValueError where a load that is not scaled to full range leaves that of the converters."""
        limit = self.imperfections.inputs.known("full_scale")
        if math.isfinite(limit) and any_true(abs(load) > limit * (1 + eps(load))):
            raise ValueError(
                f"the load reaches {float(abs(load).max()):.4g} where the input converters end at ±{limit:g}; scale b, "
                "or pass a device with loading=Equilibrated()"
            )

    @cached_property
    def is_perfect(self) -> bool:
        """Whether nothing is rounded or shifted."""
        return self.imperfections.is_perfect

    def convert(self, y: Array, rng: np.random.Generator, readings: int = 1) -> Array:
        """Voltages (d, k), averages of so many readings, as the output converters give them."""
        outputs = self.imperfections.outputs
        return y if outputs.is_perfect else outputs.convert(y + self.output_offset, rng, readings)

    def to_user(self, y: Array, gain: Array | float) -> Array:
        """Voltages (d, k) in the user's units, x = S y / β."""
        y = y / gain
        return y if self.scaling is None else self.scaling[:, None] * y

    def started(self, start: Array | None, gain: Array) -> Array | None:
        """The user's starting point in the device's units."""
        if start is None:
            return None
        y = start * gain
        return y if self.scaling is None else y / self.scaling[:, None]


def even(operator: Operator) -> Operator:
    """The symmetric part of a copy."""
    if operator.symmetric:
        return operator
    if isinstance(operator, Sparse):
        return operator.holding((operator.matrix + operator.matrix.T) / 2)
    matrix = operator.dense()
    return Dense((matrix + matrix.T) / 2)


def _relative_difference(copy: Operator, asked: Operator) -> float:
    """‖copy − asked‖/‖asked‖ in the Frobenius norm; 0 of nothing."""
    matrix = to_numpy(asked.dense()).astype(np.float64)
    size = float(np.linalg.norm(matrix))
    return float(np.linalg.norm(to_numpy(copy.dense()) - matrix)) / size if size else 0.0


def _refuse_hidden_negative(operator: Operator, i: int) -> None:
    """LinAlgError where a column is not zero although its diagonal entry is: then there are negative directions."""
    xp, like = namespace(operator.like), operator.like
    unit = xp.zeros((operator.shape[0], 1), dtype=like.dtype, device=like.device)
    unit[i, 0] = 1.0
    if bool((operator.apply(unit) != 0).any()):
        raise np.linalg.LinAlgError(
            f"A is not positive semidefinite: diagonal entry {i} is 0 and its column is not; pass assume_a='gen'"
        )


def _unit_diagonal(operator: Operator) -> Array | None:
    """The S of `Equilibrated`, or None where the structure does not survive it."""
    diagonal = operator.diagonal()
    if diagonal is None or operator.shape[0] == 0:
        return operator.jacobi_scaling()
    xp = namespace(diagonal)
    smallest = float(xp.min(diagonal))
    if smallest < 0:
        raise np.linalg.LinAlgError(
            f"A is not positive semidefinite: diagonal entry {int(xp.argmin(diagonal))} is {smallest:.6g}; "
            "pass assume_a='gen'"
        )
    if smallest == 0:
        _refuse_hidden_negative(operator, int(xp.argmin(diagonal)))
        return None
    scaling = operator.jacobi_scaling()
    return None if scaling is None or bool((scaling == 1).all()) else scaling
