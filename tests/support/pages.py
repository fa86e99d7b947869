"""The pages of the documentation, split into text and code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from textwrap import dedent

from tests.conftest import ROOT

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)(?:(?: {4}.*)?\n)+")
_BLOCK = re.compile(
    r"^ *```sh\n(?P<fenced>(?s:.*?))^ *```$(?:\n\n```text\n(?P<output>(?s:.*?))^```$)?"
    r"|^ *```\w+\n(?s:.*?)^ *```$"
    r"|(?<=\n\n)(?P<indented>(?:(?: {4}.*)?\n)+)",
    re.MULTILINE,
)
_SPAN = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")


@dataclass(frozen=True)
class Example:
    """Shell lines of one code block, and the text that the page shows as their output, if any."""

    lines: tuple[str, ...]
    output: str | None = None


@dataclass(frozen=True)
class Page:
    """A Markdown file of the documentation."""

    path: Path

    @cached_property
    def source(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def text(self) -> str:
        """The page without its code blocks."""
        return _INDENTED.sub("\n", _FENCE.sub("", self.source))

    @property
    def spans(self) -> list[str]:
        """Code in the running text, each on one line."""
        return [" ".join(span.split()) for span in _SPAN.findall(self.text)]

    @property
    def links(self) -> list[str]:
        """Targets of links and images."""
        return [link or image for link, image in _LINK.findall(self.text)]

    def shell_lines(self) -> Iterator[str]:
        """Yield the lines of shell code: fenced as `sh` or without a language, or indented."""
        fenced = [body for _, language, body in _FENCE.findall(self.source) if language != "text"]
        indented = _INDENTED.findall(_FENCE.sub("", self.source))
        for block in (*fenced, *indented):
            yield from _lines(block)

    def examples(self) -> Iterator[Example]:
        """Yield the shell code in its order: blocks fenced as `sh`, and indented blocks.

        The output is a block fenced as `text` that follows at once, or the lines of an indented block
        after a line that starts with `$ `.
        """
        for match in _BLOCK.finditer(self.source):
            if match["fenced"] is not None:
                yield Example(tuple(_lines(dedent(match["fenced"]))), match["output"])
            if match["indented"] is None:
                continue
            block = dedent(match["indented"]).strip("\n")
            prompted = re.fullmatch(r"\$ (.+)\n([^$]*)", block)
            if prompted:
                yield Example((prompted[1],), prompted[2] + "\n")
            else:
                yield Example(tuple(_lines(block)))


def _lines(block: str) -> Iterator[str]:
    for line in block.replace("\\\n", " ").splitlines():
        if line.strip():
            yield line.strip().removeprefix("$ ")


PAGES = tuple(
    Page(path)
    for path in (
        *sorted(ROOT.glob("*.md")),
        *sorted((ROOT / "docs").glob("*.md")),
        *sorted((ROOT / ".github").glob("*.md")),
        ROOT / "sample_images/SOURCES.md",
    )
)
# The pages about the command; the others also name options of other programs.
USER_PAGES = tuple(
    page
    for page in PAGES
    if page.path == ROOT / "README.md"
    or (page.path.parent == ROOT / "docs" and page.path.name != "training.md")
)
