"""Many cases over processes: can be interrupted, and goes on from its record."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections import Counter

from . import case

CHUNK = 25
"""Cases that a process takes at a time."""

PATIENCE = 180.0
"""Seconds without any chunk finished after which a process counts as hanging where no signal reaches it."""


class Summary:
    """What came of all cases."""

    def __init__(self, wanted):
        self.results, self.wanted, self.seconds, self.note = {}, wanted, 0.0, ""

    def add(self, results):
        self.results.update({result.case: result for result in results})

    @property
    def findings(self):
        return [self.results[n] for n in sorted(self.results) if self.results[n].is_finding]

    @property
    def inside(self):
        """Share of the entries of refined answers that err by three error bars at most."""
        entries = sum(r.entries for r in self.results.values())
        return sum(r.inside for r in self.results.values()) / entries if entries else 1.0

    @property
    def unfinished(self):
        return len(self.wanted) - len(self.results)

    def table(self):
        """Outcomes by call."""
        every = self.results.values()
        shown = ["answered", "refused", *(kind for kind in case.KINDS if any(r.outcome == kind for r in every))]
        calls = sorted({r.call for r in every})
        counts = Counter((r.call, r.outcome) for r in every)
        width = max([len(c) for c in calls], default=5)
        lines = ["  ".join([f"{'call':{width}}", *(f"{name:>8}" for name in shown), " slowest"])]
        for call in calls:
            slowest = max(r.seconds for r in every if r.call == call)
            cells = (f"{counts[call, name]:>{max(8, len(name))}}" for name in shown)
            lines.append("  ".join([f"{call:{width}}", *cells, f"{slowest:6.1f} s"]))
        lines.append(f"error bars: {self.inside:.2%} of the entries of refined answers within three")
        found = len(self.findings)
        rest = f", {self.unfinished} not run{self.note}" if self.unfinished else ""
        lines.append(f"{len(self.results)} cases in {self.seconds:.0f} s: {found} findings{rest}")
        return "\n".join(lines)


def run(seed, numbers, *, workers=None, seconds=None, record=None):
    """Cases of these numbers.

    Parameters
    ----------
    seed : int
    numbers : sequence of int
    workers : int, optional
        Processes; zero runs everything here. Default: one for each core.
    seconds : float, optional
        Nothing new is started after so long.
    record : Path, optional
        File of one JSON line for each case; cases that it has are not run again.
    """
    summary, begin = Summary(numbers), time.monotonic()
    if record is not None and record.exists():
        lines, asked = [json.loads(line) for line in record.read_text().splitlines()], set(numbers)
        summary.add(
            case.Result(**line["result"]) for line in lines if line["seed"] == seed and line["result"]["case"] in asked
        )
    missing = [n for n in numbers if n not in summary.results]
    chunks = [(seed, missing[i : i + CHUNK]) for i in range(0, len(missing), CHUNK)]
    late = (lambda: False) if seconds is None else (lambda: time.monotonic() - begin > seconds)
    try:
        for results in (
            _here(chunks, late) if workers == 0 else _spread(chunks, workers or os.cpu_count(), late, summary)
        ):
            summary.add(results)
            if record is not None:
                with record.open("a") as file:
                    file.writelines(json.dumps({"seed": seed, "result": r.record()}) + "\n" for r in results)
    except KeyboardInterrupt:
        summary.note = " (interrupted)"
    summary.seconds = time.monotonic() - begin
    return summary


def chunk(task):
    """One process's share."""
    seed, numbers = task
    return [case.run(seed, n) for n in numbers]


def _here(chunks, late):
    for task in chunks:
        if late():
            return
        yield chunk(task)


def _spread(chunks, workers, late, summary):
    context = multiprocessing.get_context("spawn")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    with context.Pool(workers) as pool:
        pending = iter(chunks)
        running = [pool.apply_async(chunk, (task,)) for _, task in zip(range(2 * workers), pending, strict=False)]
        last = time.monotonic()
        while running:
            done = [job for job in running if job.ready()]
            for job in done:
                running.remove(job)
                last = time.monotonic()
                yield job.get()
                task = None if late() else next(pending, None)
                if task is not None:
                    running.append(pool.apply_async(chunk, (task,)))
            if time.monotonic() - last > PATIENCE:
                summary.note = f" (no process finished a chunk for {PATIENCE:.0f} s)"
                pool.terminate()
                return
            if not done:
                time.sleep(0.02)
            if sys.stderr.isatty() and done:
                print(f"\r{len(summary.results)} of {len(summary.wanted)}", end="", file=sys.stderr)
