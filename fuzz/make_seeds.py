#!/usr/bin/env python3
"""Draws the small pictures and clips in fuzz/seeds from which fuzzing starts. They are kept, so this is run
only to add some: a name that is there already is left as it is. Needs Pillow, ffmpeg, cjpeg, heif-enc, avifenc,
cwebp and opj_compress.
"""
import struct
import sys
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "testdata"))
from make_demo import clip, dng, exif, saved, scene, svg, through_png  # noqa: E402

SMALL, SIZE = scene(3, 48, 32), "32x32"


def keep(name, make):
    path = HERE / "seeds" / name
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    data = make()
    assert len(data) < 24_000, f"{name}: {len(data)} bytes are no small seed"
    path.write_bytes(data)
    print(f"{name}: {len(data)} bytes")


def jpegs():
    gray = SMALL.convert("L")
    cjpeg = lambda *options: through_png(SMALL.convert("RGB"), ".jpg", lambda a, b: (
        "sh", "-c", f'ffmpeg -v error -i "$0" -f image2 -vcodec ppm pipe: | cjpeg "$@" > {b}', a, *options))
    keep("jpeg/baseline.jpg", lambda: saved(SMALL, format="JPEG", quality=75, exif=exif(6)))
    keep("jpeg/full-chroma.jpg", lambda: saved(SMALL, format="JPEG", quality=90, subsampling=0))
    keep("jpeg/gray.jpg", lambda: saved(gray, format="JPEG", quality=60))
    keep("jpeg/cmyk.jpg", lambda: saved(SMALL.convert("CMYK"), format="JPEG", quality=50))
    keep("jpeg/progressive.jpg", lambda: saved(SMALL, format="JPEG", quality=75, progressive=True))
    keep("jpeg/restart.jpg", lambda: cjpeg("-restart", "2B", "-optimize"))
    keep("jpeg/arithmetic.jpg", lambda: cjpeg("-arithmetic"))
    keep("jpeg/progressive-restart.jpg", lambda: cjpeg("-restart", "1", "-progressive", "-sample", "1x2"))
    keep("jpeg/mpo.jpg", lambda: saved(SMALL, format="MPO", save_all=True, append_images=[SMALL.resize((24, 16))]))


def pngs():
    keep("png/rgb.png", lambda: saved(SMALL, format="PNG"))
    keep("png/palette.png", lambda: saved(SMALL.quantize(16), format="PNG", bits=4))
    keep("png/one-bit.png", lambda: saved(SMALL.convert("1"), format="PNG"))
    keep("png/sixteen-bit.png", lambda: saved(SMALL.convert("I;16"), format="PNG"))
    keep("png/alpha.png", lambda: saved(SMALL.convert("RGBA"), format="PNG", exif=exif(3), icc_profile=b"profile" * 20))
    keep("png/animated.png", lambda: saved(SMALL, format="PNG", save_all=True, append_images=[SMALL.rotate(90)]))

    def interlaced():
        chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        rows = b"".join(b"\0" + bytes(w) for w, h in [(1, 1), (1, 1), (2, 1), (2, 2), (4, 2), (4, 4), (8, 4)] for _ in range(h))
        return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1))
                + chunk(b"tEXt", b"Comment\0drawn") + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))

    keep("png/interlaced.png", interlaced)


def others():
    frames = [scene(n, 24, 16).quantize(32) for n in range(3)]
    keep("gif/animated.gif", lambda: saved(frames[0], format="GIF", save_all=True, append_images=frames[1:], loop=0))
    keep("gif/still.gif", lambda: saved(SMALL.quantize(8), format="GIF", interlace=1, comment=b"drawn"))
    keep("webp/lossy.webp", lambda: saved(SMALL, format="WEBP", quality=60))
    keep("webp/lossless.webp", lambda: saved(SMALL, format="WEBP", lossless=True))
    keep("webp/lossless-palette.webp", lambda: saved(SMALL.quantize(6).convert("RGB"), format="WEBP", lossless=True))
    alpha = SMALL.convert("RGBA")
    alpha.putalpha(SMALL.convert("L"))
    keep("webp/alpha.webp", lambda: saved(alpha, format="WEBP", quality=50, exif=exif(8)))
    keep("webp/animated.webp", lambda: saved(SMALL, format="WEBP", save_all=True, append_images=[SMALL.rotate(180)]))
    keep("webp/partitions.webp", lambda: through_png(SMALL, ".webp", lambda a, b: ("cwebp", "-segments", "4", "-partition_limit", "50", "-f", "30", "-m", "6", a, "-o", b)))
    for compression in ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"]:
        keep(f"tiff/{compression}.tif", lambda: saved(SMALL, format="TIFF", compression=compression))
    keep("tiff/group4.tif", lambda: saved(SMALL.convert("1"), format="TIFF", compression="group4"))
    keep("tiff/big.tif", lambda: saved(SMALL, format="TIFF", big_tiff=True))
    keep("tiff/pages.tif", lambda: saved(SMALL, format="TIFF", compression="tiff_lzw", save_all=True, append_images=[SMALL.convert("L")]))
    keep("tiff/predictor-tiles.tif", lambda: through_png(SMALL, ".tif", lambda a, b: (
        "convert", a, "-define", "tiff:tile-geometry=16x16", "-define", "tiff:predictor=2", "-endian", "MSB", "-compress", "LZW", b)))
    keep("raw/drawn.dng", lambda: dng(SMALL))
    keep("svg/drawn.svg", lambda: svg(1)[:900] + b"</svg>")
    keep("xmp/sidecar.xmp", lambda: b"""<?xpacket begin='\xef\xbb\xbf' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
 <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format='a &amp; b'><!-- drawn -->
  <dc:subject><rdf:Bag><rdf:li><![CDATA[x < y]]></rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end='w'?>""")
    keep("jp2/picture.jp2", lambda: saved(SMALL, format="JPEG2000"))
    keep("jp2/codestream.j2k", lambda: saved(SMALL.convert("L"), format="JPEG2000", no_jp2=True))


