"""``python -m benchmarks.scale``: measure part by part, and write the results, their page and its pictures.

Every part runs in a process of its own and is kept as soon as it is done: a run that was interrupted goes on where it
stopped.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.machine import confine, describe

HERE = Path(__file__).parent
RESULTS, UNFINISHED = HERE / "results.json", HERE / "results.json.unfinished"
PAGE = HERE.parents[1] / "docs" / "scale.md"
PACKAGES = ("numpy", "scipy", "pyamg")

ORDER = (
    "graphs",
    "preconditioned",
    "solves",
    "small",
    "estimates",
    "readings",
    "memory",
    "real",
    "correlated",
    "dense",
    "conditions",
    "shifted",
    "solves on two threads",
    "readings on two threads",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small problems, to see that it works; writes nothing")
    parser.add_argument("--page", action="store_true", help="only write the page, from what is measured so far")
    parser.add_argument("--part", metavar="NAME", help="measure one part and print it as JSON")
    parser.add_argument("--threads", type=int, default=1, help="cores and threads of that part (default: 1)")
    options = parser.parse_args()
    if options.part:
        confine(options.threads)
        from benchmarks.scale.parts import PARTS

        print(json.dumps(PARTS[options.part](options.quick)))
        return
    measured = UNFINISHED if UNFINISHED.exists() else RESULTS
    results = json.loads(measured.read_text(encoding="utf-8")) if options.page else measure(quick=options.quick)
    from benchmarks.scale import report

    print(report.tables(results))
    if options.quick:
        return
    if not options.page:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        UNFINISHED.unlink(missing_ok=True)
    PAGE.write_text(report.page(results), encoding="utf-8")
    report.pictures(results, PAGE.parent / "images")
    print(f"Written: {RESULTS} and {PAGE}")


def measure(*, quick: bool) -> dict[str, object]:
    """All parts, those of an unfinished run taken as they are."""
    results: dict[str, object] = {}
    if UNFINISHED.exists() and not quick:
        results = json.loads(UNFINISHED.read_text(encoding="utf-8"))
    results["machine"] = describe(1, PACKAGES)
    for part in ORDER:
        if part in results:
            continue
        start, threads = time.monotonic(), 2 if "two threads" in part else 1
        command = [sys.executable, "-m", "benchmarks.scale", "--part", part, "--threads", str(threads)]
        run = subprocess.run([*command, *(["--quick"] if quick else [])], stdout=subprocess.PIPE, check=True)
        results[part] = json.loads(run.stdout)
        print(f"{part}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
        if not quick:
            UNFINISHED.write_text(json.dumps(results, indent=1), encoding="utf-8")
    return results


if __name__ == "__main__":
    main()
