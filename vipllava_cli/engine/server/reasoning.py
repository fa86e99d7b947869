"""Keep the thoughts of a model apart from its answer: `<think>…</think>`, also without its start."""

from dataclasses import dataclass

_START, _END = "<think>", "</think>"


@dataclass(frozen=True)
class SplitText:
    """The answer and the thoughts before it. `is_cut` means that the thoughts never ended."""

    answer: str
    reasoning: str
    is_cut: bool = False


def split_reasoning(text: str) -> SplitText:
    """Split the text of a reply."""
    before, end, after = text.rpartition(_END)
    if end:
        return SplitText(after.strip(), before.replace(_START, "").strip())
    head = text.lstrip()
    if head.startswith(_START):
        return SplitText("", head.removeprefix(_START).strip(), is_cut=True)
    return SplitText(text.strip(), "")


class AnswerPieces:
    """Passes the pieces of a reply on, without the thoughts at its start and spaces around it."""

    def __init__(self) -> None:
        self._held = ""
        self._is_open = False

    def add(self, piece: str) -> str:
        """Return the text to show now."""
        if self._is_open:
            return self._without_last_spaces(piece)
        self._held += piece
        text = self._held.lstrip()
        if text.startswith(_START):
            _, end, after = text.partition(_END)
            if not (end and after.strip()):
                return ""
            text = after.lstrip()
        elif not text or _START.startswith(text):
            return ""
        self._held, self._is_open = "", True
        return self._without_last_spaces(text)

    def _without_last_spaces(self, piece: str) -> str:
        """Hold spaces back: those at the end of an answer are not part of it."""
        text = self._held + piece
        shown = text.rstrip()
        self._held = text[len(shown) :]
        return shown
