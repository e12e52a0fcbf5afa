"""How photofsck and its peers are called. Each peer is a function (files, scratch folder) -> command and environment."""
import json
import os
import shutil
import subprocess
from pathlib import Path

from measure import Failed, Measured, run

TOP = Path(__file__).resolve().parents[2]
BATCH = TOP / "scripts/fidelity/batch.mjs"
# Immich's defaults: preview by its shorter side, images at once.
PREVIEW = 1440
IMMICH_JOBS = 3


def fresh(folder):
    """An empty folder of that name."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def save(value, path):
    """Writes JSON; the path."""
    path.write_text(json.dumps(value, default=str))
    return path


def text_of(*command):
    """What a command prints, or nothing where it is not there."""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip()


def batch(command, *arguments):
    """Runs scripts/fidelity/batch.mjs and reads the JSON it prints."""
    done = subprocess.run(["node", str(BATCH), command, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"batch.mjs {command} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout)


def cargo_bench(name, files):
    """What a bench program of the repository prints."""
    done = subprocess.run(["cargo", "bench", "--quiet", "--bench", name, "--", *files], cwd=TOP, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"cargo bench ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


class Photofsck:
    """The program under measurement."""

    def __init__(self, path):
        self.path = path

    def verify(self, files, scratch, jobs=1, memory=False, sound=True, extra=()):
        """Verifies the files; (what it cost, items by path). All of them must be found sound, else the comparison means nothing."""
        cost, items = self._run(["verify", *files, *extra], files, scratch, jobs, memory)
        bad = [path for path, item in items.items() if item["verdict"] != "decodable"]
        if sound and bad:
            raise Failed(f"photofsck calls {len(bad)} of {len(files)} files {items[bad[0]]['verdict']}: {bad[0]}")
        return cost, items

    def render(self, files, scratch, jobs=1, memory=False):
        """Makes the pictures of the files; (what it cost, items by path)."""
        out = fresh(scratch / "ours")
        cost, items = self._run(["render", *files, "--out", out], files, scratch, jobs, memory)
        bad = [path for path, item in items.items() if not item.get("preview")]
        if bad:
            raise Failed(f"photofsck made no pictures of {len(bad)} of {len(files)} files: {bad[0]}: {items[bad[0]].get('reason')}")
        return cost, items

    def _run(self, arguments, files, scratch, jobs, memory):
        lines = scratch / "lines.ndjson"
        cost = run([self.path, *arguments, "--jobs", jobs, "--json", lines, "--progress", "never", "-q"], memory)
        try:
            parsed = [json.loads(line) for line in lines.read_text().splitlines()]
        except (OSError, ValueError) as error:
            raise Failed(f"photofsck ended with {cost.status} and no report: {cost.output[-300:]}") from error
        items = {line["path"]: line for line in parsed if line["type"] == "item"}
        if set(items) != {str(file) for file in files}:
            raise Failed(f"photofsck gave {len(items)} items for {len(files)} files, status {cost.status}: {cost.output[-300:]}")
        return cost, items


class Sharp:
    """sharp doing Immich's steps (scripts/fidelity/peer.mjs). It knows the colour space of each file, as Immich does by then."""

    def __init__(self, jobs, threads):
        self.jobs, self.threads = jobs, threads

    def render(self, files, scratch, spaces):
        """Makes the pictures; (what it cost, what was made by path)."""
        out = fresh(scratch / "theirs")
        work = save([{"file": file, "space": spaces.get(file, "srgb")} for file in files], scratch / "work.json")
        cost = run(["node", BATCH, "render", work, out, self.jobs, self.threads])
        if cost.status != 0:
            raise Failed(f"sharp ended with {cost.status}: {cost.output[-300:]}")
        made = json.loads((out / "made.json").read_text())
        refused = [entry for entry in made if "error" in entry]
        if refused:
            raise Failed(f"sharp refuses {refused[0]['file']}: {refused[0]['error']}")
        return cost, {entry["file"]: entry for entry in made}


def total(commands, memory=False):
    """Runs commands one after another as one measurement, each on one core as far as it can be told so."""
    costs = [run(command, memory, {"VIPS_CONCURRENCY": "1"}) for command in commands]
    return Measured(
        sum(cost.cpu for cost in costs), sum(cost.wall for cost in costs), max(cost.peak for cost in costs),
        next((cost.status for cost in costs if cost.status), 0), "".join(cost.output for cost in costs))


def each(files, scratch, *command):
    """One process of the command for every file, started by one xargs."""
    listed = scratch / "files"
    listed.write_bytes(b"\0".join(os.fsencode(file) for file in files))
    return ["xargs", "-0", "-n", "1", "-a", listed, *command]


def jpeginfo(files, scratch, facts):
    """Every JPEG decoded (at an eighth, in grey) and every warning counted."""
    return [["jpeginfo", "-c", *files]]


def pngcheck(files, scratch, facts):
    """Chunks, checksums and the compressed stream of every PNG."""
    return [["pngcheck", "-q", *files]]


def vips_average(files, scratch, facts):
    """Every pixel of every picture."""
    return [each(files, scratch, "vips", "avg")]


def ffmpeg_decode(files, scratch, facts):
    """Every frame of every video, to nowhere."""
    return [["ffmpeg", "-nostdin", "-v", "error", "-threads", "1", "-i", file, "-f", "null", "-"] for file in files]


def webp_tools(files, scratch, facts):
    """The structure of every WebP by webpinfo, its pixels by dwebp, which takes one file at a time."""
    return [["webpinfo", "-quiet", *files], each(files, scratch, "dwebp", "-quiet")]


def vipsthumbnail(files, scratch, facts):
    """A preview of Immich's size of every picture; one process for all files of a shape."""
    out, shapes = fresh(scratch / "theirs"), {}
    for file in files:
        width, height = facts[file].width, facts[file].height
        scale = min(1.0, PREVIEW / min(width, height))
        shapes.setdefault((round(width * scale), round(height * scale)), []).append(file)
    return [["vipsthumbnail", *group, "-s", f"{width}x{height}", "-o", f"{out}/%s.jpg[Q=80,no-subsample]"]
            for (width, height), group in shapes.items()]
