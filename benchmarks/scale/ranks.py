"""``python -m benchmarks.scale.ranks``: one A on one rank of MPI and on two, which take turns; needs the extra `mpi`.

Every run is a process (or two) of its own. Times are CPU times of a rank outside of MPI, the larger of both ranks and
the least of all turns, which other work on the machine disturbs least; what MPI takes is told by counts, and by the
least wall time of one reduction.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe

RESULTS = Path(__file__).parent / "ranks.json"
SIDES = (316, 1000, 2000, 632)
SHIFT = 0.1
ANSWERS = ("sample", "raw run", "langevin")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.ranks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small problem, to see that it works; writes nothing")
    parser.add_argument("--turns", type=int, default=1, help="how often each run is repeated (default: 1)")
    parser.add_argument("--worker", nargs=3, metavar=("SIDE", "KIND", "FOLDER"), help="one rank of one run")
    options = parser.parse_args()
    if options.worker:
        side, kind, folder = options.worker
        work(int(side), kind, Path(folder))
        return
    results: dict[str, Any] = {"machine": describe(1, ("numpy", "scipy", "mpi4py", "mpich")), "rows": []}
    for side in (100,) if options.quick else SIDES:
        results["rows"].append(compared(side, 1 if options.quick else options.turns))
        print(json.dumps(results["rows"][-1]), file=sys.stderr, flush=True)
        if not options.quick:
            RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def compared(side: int, turns: int) -> dict[str, Any]:
    """One and two ranks in turns: least seconds, peak memory of a rank, and how far the answers are apart."""
    row: dict[str, Any] = {"n": side * side, "apart": {}}
    with tempfile.TemporaryDirectory() as name:
        for turn in range(turns):
            for kind in ("rows", "stencil") if side == max(SIDES) else ("rows",):
                for ranks in (1, 2):
                    told = launched(ranks, side, kind, Path(name) / f"{kind}{ranks}")
                    best = row.setdefault(f"{kind} {ranks}", told)
                    best["seconds"] = {key: min(best["seconds"][key], told["seconds"][key]) for key in told["seconds"]}
            if turn == 0:
                for answer in ANSWERS:
                    one, two = (whole(Path(name) / f"rows{ranks}", answer, ranks) for ranks in (1, 2))
                    row["apart"][answer] = float(np.linalg.norm(two - one) / np.linalg.norm(one))
    return row


def whole(folder: Path, answer: str, ranks: int) -> np.ndarray:
    """What all ranks wrote of an answer, one after the other."""
    return np.concatenate([np.load(folder / f"{answer}.{rank}.npy") for rank in range(ranks)])


def launched(ranks: int, side: int, kind: str, folder: Path) -> dict[str, Any]:
    """What the first of so many ranks tells; MPI's own mpiexec, one thread a rank."""
    folder.mkdir(exist_ok=True)
    beside = Path(sys.executable).with_name("mpiexec")
    launcher = str(beside) if beside.exists() else shutil.which("mpiexec")
    worker = [sys.executable, "-m", "mpi4py", "-m", "benchmarks.scale.ranks", "--worker", str(side), kind, str(folder)]
    one_thread = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    command = [str(launcher), "-n", str(ranks), *worker]
    run = subprocess.run(command, env=one_thread, stdout=subprocess.PIPE, check=True, text=True)
    told: dict[str, Any] = json.loads(run.stdout.strip().splitlines()[-1])
    return told


