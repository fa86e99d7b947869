"""An answer's Markdown in the terminal: what the model wrote, and nothing that it could make happen."""

from markdown_it import MarkdownIt
from rich.markdown import Markdown

from vipllava_cli.cli.terminal.messages import safe


def markdown(text: str) -> Markdown:
    """The text as Markdown. Its line breaks stay, HTML in it is text, and links show where they lead."""
    shown = Markdown(safe(text), hyperlinks=False)
    parser = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
    shown.parsed = parser.parse(safe(text))
    for token in shown.parsed:
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"
    return shown