def codestreams():
    """JPEG 2000 in many of its ways; the walker's own tests read them too."""
    picture = scene(7, 120, 80)
    opj = lambda *options: through_png(picture, ".j2k", lambda a, b: ("opj_compress", "-i", a, "-o", b, *options))
    put = lambda name, *options: keep(f"../../testdata/jp2/{name}.j2k", lambda: opj(*options))
    put("layers", "-I", "-r", "60,20,6", "-SOP", "-EPH", "-p", "RPCL", "-c", "[32,32],[16,64]", "-b", "16,8", "-n", "4")
    put("tiles", "-I", "-r", "8", "-p", "PCRL", "-t", "50,37", "-T", "3,5", "-d", "7,9", "-TP", "R", "-n", "3")
    put("apart", "-r", "12,4", "-p", "CPRL", "-s", "2,2", "-n", "4")
    put("resolutions", "-r", "10,5", "-p", "RLCP", "-b", "64,4", "-TP", "L")
    put("modes", "-r", "4", "-M", "63", "-b", "32,32")
    put("bypass", "-r", "3", "-M", "9", "-b", "32,32")


def containers():
    keep("heif/hevc.heic", lambda: through_png(scene(5, 64, 64), ".heic", lambda a, b: ("heif-enc", "-q", "30", a, "-o", b)))
    keep("heif/thumbnail.heic", lambda: through_png(scene(5, 128, 64), ".heic", lambda a, b: ("heif-enc", "-q", "20", "-t", "64", a, "-o", b)))
    keep("heif/av1.avif", lambda: through_png(scene(6, 64, 48), ".avif", lambda a, b: ("avifenc", "--min", "40", "--max", "60", a, b)))
    keep("heif/grid.avif", lambda: through_png(scene(6, 128, 128), ".avif", lambda a, b: ("avifenc", "--min", "40", "--max", "60", "--grid", "2x2", a, b)))
    h264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-x264-params", "keyint=3", "-crf", "40"]
    sound = ["-f", "lavfi", "-i", "sine=duration=0.3", "-c:a", "aac", "-b:a", "16k"]
    keep("mp4/h264.mp4", lambda: clip(".mp4", 0.3, SIZE, *h264))
    keep("mp4/sound.mov", lambda: clip(".mov", 0.3, SIZE, *sound, *h264))
    keep("mp4/fast-start.mp4", lambda: clip(".mp4", 0.3, SIZE, *h264, "-movflags", "faststart"))
    keep("mp4/fragmented.mp4", lambda: clip(".mp4", 0.3, SIZE, *h264, "-movflags", "frag_keyframe+empty_moov"))
    keep("mp4/hevc.mp4", lambda: clip(".mp4", 0.2, "64x64", "-c:v", "libx265", "-tag:v", "hvc1", "-crf", "45"))
    keep("mp4/av1.mp4", lambda: clip(".mp4", 0.2, "64x64", "-c:v", "libaom-av1", "-crf", "60", "-cpu-used", "8"))
    vp9 = ["-c:v", "libvpx-vp9", "-crf", "60", "-b:v", "0"]
    keep("matroska/vp9.webm", lambda: clip(".webm", 0.3, SIZE, *vp9))
    keep("matroska/vp8.webm", lambda: clip(".webm", 0.2, SIZE, "-c:v", "libvpx", "-crf", "50", "-cluster_time_limit", "100"))
    keep("matroska/h264.mkv", lambda: clip(".mkv", 0.3, SIZE, *h264))
    keep("matroska/live.webm", lambda: clip(".webm", 0.3, SIZE, *vp9, "-live", "1"))
    keep("streams/clip.avi", lambda: clip(".avi", 0.2, SIZE, "-c:v", "mpeg4", "-q:v", "20"))
    keep("streams/motion-jpeg.avi", lambda: clip(".avi", 0.1, SIZE, "-c:v", "mjpeg", "-q:v", "20"))
    keep("streams/clip.wmv", lambda: clip(".wmv", 0.2, SIZE, "-c:v", "wmv2", "-q:v", "20"))
    keep("streams/clip.flv", lambda: clip(".flv", 0.2, SIZE, "-c:v", "flv", "-q:v", "20"))
    keep("streams/clip.ts", lambda: clip(".ts", 0.2, SIZE, *h264))
    keep("streams/clip.m2ts", lambda: clip(".m2ts", 0.2, SIZE, "-c:v", "mpeg2video", "-q:v", "20"))
    keep("streams/clip.mpg", lambda: clip(".mpg", 0.2, SIZE, "-c:v", "mpeg2video", "-q:v", "20"))


if __name__ == "__main__":
    jpegs()
    pngs()
    others()
    codestreams()
    containers()
