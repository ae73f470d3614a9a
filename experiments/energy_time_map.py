"""Energy and time of a solve on an assumed integrated device and on an A100, and what moves the crossover.

    python experiments/energy_time_map.py

Nothing is measured here: runs come from the plan, prices from the preset 'integrated' (12 bits in the place of 8) and
from the A100's data sheet. Standby power is unknown and left out, so energies of the device are lower bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import options, pyplot, read, save, write
from scipy.optimize import brentq

import thermolinalg as tla
from thermolinalg.hardware import A100, INTEGRATED, Computer, Hardware, conversion_energy
from thermolinalg.planning import Plan

ORDER, RTOL, LARGEST = 300, 1e-6, 1e8
CONDITIONS = (3.0, 30.0, 300.0)
MARKS = (1e2, 1e3, 1e4, 1e5)
DEVICE = replace(
    INTEGRATED, bits=12, read_energy=conversion_energy(12), load_energy=0.5 * (conversion_energy(12).value or 0.0)
)


def scaled(hardware: Hardware, factor: float, *names: str) -> Hardware:
    """Some prices times a factor."""
    return replace(hardware, **{name: factor * getattr(hardware, name).value for name in names})


ASSUMPTIONS: dict[str, tuple[tuple[float, float], Callable[[float], Hardware]]] = {
    "time constant ÷10, ×10": ((0.1, 10.0), lambda f: scaled(DEVICE, f, "time_constant")),
    "link and converters ×10, ÷10": ((0.1, 10.0), lambda f: scaled(DEVICE, 1 / f, "link_rate", "conversion_rate")),
    "amplifiers and noise sources ÷3, ×3": (
        (1 / 3, 3.0),
        lambda f: scaled(DEVICE, f, "amplifier_power", "noise_power"),
    ),
    "voltage ÷10, ×10": ((0.1, 10.0), lambda f: scaled(DEVICE, f, "voltage")),
    "conversions ÷10, ×10": ((0.1, 10.0), lambda f: scaled(DEVICE, f, "read_energy", "load_energy")),
    "writing ÷100, ×100": ((0.01, 100.0), lambda f: scaled(DEVICE, f, "write_energy")),
    "link's energy ÷10, ×10": ((0.1, 10.0), lambda f: scaled(DEVICE, f, "link_energy")),
}


def matrix(condition: float) -> np.ndarray:
    """Symmetric, with eigenvalues that are equally spaced on a logarithmic scale."""
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((ORDER, ORDER)))[0]
    A = (Q * np.geomspace(1 / condition, 1, ORDER)) @ Q.T
    return (A + A.T) / 2


def plan_of(
    condition: float, *, temperature: float = 1.0, hardware: Hardware = DEVICE, computer: Computer = A100
) -> Plan:
    device = tla.LangevinDevice(law=tla.Overdamped(temperature=temperature))
    return tla.plan(matrix(condition), rtol=RTOL, device=device, hardware=hardware, digital=computer)


def device_at(plan: Plan, d: float) -> tuple[float, float]:
    """Seconds and known joules at a dimension, host included."""
    scale = d / plan.d
    host = plan.refined.host_seconds(scale)
    return plan.refined.seconds(scale), plan.refined.bill(scale).known_joules + host * A100.power.value


def digital_at(plan: Plan, d: float, way: int) -> tuple[float, float]:
    seconds = plan.digital[way].seconds(d / plan.d)
    return seconds, seconds * A100.power.value


def even(plan: Plan, way: int, what: int) -> float | None:
    """The dimension from which on the device takes less time (0) or energy (1) than a digital way; None: never."""

    def excess(log: float) -> float:
        return np.log(device_at(plan, 10**log)[what]) - np.log(digital_at(plan, 10**log, way)[what])

    grid = np.linspace(0, np.log10(LARGEST), 81)
    signs = np.array([excess(log) for log in grid]) < 0
    if not signs[-1]:
        return None
    if signs.all():
        return 1.0
    last = int(np.flatnonzero(~signs)[-1])
    return float(10 ** brentq(excess, grid[last], grid[last + 1]))


def crossovers(plan: Plan) -> dict[str, float | None]:
    names = ("Cholesky", "CG")
    return {f"{what} against {name}": even(plan, i, j) for i, name in enumerate(names) for j, what in enumerate(WHAT)}


WHAT = ("time", "energy")


def measure() -> dict[str, Any]:
    dimensions = [float(d) for d in np.geomspace(10, 1e6, 61)]
    results: dict[str, Any] = {"rtol": RTOL, "order planned": ORDER, "dimensions": dimensions, "conditions": []}
    for condition in CONDITIONS:
        central = plan_of(condition)
        cold = plan_of(condition, temperature=1e-4)
        moved = {}
        for name, (factors, change) in ASSUMPTIONS.items():
            changed = [replace(central, refined=replace(central.refined, hardware=change(f))) for f in factors]
            moved[name] = [crossovers(plan) for plan in changed]
        moved["temperature ÷10⁴"] = [crossovers(cold), crossovers(central)]
        slow = plan_of(condition, computer=replace(A100, factor_rate=A100.factor_rate.value / 10))
        moved["A100's factorisation ÷10"] = [crossovers(slow), crossovers(central)]
        results["conditions"].append(
            {
                "condition": condition,
                "bits": central.bits.couplings,
                "runs": central.ledger.runs,
                "device time": central.ledger.device_time,
                "device time, cold": cold.ledger.device_time,
                "device": [device_at(central, d) for d in dimensions],
                "device, low": _extreme(central, dimensions, 0),
                "device, high": _extreme(central, dimensions, 1),
                "Cholesky": [digital_at(central, d, 0) for d in dimensions],
                "CG": [digital_at(central, d, 1) for d in dimensions],
                "crossover": crossovers(central),
                "moved by": moved,
            }
        )
    return results


def _extreme(plan: Plan, dimensions: list[float], end: int) -> list[tuple[float, float]]:
    """All assumptions at their better, or at their worse end."""
    hardware = DEVICE
    for factors, change in ASSUMPTIONS.values():
        other = change(factors[end])
        fields = [name for name in vars(other) if getattr(other, name) != getattr(DEVICE, name)]
        hardware = replace(hardware, **{name: getattr(other, name) for name in fields})
    changed = replace(plan, refined=replace(plan.refined, hardware=hardware))
    return list(map(partial(device_at, changed), dimensions))


def draw(results: dict[str, Any], path: Path) -> None:
    """Energy against time at κ = 30, and how far each assumption moves the crossovers."""
    plt = pyplot()
    case = next(each for each in results["conditions"] if each["condition"] == 30.0)
    dimensions = np.array(results["dimensions"])
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13.5, 4.4), layout="constrained")
    for name, colour in (("device", "#0072B2"), ("Cholesky", "#D55E00"), ("CG", "#E69F00")):
        seconds, joules = np.array(case[name]).T
        left.loglog(seconds, joules, color=colour, label=name if name == "device" else f"{name}, A100")
        for d in MARKS:
            i = int(np.argmin(abs(np.log(dimensions / d))))
            left.plot(seconds[i], joules[i], "o", color=colour, ms=4)
            left.annotate(
                f"10$^{round(np.log10(d))}$",
                (seconds[i], joules[i]),
                textcoords="offset points",
                xytext=(4, -9),
                fontsize=8,
            )
    for end in ("low", "high"):
        seconds, joules = np.array(case[f"device, {end}"]).T
        left.loglog(seconds, joules, color="#0072B2", lw=0.8, ls=":", label="all at one end" if end == "low" else None)
    left.set(xlabel="time (s)", ylabel="energy (J)", title="κ = 30: marks are dimensions")
    left.legend(frameon=False, fontsize=8)
    for ax, what in ((middle, "time"), (right, "energy")):
        for name, colour, shift in (("Cholesky", "#D55E00", 0.17), ("CG", "#E69F00", -0.17)):
            key = f"{what} against {name}"
            for row, ends in enumerate(case["moved by"].values()):
                low, high = (LARGEST if each[key] is None else each[key] for each in ends)
                where = [row + shift] * 2
                ax.plot([low, high], where, lw=5, color=colour, solid_capstyle="butt")
                ax.plot([low, high], where, "|", ms=7, color=colour)
            ax.axvline(case["crossover"][key] or LARGEST, color=colour, lw=1, ls=":")
        ax.set(
            xscale="log", xlabel="dimension; right edge: never", title=f"Crossover in {what}", xlim=(0.7, 1.4 * LARGEST)
        )
        ax.set_yticks(range(len(case["moved by"])), list(case["moved by"]) if what == "time" else [], fontsize=8)
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__)
    path = given.results / "energy-time-map.json"
    if not given.draw:
        write(measure(), path)
    draw(read(path), given.pictures / "planning-energy-time.png")


if __name__ == "__main__":
    main()
