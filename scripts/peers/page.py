"""The table for people, and the page below docs/benchmarks."""
import os
import platform
import re
from datetime import datetime, timezone
from pathlib import Path

from programs import BATCH, TOP, text_of

HEAD = ("row", "work", "against", "theirs, ms per file (CPU / wall)", "photofsck", "measured", "at least", "aim", "reached", "files")


def cells(row, result):
    """One row of the table."""
    pair = lambda figures: " / ".join(f"{value:.1f}" if value < 100 else f"{value:.0f}" for value in figures) or "-"
    number = lambda value, ask: (f"{value:.0f}" if ask.unit != "x" else f"{value:.2f}") + ask.unit
    limit = lambda value, ask: ("" if ask.more else "at most ") + f"{value:g}{ask.unit}"
    words = lambda ask: (f"{ask.figure} " if ask.figure != "peak" else "")
    reached = lambda ask: "aim" if ask.aimed(result.figures[ask.figure]) else "yes" if ask.met(result.figures[ask.figure]) else "MISSED"
    join = lambda pick: "; ".join(pick(ask) for ask in row.asked)
    return (row.name, row.work, row.against, pair(result.theirs), pair(result.ours), join(lambda ask: words(ask) + number(result.figures[ask.figure], ask)),
            join(lambda ask: limit(ask.least, ask)), join(lambda ask: limit(ask.aim, ask)), join(reached), result.files + _alike(result))


def _alike(result):
    if not result.likeness:
        return ""
    least = lambda role: min(file.get(role) or 0 for file in result.likeness)
    return f"; SSIM of previews at least {least('preview'):.4f}"


def misses(row, result):
    """What of a row is below what is asked, in words; pictures that are too unlike count."""
    found = [f"{row.name}: {ask.figure} {result.figures[ask.figure]:.2f}, asked {ask.least:g}" for ask in row.asked if not ask.met(result.figures[ask.figure])]
    unlike = [file for file in result.likeness if (file.get("preview") or 0) < 0.98]
    return found + [f"{row.name}: SSIM {file.get('preview')} of {Path(file['file']).name}" for file in unlike]


def table(head, rows):
    """A Markdown table."""
    line = lambda row: "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |"
    return "\n".join([line(head), line(["---"] * len(head)), *map(line, rows)])


def processor():
    """The processor's name and how many of them this process may use."""
    text = Path("/proc/cpuinfo").read_text()
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith(("model name", "Model"))]
    return f"{names[0] if names else platform.processor() or 'unknown processor'}, {len(os.sched_getaffinity(0))} cores, {_memory()} GiB"


def _memory():
    kibibytes = int(Path("/proc/meminfo").read_text().split()[1])
    return f"{kibibytes / 2**20:.0f}"


def storage(folder):
    """File system and disk below a folder."""
    found = text_of("findmnt", "-no", "FSTYPE,SOURCE", "-T", folder).split()
    if len(found) < 2:
        return "unknown"
    turns = text_of("lsblk", "-ndo", "ROTA", found[1])
    return f"{found[0]} on {'a rotational disk' if turns == '1' else 'a disk that does not rotate' if turns == '0' else 'a disk'}; read from the page cache"


def versions(program):
    """The versions of both sides."""
    first = lambda *command: text_of(*command).split("\n")[0].strip()
    commit = first("git", "-C", TOP, "describe", "--always", "--dirty")
    number = lambda *command: next(iter(re.findall(r"\d+(?:\.\d+)+", first(*command))), "")
    tools = [("libvips-tools", "vips", "--version"), ("jpeginfo", "jpeginfo", "--version"), ("pngcheck", "pngcheck", "-h"),
             ("libwebp's tools", "webpinfo", "-version"), ("ffmpeg", "ffmpeg", "-version"), ("Linux", "uname", "-r")]
    named = [f"{name} {number(*command)}" for name, *command in tools if number(*command)]
    return [f"{first(program, '--version')} (commit {commit})", text_of("node", BATCH, "versions"), *named]


def likeness_table(measured):
    """Every picture that was compared, once."""
    rows = []
    for row, result in measured:
        for file in result.likeness:
            name = Path(file["file"]).name
            rows.append((row.name, name, file["size"], f"{file.get('preview') or 0:.4f}", f"{file.get('thumbnail') or 0:.4f}"))
    return table(("row", "picture", "preview", "SSIM of the preview", "SSIM of the thumbnail"), [row for row in rows if row[0] != "render-cores"])


def write(target, measured, missing, bench, load):
    """Writes the page."""
    short = [miss for row, result in measured for miss in misses(row, result)]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(f"""# photofsck beside its peers: {platform.machine()}

Written by `scripts/bench-peers --write`, {datetime.now(timezone.utc):%Y-%m-%d}. Both sides do the same files in turn, {bench.runs} pairs; figures are medians,
ratios are medians of the ratios of each pair. CPU is user and system time of all processes, children included. Starting the programs is
included. Ratios are theirs over photofsck's (more is better); shares, and all figures with a limit of "at most", are photofsck's over theirs
(less is better). The last two rows are measured by `cargo bench --bench isolation` and `--bench warm_check`.

- Machine: {processor()}; {storage(bench.scratch)}. Load average {load} at the beginning, {' '.join(f'{value:.1f}' for value in os.getloadavg())} at the end: on a
  machine that does other work as well, trust CPU and not wall.
- Versions: {'; '.join(versions(bench.program.path))}.
- Pictures: the corpus of real files, largest first. `made` counts those that were made out of its pictures, because it has too few of the kind;
  a set is copied until the run is long enough.

{table(HEAD, [cells(row, result) for row, result in measured])}

{_shortfalls(short, missing)}

Peak memory is of the whole process tree while all pictures are made: the sum of proportional set sizes, or the largest process's high-water mark where that is more.

## How like the pictures are

Luma SSIM of our pictures against sharp's, by the code that writes [fidelity.md](../fidelity.md). At least 0.98 is asked of previews.

{likeness_table(measured)}

## To repeat

```
scripts/bench-peers                          # everything, from the corpus
scripts/bench-peers --rows render,verify-jpeg FOLDER
```
""")


def _shortfalls(short, missing):
    lines = [f"- {miss}" for miss in short] or ["- nothing"]
    text = "Below what is asked:\n\n" + "\n".join(lines)
    return text + (f"\n\nNot measured: {', '.join(missing)}." if missing else "")
