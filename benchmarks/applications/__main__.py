"""``python -m benchmarks.applications``: measure part by part, and write the results and their page.

Every part runs in a process of its own and is kept as soon as it is done: a run that was interrupted goes on where it
stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.machine import confine, describe

HERE = Path(__file__).parent
RESULTS, UNFINISHED = HERE / "results.json", HERE / "results.json.unfinished"
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "benchmarks_applications.md"
DATA = os.environ.get("THERMOLINALG_DATA") or str(ROOT.parent / "shared" / "data")
PARTS = {
    "least_squares": "Least squares and curve fits",
    "gaussian_process": "Gaussian processes",
    "quadratic_program": "Quadratic programs",
    "linear_models": "Ridge and logistic regression",
    "minimize": "Minima of smooth functions",
    "ir_drop": "IR drop",
}
PACKAGES = ("numpy", "scipy", "scikit-learn", "clarabel", "osqp")

ABOUT = """\
# Benchmarks: applications

Made by `make bench-apps` in one run, from `benchmarks/applications/results.json`; no number on this page is copied by
hand. Every part runs in a process of its own, on {threads} thread of {processor}, whose load was {load:.1f} when the
run began. Times are CPU times, the least of three calls in turns, so that ratios tell more than seconds do.
Versions: {versions}.

What is timed is a *simulation* of a device, whose time constants are not these seconds. Where ours takes several times
as long, **the digital library is the better choice** unless there is a device.
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.applications", description=__doc__)
    parser.add_argument("--data", default=DATA, help="folder with problem data (default: THERMOLINALG_DATA)")
    parser.add_argument("--part", choices=PARTS, help="measure one part and print it as JSON")
    parser.add_argument("--page", action="store_true", help="only write the page, from what is measured so far")
    options = parser.parse_args()
    if options.part:
        confine(1)
        print(json.dumps(_module(options.part).measure(Path(options.data))))
        return
    measured = UNFINISHED if UNFINISHED.exists() else RESULTS
    results = json.loads(measured.read_text(encoding="utf-8")) if options.page else measure(options.data)
    text = page(results)
    print(text)
    if not options.page:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        UNFINISHED.unlink(missing_ok=True)
    PAGE.write_text(text, encoding="utf-8")


def measure(data: str) -> dict[str, Any]:
    """All parts, those of an unfinished run taken as they are."""
    results: dict[str, Any] = json.loads(UNFINISHED.read_text(encoding="utf-8")) if UNFINISHED.exists() else {}
    results.setdefault("machine", describe(1, PACKAGES) | {"load": os.getloadavg()[0]})
    for part in PARTS:
        if part in results:
            continue
        start = time.monotonic()
        command = [sys.executable, "-m", "benchmarks.applications", "--part", part, "--data", data]
        run = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        results[part] = json.loads(run.stdout.splitlines()[-1])
        UNFINISHED.write_text(json.dumps(results), encoding="utf-8")
        print(f"{part}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    return results


def page(results: dict[str, Any]) -> str:
    """The page, from the results of all parts that are there."""
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    about = {name: machine[name] for name in ("threads", "processor", "load")}
    parts = [ABOUT.format(versions=versions, **about)]
    parts += [
        f"## {title}\n\n{_module(part).table(results[part]).strip()}\n"
        for part, title in PARTS.items()
        if part in results
    ]
    return "\n".join(parts)


def _module(part: str) -> Any:
    return import_module(f"benchmarks.applications.{part}")


if __name__ == "__main__":
    main()
