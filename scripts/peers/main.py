"""The work of scripts/bench-peers."""
import argparse
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

import page
import sets
from measure import Failed, adopt_orphans
from programs import TOP, Photofsck
from rows import ROWS


class Bench:
    """What every row needs."""

    def __init__(self, program, library, scratch, runs):
        self.program, self.library, self.scratch, self.runs = program, library, scratch, runs
        self.cores = len(os.sched_getaffinity(0))

    def describe(self, distinct, total, refused=0):
        """How many files, in words."""
        made = sum(file in self.library.made for file in distinct)
        text = str(len(distinct)) + (f" ({made} made)" if made else "") + (f", copied to {total}" if total > len(distinct) else "")
        return text + (f"; {refused} refused by a side" if refused else "")


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench-peers", description="Measures photofsck beside its peers.")
    parser.add_argument("folder", nargs="?", type=Path, help="pictures to measure with, and no others [default: the corpus, completed]")
    parser.add_argument("--rows", metavar="NAME,...", help="only these rows")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="pairs of runs for each row [default: 5]")
    parser.add_argument("--list", action="store_true", help="print the rows and what is asked of them")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks/<architecture>.md")
    parser.add_argument("--check", action="store_true", help="end with 1 where a row misses what is asked")
    given = parser.parse_args()
    names = given.rows.split(",") if given.rows else [row.name for row in ROWS]
    unknown = set(names) - {row.name for row in ROWS}
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; --list names them")
    if given.write and (given.folder or given.rows):
        parser.error("--write is for the whole table from the corpus: leave --rows and FOLDER away")
    if given.runs < 1:
        parser.error("--runs must be at least 1")
    given.rows = [row for row in ROWS if row.name in names]
    return given


def list_rows(rows):
    """The rows without measuring them."""
    for row in rows:
        asked = "; ".join(f"{ask.figure} {'at least' if ask.more else 'at most'} {ask.least:g}{ask.unit}, aim {ask.aim:g}{ask.unit}" for ask in row.asked)
        print(f"{row.name:20} {row.work}; against: {row.against}; {asked}")


def corpus():
    """The folder of sound files of the corpus."""
    root = Path(os.environ.get("PHOTOFSCK_CORPUS") or TOP.parent / "shared/corpus")
    if not (root / "good").is_dir():
        sys.exit(f"bench-peers: no corpus at {root}: set PHOTOFSCK_CORPUS, or give a folder with pictures")
    return root / "good"


def gather(given, program, scratch):
    """The files that the rows need; where a folder is given, from that folder alone."""
    print("looking through the files", file=sys.stderr)
    library = sets.find(given.folder or corpus(), scratch, program)
    if not given.folder:
        print("making what is lacking", file=sys.stderr)
        made = scratch / "made"
        made.mkdir(exist_ok=True)
        # What is made is made of camera JPEGs, or like them.
        sets.complete(library, {"camera", *(kind for row in given.rows for kind in row.kinds)}, made, program)
    return library


def measure(rows, bench):
    """All rows; (measured, names of rows without files, rows that failed and why)."""
    measured, absent, failed = [], [], []
    for row in rows:
        if row.kinds and not bench.library.of(*row.kinds):
            absent.append(row.name)
            print(f"{row.name}: no files of its kind", flush=True)
            continue
        try:
            result = row.measure(bench)
        except Failed as error:
            failed.append(f"{row.name}: {error}")
            print(f"{row.name}: {error}", flush=True)
            continue
        measured.append((row, result))
        print(" | ".join(page.cells(row, result)), flush=True)
    return measured, absent, failed


def main():
    """Gathers, measures, prints, and writes what was asked for."""
    given = arguments()
    if given.list:
        list_rows(given.rows)
        return 0
    adopt_orphans()
    program = Photofsck(os.environ["PHOTOFSCK"])
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    kept = os.environ.get("KEEP")
    scratch = Path(kept).resolve() if kept else Path(tempfile.mkdtemp(prefix="photofsck-peers-"))
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        bench = Bench(program, gather(given, program, scratch), scratch, given.runs)
        measured, absent, failed = measure(given.rows, bench)
        print("\n" + page.table(page.HEAD, [page.cells(row, result) for row, result in measured]))
        if given.write:
            target = TOP / f"docs/benchmarks/{platform.machine()}.md"
            page.write(target, measured, absent + failed, bench, load)
            print(f"wrote {target.relative_to(TOP)}", file=sys.stderr)
    except Failed as error:
        sys.exit(f"bench-peers: {error}")
    finally:
        if not kept:
            shutil.rmtree(scratch, ignore_errors=True)
    short = [miss for row, result in measured for miss in page.misses(row, result)] + failed
    for miss in short:
        print(f"MISSED {miss}")
    return 1 if given.check and short else 0


if __name__ == "__main__":
    sys.exit(main())
