"""log det of the matrix on a device that can be driven: by the work of drives, or from readings on the way."""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from thermolinalg._info import ThermodynamicWarning
from thermolinalg._progress import told, watched
from thermolinalg.devices import Drivable, Spectrum
from thermolinalg.estimation.energies import PILOT, reader
from thermolinalg.estimation.free_energy import FreeEnergy, bennett, jarzynski, thermodynamic_integration
from thermolinalg.laws.work import Drive, logistic, work_moments

__all__ = ["Budget", "Measured", "Report", "by_integration", "by_work", "choose_protocol"]

CHEAP = 1e7
"""Normal numbers that may be drawn for a protocol of its own merit: about a tenth of a second."""

MOST_NUMBERS = 2e8
"""Normal numbers after which drawing drives gives up: about ten seconds. More would reach smaller tolerances."""

MOST_DRIVES = 10**6
"""Drives each way that are kept: 16 MB of work, and a second for each time it is weighed. Above, drives get slower
instead, which costs as many numbers and no memory."""

BLOCK = 1e7
"""Numbers drawn between two looks at the progress bar."""

ABREAST = 2**12
"""Numbers drawn for one jump of a block at least: fewer take as long."""

MOST_STEPS = 50_000
"""Jumps of a drive at most: a jump takes some ten microseconds, however few numbers it draws."""

FEWEST_STEPS = 8
"""Jumps of a drive at least."""

FEWEST = 256
"""Drives each way that the error bar of Bennett's ratio needs."""

MARGIN = 1.15
"""More drives than the error bar should need, so that one round is usually enough."""

DISSIPATION = 0.5
"""Dissipated work of a drive, in units of T: more, and forward and reverse work hardly overlap; less costs steps."""

READINGS = 5e7
"""Numbers that readings by products may take: about ten seconds."""


class Report(TypedDict, total=False):
    """What a measurement tells besides its value."""

    steps: int
    trajectories: int
    n_runs: int
    predicted_dissipation: float
    measured_dissipation: float
    overlap: float
    jarzynski: FreeEnergy
    effective_sample_size: float
    degrees_of_freedom: float
    nodes: NDArray[np.float64]
    readings: NDArray[np.int_]


class Measured(NamedTuple):
    """log det H − d log a as measured, its standard error, what to report, and whether a callback ended it."""

    value: float
    standard_error: float
    report: Report
    stopped: bool = False


