"""Pictures that stand alone scroll where a telephone is too narrow for them, and lead to themselves in full size."""

from __future__ import annotations

import re
from typing import Any

ALONE = re.compile(r'<p>(?P<picture><img [^>]*src="(?P<source>[^"]+)"[^>]*>)</p>')


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
    return ALONE.sub(r'<div class="picture"><a href="\g<source>">\g<picture></a></div>', content)
