"""The answers of a batch while they grow: their tokens, and which of them have ended."""

from collections.abc import Callable, Sequence

from torch import Tensor

from vipllava_cli.engine.local.finite_scores import NOT_FINITE_ERROR
from vipllava_cli.engine.local.stop_texts import StopTexts
from vipllava_cli.engine.local.streaming import Stream
from vipllava_cli.engine.local.token_choice import NOT_FINITE
from vipllava_cli.errors import GenerationError

# Rows leave the batch when this part of it has ended: a copy of the others costs about as much time as
# a few steps save.
_DROPPED_PART = 0.25


class AnswersSoFar:
    """Collects new tokens. An answer ends with one of `ends`, or with a stop text.

    `prompts` [rows, longest] precede the answers: a stop text may start there. `stream` takes the tokens
    of a single row. `stop` runs after each token, and ends all answers if it returns True.
    """

    def __init__(
        self,
        prompts: Tensor,
        ends: frozenset[int],
        stops: StopTexts,
        stream: Stream | None,
        stop: Callable[[], bool] | None,
    ) -> None:
        self._ends, self._stops = ends, stops
        self._stream, self._stop = stream, stop
        self._texts: list[list[int]] = prompts[:, -stops.window :].tolist()
        self._start = len(self._texts[0])
        self._places = list(range(len(self._texts)))  # the row at each place of the batch
        self._growing = set(self._places)
        self._is_stopped = False

    @property
    def ids(self) -> list[list[int]]:
        """The new tokens of each row."""
        return [ids[self._start :] for ids in self._texts]

    @property
    def have_ended(self) -> bool:
        """Whether no answer goes on."""
        return self._is_stopped or not self._growing

    def add(self, tokens: Sequence[int]) -> None:
        """Add a token for each place of the batch. Raises GenerationError for NOT_FINITE.

        Ignores tokens behind the end of an answer.
        """
        for row, token in zip(self._places, tokens, strict=True):
            if row not in self._growing:
                continue
            if token == NOT_FINITE:
                raise GenerationError(NOT_FINITE_ERROR)
            ids = self._texts[row]
            ids.append(token)
            if token in self._ends or self._stops.is_complete(ids):
                self._growing.discard(row)
        if self._stream is not None:
            self._stream.add(tokens)
        self._is_stopped = self._stop is not None and self._stop()

    @property
    def should_drop_rows(self) -> bool:
        """Whether enough answers have ended for their rows to leave the batch."""
        return len(self._growing) <= (1 - _DROPPED_PART) * len(self._places)

    def drop_rows(self) -> list[int]:
        """Remove the rows of answers that have ended. Returns the places of the others."""
        kept = [place for place, row in enumerate(self._places) if row in self._growing]
        self._places = [self._places[place] for place in kept]
        return kept
