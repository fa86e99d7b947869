"""Hooks of MkDocs: links that also work outside of the website."""

from typing import Any

# Links of pages to files outside of docs/, and the pages of the website that include these files.
_INCLUDED = {"](../vipllava_cli/engine/tiny/README.md)": "](model-card.md)"}


def on_page_markdown(markdown: str, **context: Any) -> str:
    """Point links to included files at their pages."""
    for link, page_link in _INCLUDED.items():
        markdown = markdown.replace(link, page_link)
    return markdown
