"""Ways to solve A x = b, on a device or without: what each takes, now and at other dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from thermolinalg.devices import Ledger
from thermolinalg.hardware import Bill, Computer, Hardware
from thermolinalg.planning.precision import Bits

__all__ = ["Direct", "Iterative", "OnDevice", "Way", "cg_iterations", "lsqr_iterations"]


def cg_iterations(condition: float, rtol: float, d: int) -> int:
    r"""Iterations of conjugate gradients until the error is `rtol`, by Chebyshev's bound, d at most.

    :math:`2\left(\frac{\sqrt\kappa - 1}{\sqrt\kappa + 1}\right)^k \le \epsilon`, or the d steps that exact arithmetic
    needs: in doubt in favour of the digital side. A spectrum in clusters takes fewer.

    Parameters
    ----------
    condition : float
        κ ≥ 1.
    rtol : float
        ε < 1.
    d : int

    Returns
    -------
    int
    """
    return _chebyshev(condition**0.5, rtol, d)


def lsqr_iterations(condition: float, rtol: float, d: int) -> int:
    """The same of LSQR, conjugate gradients of AᵀA without forming it: κ stands where √κ does."""
    return _chebyshev(condition, rtol, d)


def _chebyshev(root: float, rtol: float, d: int) -> int:
    if not math.isfinite(root):
        return d
    # log((r + 1)/(r − 1)) keeps its digits for large r as log1p; one step is enough for a multiple of the identity.
    gain = math.log1p(2 / (root - 1)) if root > 1 else math.inf
    return max(1, min(d, math.ceil(math.log(2 / rtol) / gain)))


@dataclass(frozen=True)
class Way:
    """What one way takes.

    Parameters
    ----------
    name : str
        Of the way.
    seconds : float, optional
        None where a price is unknown.
    joules : float, optional
        Likewise; `at_least` is what is known of them.
    at_least : float
        In J.
    work : str
        In words.
    basis : {'predicted', 'modelled', 'measured'}
        Where the seconds come from.
    obstacle : str, optional
        Why it cannot be taken.

    See Also
    --------
    Bits, BreakEven, Crossover : Parts of a `Plan`.
    """

    name: str
    seconds: float | None
    joules: float | None
    at_least: float
    work: str
    basis: str
    obstacle: str | None = None


@dataclass(frozen=True)
class OnDevice:
    """A solve on a device, with the residuals that the host computes.

    Parameters
    ----------
    name : str
        Of the way.
    ledger : Ledger
        What the device does.
    hardware : Hardware
    computer : Computer
        The host.
    host_operations : float
        Of the products for the residuals, and of scaling A for the device.
    kind : {'product', 'sparse_product'}
        Of these operations.
    full : bool
        Whether couplings grow with the square of the dimension.
    work : str
        In words.
    bits : Bits
        That it needs.
    failed : str, optional
        Why a rehearsal did not reach the tolerance.
    """

    name: str
    ledger: Ledger
    hardware: Hardware
    computer: Computer
    host_operations: float
    kind: str
    full: bool
    work: str
    bits: Bits
    failed: str | None = None

    def obstacle(self, scale: float = 1.0) -> str | None:
        """Why it cannot be taken at `scale` times the dimension; None where it can."""
        if self.failed is not None:
            return self.failed
        nodes = round(self.nodes * scale)
        bits = self.bits.grown(scale) if self.full else self.bits
        if self.hardware.nodes.value is not None and nodes > self.hardware.nodes.value:
            return f"it takes {nodes} nodes where there are {self.hardware.nodes.value:g}"
        if self.hardware.bits.value is not None and bits.most > self.hardware.bits.value:
            return f"it takes {bits.most} bits where there are {self.hardware.bits.value:g}"
        return None

    @property
    def nodes(self) -> int:
        """Nodes that are needed."""
        return self.ledger.values_in // max(self.ledger.runs, 1)

    def grown(self, scale: float) -> Ledger:
        """The ledger at `scale` times the dimension: as long, with more nodes and couplings."""
        ledger, area = self.ledger, scale**2 if self.full else scale
        return replace(
            ledger,
            values_in=round(ledger.values_in * scale),
            values_out=round(ledger.values_out * scale),
            written=None if ledger.written is None else round(ledger.written * area),
            node_time=ledger.node_time * scale,
            coupling_time=None if ledger.coupling_time is None else ledger.coupling_time * area,
            couplings=None if ledger.couplings is None else round(ledger.couplings * area),
        )

    def bill(self, scale: float = 1.0) -> Bill:
        """Of the device alone."""
        return self.hardware.bill(self.grown(scale))

    def host_seconds(self, scale: float = 1.0) -> float | None:
        """Of the digital work, which is on no bill of the device."""
        return self.computer.seconds(self.host_operations * (scale**2 if self.full else scale), self.kind)

    def seconds(self, scale: float = 1.0) -> float | None:
        """Device and host, one after the other."""
        device, host = self.bill(scale).seconds, self.host_seconds(scale)
        return None if device is None or host is None else device + host

    @property
    def way(self) -> Way:
        """What it takes."""
        bill, host = self.bill(), self.computer.power.of(self.host_seconds())
        joules = None if bill.joules is None or host is None else bill.joules + host
        # The host's share alone would say nothing of the device.
        at_least = bill.known_joules + (host or 0.0) if bill.known_joules > 0 else 0.0
        return Way(
            self.name,
            self.seconds(),
            joules,
            at_least,
            self.work,
            "predicted",
            self.obstacle(),
        )


@dataclass(frozen=True)
class _Digital:
    """A way without a device.

    Parameters
    ----------
    name : str
        Of the way.
    computer : Computer
    work : str
        In words.
    taken : float, optional
        Seconds measured, which then stand for the modelled ones.
    obstacle : str, optional
        Why it cannot be taken.
    """

    name: str
    computer: Computer
    work: str = ""
    taken: float | None = field(default=None, kw_only=True)
    obstacle: str | None = field(default=None, kw_only=True)

    def modelled(self, scale: float = 1.0) -> float | None:
        """Seconds by operations and rates, at `scale` times the dimension."""
        raise NotImplementedError

    def seconds(self, scale: float = 1.0) -> float | None:
        """As measured where that was done, growing as modelled.

        What was measured above the model counts as overhead that does not grow.
        """
        modelled, here = self.modelled(scale), self.modelled()
        if self.taken is None or modelled is None or not here:
            return modelled if self.taken is None or scale != 1.0 else self.taken
        return self.taken + modelled - here if self.taken > here else self.taken * modelled / here

    @property
    def way(self) -> Way:
        """What it takes."""
        seconds, basis = self.seconds(), "modelled" if self.taken is None else "measured"
        joules = self.computer.power.of(seconds)
        return Way(self.name, seconds, joules, joules or 0.0, self.work, basis, self.obstacle)


@dataclass(frozen=True)
class Direct(_Digital):
    """A factorisation, and a solve for each right-hand side.

    Parameters
    ----------
    name, computer, work, taken, obstacle
        As for every digital way.
    operations, solves : Callable
        Operations of the factorisation and of all solves at a dimension.
    d : int
        The dimension.
    sparse : bool
        Whether A is.
    """

    operations: Callable[[float], float] = field(default=lambda d: d**3 / 3, kw_only=True)
    solves: Callable[[float], float] = field(default=lambda d: 2 * d**2, kw_only=True)
    d: int = field(default=1, kw_only=True)
    sparse: bool = field(default=False, kw_only=True)

    def modelled(self, scale: float = 1.0) -> float | None:
        prefix = "sparse_" if self.sparse else ""
        factor = self.computer.seconds(self.operations(scale * self.d), f"{prefix}factor")
        solves = self.computer.seconds(self.solves(scale * self.d), f"{prefix}product")
        overhead = self.computer.overhead.value
        return None if factor is None or solves is None or overhead is None else factor + solves + overhead


@dataclass(frozen=True)
class Iterative(_Digital):
    """Products with A, and a few with vectors.

    Parameters
    ----------
    name, computer, work, taken, obstacle
        As for every digital way.
    iterations : int
        Of all right-hand sides.
    operations : float
        Of the products of one iteration.
    sparse : bool
        Whether they grow with the dimension, and not with its square.
    """

    iterations: int = field(default=1, kw_only=True)
    operations: float = field(default=1.0, kw_only=True)
    sparse: bool = field(default=False, kw_only=True)

    def modelled(self, scale: float = 1.0) -> float | None:
        kind, area = ("sparse_product", scale) if self.sparse else ("product", scale**2)
        product, overhead = self.computer.seconds(self.operations * area, kind), self.computer.overhead.value
        return None if product is None or overhead is None else self.iterations * (product + overhead)
