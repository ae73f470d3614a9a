"""Faulty devices: what each call makes of them, over six problems each; nothing may be called right that is wrong.

The devices are those of the tests: a simulated one with a single fault that says it has none. A call is *right* where
its answer is within its promise (solutions) or ten error bars (what has no residual) of the exact one, *refused* where
it says that it is no success or raises, and *wrong* else.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

from common import options, read, write, write_text

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import test_faults as tests  # noqa: E402
from faulty_devices import LAGS, MATRICES, READINGS, Faulty  # noqa: E402

RESIDUAL = [tests.solve, tests.inv]
NONE = [tests.raw_solution, tests.raw_inverse, tests.diagonal, tests.logarithm, tests.samples]
GENERAL = tests.EXPONENTIALS
TITLES = {
    "solve": "`solve`",
    "inv": "`inv`",
    "raw_solution": "`solve`, raw",
    "raw_inverse": "`inv`, raw",
    "diagonal": "`inv_diagonal`",
    "logarithm": "`slogdet`",
    "samples": "`sample`",
    "exponential": "`expm`",
    "exact_exponential": "`expm`, 1e-3",
    "action": "`expm_multiply`",
    "lyapunov": "Lyapunov",
}


def outcome(call: Any, A: Any, device: Any) -> str:
    """Of one call."""
    if call in RESIDUAL:
        if tests.answered(call, A, device) is None:
            return "refused"
        return "wrong" if tests.certified_wrong(call, A, device) else "right"
    told = tests.certified_off(call, A, device, refused="refused")
    return told if told == "refused" else ("wrong" if told else "right")


def measure() -> dict[str, dict[str, dict[str, int]]]:
    """Outcomes by fault and call."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for fault in [*READINGS, *LAGS, *MATRICES]:
        row = found.setdefault(fault, {})
        for call in [*RESIDUAL, *NONE, *GENERAL]:
            problems = tests.PROBLEMS if call in RESIDUAL else tests.WITHOUT_RESIDUAL
            outcomes = Counter(
                outcome(call, A, Faulty.general(fault) if call in GENERAL else Faulty(fault)) for A in problems.values()
            )
            row[call.__name__] = dict(outcomes)
        outcomes = Counter(tests.lyapunov_outcome(name, fault) for name in tests.LYAPUNOV)
        row["lyapunov"] = dict(outcomes)
        print(fault, row, flush=True)
    return found


def table(found: dict[str, dict[str, dict[str, int]]]) -> str:
    """Right and refused of every call, as Markdown."""
    calls = list(next(iter(found.values())))
    lines = ["| fault | " + " | ".join(TITLES[call] for call in calls) + " |", "|---" * (len(calls) + 1) + "|"]
    for fault, row in found.items():
        cells = []
        for call in calls:
            right, refused, wrong = (row[call].get(kind, 0) for kind in ("right", "refused", "wrong"))
            cells.append(f"{right} / {refused}" + (f" / **{wrong} wrong**" if wrong else ""))
        lines.append(f"| {fault} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    given = options(__doc__)
    path = given.results / "faults.json"
    if not given.draw:
        write({"faults": measure()}, path)
    page = ROOT / "docs" / "health.md"
    text = page.read_text(encoding="utf-8")
    head, mark, _ = text.partition("<!-- table -->")
    write_text(page, f"{head}{mark}\n\n{table(read(path)['faults'])}\n")


if __name__ == "__main__":
    main()
