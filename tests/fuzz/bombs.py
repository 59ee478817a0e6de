"""Small files that say they are large."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

PIXELS = np.random.default_rng(0).integers(0, 256, [16, 24, 3], np.uint8)


def encoded(form, mode="RGB", size=None, **options):
    out = io.BytesIO()
    image = Image.fromarray(PIXELS).convert(mode)
    (image.resize(size) if size else image).save(out, form, **options)
    return out.getvalue()


def film():
    frames = [Image.fromarray(np.roll(PIXELS, i, 0)).quantize() for i in range(3)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    return out.getvalue()


GOOD = {
    "jpeg": encoded("JPEG"),
    "progressive": encoded("JPEG", progressive=True),
    "cmyk": encoded("JPEG", "CMYK"),
    "grey": encoded("JPEG", "L"),
    "png": encoded("PNG"),
    "alpha": encoded("PNG", "RGBA"),
    "palette": encoded("PNG", "P"),
    "bits": encoded("PNG", "1"),
    "bmp": encoded("BMP"),
    "gif": encoded("GIF"),
    "film": film(),
    "dot": encoded("PNG", size=(1, 1)),
    "long": encoded("PNG", size=(1, 20_000)),
}
FOREIGN = {"webp": encoded("WEBP"), "tiff": encoded("TIFF"), "deep": encoded("TIFF", "F")}


def patched(data, at, form, *values):
    new = struct.pack(form, *values)
    return data[:at] + new + data[at + len(new) :]


def png(width, height):
    head = b"IHDR" + struct.pack(">II", width, height) + GOOD["png"][24:29]
    return GOOD["png"][:12] + head + struct.pack(">I", zlib.crc32(head)) + GOOD["png"][33:]


def jpeg(width, height):
    at = GOOD["jpeg"].index(b"\xff\xc0")
    return patched(GOOD["jpeg"], at + 5, ">HH", height, width)


def scans(count):
    """A progressive JPEG of 4000 × 4000 whose last pass is repeated: few bytes, and each the time of all pixels."""
    out = io.BytesIO()
    Image.new("L", (4000, 4000)).save(out, "JPEG", progressive=True)
    head, *passes = out.getvalue()[:-2].split(b"\xff\xda")
    return b"\xff\xda".join([head, *passes, *passes[-1:] * count]) + b"\xff\xd9"


def gif(width, height, frames=1):
    """The screen stays small; the frames are large."""
    data = GOOD["gif"]
    at = data.index(b",", 13 + 3 * 2 ** (data[10] % 8 + 1))
    frame = patched(data[at:-1], 5, "<HH", width, height)
    return data[:at] + frame * frames + b";"


BOMBS = {
    "png": png(60_000, 60_000),
    "jpeg": jpeg(65_000, 65_000),
    "scans": scans(5000),
    "bmp": patched(GOOD["bmp"], 18, "<ii", 30_000, 30_000),
    "bmp from the top": patched(GOOD["bmp"], 18, "<ii", 30_000, -30_000),
    "gif": gif(60_000, 60_000),
    "gif of many frames": gif(9_000, 9_000, 20),
    "webp": patched(encoded("WEBP", lossless=False), 26, "<HH", 16_000, 16_000),
    "webp without loss": patched(encoded("WEBP", lossless=True), 21, "<I", 2**28 - 1),
    "png of nothing": png(0, 16),
    "bmp of nothing": patched(GOOD["bmp"], 18, "<ii", 24, 0),
}
