#!/usr/bin/env python3
"""Draws the pictures and clips by which previews are compared with Immich's own tools (docs/fidelity.md): every orientation,
shape, depth, colour model and profile that decides how a preview looks. Needs Pillow and ffmpeg; heif-enc, avifenc and cjxl add
their formats (what is missing is said).

    make_edges.py --out DIR [--only CLASS,...]

DIR/CLASS/NAME                  the originals; a folder is one class of the report
DIR/CLASS/image-config.json     image settings of the class, where they are not the defaults
DIR/.twins/CLASS/NAME.png       the same pixels without loss, for formats that the other side may not read
"""
import argparse
import colorsys
import io
import json
import random
import shutil
import struct
import sys
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import edge_video
import heif
import icc
from make_demo import dng, saved, scene, svg, through_png
from PIL import Image, ImageChops, ImageDraw

HERE = Path(__file__).parent
SRGB, P3, CMYK = ((HERE.parent / "src/render/icc" / f"{name}.icc").read_bytes() for name in ("srgb", "p3", "cmyk"))
ADOBE = icc.rgb("Adobe RGB (1998)", icc.ADOBE, 563 / 256)
PROPHOTO = icc.rgb("ProPhoto RGB", icc.PROPHOTO, 1.8)
SIZE = (2100, 1575)


