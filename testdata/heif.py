"""HEIC files with the properties that cameras use: grids of tiles, rotation, mirror, 10 bits (ISO/IEC 23008-12). The slices come
from x265 through ffmpeg."""
import struct
import subprocess

TILE = 512


def encode(image, grid=False, irot=None, imir=None, bits=8, profile=None):
    """`irot` counts quarter turns against the clock, `imir` is the axis, as in the standard."""
    tiles = [image]
    columns = rows = 1
    if grid:
        columns, rows = image.width // TILE, image.height // TILE
        tiles = [image.crop((x * TILE, y * TILE, (x + 1) * TILE, (y + 1) * TILE)) for y in range(rows) for x in range(columns)]
    streams = [hevc(tile, bits) for tile in tiles]
    items = [(b"hvc1", data) for _, data in streams]
    config = hvcc(streams[0][0], bits)
    tile_size = (TILE, TILE) if grid else image.size
    properties = [config, box(b"ispe", struct.pack(">III", 0, *tile_size)), full(b"pixi", 0, bytes([3, bits, bits, bits]))]
    colour = box(b"colr", b"prof" + profile) if profile else box(b"colr", b"nclx" + struct.pack(">HHHB", 1, 13, 6, 0x80))
    properties.append(colour)
    shown = [(1, True), (2, False), (3, False), (4, False)]
    links = {number: list(shown) for number in range(1, len(items) + 1)}
    primary = 1
    if grid:
        primary = len(items) + 1
        items.append((b"grid", struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *image.size)))
        properties.append(box(b"ispe", struct.pack(">III", 0, *image.size)))
        links[primary] = [(len(properties), False), (3, False), (4, False)]
    for name, value in ((b"irot", irot), (b"imir", imir)):
        if value is not None:
            properties.append(box(name, bytes([value])))
            links[primary].append((len(properties), True))
    return assemble(items, properties, links, primary, [(primary, list(range(1, primary)))] if grid else [])


def assemble(items, properties, links, primary, derived):
    ftyp = box(b"ftyp", b"heic" + struct.pack(">I", 0) + b"mif1heic")
    infe = b"".join(full(b"infe", 2, struct.pack(">HH", number, 0) + kind + b"\0", 1 if kind == b"hvc1" and derived else 0)
                    for number, (kind, _) in enumerate(items, 1))
    ipma = struct.pack(">I", len(links))
    for number, linked in sorted(links.items()):
        ipma += struct.pack(">HB", number, len(linked)) + bytes((0x80 if essential else 0) | index for index, essential in linked)
    parts = [
        full(b"hdlr", 0, b"\0\0\0\0pict" + bytes(12) + b"\0"),
        full(b"pitm", 0, struct.pack(">H", primary)),
        full(b"iinf", 0, struct.pack(">H", len(items)) + infe),
        box(b"iprp", box(b"ipco", b"".join(properties)) + full(b"ipma", 0, ipma)),
    ]
    for number, sources in derived:
        parts.append(full(b"iref", 0, box(b"dimg", struct.pack(f">HH{len(sources)}H", number, len(sources), *sources))))

    def meta(start):
        iloc = struct.pack(">BBH", 0x44, 0, len(items))
        for number, (_, data) in enumerate(items, 1):
            iloc += struct.pack(">HHHII", number, 0, 1, start, len(data))
            start += len(data)
        return full(b"meta", 0, b"".join([*parts, full(b"iloc", 0, iloc)]))

    start = len(ftyp) + len(meta(0)) + 8
    return ftyp + meta(start) + box(b"mdat", b"".join(data for _, data in items))


def box(kind, body):
    return struct.pack(">I", len(body) + 8) + kind + body


def full(kind, version, body, flags=0):
    return box(kind, struct.pack(">I", version << 24 | flags) + body)


def hevc(image, bits):
    """One intra picture: its parameter sets, and its slices with lengths before them."""
    shape = "yuv420p" if bits == 8 else "yuv420p10le"
    command = ["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{image.width}x{image.height}", "-i", "-",
               "-vf", f"scale=out_color_matrix=smpte170m:out_range=pc,format={shape}", "-color_range", "pc", "-c:v", "libx265", "-preset", "ultrafast",
               "-x265-params", "log-level=none:info=0:crf=12:keyint=1:range=full", "-f", "hevc", "-"]
    stream = subprocess.run(command, input=image.tobytes(), stdout=subprocess.PIPE, check=True).stdout
    units = [unit.rstrip(b"\0") for unit in stream.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit]
    kind = lambda unit: unit[0] >> 1 & 63
    sets = [unit for unit in units if kind(unit) in (32, 33, 34)]
    return sets, b"".join(struct.pack(">I", len(unit)) + unit for unit in units if kind(unit) < 32)


def hvcc(sets, bits):
    sequence = next(unit for unit in sets if unit[0] >> 1 & 63 == 33).replace(b"\0\0\3", b"\0\0")
    body = b"\1" + sequence[3:15] + b"\xf0\0\xfc\xfd" + bytes([0xF8 | bits - 8] * 2) + b"\0\0\x0f" + bytes([len(sets)])
    for unit in sets:
        body += bytes([0x80 | unit[0] >> 1 & 63]) + struct.pack(">HH", 1, len(unit)) + unit
    return box(b"hvcC", body)
