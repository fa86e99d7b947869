"""Render the Markdown of an answer in the terminal."""

from markdown_it import MarkdownIt
from rich.markdown import Markdown

from vipllava_cli.cli.terminal.escapes import safe


def markdown(text: str) -> Markdown:
    """Render text as Markdown. Line breaks stay, HTML appears as text, links show their address.

    Control characters are written out and links are not clickable, so that the text of a model
    cannot act on the terminal.
    """
    rendered = Markdown(safe(text), hyperlinks=False)
    parser = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
    rendered.parsed = parser.parse(safe(text))
    for token in rendered.parsed:
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"
    return rendered
