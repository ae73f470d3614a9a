"""Planning a solve before it runs."""

from __future__ import annotations

from functools import partial
from typing import Any

import scipy.sparse

from thermolinalg._arrays import Array, dtype_name
from thermolinalg._autograd import detached
from thermolinalg._validation import as_relative, as_rng
from thermolinalg.devices import Device
from thermolinalg.hardware import Computer, Hardware, as_hardware, this_computer
from thermolinalg.operators.read import read_matrix
from thermolinalg.planning.digital import digital_ways, measured
from thermolinalg.planning.precision import Bits, bits_needed
from thermolinalg.planning.referee import Refereed
from thermolinalg.planning.referee import referee as equal_work
from thermolinalg.planning.rehearsal import is_rehearsed, rehearsed
from thermolinalg.planning.report import Plan
from thermolinalg.planning.ways import OnDevice
from thermolinalg.primitives._pricing import CallPrice, block_of, counted, price_of
from thermolinalg.primitives.explain import explained
from thermolinalg.primitives.solver import Solver
from thermolinalg.systems import ComplexColumns, RealForm

__all__ = ["plan"]


def plan(
    A: Any,
    b: Any = None,
    *,
    rtol: float,
    assume_a: str | None = None,
    device: Device | None = None,
    hardware: Hardware | str = "paper",
    digital: Computer | str | None = None,
    referee: bool = False,
) -> Plan:
    """Say what solving A x = b would take on a device and without, and whether the device would help.

    Nothing is solved on a device. Its runs, their timetable and the ledger are those that `solve` would book, error
    bars left out; the hardware turns them into seconds and joules. A simulated device with `Imperfections` is rehearsed
    on one copy of A, up to 2048 unknowns: how many runs it takes, and whether it gets there, no formula tells.

    Parameters
    ----------
    A : array_like, sparse array, LinearOperator or Operator, shape (d, d)
        As for `solve`.
    b : array_like, shape (d,) or (d, k), optional
        Right-hand sides. Default: standard normal numbers, always the same.
    rtol : float
        Relative residual to reach, between 0 and 1.
    assume_a : str, optional
        As for `solve`.
    device : Device, optional
        Default: as for `solve`.
    hardware : Hardware or {'paper', 'pcb', 'integrated'}, optional
        Its prices. 'paper' is the timing model of Thermodynamic Natural Gradient Descent, without energies.
    digital : Computer or 'measured', optional
        None models the digital ways by the rates of this machine, a `Computer` by its own; 'measured' runs them here.
    referee : bool, optional
        Whether to compare, on this machine and at equal work, the device stepped in time, its covariance equation,
        Newton-Schulz, conjugate gradients and LAPACK; for positive definite A of up to 1000 rows.

    Returns
    -------
    Plan
        Its text, which is also its representation, is meant to be read; the numbers are attributes.

    Raises
    ------
    LinAlgError
        `solve` would refuse A: it is singular, or indefinite where it must not be; the message holds the evidence.
    ValueError
        Wrong shape, an empty matrix, NaN or infinity, `rtol` out of range, unknown hardware.
    TypeError
        Object, masked or matrix input.

    See Also
    --------
    thermolinalg.explain : what would run, and why; shorter.

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> plan = tla.plan(np.diag(np.linspace(1.0, 10.0, 200)) + 0.01, rtol=1e-3)
    >>> plan.nodes, plan.couplings, plan.ledger.runs
    (200, 40000, 3)
    >>> print(plan.bill.times[0])
    write       12.8 µs: 4e+04 couplings at 320 ps (16 bit at 50 Gbit/s)
    """
    rtol, hardware, computer = as_relative(rtol, "rtol"), as_hardware(hardware), _as_computer(digital)
    read = read_matrix(A, assume_a=assume_a, gradients=True, name="A")
    if 0 in read.shape:
        raise ValueError(f"A is empty, shape {read.shape}: there is nothing to plan")
    prepared, b = Solver(read, device, as_rng(0)), detached(b)
    block = block_of(prepared, b)
    if 0 in block.shape:
        raise ValueError(f"b is empty, shape {tuple(block.shape)}: there is nothing to plan")
    load = prepared.outer(prepared.held, block).into(block)
    price, alone = (price_of(prepared, "solve", b, rtol, refine=refine) for refine in (True, False))
    obstacle = missed = None
    if on_trial := is_rehearsed(prepared):
        tried = block if b is None else b
        price, obstacle = rehearsed(prepared, tried, rtol, price, refine=True)
        alone, missed = rehearsed(prepared, tried, rtol, alone, refine=False)
    real = _real_form(block, is_complex=read.is_complex)
    ways = digital_ways(prepared, price, real, rtol, computer)
    if digital == "measured":
        ways = measured(ways, read.operator, real, rtol)
    on_device = partial(_on_device, prepared, hardware, computer)
    return Plan(
        explanation=explained(prepared, b, scipy.sparse.issparse(A) and int(A.nnz)),
        rtol=rtol,
        hardware=hardware,
        computer=computer,
        refined=on_device("device", price, bits_needed(prepared.held, load), obstacle),
        single=on_device("device, one run", alone, bits_needed(prepared.held, load, rtol), missed),
        digital=ways,
        distortion=prepared.held.distortion,
        rehearsed=on_trial,
        referee=_refereed(prepared, real) if referee else (),
    )


def _on_device(
    prepared: Solver,
    hardware: Hardware,
    computer: Computer,
    name: str,
    price: CallPrice,
    bits: Bits,
    failed: str | None,
) -> OnDevice:
    """A priced solve on a piece of hardware."""
    A = prepared.read.operator
    # One residual after each run, of every column; scaling goes through A once.
    products = price.columns * price.runs + 1 + getattr(prepared.program, "products", 0)
    operations = 2.0 * A.couplings * products
    full = A.couplings == A.shape[0] * A.shape[1]
    return OnDevice(
        name=name,
        ledger=price.ledger,
        hardware=hardware,
        computer=computer,
        host_operations=operations,
        kind="product" if full else "sparse_product",
        full=full,
        work=_work(price),
        bits=bits,
        failed=failed,
    )


def _work(price: CallPrice) -> str:
    """Runs and device time in words."""
    runs = "one run" if price.runs == 1 else f"{price.runs} runs"
    columns = f" of {price.columns} columns" if price.columns > 1 else ""
    return f"{runs}{columns}, {counted(price.device_time)} τ"


def _refereed(prepared: Solver, block: Array) -> tuple[Refereed, ...]:
    """Methods at equal work, for what is positive definite."""
    if prepared.held.kind != "definite":
        raise ValueError(
            f"referee=True compares methods for positive definite A, and A is held otherwise: {prepared.held.reason}; "
            "leave it out"
        )
    return equal_work(prepared.read.operator, block)


def _real_form(block: Array, *, is_complex: bool) -> Array:
    """Right-hand sides of the real form of A, which is what both sides solve."""
    if is_complex:
        return RealForm().into(block)
    return ComplexColumns().into(block) if "complex" in dtype_name(block) else block


def _as_computer(digital: Any) -> Computer:
    """The digital side that is meant."""
    if digital is None or (isinstance(digital, str) and digital == "measured"):
        return this_computer()
    if isinstance(digital, Computer):
        return digital
    raise TypeError(f"digital must be None, 'measured' or a Computer, got {digital!r}")
