#!/usr/bin/env python3
"""Draws large pictures and a film, for tests of memory:

    testdata/make_large.py --out DIR

Two JPEGs of 50 MP, two progressive ones of 24 MP, a PNG and a DNG of 12 MP, a HEIC of 6 MP and two seconds of 1080 lines. Needs Pillow, ffmpeg and heif-enc.
"""
import argparse
import subprocess
from pathlib import Path

from PIL import Image

from make_demo import dng


def photo(width, height, number):
    """Something with gradients and grain, drawn quickly: noise of several sizes."""
    layers = [Image.effect_noise((max(width // scale, 8), max(height // scale, 8)), 40).resize((width, height), Image.BICUBIC) for scale in (64, 16, 2)]
    grain = Image.effect_noise((width, height), 10)
    channels = [Image.blend(layer, grain, 0.3 + 0.1 * number % 0.3) for layer in layers]
    return Image.merge("RGB", channels)


def main():
    """Makes all files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    run = lambda *command: subprocess.run([str(part) for part in command], check=True, stdin=subprocess.DEVNULL, capture_output=True)
    large, middle = photo(8660, 5774, 0), photo(6000, 4000, 1)
    for number in range(2):
        large.save(given.out / f"large-{number}.jpg", quality=88 + number, subsampling=2)
        middle.save(given.out / f"progressive-{number}.jpg", quality=88 + number, subsampling=2, progressive=True)
    small = middle.resize((4000, 3000))
    small.save(given.out / "picture.png", compress_level=1)
    (given.out / "raw.dng").write_bytes(dng(small))
    source = given.out / "source.png"
    small.resize((2880, 2160)).save(source, compress_level=1)
    run("heif-enc", "-q", "60", "-o", given.out / "phone.heic", source)
    source.unlink()
    run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=30:duration=2", "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p",
        given.out / "film.mp4")


if __name__ == "__main__":
    main()