class Budget(NamedTuple):
    """What a measurement may take.

    Parameters
    ----------
    atol : float
        Standard error to reach.
    most : int or None
        Readings, or drives both ways, at most; None leaves it to the protocol.
    """

    atol: float
    most: int | None = None

    def drives(self) -> int:
        """Drives each way at most."""
        return MOST_DRIVES if self.most is None else min(MOST_DRIVES, max(2, self.most // 2))

    def numbers(self, modes: int) -> float:
        """Normal numbers at most: the user's own limit lifts it to what so many drives of the fewest jumps draw."""
        return max(MOST_NUMBERS, 0.0 if self.most is None else float(FEWEST_STEPS) * modes * self.most)

    def readings(self, spectrum: Spectrum, nodes: int) -> int | None:
        """Readings at most: no limit where they are sums over known eigenvalues."""
        if self.most is not None or spectrum.eigenvalues is not None:
            return self.most
        return int(max(READINGS / spectrum.order, 64 * nodes))


class WorkPlan(NamedTuple):
    """A drive in jumps, slow enough for the work to overlap; how often to run it each way; how many modes are drawn."""

    drive: Drive
    steps: int
    trajectories: int
    dissipation: float
    modes: int


def plan_work(spectrum: Spectrum, budget: Budget, numbers: float) -> WorkPlan:
    """Choose steps for a dissipation of about T/2 in all, and trajectories for the standard error; `numbers` at most.

    The variance of the work falls as one over the steps: where so many trajectories could not be kept, slower drives
    do as well.
    """
    drive = Drive(spectrum.start, "geometric", (spectrum.smallest, spectrum.largest))
    modes, multiplicity = spectrum.modes or (
        np.geomspace(spectrum.smallest, spectrum.largest, spectrum.order),
        np.ones(spectrum.order),
    )
    # So many steps can be afforded with the fewest drives, and with the most.
    most, useful = (
        min(max(FEWEST_STEPS, int(numbers / (2 * n * len(modes)))), MOST_STEPS) for n in (FEWEST, budget.drives())
    )
    steps = FEWEST_STEPS
    while True:
        moments = work_moments(drive.path(modes, steps))
        dissipated = float(moments.dissipated @ multiplicity)
        # Var(log det) = 4 Var(ΔF/T) ≈ 4 σ²/(2n) from n drives each way.
        n = max(FEWEST, math.ceil(MARGIN * 2 * float(moments.variance @ multiplicity) / budget.atol**2))
        calmer = min(most, math.ceil(steps * dissipated / (0.95 * DISSIPATION)))
        # No steps bring the fewest drives below a smaller limit.
        fewer = min(useful, math.ceil(steps * n / budget.drives())) if n > FEWEST else steps
        wanted = max(calmer if dissipated > DISSIPATION else steps, fewer)
        if wanted <= steps:
            return WorkPlan(drive, steps, n, dissipated, len(modes))
        steps = max(wanted, min(most, math.ceil(1.05 * steps)))


def choose_protocol(spectrum: Spectrum, atol: float) -> tuple[str, str]:
    """'work' or 'integration', and the reason."""
    if spectrum.modes is None:
        return "integration", "A is known by its products only: readings on the way cost less than whole drives"
    if not spectrum.settles:
        return "integration", "the device does not settle to its temperature over the stiffness, as drives would need"
    plan = plan_work(spectrum, Budget(atol), CHEAP)
    numbers = 2.0 * plan.steps * plan.modes * plan.trajectories
    if plan.dissipation > 1.1 * DISSIPATION:
        reason = f"drives slow enough for so wide a spectrum would draw more than {CHEAP:.1g} numbers"
        return "integration", f"{reason}; readings on the way are cheaper"
    if numbers <= CHEAP:
        return "work", f"forward and reverse drives to atol={atol:g} draw {numbers:.1g} numbers, which is cheap"
    return "integration", f"drives to atol={atol:g} would draw {numbers:.1g} numbers; readings on the way are cheaper"


def by_work(program: Drivable, spectrum: Spectrum, budget: Budget, rng: np.random.Generator) -> Measured:
    """Drive from aI to H and back, and let Bennett's acceptance ratio weigh the work."""
    modes = spectrum.order if spectrum.modes is None else len(spectrum.modes[0])
    numbers = budget.numbers(modes)
    plan = plan_work(spectrum, budget, numbers)
    per_drive = 2 * plan.steps * plan.modes
    affordable = max(2, int(min(budget.drives(), numbers / per_drive)))
    block = max(1, int(BLOCK / per_drive), ABREAST // plan.modes)
    works: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    wanted, stopped = min(plan.trajectories, affordable), False
    while True:
        for done in watched(range(_runs(works) // 2, wanted, block), "driving"):
            works.append(program.work(plan.drive, plan.steps, min(block, wanted - done), rng=rng))
            if stopped := told("logarithm", lambda: {"x": 2 * _weighed(works)[0].value, "n_runs": _runs(works)}):
                break
        estimate, one_sided = _weighed(works)
        error = 2 * estimate.standard_error if estimate.reliable else math.inf
        if stopped or error <= budget.atol or wanted >= affordable:
            break
        more = min(max(1.05, 1.1 * (error / budget.atol) ** 2), 4.0)
        wanted = min(math.ceil(wanted * more), affordable)
    forward, reverse = (np.concatenate(way) for way in zip(*works, strict=True))
    report = Report(
        steps=plan.steps,
        trajectories=2 * len(forward),
        n_runs=2 * len(forward),
        predicted_dissipation=plan.dissipation,
        measured_dissipation=float((forward.mean() + reverse.mean()) / 2),
        overlap=estimate.overlap,
        jarzynski=one_sided,
        effective_sample_size=estimate.effective_size,
        degrees_of_freedom=math.inf,
    )
    return Measured(2 * estimate.value, error, report, stopped)


def _runs(works: list[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> int:
    """Drives both ways."""
    return 2 * sum(len(forward) for forward, _ in works)


def _weighed(works: list[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> tuple[FreeEnergy, FreeEnergy]:
    """Bennett's estimate from the work of all drives, and Jarzynski's of those forward."""
    forward, reverse = (np.concatenate(way) for way in zip(*works, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ThermodynamicWarning)  # the effective sizes are in the report
        return bennett(forward, reverse), jarzynski(forward)


def by_integration(program: Drivable, spectrum: Spectrum, budget: Budget, rng: np.random.Generator) -> Measured:
    """Integrate d(log det H_s)/ds = tr H_s⁻¹(H − aI) from equilibrium readings.

    In the log-odds u of s the integrand is Σ_i [σ(u + ln λ_i/a) − σ(u)], σ the logistic function: analytic in a strip
    of half-width π and decaying like e^{−|u|}, so that the trapezoidal rule with step h errs by e^{−2π²/h} only. Step
    and ends are chosen for a hundredth of the tolerance. A pilot finds the scatter at each node; then readings are
    shared out in proportion to it. Energies with known means are taken out of them (`WithEnergies`).
    """
    nodes, step = _log_odds_grid(spectrum, 0.01 * min(budget.atol, 1.0))
    most, read = budget.readings(spectrum, len(nodes)), reader(program, spectrum, rng)

    def integrated() -> FreeEnergy:
        return thermodynamic_integration(means, np.full(len(nodes), step))

    taken, stopped = np.full(len(nodes), PILOT), False
    means = [read(float(u), PILOT) for u in watched(nodes.tolist(), "reading")]
    groups = len(means[0])
    deviations = np.array([np.std(each, ddof=1) * PILOT**0.5 for each in means])
    counts = _share_out(deviations, step, 0.85 * budget.atol, most, groups)
    while True:
        for i, u in enumerate(watched(nodes.tolist(), "reading")):
            means[i] = read(u, int(counts[i]))
            taken[i] += counts[i]
            if stopped := told("logarithm", lambda: {"x": integrated().value, "n_runs": groups * int(taken.sum())}):
                break
        estimate = integrated()
        if stopped or estimate.standard_error <= budget.atol or (most is not None and 2 * groups * taken.sum() > most):
            break
        counts = np.ceil(counts * 1.3 * (estimate.standard_error / budget.atol) ** 2).astype(int)
    report = Report(
        nodes=logistic(nodes),
        readings=groups * counts,
        n_runs=groups * int(taken.sum()),
        effective_sample_size=float(groups * counts.min()),
        degrees_of_freedom=estimate.effective_size,
    )
    return Measured(estimate.value, estimate.standard_error, report, stopped)


def _log_odds_grid(spectrum: Spectrum, tolerance: float) -> tuple[NDArray[np.float64], float]:
    """Nodes and step of the trapezoidal rule: aliasing ≤ 8π d e^{−2π²/h}, each tail ≤ d e^{−distance}."""
    soft, stiff = (math.log(end / spectrum.start) for end in (spectrum.smallest, spectrum.largest))
    if soft == stiff == 0:
        return np.zeros(1), 1.0
    step = 2 * math.pi**2 / math.log(16 * math.pi * spectrum.order / tolerance)
    tail = math.log(4 * spectrum.order / tolerance)
    return np.arange(-stiff - tail, -soft + tail + step, step), step


def _share_out(
    deviations: NDArray[np.float64], step: float, atol: float, budget: int | None, groups: int
) -> NDArray[np.int_]:
    """Readings per group at each node, in proportion to their scatter, for a standard error of atol or the budget."""
    total = step * deviations * (step * deviations.sum()) / atol**2
    if budget is None and total.max() > 2.0**50:
        raise ValueError(f"atol={atol:.2g} would take {total.sum():.1g} readings; pass a larger atol=")
    if budget is not None and total.sum() > budget:
        total *= budget / total.sum()
    return np.asarray(np.maximum(1, np.ceil(total / groups)), dtype=int)
