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
    """Passes the pieces of a reply on, without the thoughts at its start and spaces around it.

    Each piece costs its own length: a server may send thoughts or spaces without an end.
    """

    def __init__(self) -> None:
        self._tail = ""  # of the text before the answer
        self._spaces: list[str] = []  # after what was passed on
        self._is_open = self._is_thinking = self._has_thought = False

    def add(self, piece: str) -> str:
        """Return the text to show now."""
        if not self._is_open:
            piece = self._after_thoughts(self._tail + piece)
        shown = piece.rstrip()
        if shown:
            self._spaces, spaces = [piece[len(shown) :]], self._spaces
            return "".join([*spaces, shown])
        if self._is_open:
            self._spaces.append(piece)
        return ""

    def _after_thoughts(self, text: str) -> str:
        """Return the start of the answer, empty before it comes."""
        if not self._is_thinking and not self._has_thought:
            text = text.lstrip()
            if text.startswith(_START):
                self._is_thinking, text = True, text.removeprefix(_START)
        if self._is_thinking:
            _, end, after = text.partition(_END)
            if not end:
                self._tail = text[1 - len(_END) :]
                return ""
            self._is_thinking, self._has_thought, text = False, True, after
        text = text.lstrip()
        is_open = text != "" if self._has_thought else not _START.startswith(text)
        self._tail, self._is_open = "" if is_open else text, is_open
        return text if is_open else ""
