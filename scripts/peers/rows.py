"""The rows of the table: what is done, beside whom, and what is asked. A new row is one more entry of ROWS."""
import math
import re
from dataclasses import dataclass

import programs
from measure import Failed, in_turn
from programs import IMMICH_JOBS, Sharp, batch, save, text_of

# A run must take the peer so many seconds of processor time, and have so many files, or starting and rounding are what is measured.
SECONDS, FILES = 1.5, 16


@dataclass(frozen=True)
class Asked:
    """One figure of a row and what it must reach. `more`: a ratio of theirs over ours, which must be high; else it must be low."""

    figure: str
    least: float
    aim: float
    more: bool = True
    unit: str = "x"

    def met(self, value):
        """Whether the value reaches what is asked."""
        return value >= self.least if self.more else value <= self.least

    def aimed(self, value):
        """Whether it reaches what is aimed at."""
        return value >= self.aim if self.more else value <= self.aim


@dataclass
class Result:
    """What a row gave: figures by name; per file milliseconds of both sides; words about the files."""

    figures: dict
    files: str
    theirs: tuple = ()
    ours: tuple = ()
    likeness: tuple = ()


def done(files, work):
    """The files that the work can be done for: where a side refuses one, as it does a damaged one, there is nothing to compare."""
    if _succeeds(work, files):
        return files
    kept = [file for file in files if _succeeds(work, [file])]
    if not kept:
        raise Failed(f"none of {len(files)} files is done")
    return kept


def _succeeds(work, files):
    try:
        return bool(work(files))
    except Failed:
        return False


@dataclass(frozen=True)
class Versus:
    """A peer's work and ours in turn over the same files."""

    name: str
    work: str
    against: str
    kinds: tuple
    asked: tuple
    theirs: object
    ours: object
    files: int = FILES
    alike: object = None

    def measure(self, bench):
        """Both sides once to see that they do their work and how long it takes, then in turn."""
        found = bench.library.of(*self.kinds)
        distinct = done(found, lambda files: self._both(bench, files))
        cost = self.theirs(bench, distinct)
        likeness = tuple(self.alike(bench, distinct)) if self.alike else ()
        times = max(math.ceil(self.files / len(distinct)), math.ceil(SECONDS / max(cost.cpu, 1e-3)))
        files = bench.library.copies(distinct, times, bench.scratch / "copies")
        paired = in_turn(lambda: self.theirs(bench, files), lambda: self.ours(bench, files), bench.runs)
        each = lambda side: (side.cpu * 1000 / len(files), side.wall * 1000 / len(files))
        figures = {"CPU": paired.cpu, "wall": paired.wall, "share of CPU": 1 / paired.cpu}
        words = bench.describe(distinct, len(files), len(found) - len(distinct))
        return Result(figures, words, each(paired.theirs), each(paired.ours), likeness)

    def _both(self, bench, files):
        self.ours(bench, files)
        return self.theirs(bench, files).status == 0


@dataclass(frozen=True)
class Memory:
    """Peak memory of the whole process tree, making all pictures."""

    name: str
    work: str
    kinds: tuple
    asked: tuple
    jobs: int = 1
    against: str = "-"

    def measure(self, bench):
        """The higher of two runs."""
        found = bench.library.of(*self.kinds)
        distinct = done(found, lambda files: bench.program.render(files, bench.scratch))
        # As many at once of the largest as there are workers.
        files = bench.library.copies(distinct, self.jobs, bench.scratch / "copies")
        files.sort(key=lambda file: -bench.library.facts[file].megapixels)
        peaks = [bench.program.render(files, bench.scratch, self.jobs, memory=True)[0].peak for _ in range(2)]
        return Result({"peak": max(peaks)}, bench.describe(distinct, len(files), len(found) - len(distinct)))


@dataclass(frozen=True)
class OwnProgram:
    """A bench program of the repository, which does both sides' work in turn by itself and tells the medians in its last line."""

    name: str
    work: str
    against: str
    kinds: tuple
    asked: tuple
    figures: str
    files: str

    def measure(self, bench):
        """Builds it and runs it once."""
        done = programs.cargo_bench(self.name, bench.library.of(*self.kinds))
        last = done.strip().splitlines()[-1:] or [""]
        found = re.search(self.figures, last[0])
        if not found:
            raise Failed(f"the bench program says: {last[0]}")
        return Result({name: float(value) for name, value in found.groupdict().items()}, self.files)


def sharp(jobs, threads):
    """sharp making the pictures."""
    return lambda bench, files: Sharp(jobs, threads).render(files, bench.scratch, bench.library.spaces())[0]


def tool(command):
    """One of the command line tools."""
    return lambda bench, files: programs.total(command(files, bench.scratch, bench.library.facts))


def render(jobs=1):
    """photofsck render; `jobs` None is one for each core."""
    return lambda bench, files: bench.program.render(files, bench.scratch, jobs or bench.cores)[0]


def verify(jobs=1):
    """photofsck verify; `jobs` None is one for each core."""
    return lambda bench, files: bench.program.verify(files, bench.scratch, jobs=jobs or bench.cores)[0]


