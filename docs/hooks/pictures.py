"""Pictures that stand alone scroll where a telephone is too narrow for them, and lead to themselves in full size."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

ALONE = re.compile(r'<p><img (?P<settings>[^>]*src="(?P<source>(?:\.\./)*(?P<path>images/[^"]+\.png))"[^>]*)></p>')
DOCS = Path(__file__).resolve().parents[1]


def on_page_content(content: str, **_: Any) -> str:
    """MkDocs asks this for every page.

    Parameters
    ----------
    content : str
        HTML of a page.

    Returns
    -------
    str
    """
    return ALONE.sub(_linked, content)


def _linked(found: re.Match[str]) -> str:
    """The picture as a link; the style sheet knows its shape."""
    width, height = struct.unpack(">II", (DOCS / found["path"]).read_bytes()[16:24])  # the header of every PNG
    shape = f'style="--shape: {width / height:.3f}"'
    return f'<div class="picture"><a href="{found["source"]}"><img {shape} {found["settings"]}></a></div>'
