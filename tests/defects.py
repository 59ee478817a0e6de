"""Picture files with one defect each, and folders of good ones."""

import io
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image


def picture(seed, mode="RGB"):
    """24 × 16 pixels that no other seed gives."""
    pixels = np.random.default_rng(seed).integers(0, 256, [16, 24, 3], np.uint8)
    return Image.fromarray(pixels).convert(mode)


def encoded(image, form, **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def clean(folder, start=0, classes=("bike", "pen")):
    """Class folders with two good pictures each."""
    for i, name in enumerate(classes, start):
        write(folder / name / "two words ä.jpg", encoded(picture(1000 + i), "JPEG"))
        write(folder / name / "Übung 2.png", encoded(picture(2000 + i), "PNG"))


def turned():
    tags = Image.Exif()
    tags[0x0112] = 6
    return tags


def deep():
    """16 bits of colour, which Pillow cannot write: the header of 1 × 1 pixel and its six bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" + bytes([255, 3, 128, 3, 1, 3]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def damaged(data):
    """Twenty bytes of the middle replaced."""
    half = len(data) // 2
    return data[:half] + b"\xff" * 20 + data[half + 20 :]


FILES = {
    ("empty_file", "leer ü.jpg"): lambda: b"",
    ("truncated", "half of it.jpg"): lambda: encoded(picture(1), "JPEG")[:-300],
    ("truncated", "progressive.jpg"): lambda: encoded(picture(2), "JPEG", progressive=True)[:-300],
    ("truncated", "half.png"): lambda: encoded(picture(3), "PNG")[:-500],
    ("truncated", "no end.png"): lambda: encoded(picture(4), "PNG")[:-12],
    ("truncated", "half.gif"): lambda: encoded(picture(5), "GIF")[:-100],
    ("truncated", "half.bmp"): lambda: encoded(picture(6), "BMP")[:-100],
    ("truncated", "half.webp"): lambda: encoded(picture(7), "WEBP")[:-100],
    ("truncated", "half.tif"): lambda: encoded(picture(8), "TIFF")[:-100],
    ("truncated", "start.jpg"): lambda: encoded(picture(9), "JPEG")[:10],
    ("unreadable", "text.jpg"): lambda: b"<html>404</html>",
    ("unreadable", "damaged.png"): lambda: damaged(encoded(picture(10), "PNG")),
    ("greyscale", "grey.jpg"): lambda: encoded(picture(11, "L"), "JPEG"),
    ("greyscale", "black and white.png"): lambda: encoded(picture(12, "1"), "PNG"),
    ("cmyk", "print.jpg"): lambda: encoded(picture(13, "CMYK"), "JPEG"),
    ("palette", "palette.png"): lambda: encoded(picture(14, "P"), "PNG"),
    ("16_bit", "deep.png"): deep,
    ("16_bit", "deep grey.png"): lambda: encoded(picture(15, "L").convert("I;16"), "PNG"),
    ("alpha", "rgba.png"): lambda: encoded(picture(16, "RGBA"), "PNG"),
    ("alpha", "la.png"): lambda: encoded(picture(17, "LA"), "PNG"),
    ("alpha", "palette with a hole.png"): lambda: encoded(picture(18, "P"), "PNG", transparency=3),
    ("rotated", "exif.jpg"): lambda: encoded(picture(19), "JPEG", exif=turned()),
    ("rotated", "exif.png"): lambda: encoded(picture(20), "PNG", exif=turned()),
    ("animated", "film.gif"): lambda: encoded(picture(21), "GIF", save_all=True, append_images=[picture(22)]),
    ("animated", "film.png"): lambda: encoded(picture(23), "PNG", save_all=True, append_images=[picture(24)]),
    ("foreign", "scan.tif"): lambda: encoded(picture(25), "TIFF"),
    ("not_a_picture", "notes.txt"): lambda: b"notes",
}


def kinds(report):
    """(kind, path) of every finding."""
    return {(one.kind, pathlib.Path(one.file)) for one in report.findings}