def likeness(bench, files):
    """How like the pictures of both sides are, file by file, by the code that writes docs/fidelity.md."""
    _, ours = bench.program.render(files, bench.scratch)
    sources = {file: _readable(bench, file, number) for number, file in enumerate(files)}
    _, theirs = Sharp(1, 1).render(list(sources.values()), bench.scratch, {
        source: bench.library.facts[file].space for file, source in sources.items()})
    pairs = [{"file": file, "theirs": theirs[sources[file]], "ours": {role: ours[file][role] for role in ("preview", "thumbnail", "thumbhash")}}
             for file in files]
    return batch("likeness", save(pairs, bench.scratch / "pairs.json"))


def _readable(bench, file, number):
    """npm's sharp reads no HEVC: the installed libvips decodes it first, without loss."""
    if bench.library.facts[file].format != "heic":
        return file
    target = str(bench.scratch / f"decoded-{number}.png")
    text_of("vips", "copy", file, target)
    return target


def _render_row(name, work, kinds, asked, jobs=1):
    cores = jobs is None
    against = f"sharp, {IMMICH_JOBS} jobs, all threads" if cores else "sharp, 1 thread"
    return Versus(name, work, against, kinds, asked, sharp(IMMICH_JOBS, 0) if cores else sharp(1, 1), render(jobs), alike=likeness)


def _figure(figure, least, aim):
    return (Asked(figure, least, aim, more=False),)


def _share(least, aim):
    return _figure("share of CPU", least, aim)


def _peak(least, aim):
    return (Asked("peak", least, aim, more=False, unit=" MiB"),)


FULL = "verify, SHA-1, BLAKE3, preview, thumbnail, thumbhash"
WORKERS = 3
BASELINE = ("camera", "p3", "large")

ROWS = [
    _render_row("render", f"{FULL}: camera JPEG, 1 job", ("camera",), (Asked("CPU", 3.1, 4),)),
    _render_row("render-cores", "the same on all cores", ("camera",), (Asked("CPU", 3.1, 4), Asked("wall", 2.5, 3.5)), jobs=None),
    _render_row("render-p3", "the same: Display P3 JPEG, 1 job", ("p3",), (Asked("CPU", 9, 11),)),
    _render_row("render-progressive", "the same: progressive JPEG, 1 job", ("progressive",), (Asked("CPU", 3.8, 4.5),)),
    Versus("render-heic", "the same: HEIC, 1 job", "vipsthumbnail, preview only", ("heic",), (Asked("CPU", 2, 3),),
           tool(programs.vipsthumbnail), render(), alike=likeness),
    Versus("verify-jpeg", "verify, both hashes: baseline JPEG", "jpeginfo -c", ("camera", "p3"), _share(0.70, 0.5), tool(programs.jpeginfo), verify()),
    Versus("verify-progressive", "verify: progressive JPEG", "jpeginfo -c", ("progressive",), _share(1.1, 0.8), tool(programs.jpeginfo), verify()),
    Versus("verify-png", "verify: PNG", "pngcheck -q", ("png",), _share(1.5, 1.0), tool(programs.pngcheck), verify()),
    Versus("verify-heic", "verify: HEIC", "vips avg", ("heic",), _share(0.5, 0.35), tool(programs.vips_average), verify()),
    Versus("verify-video", "verify, structure and keyframes: video", "ffmpeg, all frames to null", ("video",), _share(0.35, 0.25),
           tool(programs.ffmpeg_decode), verify(), files=4),
    Versus("verify-previews", "verify: previews (JPEG), files per second, all cores", "jpeginfo -c", ("previews",),
           (Asked("wall", 2, 5),), tool(programs.jpeginfo), verify(None), files=400),
    Versus("verify-thumbnails", "verify: thumbnails (WebP), files per second, all cores", "webpinfo and dwebp", ("thumbnails",),
           (Asked("wall", 2, 5),), tool(programs.webp_tools), verify(None), files=1000),
    Memory("memory-jpeg", "peak memory: baseline JPEG to 50 MP, 1 worker", BASELINE, _peak(60, 40)),
    Memory("memory-workers", f"the same with {WORKERS} workers", BASELINE, _peak(60 + 40 * (WORKERS - 1), 40 + 30 * (WORKERS - 1)), WORKERS),
    Memory("memory-progressive", "peak memory: progressive JPEG to 25 MP, 1 worker", ("progressive",), _peak(130, 95)),
    Memory("memory-heic", "peak memory: HEIC 12 MP, 1 worker", ("heic",), _peak(130, 60)),
    Memory("memory-raw", "peak memory: camera raw 48 MP, 1 worker", ("raw",), _peak(350, 250)),
    OwnProgram("isolation", f"{FULL}: camera JPEG, in workers", "the same in one process", ("camera",), _figure("CPU", 1.03, 1.01),
          r"median ratio (?P<CPU>[\d.]+)", "24 pairs of each"),
    OwnProgram("warm_check", "check of 150 000 files, none changed since the last one", "find -printf %s", (),
          _figure("wall", 3, 2) + _peak(300, 200), r"median ratio (?P<wall>[\d.]+) .*, peak (?P<peak>\d+) MiB", "50 000 assets, 3 pairs"),
]
