"""ICC profiles of the simplest kind (version 2, matrix and one curve), written from published primaries under D50."""
import struct

SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
PROPHOTO = ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491))
WHITE = (0.96420, 1.0, 0.82491)


def rgb(name, primaries, gamma):
    """A profile of three primaries (XYZ under D50) and one gamma."""
    tags = {b"wtpt": xyz(WHITE)}
    for letter, primary in zip(b"rgb", primaries):
        tags[bytes([letter]) + b"XYZ"] = xyz(primary)
        tags[bytes([letter]) + b"TRC"] = curve(gamma)
    return profile(name, b"mntr", b"RGB ", tags)


def grey(name, gamma):
    return profile(name, b"mntr", b"GRAY", {b"wtpt": xyz(WHITE), b"kTRC": curve(gamma)})


def xyz(values):
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))


def curve(gamma):
    return b"curv\0\0\0\0" + (struct.pack(">I", 0) if gamma == 1.0 else struct.pack(">IH", 1, round(gamma * 256)))


def profile(name, kind, space, tags):
    text = name.encode() + b"\0"
    tags = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78), b"cprt": b"text\0\0\0\0none\0", **tags}
    table, blob = b"", b""
    at = 128 + 4 + 12 * len(tags)
    for tag, body in tags.items():
        table += tag + struct.pack(">II", at + len(blob), len(body))
        blob += body + b"\0" * (-len(body) % 4)
    size = at + len(blob)
    head = struct.pack(">I4sI4s4s4s12x4s", size, b"none", 0x02400000, kind, space, b"XYZ ", b"acsp")
    head = head.ljust(68, b"\0") + struct.pack(">3i", *(round(v * 65536) for v in WHITE))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + blob
