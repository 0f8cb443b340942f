"""What the site's pages are given besides: roles in docstrings, which Markdown does not know, become plain code."""

import re
from typing import Any

ROLE = re.compile(r':(?:class|data|exc|func|meth|mod):<code>~?([^<]+)</code>')


def on_page_content(html: str, **_: Any) -> str:
    """``:func:`~package.module.name``` becomes ``name``, as Sphinx would show it."""
    return ROLE.sub(lambda found: f'<code>{found[1].rpartition(".")[2]}</code>', html)