def colourful(size=SIZE, seed=7):
    """A landscape under a band of all hues, so that colour shows. Unusual shapes are stretched."""
    if min(size) < 100 or max(size) > 3 * min(size):
        return colourful(SIZE, seed).resize(size)
    image = scene(seed, *size)
    draw = ImageDraw.Draw(image)
    width, band = size[0], max(size[1] // 6, 1)
    for x in range(width):
        for row, value in enumerate((1.0, 0.6)):
            colour = tuple(int(255 * c) for c in colorsys.hsv_to_rgb(x / width, 1 - 0.35 * row, value))
            draw.line([(x, row * band // 2), (x, (row + 1) * band // 2)], fill=colour)
    return image


def fade(size):
    """An alpha channel: a ramp with a hole and an opaque disc."""
    alpha = Image.linear_gradient("L").resize(size)
    draw = ImageDraw.Draw(alpha)
    w, h = size
    draw.ellipse([w // 10, h // 10, w // 3, h // 2], fill=0)
    draw.ellipse([w // 2, h // 2, w * 4 // 5, h * 9 // 10], fill=255)
    return alpha


def exif(orientation=None, colorspace=None):
    data = Image.Exif()
    if orientation:
        data[0x0112] = orientation
    if colorspace:
        data.get_ifd(0x8769)[0xA001] = colorspace
    return data.tobytes()


def wide(image, rng=None):
    """16-bit samples, big-endian, that are not merely the 8-bit ones doubled."""
    rng = rng or random.Random(3)
    noise = rng.randbytes(4096)
    data = image.tobytes()
    return b"".join(bytes((value, noise[at & 4095])) for at, value in enumerate(data))


def png16(image, profile=None):
    """A PNG of 16 bits a sample, which Pillow cannot write."""
    channels = len(image.getbands())
    data, row = wide(image), image.width * channels * 2
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    chunk = lambda name, body: struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    rows = b"".join(b"\0" + data[at : at + row] for at in range(0, len(data), row))
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", *image.size, 16, kind, 0, 0, 0))
    if profile:
        out += chunk(b"iCCP", b"profile\0\0" + zlib.compress(profile))
    return out + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def tiff(size, data, bits, photometric, samples, sample_format=1, profile=None, extra=None, orientation=None):
    """A little-endian TIFF of one uncompressed strip."""
    width, height = size
    short = lambda *values: (3, len(values), struct.pack(f"<{len(values)}H", *values))
    long = lambda value: (4, 1, struct.pack("<I", value))
    tags = {
        256: long(width), 257: long(height), 258: short(*[bits] * samples), 259: short(1), 262: short(photometric), 273: long(0),
        277: short(samples), 278: long(height), 279: long(len(data)), 284: short(1), 339: short(*[sample_format] * samples),
    }
    if extra is not None:
        tags[338] = short(extra)
    if orientation:
        tags[274] = short(orientation)
    if profile:
        tags[34675] = (7, len(profile), profile)
    at = 8 + 2 + 12 * len(tags) + 4
    blob = b""
    places = {}
    for tag, (_, _, body) in sorted(tags.items()):
        if len(body) > 4:
            places[tag] = at + len(blob)
            blob += body + b"\0" * (len(body) % 2)
    tags[273] = long(at + len(blob))
    entries = b""
    for tag, (kind, count, body) in sorted(tags.items()):
        place = struct.pack("<I", places[tag]) if tag in places else body.ljust(4, b"\0")
        entries += struct.pack("<HHI", tag, kind, count) + place
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + blob + data


def tiff16(image, photometric=2, **options):
    data = bytearray(wide(image))
    data[0::2], data[1::2] = data[1::2], data[0::2]
    return tiff(image.size, bytes(data), 16, photometric, len(image.getbands()), **options)


def tiff_float(image, **options):
    """Samples from 0 to 1, the range of TIFF's floating point pictures that viewers expect."""
    table = [struct.pack("<f", value / 255) for value in range(256)]
    return tiff(image.size, b"".join(table[value] for value in image.tobytes()), 32, 2 if len(image.getbands()) == 3 else 1,
                len(image.getbands()), sample_format=3, **options)


def cmyk(image, profile=None, ycck=False):
    """Adobe's CMYK JPEG, inverted as Photoshop writes it; as YCCK where asked."""
    inks = ImageChops.invert(image).split()
    black = ImageChops.darker(ImageChops.darker(inks[0], inks[1]), inks[2])
    inks = [ImageChops.subtract(ink, black) for ink in inks]
    if ycck:
        # Stored inverted, so what is transformed is the inverted ink, which looks like RGB.
        light = Image.merge("RGB", [ImageChops.invert(ink) for ink in inks]).convert("YCbCr")
        inks = [ImageChops.invert(channel) for channel in light.split()]
    options = {"icc_profile": profile} if profile else {}
    data = saved(Image.merge("CMYK", [*inks, black]), format="JPEG", quality=92, **options)
    if ycck:
        at = data.index(b"Adobe") + 11
        data = data[:at] + b"\x02" + data[at + 1 :]
    return data


GPANO = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" GPano:ProjectionType="equirectangular" '
    'GPano:UsePanoramaViewer="True" GPano:FullPanoWidthPixels="3200" GPano:FullPanoHeightPixels="1600">'
    "<GPano:PoseHeadingDegrees>12.5</GPano:PoseHeadingDegrees><GPano:CroppedAreaLeftPixels>0</GPano:CroppedAreaLeftPixels>"
    '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
).encode()


def with_xmp(jpeg, packet):
    body = b"http://ns.adobe.com/xap/1.0/\0" + packet
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


class Set:
    def __init__(self, out, only):
        self.out, self.only, self.missing = out, only, []

    def put(self, group, name, make, twin=None):
        """Writes one original. `make` gives its bytes, and is only called where the class is wanted."""
        if self.only and group not in self.only:
            return
        folder = self.out / group
        folder.mkdir(parents=True, exist_ok=True)
        try:
            data = make() if callable(make) else make
        except FileNotFoundError as error:
            self.missing.append(f"{group}/{name} (no {error.filename})")
            return
        (folder / name).write_bytes(data)
        if twin is not None:
            place = self.out / ".twins" / group / f"{name}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(twin() if callable(twin) else twin)

    def configure(self, group, settings):
        if not self.only or group in self.only:
            (self.out / group).mkdir(parents=True, exist_ok=True)
            (self.out / group / "image-config.json").write_text(json.dumps(settings) + "\n")


def jpeg(image, **options):
    return saved(image, format="JPEG", **{"quality": 92, "subsampling": 0, **options})


def png(image, **options):
    return saved(image, format="PNG", compress_level=1, **options)


def shapes(edges, picture):
    for number in range(1, 9):
        edges.put("orientation", f"exif-{number}.jpg", lambda: jpeg(picture, exif=exif(number)))
        edges.put("orientation", f"small-{number}.jpg", lambda: jpeg(picture.resize((401, 299)), exif=exif(number)))
    edges.put("orientation", "exif-7.png", lambda: png(picture, exif=exif(7)))
    edges.put("orientation", "exif-6.webp", lambda: saved(picture, format="WEBP", quality=95, exif=exif(6)))
    edges.put("orientation", "exif-5.tif", lambda: tiff(picture.size, picture.tobytes(), 8, 2, 3, orientation=5))
    for width, height in [(1, 1), (3, 1), (1, 700), (5000, 1), (2, 3000), (3, 3), (17, 31), (251, 250), (250, 251), (249, 180),
                          (1441, 1439), (1440, 1440), (1441, 1441), (2000, 1441), (4001, 2999), (2999, 4001), (6000, 251),
                          (7000, 900), (900, 5000), (2401, 5951)]:
        edges.put("size", f"{width}x{height}.png", lambda: png(colourful((width, height))))
    for width, height in [(1600, 1600), (2881, 2881), (3601, 2701), (4400, 2930), (5900, 1600), (1799, 2400), (15000, 700)]:
        edges.put("size", f"{width}x{height}.jpg", lambda: jpeg(colourful((width, height)), subsampling=2))
    edges.put("size", "progressive.jpg", lambda: jpeg(colourful((3000, 2200)), progressive=True, subsampling=1))


def colours(edges, picture):
    grey = lambda: picture.convert("L")
    edges.put("colour", "grey.jpg", lambda: jpeg(grey()))
    edges.put("colour", "grey-gamma-profile.jpg", lambda: jpeg(grey(), icc_profile=icc.grey("Gray Gamma 1.8", 1.8)))
    edges.put("colour", "palette.png", lambda: png(picture.convert("P", palette=Image.ADAPTIVE)))
    edges.put("colour", "one-bit.png", lambda: png(picture.convert("1")))
    edges.put("colour", "none.jpg", lambda: jpeg(picture))
    for name, profile in [("srgb", SRGB), ("display-p3", P3), ("adobe-rgb", ADOBE), ("prophoto", PROPHOTO),
                          ("linear", icc.rgb("Linear", icc.SRGB, 1.0)), ("broken", P3[:200]), ("grey-profile", icc.grey("Gray", 2.2)),
                          ("of-cmyk", CMYK)]:
        edges.put("colour", f"{name}.jpg", lambda: jpeg(picture, icc_profile=profile))
    edges.put("colour", "uncalibrated.jpg", lambda: jpeg(picture, exif=exif(colorspace=65535)))
    edges.put("colour", "p3-that-says-srgb.jpg", lambda: jpeg(picture, icc_profile=P3, exif=exif(colorspace=1)))
    edges.put("colour", "display-p3.png", lambda: png(picture, icc_profile=P3))
    edges.put("colour", "adobe-rgb.webp", lambda: saved(picture, format="WEBP", lossless=True, icc_profile=ADOBE))
    edges.put("colour", "prophoto.tif", lambda: tiff(picture.size, picture.tobytes(), 8, 2, 3, profile=PROPHOTO))
    edges.put("ink", "cmyk.jpg", lambda: cmyk(picture))
    edges.put("ink", "cmyk-profile.jpg", lambda: cmyk(picture, CMYK))
    edges.put("ink", "ycck.jpg", lambda: cmyk(picture, ycck=True))
    edges.put("ink", "ycck-profile.jpg", lambda: cmyk(picture, CMYK, ycck=True))
    inks = lambda: ImageChops.invert(picture).convert("RGB")
    edges.put("ink", "cmyk.tif", lambda: tiff(picture.size, Image.merge("CMYK", [*inks().split(), Image.new("L", picture.size)]).tobytes(), 8, 5, 4))
    edges.put("depth", "rgb16.png", lambda: png16(picture))
    edges.put("depth", "rgb16-p3.png", lambda: png16(picture, P3))
    edges.put("depth", "grey16.png", lambda: png16(grey()))
    edges.put("depth", "rgb16.tif", lambda: tiff16(picture))
    edges.put("depth", "rgb16-prophoto.tif", lambda: tiff16(picture, profile=PROPHOTO))
    edges.put("depth", "rgb-float.tif", lambda: tiff_float(picture))
    edges.put("depth", "grey-float.tif", lambda: tiff_float(grey()))


def layers(edges, picture):
    shown = picture.copy()
    shown.putalpha(fade(picture.size))
    grey = Image.merge("LA", [picture.convert("L"), fade(picture.size)])
    edges.put("alpha", "rgba.png", lambda: png(shown))
    edges.put("alpha", "rgba16.png", lambda: png16(shown))
    edges.put("alpha", "grey-alpha.png", lambda: png(grey))
    edges.put("alpha", "small.png", lambda: png(shown.resize((320, 240))))
    edges.put("alpha", "palette.png", lambda: png(picture.convert("P", palette=Image.ADAPTIVE), transparency=3))
    edges.put("alpha", "rgba.webp", lambda: saved(shown, format="WEBP", quality=95))
    edges.put("alpha", "rgba.tif", lambda: tiff(shown.size, shown.tobytes(), 8, 2, 4, extra=2))
    edges.put("alpha", "rgba-p3.png", lambda: png(shown, icc_profile=P3))
    second = colourful(SIZE, 11)
    edges.put("animated", "two.webp", lambda: saved(picture, format="WEBP", save_all=True, append_images=[second], duration=200, quality=90))
    edges.put("animated", "two.png", lambda: png(picture, save_all=True, append_images=[second], duration=200))
    edges.put("panorama", "equirectangular.jpg", lambda: with_xmp(jpeg(colourful((3200, 1600))), GPANO))
    packed = lambda: saved(colourful((3200, 1600)), format="WEBP", quality=95, xmp=GPANO)
    edges.put("panorama", "equirectangular.webp", packed)


def formats(edges, picture):
    flat = picture.crop((0, 0, 2048, 1536))
    for name, options in {
        "plain": {}, "grid": {"grid": True}, "irot-1": {"irot": 1}, "irot-2": {"irot": 2, "grid": True}, "irot-3": {"irot": 3}, "imir-0": {"imir": 0},
        "imir-1": {"imir": 1, "grid": True}, "irot-1-imir-0": {"irot": 1, "imir": 0}, "irot-1-imir-1": {"irot": 1, "imir": 1, "grid": True},
        "ten-bits": {"bits": 10}, "ten-bits-grid": {"bits": 10, "grid": True}, "display-p3": {"profile": P3, "grid": True},
    }.items():
        edges.put("heic", f"{name}.heic", lambda: heif.encode(flat, **options))
    small = picture.resize((1000, 750))
    for name, options in {"plain": [], "irot-1": ["--irot", "1"], "imir-1": ["--imir", "1"], "ten-bits": ["-d", "10"]}.items():
        edges.put("avif", f"{name}.avif", lambda: through_png(small, ".avif", lambda a, b: ["avifenc", "-s", "8", "--min", "8", "--max", "14", *options, a, b]))
    edges.put("others", "lossless.jxl", lambda: through_png(picture, ".jxl", lambda a, b: ["cjxl", "-d", "0", "-e", "3", a, b]), lambda: png(picture))
    edges.put("others", "lossless.jp2", lambda: saved(picture, format="JPEG2000"), lambda: png(picture))
    edges.put("others", "merged.psd", lambda: psd_packed(picture), lambda: png(picture))
    edges.put("others", "plain.bmp", lambda: saved(picture, format="BMP"), lambda: png(picture))
    edges.put("others", "drawing.svg", lambda: svg(3))
    edges.put("others", "large.svg", lambda: svg(4).replace(b'<svg ', b'<svg viewBox="0 0 800 600" ').replace(b'width="800" height="600"', b'width="4000" height="3000"', 1))
    raw = picture.resize((1600, 1200))
    edges.put("raw", "bayer.dng", lambda: dng(raw))
    edges.put("raw", "bayer-6.dng", lambda: dng(raw, orientation=6))
    edges.put("raw-embedded", "preview-6.dng", lambda: dng(raw, orientation=6, preview=jpeg(colourful(SIZE, 5))), lambda: png16(colourful(SIZE, 5).transpose(Image.ROTATE_270)))
    edges.put("raw-embedded", "preview-small.dng", lambda: dng(raw, preview=jpeg(colourful((640, 480), 5))))
    edges.configure("raw-embedded", {"extractEmbedded": True})


def psd_packed(image):
    """The merged picture, run-length packed, as Photoshop saves it."""
    rows = [band.crop((0, y, image.width, y + 1)).tobytes() for band in image.split() for y in range(image.height)]
    packed = [b"".join(bytes([len(row[at : at + 128]) - 1]) + row[at : at + 128] for at in range(0, len(row), 128)) for row in rows]
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, image.height, image.width, 8, 3) + struct.pack(">III", 0, 0, 0)
    return head + struct.pack(">H", 1) + b"".join(struct.pack(">H", len(row)) for row in packed) + b"".join(packed)


def settings(edges, picture):
    """The image settings that an administrator can change, each over a few pictures."""
    few = {"photo.jpg": lambda: jpeg(colourful((3600, 2700), 9)), "display-p3.jpg": lambda: jpeg(picture, icc_profile=P3)}
    shown = picture.copy()
    shown.putalpha(fade(picture.size))
    few["alpha.png"] = lambda: png(shown)
    for group, config in {
        "set-progressive": {"preview": {"progressive": True, "quality": 90}, "thumbnail": {"format": "jpeg", "progressive": True}},
        "set-webp": {"preview": {"format": "webp", "quality": 70}, "thumbnail": {"size": 480}},
        "set-size": {"preview": {"size": 1080, "quality": 60}, "thumbnail": {"size": 200, "quality": 50}},
        "set-srgb": {"colorspace": "srgb"},
        "set-linear": {"linearLight": True},
    }.items():
        for name, make in few.items():
            edges.put(group, name, make)
        edges.configure(group, config)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="classes, with commas between")
    args = parser.parse_args()
    edges = Set(args.out, set(filter(None, args.only.split(","))))
    picture = colourful()
    for part in (shapes, colours, layers, formats, settings):
        part(edges, picture)
    edge_video.draw(edges)
    for name in edges.missing:
        print(f"left out: {name}", file=sys.stderr)


if __name__ == "__main__":
    main()