def work(side: int, kind: str, folder: Path) -> None:
    """Measure on this rank; every rank writes its rows of the answers, the first one prints."""
    import thermolinalg as tla
    from thermolinalg import distributed
    from thermolinalg._arrays import standard_normal

    comm, before = counting(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if kind == "rows":
        A: Any = distributed.RowPartitioned(grid_rows(side, distributed.rows_of(side * side, comm)), comm)
    else:
        A = distributed.Stencil.laplacian((side, side), SHIFT, comm)
    small = distributed.Stencil.laplacian((40, 40), SHIFT, comm)
    tla.langevin(small, small.vector(np.ones(small.like.local.shape[0])), rng=0)  # what a first call loads
    products = count_products(A)
    block = standard_normal(np.random.default_rng(1), (side * side, 1), A.like)
    b, numbers = block[:, 0], np.random.default_rng(0)
    seconds = {
        "product": least(comm, lambda: A.apply(block), 5),
        "reduction": latency(comm),
        "normals": least(comm, lambda: standard_normal(numbers, block.shape, A.like), 5),
    }
    calls: dict[str, Callable[[], Any]] = {
        "sample": lambda: tla.sample(A, rng=0),
        "raw run": lambda: tla.solve(A, b, refine=False, rng=0),
        "langevin": lambda: tla.langevin(A, b, rtol=1e-6, rng=0)[0],
    }
    counts = {}
    for name, call in calls.items():
        if kind == "stencil" and name != "langevin":
            continue
        products[0], comm.reductions, comm.draws = 0, 0, 0
        answers: list[Any] = []
        seconds[name] = least(comm, lambda call=call, answers=answers: answers.append(call()), 1)
        counts[name] = {"products": products[0], "reductions": comm.reductions, "draws": comm.draws}
        np.save(folder / f"{name}.{comm.rank}.npy", answers[0].local)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    if comm.rank == 0:
        print(json.dumps({"seconds": seconds, "counts": counts, "kilobytes": held}))


def counting() -> Any:
    """All ranks of MPI, which count reductions and random vectors, and the CPU time spent in MPI; they wait asleep."""
    from mpi4py import MPI

    from thermolinalg.distributed import Ranks

    class Counting(Ranks):
        reductions = draws = 0
        inside = 0.0

        def allreduce(self, values: np.ndarray, reduction: Any) -> np.ndarray:
            start = time.process_time()
            self.reductions += 1
            result = np.array(values)
            asleep(self.comm.Iallreduce(MPI.IN_PLACE, result, op=self._operations[reduction]).Test)
            self.inside += time.process_time() - start
            return result

        def bcast(self, value: Any, root: int) -> Any:
            self.draws += 1
            return self.timed(super().bcast, value, root)

        def exchange(self, sends: Any, receives: Any) -> Callable[[], None]:
            requests = [self.comm.Irecv(buffer, source=rank) for rank, buffer in receives.items()]
            requests += [self.timed(self.comm.Isend, buffer, dest=rank) for rank, buffer in sends.items()]
            kept = dict(sends)

            def finish() -> None:
                self.timed(asleep, lambda: MPI.Request.Testall(requests))
                kept.clear()

            return finish

        def timed(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
            start = time.process_time()
            result = call(*arguments, **options)
            self.inside += time.process_time() - start
            return result

    return Counting(MPI.COMM_WORLD)


def asleep(done: Callable[[], bool]) -> None:
    """Wait without spinning: there are fewer cores than work on them."""
    while not done():
        time.sleep(2e-5)


def count_products(A: Any) -> list[int]:
    """A list whose entry counts products with single vectors from now on."""
    count, product = [0], A._product

    def counted(block: Any, total: Any) -> Any:
        count[0] += block.shape[1]
        return product(block, total)

    A._product = counted
    return count


def least(comm: Any, call: Callable[[], Any], rounds: int) -> float:
    """Least CPU seconds outside of MPI that a call takes on the rank that takes longest."""
    best = float("inf")
    for _ in range(rounds):
        asleep(comm.comm.Ibarrier().Test)
        comm.inside, start = 0.0, time.process_time()
        call()
        best = min(best, time.process_time() - start - comm.inside)
    return max(comm.allgather(best))


def latency(comm: Any, rounds: int = 200) -> float:
    """Least wall seconds of a reduction of one number."""
    from thermolinalg.distributed import Ranks

    plain, number, best = Ranks(comm.comm), np.zeros(1), float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        plain.allreduce(number, "sum")
        best = min(best, time.perf_counter() - start)
    return max(comm.allgather(best))


def grid_rows(side: int, mine: slice) -> Any:
    """Some rows of −Δ + 0.1 on a square with walls."""
    from scipy.sparse import coo_array

    rows = np.arange(mine.start, mine.stop)
    x, y = divmod(rows, side)
    here = rows - mine.start
    parts = [(here, rows, np.full(len(rows), 4 + SHIFT))]
    for step, inside in ((-side, x > 0), (side, x < side - 1), (-1, y > 0), (1, y < side - 1)):
        parts.append((here[inside], rows[inside] + step, np.full(inside.sum(), -1.0)))
    i, j, values = (np.concatenate(part) for part in zip(*parts, strict=True))
    return coo_array((values, (i, j)), (len(rows), side * side)).tocsr()


if __name__ == "__main__":
    main()
