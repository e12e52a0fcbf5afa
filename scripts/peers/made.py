"""Makes files of the kinds that a corpus has too few of, out of its own pictures. Each function fills a folder: (library, folder,
program, how many are lacking)."""
import subprocess
import sys
from pathlib import Path

from measure import Failed

TOP = Path(__file__).resolve().parents[2]
# What phones write: near this quality, with halved colour resolution.
PHONE = "Q=92,subsample-mode=on"


def do(*command):
    """Runs a command that must succeed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise Failed(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-300:]}")


def named(folder, file, suffix):
    """A name for what is made of a file, which nothing else has: pictures are named after it."""
    return folder / f"{folder.name}-{Path(file).stem}{suffix}"


def camera(library, folder, program, lacking):
    """JPEGs as phones write them, from the HEICs of phones; without profile, so that they are sRGB."""
    for file in library.of("heic")[:lacking]:
        do("vips", "copy", file, f"{named(folder, file, '.jpg')}[{PHONE},strip]")


def display_p3(library, folder, program, lacking):
    """The same with the profile that phones give them."""
    for file in library.of("heic"):
        do("vips", "copy", file, f"{named(folder, file, '.jpg')}[{PHONE}]")


def progressive(library, folder, program, lacking):
    """Camera JPEGs written progressively, without loss."""
    for file in [file for file in library.of("camera") if library.facts[file].megapixels >= 11.5][:lacking]:
        do("jpegtran", "-copy", "all", "-progressive", "-outfile", named(folder, file, ".jpg"), file)


def large(library, folder, program, lacking):
    """Twice as wide and high, with some noise, so that there is as much to decode as in a photo of that size."""
    for file in library.of("camera")[:lacking]:
        _enlarged(file).save(named(folder, file, ".jpg"), quality=90, subsampling=2)


def _enlarged(file):
    from PIL import Image

    with Image.open(file) as picture:
        picture = picture.convert("RGB")
    # 48 MP, whatever the picture had.
    scale = (48.5e6 / (picture.width * picture.height)) ** 0.5
    size = tuple(round(side * scale / 2) * 2 for side in picture.size)
    noise = Image.effect_noise(size, 24).convert("RGB")
    return Image.blend(picture.resize(size, Image.BICUBIC), noise, 0.06)


def png(library, folder, program, lacking):
    """Photos without loss."""
    for file in [file for file in library.of("camera") if library.facts[file].megapixels >= 11.5][:lacking]:
        do("vips", "copy", file, f"{named(folder, file, '.png')}[strip]")


def previews(library, folder, program, lacking):
    """Previews of everything that is large enough, as photofsck renders them."""
    _rendered(library, folder, program, "preview")


def thumbnails(library, folder, program, lacking):
    """Thumbnails of the same."""
    _rendered(library, folder, program, "thumbnail")


def _rendered(library, folder, program, role):
    files = library.of("camera", "p3", "progressive", "heic")
    scratch = folder / ".scratch"
    scratch.mkdir()
    _, items = program.render(files, scratch)
    for number, item in enumerate(items.values()):
        made = Path(item[role])
        made.rename(folder / f"{number:03}{made.suffix}")


def video(library, folder, program, lacking):
    """Six seconds over a photo, with a sensor's noise, as a phone films: 1080 lines, 30 frames and about 20 Mbit a second, a
    keyframe every two seconds."""
    do("ffmpeg", "-nostdin", "-v", "error", "-loop", "1", "-framerate", "30", "-i", library.of("camera")[0], "-t", "6",
       "-vf", "crop=1920:1080:x='4*n':y='2*n',noise=alls=8:allf=t", "-c:v", "libx264", "-preset", "fast", "-b:v", "20M",
       "-g", "60", "-keyint_min", "60", "-sc_threshold", "0", "-pix_fmt", "yuv420p", "-movflags", "+faststart", folder / "pan.mp4")


def raw(library, folder, program, lacking):
    """Uncompressed sensor data of 48 MP, as phones write DNG."""
    sys.path.insert(0, str(TOP / "testdata"))
    from make_demo import dng

    file = library.of("camera")[0]
    named(folder, file, ".dng").write_bytes(dng(_enlarged(file)))
