"""Write HTML that no name can break, in a document that loads nothing from elsewhere.

Every text goes through `escape`. The policy allows scripts and styles by the hash of the two that we write, so that a
script injected by a name would not run. There are no style attributes and no event attributes, which the policy
refuses too.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import pathlib
import re
from collections.abc import Iterable, Sequence
from html import escape as quoted
from typing import Any

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).parent
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
LOSSLESS = 64  # pixels on a side up to which a picture is a PNG; larger ones are JPEG

DOCUMENT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
<script>{script}</script>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
{body}
</body>
</html>
"""


def escape(value: Any) -> str:
    """Escape text between tags or in an attribute; characters that are invisible or reverse the line become �."""
    return quoted(UNSEEN.sub("\ufffd", str(value))).replace(" %", "\u00a0%")


def hashed(text: str) -> str:
    """Return the hash by which a Content-Security-Policy names an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def document(title: str, body: str, scripts: Sequence[str]) -> str:
    """Return a whole file; scripts: names of the files beside this module that it runs."""
    style = (HERE / "style.css").read_text("utf-8")
    script = "".join((HERE / name).read_text("utf-8") for name in scripts)
    policy = (
        f"default-src 'none'; img-src data:; style-src {hashed(style)}; script-src {hashed(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    return DOCUMENT.format(policy=policy, title=escape(title), style=style, script=script, body=body)


def data(name: str, value: Any) -> str:
    """Return JSON for a script, which finds it by the id."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return f'<script type="application/json" id="{escape(name)}">{text}</script>'


def element(tag: str, inner: str, **attributes: Any) -> str:
    """Return an element around HTML; class_="x" is class, aria_label is aria-label; None leaves an attribute out."""
    said = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{said}>{inner}</{tag}>"


def section(name: str, title: str, *parts: str) -> str:
    """Return a landmark under a heading of the second order; name: of its anchor."""
    heading = element("h2", escape(title), id=f"{name}-title")
    return element("section", "\n".join([heading, *filter(None, parts)]), id=name, aria_labelledby=f"{name}-title")


def paragraph(text: str, kind: str | None = None) -> str:
    return element("p", escape(text), class_=kind)


def table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "", text: Sequence[int] = ()
) -> str:
    """Return a table, in which the first cell of a row names the row.

    Args:
        caption: text.
        heads: text of each column.
        rows: cells as HTML.
        kind: the table's class.
        text: indices of the columns that hold words.
    """
    kinds = ["words" if i in text else None for i in range(len(heads))]
    top = "".join(element("th", escape(h), scope="col", class_=k) for h, k in zip(heads, kinds, strict=True))
    lines = []
    for first, *rest in rows:
        cells = (element("td", cell, class_=k) for cell, k in zip(rest, kinds[1:], strict=True))
        lines.append(f"<tr>{element('th', first, scope='row')}{''.join(cells)}</tr>")
    return whole_number(caption, top, "".join(lines), kind)


def whole_number(caption: str, heads: str, rows: str, kind: str) -> str:
    """Return a table of cells (HTML) under a caption (text)."""
    inside = f"<caption><span>{escape(caption)}</span></caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>"
    return scroll(element("table", inside, class_=kind or None), caption)


def scroll(inner: str, label: str) -> str:
    """Wrap HTML that may be wider than the page, so that it scrolls within itself, by keys as well."""
    return element("div", inner, class_="scroll", tabindex="0", role="region", aria_label=label)


def details(summary: str, inner: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{inner}</details>"


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a list of terms (text) and their descriptions (HTML)."""
    return element("dl", "".join(f"<div><dt>{escape(a)}</dt><dd>{b}</dd></div>" for a, b in pairs), class_="facts")


def embedded(content: bytes, alt: str, kind: str = "png", **attributes: Any) -> str:
    """Return an <img> that holds its own file.

    Args:
        content: the file's bytes.
        alt: the text in the picture's place.
        kind: "png" or "jpeg".
        attributes: further attributes of the element.
    """
    code = base64.b64encode(content).decode()
    said = "".join(f' {name.rstrip("_")}="{escape(value)}"' for name, value in attributes.items())
    return f'<img src="data:image/{kind};base64,{code}" alt="{escape(alt)}"{said}>'


def picture(pixels: np.ndarray, alt: str, most: int = 112, exact: bool = False, **attributes: Any) -> str:
    """Return an <img> of pixels.

    Args:
        pixels: uint8 [H, W, 3].
        alt: the text in the picture's place.
        most: the pixels on a side at most.
        exact: whether a large picture is a PNG too, as small ones are, instead of a JPEG.
        attributes: further attributes of the element.
    """
    image = Image.fromarray(pixels)
    image.thumbnail((most, most))
    small, file = max(image.size) <= LOSSLESS, io.BytesIO()
    if small or exact:
        image.save(file, "png", optimize=True)
    else:
        image.save(file, "jpeg", quality=85)
    more = {**attributes, **({"class_": "smooth"} if not (small or exact) else {})}
    kind = "png" if small or exact else "jpeg"
    return embedded(file.getvalue(), alt, kind, width=image.width, height=image.height, **more)
