#!/usr/bin/env python3
"""Makes a small Immich library: drawn pictures and clips in every format, previews as Immich makes them,
a database dump, and planted faults of every kind. Needs Pillow and ffmpeg; heif-enc, avifenc and cjxl add
their formats (what is missing is said, never silently left out).

    make_demo.py --out DIR [--sound]      --sound: plant no faults

DIR/media        the media location        DIR/external      an external library (container path /mnt/photos)
DIR/planted.tsv  fault, role, path         DIR/media/backups the dump
"""
import argparse
import gzip
import hashlib
import io
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from array import array
from pathlib import Path

from PIL import Image, ImageCms, ImageDraw, ImageOps

CONTAINER = "/data"
EXTERNAL = "/mnt/photos"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
NAMES = ["Anna", "Ben"]
CAMERAS = [("FUJIFILM", "X-T5"), ("Apple", "iPhone 15")]
FLAGGED = ["upload", "library", "thumbs", "encoded-video", "profile", "backups"]


def scene(seed, width, height):
    """A drawn landscape: sky, sun, ridges, a house, and its number, with a little sensor noise."""
    rng = random.Random(seed)
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    top = tuple(rng.randint(30, 120) for _ in range(2)) + (rng.randint(150, 230),)
    low = (rng.randint(200, 255), rng.randint(150, 210), rng.randint(110, 180))
    for y in range(height):
        t = y / height
        draw.line([(0, y), (width, y)], fill=tuple(int(a + (b - a) * t) for a, b in zip(top, low)))
    r = width // 14
    cx, cy = rng.randint(r, width - r), rng.randint(r, height // 3)
    draw.ellipse([cx - r, cy - r, cx + r, cy + r], fill=(255, 240, 190))
    for layer in range(4):
        base = height * (0.45 + 0.13 * layer)
        points, x, y = [(0, height)], 0, base
        while x <= width:
            points.append((x, y))
            x += width // 24 + 1
            y = min(max(base + rng.uniform(-0.09, 0.09) * height, 0), height)
        points += [(width, y), (width, height)]
        shade = tuple(int(c * (0.75 - 0.14 * layer)) for c in (rng.randint(80, 170), rng.randint(110, 190), rng.randint(70, 150)))
        draw.polygon(points, fill=shade)
    w = width // 9
    hx, hy = rng.randint(w, width - 2 * w), int(height * 0.78)
    draw.rectangle([hx, hy, hx + w, hy + w * 2 // 3], fill=(220, 210, 190))
    draw.polygon([(hx - w // 8, hy), (hx + w + w // 8, hy), (hx + w // 2, hy - w // 2)], fill=(150, 40, 40))
    for i in range(seed % 7 + 1):
        draw.rectangle([hx + 4 + i * w // 8, hy + w // 6, hx + 4 + i * w // 8 + w // 14, hy + w // 3], fill=(60, 60, 90))
    # Sensor noise, but little of it.
    noise = Image.effect_noise((width, height), 24).convert("RGB")
    return Image.blend(image, noise, 0.06)


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    data[0x010F] = "Demo"
    data[0x0110] = "Drawn picture"
    return data.tobytes()


def run(*command):
    subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def through_png(image, suffix, command):
    """Encodes with an external program that reads a PNG and writes a file."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.png", Path(folder) / f"out{suffix}"
        image.save(source, compress_level=1)
        run(*command(source, target))
        return target.read_bytes()


def saved(image, **options):
    out = io.BytesIO()
    image.save(out, **options)
    return out.getvalue()


def psd(image):
    """The merged composite only, uncompressed RGB (Adobe Photoshop file format, version 1)."""
    width, height = image.size
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, height, width, 8, 3)
    planes = b"".join(band.tobytes() for band in image.split())
    return head + struct.pack(">III", 0, 0, 0) + struct.pack(">H", 0) + planes


def dng(image, orientation=1, preview=None):
    """Uncompressed 16-bit RGGB sensor data (DNG 1.4), developed with a neutral matrix; a JPEG preview in a directory of its own."""
    width, height = image.size
    red, green, blue = (band.tobytes() for band in image.split())
    linear = [int(4095 * (value / 255) ** 2.2) for value in range(256)]
    raw = bytearray()
    for y in range(height):
        row = array("H", bytes(2 * width))
        for x, plane in enumerate((red, green) if y % 2 == 0 else (green, blue)):
            row[x::2] = array("H", map(linear.__getitem__, plane[y * width + x:(y + 1) * width:2]))
        if sys.byteorder == "big":
            row.byteswap()
        raw += row.tobytes()
    srgb_from_xyz = [3.2406, -1.5372, -0.4986, -0.9689, 1.8758, 0.0415, 0.0557, -0.2040, 1.0570]
    text = lambda value: (2, value.encode() + b"\0")
    short = lambda *values: (3, struct.pack(f"<{len(values)}H", *values))
    long = lambda *values: (4, struct.pack(f"<{len(values)}I", *values))
    byte = lambda *values: (1, bytes(values))
    rational = lambda *values: (5, b"".join(struct.pack("<II", int(v * 10000), 10000) for v in values))
    srational = lambda *values: (10, b"".join(struct.pack("<ii", int(v * 10000), 10000) for v in values))
    tags = {
        254: long(0), 256: long(width), 257: long(height), 258: short(16), 259: short(1), 262: short(32803),
        271: text("Demo"), 272: text("Drawn raw"), 273: long(0), 274: short(orientation), 277: short(1), 278: long(height),
        279: long(len(raw)), 284: short(1), 33421: short(2, 2), 33422: byte(0, 1, 1, 2), 50706: byte(1, 4, 0, 0),
        50707: byte(1, 1, 0, 0), 50708: text("Demo Drawn raw"), 50710: byte(0, 1, 2), 50711: short(1),
        50714: short(0), 50717: long(4095), 50721: srational(*srgb_from_xyz), 50728: rational(1, 1, 1), 50778: short(21),
    }
    sizes = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 10: 8}
    extra_at = 8 + 2 + 12 * len(tags) + 4
    blob, entries = b"", b""
    extra_total = sum(len(d) + len(d) % 2 for _, d in tags.values() if len(d) > 4)
    for tag, (kind, data) in sorted(tags.items()):
        if tag == 273:
            data = struct.pack("<I", extra_at + extra_total)
        count = len(data) // sizes[kind]
        if len(data) > 4:
            entries += struct.pack("<HHII", tag, kind, count, extra_at + len(blob))
            blob += data + b"\0" * (len(data) % 2)
        else:
            entries += struct.pack("<HHI", tag, kind, count) + data.ljust(4, b"\0")
    end = extra_at + len(blob) + len(raw)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries
    if not preview:
        return head + struct.pack("<I", 0) + blob + bytes(raw)
    size = Image.open(io.BytesIO(preview)).size
    entry = lambda tag, kind, value: struct.pack("<HHII", tag, kind, 1, value)
    second = [entry(254, 4, 1), entry(256, 4, size[0]), entry(257, 4, size[1]), entry(259, 3, 7), entry(262, 3, 6),
              entry(273, 4, end), entry(278, 4, size[1]), entry(279, 4, len(preview))]
    at = end + len(preview) + len(preview) % 2
    preview = preview.ljust(at - end, b"\0")
    return head + struct.pack("<I", at) + blob + bytes(raw) + preview + struct.pack("<H", len(second)) + b"".join(second) + bytes(4)


def svg(seed):
    rng = random.Random(seed)
    circles = "".join(
        f'<circle cx="{rng.randint(0, 800)}" cy="{rng.randint(0, 600)}" r="{rng.randint(20, 90)}" '
        f'fill="hsl({rng.randint(0, 360)},60%,55%)" fill-opacity="0.8"/>'
        for _ in range(24)
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="800" height="600"><rect width="800" height="600" fill="#eef"/>{circles}</svg>'.encode()


def clip(suffix, seconds, size, *codec):
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"clip{suffix}"
        run("ffmpeg", "-hide_banner", "-y", "-f", "lavfi", "-i", f"testsrc2=size={size}:rate=24:duration={seconds}",
            *codec, target)
        return target.read_bytes()


def first_frame(data, suffix):
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / f"clip{suffix}", Path(folder) / "frame.png"
        source.write_bytes(data)
        run("ffmpeg", "-hide_banner", "-y", "-i", source, "-frames:v", "1", target)
        return Image.open(target).convert("RGB")


class Library:
    """Collects assets, their files and rows; writes the tree and the dump."""

    def __init__(self, out):
        self.media, self.external = out / "media", out / "external"
        self.rng = random.Random(20260101)
        self.rows = {name: [] for name in ("album", "album_asset", "asset", "asset_exif", "asset_face", "asset_file", "asset_job_status", "person")}
        self.users = [self.id(), self.id()]
        self.library_id = self.id()
        self.planted = []
        self.assets = {}
        self.days = 0

    def id(self):
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def host(self, record):
        for container, folder in ((EXTERNAL, self.external), (CONTAINER, self.media)):
            if record.startswith(container + "/"):
                return folder / record[len(container) + 1 :]
        raise ValueError(record)

    def write(self, record, data):
        path = self.host(record)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def nested(self, folder, owner, name):
        return f"{CONTAINER}/{folder}/{owner}/{name[:2]}/{name[2:4]}/{name}"

    def add(self, name, data, picture, *, kind="IMAGE", user=0, external=False, template=None, hidden=False,
            trashed=False, sidecar=False, transcode=False, style="_", motion_of=None):
        """One asset. `picture` is its content upright, from which the previews are made."""
        asset, owner = self.id(), self.users[user]
        suffix = os.path.splitext(name)[1].lower()
        if external:
            original = f"{EXTERNAL}/{name}"
        elif template:
            original = f"{CONTAINER}/library/{template}/{name}"
        elif motion_of:
            original = self.nested("encoded-video", owner, f"{asset}-MP.mp4")
        else:
            original = self.nested("upload", owner, self.id() + suffix)
        self.write(original, data)
        if external:
            checksum, algorithm = hashlib.sha1(f"path:{original}".encode()).hexdigest(), "sha1-path"
        else:
            checksum, algorithm = hashlib.sha1(data).hexdigest(), "sha1"
        size = picture.size if picture else (None, None)
        files = {"original": original}
        if not hidden:
            box = lambda edge: (max(1, round(size[0] * edge / min(size))), max(1, round(size[1] * edge / min(size))))
            preview = picture if min(size) <= 1440 else picture.resize(box(1440), Image.LANCZOS)
            thumb = preview if min(preview.size) <= 250 else preview.resize(box(250), Image.LANCZOS)
            rgb = preview.convert("RGB") if preview.mode != "RGBA" else Image.alpha_composite(
                Image.new("RGBA", preview.size, (0, 0, 0, 255)), preview).convert("RGB")
            made = {
                "preview": ("jpeg", saved(rgb, format="JPEG", quality=80, subsampling=0, icc_profile=SRGB)),
                "thumbnail": ("webp", saved(thumb, format="WEBP", quality=80, icc_profile=SRGB)),
            }
            for role, (extension, content) in made.items():
                stem = f"{asset}{style}{role}" if style else asset
                files[role] = self.nested("thumbs", owner, f"{stem}.{extension}")
                self.write(files[role], content)
                self.rows["asset_file"].append((self.id(), asset, role, files[role], "f", "f", "f"))
        if sidecar:
            files["sidecar"] = original + ".xmp"
            self.write(files["sidecar"], b'<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
                       b'"http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta><?xpacket end="w"?>')
            self.rows["asset_file"].append((self.id(), asset, "sidecar", files["sidecar"], "f", "f", "f"))
        if transcode:
            files["video"] = self.nested("encoded-video", owner, f"{asset}.mp4")
            self.write(files["video"], data)
            self.rows["asset_file"].append((self.id(), asset, "encoded_video", files["video"], "f", "f", "f"))
        self.rows["asset"].append((
            asset, owner, kind, original, f"\\\\x{checksum}", algorithm, "t" if external else "f",
            self.library_id if external else None, "hidden" if hidden else "timeline", None, name,
            "f", "2026-05-01 10:00:00+00" if trashed else None, "trashed" if trashed else "active", size[0], size[1], "f",
            f"2024-05-{1 + self.days // 4:02} {9 + self.days % 4 * 3:02}:15:00+00"))
        self.days += 1
        make, model = CAMERAS[user]
        self.rows["asset_exif"].append((asset, len(data), size[0], size[1], make, model))
        self.rows["asset_job_status"].append((asset, "2026-01-02 03:04:05+00"))
        files["id"] = asset
        self.assets[name] = files
        return asset

    def album(self, name, assets):
        album = self.id()
        self.rows["album"].append((album, name, None))
        self.rows["album_asset"].extend((album, self.assets[asset]["id"]) for asset in assets)

    def person(self, asset_name, picture):
        person, owner = self.id(), self.users[0]
        path = self.nested("thumbs", owner, f"{person}.jpeg")
        self.write(path, saved(ImageOps.fit(picture, (250, 250)), format="JPEG", quality=80))
        face, asset = self.id(), self.assets[asset_name]["id"]
        self.rows["person"].append((person, owner, "Somebody", path, face))
        self.rows["asset_face"].append((face, asset, person, 1600, 1200, 300, 200, 600, 500))
        self.assets[f"person of {asset_name}"] = {"person": path}

    def plant(self, fault, name, role, change):
        record = self.assets[name][role]
        path = self.host(record)
        data = change(path.read_bytes())
        if data is None:
            path.unlink()
        else:
            path.write_bytes(data)
        self.planted.append((fault, role, path))

    def finish(self, profile):
        for folder in FLAGGED:
            (self.media / folder).mkdir(parents=True, exist_ok=True)
            (self.media / folder / ".immich").write_text("1767225600000")
        self.write(f"{CONTAINER}/profile/{self.users[0]}/{uuid.UUID(int=7)}.jpeg", profile)
        now = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        self.write_dump(self.media / "backups" / f"immich-db-backup-{now}-v3.0.1-pg15.18.sql.gz")

    def write_dump(self, path):
        users = [(u, f"user{i}@example.org", NAMES[i], "t" if i == 0 else "f", None if i else "admin",
                  "" if i else f"{CONTAINER}/profile/{u}/{uuid.UUID(int=7)}.jpeg") for i, u in enumerate(self.users)]
        metadata = [
            ("MediaLocation", json.dumps({"location": CONTAINER})),
            ("system-flags", json.dumps({"mountChecks": {name: True for name in FLAGGED}})),
            ("system-config", json.dumps({"image": {"preview": {"quality": 80}}})),
        ]
        tables = [
            ("album", 'id, "albumName", "deletedAt"', self.rows["album"]),
            ("album_asset", '"albumId", "assetId"', self.rows["album_asset"]),
            ("asset", 'id, "ownerId", type, "originalPath", checksum, "checksumAlgorithm", "isExternal", "libraryId", visibility, '
             '"livePhotoVideoId", "originalFileName", "isOffline", "deletedAt", status, width, height, "isEdited", "localDateTime"', self.rows["asset"]),
            ("asset_exif", '"assetId", "fileSizeInByte", "exifImageWidth", "exifImageHeight", make, model', self.rows["asset_exif"]),
            ("asset_face", 'id, "assetId", "personId", "imageWidth", "imageHeight", "boundingBoxX1", "boundingBoxY1", '
             '"boundingBoxX2", "boundingBoxY2"', self.rows["asset_face"]),
            ("asset_file", 'id, "assetId", type, path, "isEdited", "isProgressive", "isTransparent"', self.rows["asset_file"]),
            ("asset_job_status", '"assetId", "metadataExtractedAt"', self.rows["asset_job_status"]),
            ("integrity_report", "id, type, path", []),
            ("library", 'id, name, "ownerId", "importPaths", "exclusionPatterns"', [(self.library_id, "Old photos", self.users[0], "{" + EXTERNAL + "}", "{}")]),
            ("person", 'id, "ownerId", name, "thumbnailPath", "faceAssetId"', self.rows["person"]),
            ("system_metadata", "key, value", metadata),
            ('"user"', 'id, email, name, "isAdmin", "storageLabel", "profileImagePath"', users),
            ("version_history", 'id, "createdAt", version', [(self.id(), "2026-06-01 00:00:00+00", "v3.0.1")]),
        ]
        out = ["--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.18\n\nSET client_encoding = 'UTF8';\n\n"]
        for table, columns, rows in tables:
            out.append(f"COPY public.{table} ({columns}) FROM stdin;\n")
            for row in rows:
                out.append("\t".join("\\N" if value is None else str(value).replace("\n", "\\n") if str(value).startswith("\\\\x")
                                     else str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n") for value in row) + "\n")
            out.append("\\.\n\n\n")
        out.append("--\n-- PostgreSQL database dump complete\n--\n\n")
        with open(path, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as packed:
            packed.write("".join(out).encode())


def fill(library):
    """About sixty assets over all formats."""
    skipped = []
    base = {}

    def picture(seed, size=(2000, 1500)):
        if (seed, size) not in base:
            base[seed, size] = scene(seed, *size)
        return base[seed, size]

    jpeg = lambda image, **options: saved(image, format="JPEG", **{"quality": 88, **options})
    for number in range(1, 13):
        image = picture(number)
        library.add(f"IMG_{number:04}.jpg", jpeg(image), image, user=number % 2)
    for orientation in range(1, 9):
        shown = picture(20 + orientation, (1200, 900))
        undo = {1: None, 2: Image.FLIP_LEFT_RIGHT, 3: Image.ROTATE_180, 4: Image.FLIP_TOP_BOTTOM, 5: Image.TRANSPOSE,
                6: Image.ROTATE_90, 7: Image.TRANSVERSE, 8: Image.ROTATE_270}[orientation]
        stored = shown.transpose(undo) if undo is not None else shown
        library.add(f"turned {orientation}.jpg", jpeg(stored, exif=exif(orientation)), shown, sidecar=orientation in (1, 2))
    big = picture(40, (4000, 3000))
    library.add("twelve megapixels.jpg", jpeg(big, exif=exif(1)), big)
    library.add("progressive.jpg", jpeg(big, progressive=True), big)
    grey = picture(41).convert("L")
    library.add("grey.jpg", jpeg(grey), grey.convert("RGB"))
    cmyk = picture(42).convert("CMYK")
    library.add("ink.jpg", jpeg(cmyk), cmyk.convert("RGB"))
    small = picture(43, (640, 480))
    library.add("small.jpg", jpeg(small), small)
    library.add("Überlingen\t2024 'ä'.jpg", jpeg(picture(44)), picture(44), template="admin/2024/2024-05-01")
    for number in range(45, 49):
        library.add(f"2024-05-0{number - 43}.jpg", jpeg(picture(number)), picture(number), template="admin/2024/2024-05-02")
    for number in range(50, 56):
        library.add(f"holidays/DSC_{number}.jpg", jpeg(picture(number)), picture(number), external=True)
    library.add("old style.jpg", jpeg(picture(56)), picture(56), style="-")
    library.add("older style.jpg", jpeg(picture(57)), picture(57), style="")
    library.add("in the trash.jpg", jpeg(picture(58)), picture(58), trashed=True)

    image = picture(60)
    mask = Image.linear_gradient("L").resize(image.size)
    translucent = image.copy()
    translucent.putalpha(mask)
    library.add("screenshot.png", saved(image, format="PNG"), image)
    library.add("translucent.png", saved(translucent, format="PNG"), translucent)
    library.add("palette.png", saved(image.convert("P", palette=Image.ADAPTIVE), format="PNG"), image)
    deep = picture(61, (800, 600)).convert("L").convert("I").point(lambda v: v * 257)
    library.add("sixteen bits.png", saved(deep, format="PNG"), picture(61, (800, 600)).convert("L").convert("RGB"))
    frames = [picture(62, (480, 360)).rotate(8 * n) for n in range(6)]
    library.add("turning.gif", saved(frames[0], format="GIF", save_all=True, append_images=frames[1:], duration=80), frames[0])
    library.add("web.webp", saved(picture(63), format="WEBP", quality=85), picture(63))
    library.add("lossless.webp", saved(picture(64, (800, 600)), format="WEBP", lossless=True), picture(64, (800, 600)))
    library.add("bitmap.bmp", saved(picture(65, (800, 600)), format="BMP"), picture(65, (800, 600)))
    library.add("scan lzw.tif", saved(picture(66), format="TIFF", compression="tiff_lzw"), picture(66))
    library.add("scan deflate.tiff", saved(picture(67), format="TIFF", compression="tiff_adobe_deflate"), picture(67))
    library.add("scan raw.tif", saved(picture(68, (800, 600)), format="TIFF"), picture(68, (800, 600)))
    library.add("wavelet.jp2", saved(picture(69, (800, 600)), format="JPEG2000"), picture(69, (800, 600)))
    library.add("layers.psd", psd(picture(70, (800, 600))), picture(70, (800, 600)))
    library.add("drawing.svg", svg(71), picture(71, (800, 600)))
    library.add("sensor.dng", dng(picture(72, (800, 600))), picture(72, (800, 600)))

    tools = {
        "heif-enc": [("phone.heic", picture(80)), ("phone portrait.heic", picture(81, (1500, 2000))), ("phone small.heif", picture(82, (640, 480)))],
        "avifenc": [("modern.avif", picture(83, (1200, 900))), ("modern small.avif", picture(84, (640, 480)))],
        "cjxl": [("next.jxl", picture(85, (1200, 900))), ("next small.jxl", picture(86, (640, 480)))],
    }
    commands = {
        "heif-enc": lambda s, t: ("heif-enc", "-q", "60", "-p", "preset=ultrafast", s, "-o", t),
        "avifenc": lambda s, t: ("avifenc", "-s", "8", "-j", "2", s, t),
        "cjxl": lambda s, t: ("cjxl", "-q", "85", "-e", "4", s, t),
    }
    for tool, pictures in tools.items():
        for name, image in pictures:
            if not shutil.which(tool):
                skipped.append(f"{name}: no {tool}")
                continue
            try:
                data = through_png(image, os.path.splitext(name)[1], commands[tool])
            except subprocess.CalledProcessError as error:
                skipped.append(f"{name}: {tool} failed ({error.returncode})")
                continue
            library.add(name, data, image)

    h264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "24", "-pix_fmt", "yuv420p")
    clips = [
        ("walk.mp4", (3, "1280x720", *h264), {"transcode": True}), ("swim.mov", (2, "640x480", *h264), {}),
        ("fly.mkv", (2, "640x480", *h264), {}), ("sing.webm", (2, "640x480", "-c:v", "libvpx", "-b:v", "800k", "-deadline", "realtime"), {}),
        ("old camera.avi", (2, "640x480", "-c:v", "mjpeg", "-q:v", "5"), {}), ("camcorder.mts", (2, "640x480", *h264), {}),
    ]
    for name, (seconds, size, *codec), options in clips:
        suffix = os.path.splitext(name)[1]
        data = clip(suffix, seconds, size, *codec)
        library.add(name, data, first_frame(data, suffix), kind="VIDEO", **options)
    motion = clip(".mp4", 1, "320x240", *h264)
    part = library.add("motion part.mp4", motion, None, kind="VIDEO", hidden=True, motion_of="IMG_0001.jpg")
    still = library.assets["IMG_0001.jpg"]["id"]
    rows = library.rows["asset"]
    rows[:] = [row[:9] + (part,) + row[10:] if row[0] == still else row for row in rows]
    library.album("Lake Constance", [f"IMG_{number:04}.jpg" for number in range(1, 9)])
    library.album("Holidays", [f"holidays/DSC_{number}.jpg" for number in range(50, 56)] + ["IMG_0006.jpg"])
    library.person("IMG_0001.jpg", picture(1))
    library.person("IMG_0002.jpg", picture(2))
    return skipped, jpeg(picture(90, (400, 400)))


def plant_all(library):
    """One of every kind of fault, each told in planted.tsv."""
    cut = lambda share: lambda data: data[: int(len(data) * share)]
    gone, nothing = lambda _: None, lambda _: b""
    html = lambda _: b"<!DOCTYPE html><html><body>413 Request Entity Too Large</body></html>\n"

    def zeroed(start, length):
        return lambda data: data[: int(len(data) * start)] + bytes(length) + data[int(len(data) * start) + length :]

    def flipped(data):
        spot = len(data) * 6 // 10
        return data[:spot] + bytes([data[spot] ^ 0x10]) + data[spot + 1 :]

    plant = library.plant
    for name in ("IMG_0003.jpg", "turned 6.jpg", "phone.heic", "walk.mp4", "sensor.dng", "translucent.png"):
        if name in library.assets:
            plant("preview gone", name, "preview", gone)
    for name in ("IMG_0003.jpg", "web.webp", "old style.jpg"):
        plant("thumbnail gone", name, "thumbnail", gone)
    plant("preview empty", "IMG_0004.jpg", "preview", nothing)
    plant("thumbnail empty", "scan lzw.tif", "thumbnail", nothing)
    plant("preview cut off", "IMG_0005.jpg", "preview", cut(0.5))
    plant("preview cut off", "holidays/DSC_50.jpg", "preview", cut(0.9))
    plant("thumbnail cut off", "older style.jpg", "thumbnail", cut(0.6))
    plant("preview zeroed in the middle", "twelve megapixels.jpg", "preview", zeroed(0.4, 65536))
    plant("preview gone, in the trash", "in the trash.jpg", "preview", gone)
    plant("original cut off", "IMG_0006.jpg", "original", cut(0.7))
    plant("original cut off, preview gone too", "IMG_0007.jpg", "original", cut(0.4))
    plant("its preview is gone and cannot be made again", "IMG_0007.jpg", "preview", gone)
    plant("one bit flipped in the original", "IMG_0008.jpg", "original", flipped)
    plant("original gone", "IMG_0009.jpg", "original", gone)
    plant("original empty", "IMG_0010.jpg", "original", nothing)
    plant("original replaced by an error page", "IMG_0011.jpg", "original", html)
    plant("external original zeroed in the middle", "holidays/DSC_51.jpg", "original", zeroed(0.5, 65536))
    plant("external original cut off", "holidays/DSC_52.jpg", "original", cut(0.8))
    plant("video cut off", "fly.mkv", "original", cut(0.5))
    plant("sidecar gone", "turned 1.jpg", "sidecar", gone)
    plant("transcode gone", "walk.mp4", "video", gone)
    plant("person thumbnail gone", "person of IMG_0001.jpg", "person", gone)
    lost = library.assets["small.jpg"]
    library.rows["asset_file"] = [row for row in library.rows["asset_file"] if row[3] != lost["preview"]]
    library.planted.append(("preview there, its row gone", "preview", library.host(lost["preview"])))
    stray = library.nested("upload", library.users[0], library.id() + ".jpg")
    library.planted.append(("file that no record names", "original", library.write(stray, library.host(library.assets["IMG_0012.jpg"]["original"]).read_bytes())))
    orphan = library.nested("thumbs", library.users[0], f"{library.id()}_thumbnail.webp")
    library.planted.append(("thumbnail of no asset", "thumbnail", library.write(orphan, library.host(library.assets["IMG_0012.jpg"]["thumbnail"]).read_bytes())))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sound", action="store_true", help="plant no faults")
    options = parser.parse_args()
    if options.out.exists() and any(options.out.iterdir()):
        sys.exit(f"{options.out} is not empty; remove it first")
    library = Library(options.out)
    skipped, profile = fill(library)
    if not options.sound:
        plant_all(library)
    library.finish(profile)
    with open(options.out / "planted.tsv", "w", encoding="utf-8") as out:
        out.write("fault\trole\tpath\n")
        for fault, role, path in library.planted:
            out.write(f"{fault}\t{role}\t{path}\n")
    for line in skipped:
        print(f"left out: {line}", file=sys.stderr)
    print(f"{len(library.rows['asset'])} assets, {len(library.planted)} planted faults in {options.out}")


if __name__ == "__main__":
    main()
