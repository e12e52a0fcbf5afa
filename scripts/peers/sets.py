"""Which files a row is measured with: found below a folder by what they are, and made from those where there are too few."""
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import made
from programs import batch, fresh, save, text_of

STILLS = {".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".hif"}
RAWS = {".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".rw2", ".orf", ".pef"}
VIDEOS = {".mp4", ".mov", ".m4v"}
# Of a folder, no more than so many files of a kind: the largest, which a library's time goes into.
MOST = 24


@dataclass(frozen=True)
class Facts:
    """What a file is: sizes in pixels as stored or displayed, profile by its name, colour space by Immich's rule, seconds of films."""

    format: str
    width: int
    height: int
    bits: int = 8
    progressive: bool = False
    profile: str = ""
    space: str = "srgb"
    seconds: float = 0.0

    @property
    def megapixels(self):
        return self.width * self.height / 1e6

    @property
    def shorter(self):
        return min(self.width, self.height)


@dataclass(frozen=True)
class Kind:
    """One kind of file: what it is in words, how it is known, how many different ones are enough, and what makes more of them."""

    title: str
    belongs: object
    enough: int = 1
    make: object = None
    most: int = MOST


def _jpeg(least, most, progressive=False):
    return lambda f: f.format == "jpeg" and f.progressive == progressive and least <= f.megapixels <= most


def _all(*tests):
    return lambda f: all(test(f) for test in tests)


def _srgb(f):
    return f.space == "srgb"


def _display_p3(f):
    return f.space != "srgb" and "P3" in f.profile


KINDS = {
    "camera": Kind("baseline JPEG, 7.5 to 13 MP, sRGB", _all(_jpeg(7.5, 13), _srgb), 8, made.camera),
    "p3": Kind("baseline JPEG, 7.5 to 13 MP, Display P3", _all(_jpeg(7.5, 13), _display_p3), 4, made.display_p3),
    "progressive": Kind("progressive JPEG, 11.5 to 25 MP, sRGB", _all(_jpeg(11.5, 25, progressive=True), _srgb), 4, made.progressive),
    "large": Kind("baseline JPEG, 44 to 52 MP", _jpeg(44, 52), 2, made.large),
    "heic": Kind("HEIC, 11.5 to 13 MP, 8 bits", lambda f: f.format == "heic" and f.bits == 8 and 11.5 <= f.megapixels <= 13),
    "png": Kind("PNG, 11 to 13 MP, 8 bits", lambda f: f.format == "png" and f.bits == 8 and 11 <= f.megapixels <= 13, 3, made.png),
    "previews": Kind("JPEG with a shorter side of 1440", lambda f: f.format == "jpeg" and f.shorter == 1440, 12, made.previews, 400),
    "thumbnails": Kind("WebP with a shorter side of 250", lambda f: f.format == "webp" and f.shorter == 250, 12, made.thumbnails, 1500),
    "video": Kind("H.264 or HEVC, 720 lines or more, 3 s or more", lambda f: f.format in ("h264", "hevc") and f.shorter >= 720 and f.seconds >= 3, 2, made.video),
    "raw": Kind("camera raw, 44 to 52 MP", lambda f: f.format == "raw" and 44 <= f.megapixels <= 52, 1, made.raw),
}


@dataclass
class Library:
    """All files known, by kind, with their facts; copies and made files count as what they are copies of."""

    facts: dict = field(default_factory=dict)
    kinds: dict = field(default_factory=dict)
    made: set = field(default_factory=set)

    def of(self, *names):
        """Different files of these kinds."""
        return [file for name in names for file in self.kinds.get(name, [])]

    def copies(self, files, times, folder):
        """The files, and so many copies of each less one, which replicate a set until a run is long enough."""
        fresh(folder)
        everything = list(files)
        for number in range(1, times):
            for file in files:
                copy = str(folder / f"{number:03}-{Path(file).name}")
                shutil.copyfile(file, copy)
                self.facts[copy] = self.facts[file]
                everything.append(copy)
        return everything

    def spaces(self):
        """The colour space of every file, by Immich's rule."""
        return {file: facts.space for file, facts in self.facts.items()}


def find(folder, scratch, program):
    """What lies below a folder, sorted into kinds. Of files of the same name one counts: pictures are named after it."""
    names = {path.name: str(path) for path in sorted(Path(folder).resolve().rglob("*"), reverse=True) if path.is_file()}
    paths = sorted(names.values())
    suffix = lambda path: os.path.splitext(path)[1].lower()
    library = Library()
    learn(library, [path for path in paths if suffix(path) in STILLS], scratch)
    library.facts.update(_films([path for path in paths if suffix(path) in VIDEOS]))
    library.facts.update(_raws([path for path in paths if suffix(path) in RAWS], scratch, program))
    for name, kind in KINDS.items():
        found = [path for path, facts in library.facts.items() if kind.belongs(facts)]
        if name == "heic":
            found = [path for path in found if _peer_reads(path)]
        library.kinds[name] = sorted(found, key=lambda path: (-os.path.getsize(path), path))[:kind.most]
    return library


def complete(library, names, folder, program):
    """Makes files of the named kinds where there are too few; kinds that others are made of come first."""
    for name, kind in KINDS.items():
        lacking = kind.enough - len(library.of(name))
        if name not in names or lacking <= 0 or kind.make is None:
            continue
        target = folder / name
        done = target / ".done"
        if not done.exists():
            kind.make(library, fresh(target), program, lacking)
            done.touch()
        new = sorted(str(path) for path in target.iterdir() if not path.name.startswith("."))
        if name in ("video", "raw"):
            library.facts.update(_films(new) if name == "video" else _raws(new, folder, program))
        else:
            learn(library, new, folder)
        fitting = [path for path in new if path in library.facts and kind.belongs(library.facts[path])]
        library.kinds[name] += fitting
        library.made.update(fitting)


def learn(library, paths, scratch):
    """Takes up the facts of pictures that sharp can read."""
    for path, facts in batch("facts", save(paths, scratch / "facts.json")).items():
        if facts:
            library.facts[path] = Facts(**facts)


def _peer_reads(path):
    """Whether the installed libvips decodes this HEIC at all."""
    return "Error" not in text_of("vips", "avg", path) and text_of("vips", "avg", path)[:1].isdigit()


def _films(paths):
    found = {}
    for path in paths:
        text = text_of("ffprobe", "-v", "error", "-select_streams", "v:0", "-of", "json", "-show_entries",
                       "stream=codec_name,width,height:format=duration", path)
        try:
            probed = json.loads(text)
            stream = probed["streams"][0]
            found[path] = Facts(stream["codec_name"], stream["width"], stream["height"], seconds=float(probed["format"].get("duration", 0)))
        except (ValueError, KeyError, IndexError):
            continue
    return found


def _raws(paths, scratch, program):
    if not paths:
        return {}
    _, items = program.verify(paths, scratch, sound=False, extra=["--quick"])
    return {path: Facts("raw", item["width"], item["height"]) for path, item in items.items() if item.get("width")}
