#!/usr/bin/env python3
"""Draws the small files in testdata/edges, whose previews tests/previews.rs knows by heart: quarters of red, green, blue and grey,
turned, mirrored and coded in all the ways that decide how a preview looks.

    make_small.py            writes them anew
"""
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import heif
from edge_video import clip
from make_demo import dng
from make_edges import GPANO, jpeg, with_xmp
from PIL import Image

OUT = Path(__file__).parent / "edges"
QUARTERS = [(200, 40, 40), (40, 180, 60), (40, 60, 200), (128, 128, 128)]


# Codes of a wide space: inside BT.709 once they are light.
HDR_QUARTERS = [(150, 120, 110), (110, 150, 120), (110, 125, 160), (128, 128, 128)]


def quarters(width, height, colours=None):
    """Red, green above blue, grey."""
    image = Image.new("RGB", (width, height))
    for place, colour in enumerate(colours or QUARTERS):
        image.paste(colour, (place % 2 * width // 2, place // 2 * height // 2, (place % 2 + 1) * width // 2, (place // 2 + 1) * height // 2))
    return image


def film(name, image, *codec, frames=1, filters=None):
    """The picture for some frames of a 24th of a second."""
    raw = image.tobytes() * frames
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{image.width}x{image.height}", "-r", "24", "-i", "-"]
    if filters:
        command += ["-vf", filters]
    target = OUT / name
    subprocess.run([*command, *codec, "-fflags", "+bitexact", str(target)], input=raw, check=True)


def hdr(name, curve):
    """Codes of PQ or HLG are what is drawn: greys and colours in known codes, no light is computed here."""
    tags = f"colorprim=bt2020:transfer={curve}:colormatrix=bt2020nc"
    film(name, quarters(64, 48, HDR_QUARTERS), "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", f"log-level=none:info=0:crf=4:{tags}", "-tag:v", "hvc1", "-pix_fmt", "yuv420p10le",
         "-color_trc", curve, "-color_primaries", "bt2020", "-colorspace", "bt2020nc", filters="scale=out_color_matrix=bt2020:out_range=tv,format=yuv420p10le")


def main():
    OUT.mkdir(exist_ok=True)
    for name, options in {"plain": {}, "irot-1": {"irot": 1}, "irot-2": {"irot": 2}, "irot-3": {"irot": 3}, "imir-0": {"imir": 0}, "imir-1": {"imir": 1},
                          "irot-1-imir-0": {"irot": 1, "imir": 0}, "ten-bits": {"bits": 10}}.items():
        (OUT / f"{name}.heic").write_bytes(heif.encode(quarters(64, 48), **options))
    (OUT / "sphere.jpg").write_bytes(with_xmp(jpeg(quarters(64, 32)), GPANO))
    (OUT / "camera.dng").write_bytes(dng(quarters(64, 48), orientation=6, preview=jpeg(quarters(40, 30))))
    x264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "8", "-pix_fmt", "yuv420p"]
    film("plain.mp4", quarters(64, 48), *x264)
    film("full-range.mp4", quarters(64, 48), *x264[:-1], "yuvj420p", "-color_range", "pc", filters="scale=out_range=pc,format=yuvj420p")
    film("bt709.mp4", quarters(64, 48), *x264, "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", filters="scale=out_color_matrix=bt709")
    film("odd.avi", quarters(66, 50).crop((0, 0, 65, 49)), "-c:v", "ffv1", "-pix_fmt", "bgr0")
    film("oblong-pixels.mp4", quarters(64, 48), *x264, filters="setsar=2")
    hdr("pq.mp4", "smpte2084")
    hdr("hlg.mp4", "arib-std-b67")
    scene = lambda colour: ["-f", "lavfi", "-i", f"color=c={colour}:size=64x48:rate=24:duration=2"]
    (OUT / "two-scenes.mp4").write_bytes(clip("a.mp4", *scene("0xC02020"), *scene("0x2040C0"), "-filter_complex", "concat", *x264, "-g", "24", "-fflags", "+bitexact"))
    for degrees in (90, 180, 270):
        (OUT / f"turned-{degrees}.mp4").write_bytes(clip("b.mp4", "-i", str(OUT / "plain.mp4"), "-c", "copy", "-metadata:s:v", f"rotate={degrees}", "-fflags", "+bitexact"))
    (OUT / "two-scenes.gif").write_bytes(clip("c.gif", "-i", str(OUT / "two-scenes.mp4"), "-vf", "fps=12", "-fflags", "+bitexact"))


if __name__ == "__main__":
    main()
