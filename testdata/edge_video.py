"""Clips by which the frame of a video is compared: changes of scene, rotation, oblong pixels, odd sides, ranges, depths, HDR, GIF."""
import subprocess
import tempfile
from pathlib import Path

X264 = ["-c:v", "libx264", "-preset", "veryfast", "-g", "12", "-pix_fmt", "yuv420p"]
X265 = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=12", "-tag:v", "hvc1"]
BT709 = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]
# A drawn scene of up to 1000 nits, in the codes of the transfer curve.
HDR = "zscale=tin=iec61966-2-1:min=gbr:pin=bt709:rin=pc:t=linear,format=gbrpf32le,zscale=p=bt2020,zscale=t={curve}:m=bt2020nc:r=tv:npl={nits},format=yuv420p10le"


def clip(name, *arguments):
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / name
        subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments, str(target)], check=True)
        return target.read_bytes()


def source(kind, size, seconds, more=""):
    return ["-f", "lavfi", "-i", f"{kind}=size={size}:rate=24:duration={seconds}{more}"]


def scenes(size):
    """Three seconds of one picture, then three of another."""
    return ["-f", "lavfi", "-i", f"mandelbrot=size={size}:rate=24", "-f", "lavfi", "-i", f"testsrc2=size={size}:rate=24", "-filter_complex",
            "[0]trim=duration=3[a];[1]trim=duration=3[b];[a][b]concat,format=yuv420p"]


def hdr(curve, primaries, nits):
    lines = HDR.format(curve=curve, nits=nits)
    tags = f"colorprim=bt2020:transfer={curve}:colormatrix=bt2020nc"
    return [*source("testsrc2", "1280x720", 2), "-vf", "format=gbrp,setparams=color_trc=iec61966-2-1:color_primaries=bt709:range=pc," + lines, *X265[:4],
            "-x265-params", f"log-level=none:keyint=12:{tags}", "-tag:v", "hvc1", "-color_trc", curve, "-color_primaries", primaries, "-colorspace", "bt2020nc"]


def rotated(edges, degrees):
    """The display matrix is written by copying the stream with a rotation."""

    def make():
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder) / "plain.mp4"
            plain.write_bytes(clip("a.mp4", *source("testsrc2", "640x360", 2), *X264))
            return clip("b.mp4", "-i", str(plain), "-c", "copy", "-metadata:s:v", f"rotate={degrees}")

    edges.put("video", f"rotated-{degrees}.mp4", make)


def draw(edges):
    put = lambda name, *arguments: edges.put("video", name, lambda: clip(name, *arguments))
    put("plain.mp4", *source("testsrc2", "1920x1080", 2), *X264)
    put("bt709.mp4", *source("testsrc2", "1280x720", 2), *X264, *BT709)
    put("large.mp4", *source("mandelbrot", "2560x1600", 1)[:3], "mandelbrot=size=2560x1600:rate=24,trim=duration=1", *X264)
    put("two-scenes.mp4", *scenes("640x480"), *X264)
    put("two-scenes.mkv", *scenes("640x480"), "-c:v", "libx264", "-g", "250", "-preset", "veryfast")
    put("quiet.mp4", "-f", "lavfi", "-i", "color=c=teal:size=320x240:rate=24:duration=40", *X264)
    put("one-frame.mp4", *source("testsrc2", "640x360", 0.04), *X264)
    put("sar.mp4", *source("testsrc2", "720x576", 2), "-vf", "setsar=64/45", *X264)
    put("odd.mkv", *source("testsrc2", "400x300", 2), "-vf", "format=yuv444p,crop=321:241:exact=1", "-c:v", "ffv1", "-pix_fmt", "yuv444p")
    put("odd-small.avi", *source("testsrc2", "300x300", 1), "-vf", "format=yuv444p,crop=99:201:exact=1", "-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj444p")
    put("portrait.mov", *source("testsrc2", "720x1280", 2), *X264)
    put("full-range.mp4", *source("testsrc2", "1280x720", 2), *X264[:-1], "yuvj420p", "-color_range", "pc", *BT709)
    put("ten-bits.mp4", *source("testsrc2", "1280x720", 2), *X264[:-1], "yuv420p10le")
    put("ten-bits-422.mov", *source("testsrc2", "1280x720", 1), "-c:v", "prores_ks", "-pix_fmt", "yuv422p10le")
    put("hevc.mov", *source("testsrc2", "1280x720", 2), *X265, "-pix_fmt", "yuv420p")
    put("camera.mts", *source("testsrc2", "1440x1080", 2), "-c:v", "libx264", "-preset", "veryfast", "-flags", "+ildct+ilme", "-g", "12", "-vf", "setsar=4/3,format=yuv420p", "-f", "mpegts")
    put("vp9.webm", *source("testsrc2", "640x360", 2), "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "12")
    put("mpeg2.mpg", *source("testsrc2", "720x576", 2), "-c:v", "mpeg2video", "-q:v", "3")
    put("wmv.wmv", *source("testsrc2", "640x480", 2), "-c:v", "wmv2", "-q:v", "3")
    put("film.gif", *source("testsrc2", "480x270", 2), "-vf", "fps=10,split[a][b];[a]palettegen[p];[b][p]paletteuse")
    put("odd.gif", *source("testsrc2", "300x300", 1), "-vf", "fps=10,format=gbrp,crop=201:155:exact=1")
    for degrees in (90, 180, 270):
        rotated(edges, degrees)
    edges.put("video-hdr", "pq.mp4", lambda: clip("pq.mp4", *hdr("smpte2084", "bt2020", 203)))
    edges.put("video-hdr", "pq-bright.mp4", lambda: clip("pq.mp4", *hdr("smpte2084", "bt2020", 1000)))
    edges.put("video-hdr", "hlg.mov", lambda: clip("hlg.mov", *hdr("arib-std-b67", "bt2020", 300)))
    for word in ("mobius", "reinhard", "disabled"):
        edges.put(f"video-hdr-{word}", "pq-bright.mp4", lambda: clip("pq.mp4", *hdr("smpte2084", "bt2020", 1000)))
        edges.put(f"video-hdr-{word}", "hlg.mov", lambda: clip("hlg.mov", *hdr("arib-std-b67", "bt2020", 300)))
        edges.configure(f"video-hdr-{word}", {"ffmpeg": {"tonemap": word}})
