"""Score the choices of several questions about each image in one forward pass.

The tokens of one image's questions lie in one row behind its cached prefix:

    prefix | question 1 | its choice 1 | its choice 2 | question 2 | its choice 1 | …

The attention mask makes a tree of the row. A question sees the prefix and itself; a choice sees the
prefix, its question and itself. So each choice gets the scores of a run of its own, and the prefix is
neither computed nor copied for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import DynamicCache

from vipllava_cli.engine.base import Answer, Prompt
from vipllava_cli.engine.local.error_translation import translate_errors
from vipllava_cli.engine.local.finite_scores import check_scores
from vipllava_cli.engine.local.inputs import ModelInputs
from vipllava_cli.engine.local.likelihood import EncodedChoices, choice_answer, log_likelihood

Encoder = Callable[[str, tuple[int, ...], tuple[str, ...]], EncodedChoices]


@dataclass
class _Row:
    """The tokens behind the prefix of one image.

    `positions` are those in the text that the model reads, and `seen` the indices in this row that
    each token sees, apart from the prefix. `paths` lead from the question to the end of each choice,
    by question.
    """

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    seen: list[Sequence[int]] = field(default_factory=list)
    paths: list[list[list[int]]] = field(default_factory=list)

    def add(self, encoded: EncodedChoices, prefix: int) -> None:
        """Add a question with its choices behind a prefix of this length."""
        trunk = self._add_path([], encoded.rows[0][prefix : encoded.shared], prefix)
        self.paths.append(
            [self._add_path(trunk, row[encoded.shared :], prefix) for row in encoded.rows]
        )

    def _add_path(self, start: list[int], tokens: Sequence[int], prefix: int) -> list[int]:
        """Add tokens behind those at `start`. Returns the indices of all of them."""
        path = list(start)
        for token in tokens:
            path.append(len(self.tokens))
            self.tokens.append(token)
            self.positions.append(prefix + len(path) - 1)
            self.seen.append(tuple(path))
        return path


def score_choice_trees(
    inputs: ModelInputs,
    cache: DynamicCache,
    questions: Sequence[Sequence[tuple[Prompt, tuple[str, ...]]]],
    encode: Encoder,
) -> list[list[Answer]]:
    """Answer the questions about each image with their likeliest choices.

    `cache` holds the common start of the prompts for each image, up to its end; this function extends
    it. `questions` holds the prompts and choices of each image. The answers have no `seconds`.

    Raises UsageError if a choice makes the prompt too long, and GenerationError.
    """
    encoded = [
        [encode(prompt.text, prompt.ids, choices) for prompt, choices in some] for some in questions
    ]
    prefix = cache.get_seq_length()
    rows = [_Row() for _ in encoded]
    for row, some in zip(rows, encoded, strict=True):
        for each in some:
            row.add(each, prefix)
    with torch.inference_mode(), translate_errors():
        scores = _log_probabilities(inputs, cache, rows, prefix)
        return [
            [
                _answer(scores[number], *question)
                for question in zip(some, encoded[number], rows[number].paths, strict=True)
            ]
            for number, some in enumerate(questions)
        ]


def _answer(
    scores: Tensor,
    question: tuple[Prompt, tuple[str, ...]],
    encoded: EncodedChoices,
    paths: Sequence[Sequence[int]],
) -> Answer:
    prompt, choices = question
    likelihoods = []
    for path, row, ends in zip(paths, encoded.rows, encoded.ends, strict=True):
        # The last token of the question predicts the first one of the choice.
        tokens = row[encoded.shared :]
        predicting = path[len(path) - len(tokens) - 1 :]
        likelihoods.append(log_likelihood(scores[predicting], tokens, ends))
    return choice_answer(prompt, choices, encoded.rows, likelihoods)


def _log_probabilities(
    inputs: ModelInputs, cache: DynamicCache, rows: Sequence[_Row], prefix: int
) -> Tensor:
    """Return the log-probabilities of each next token: float32 [rows, longest, vocabulary].

    Rows are padded on the right with tokens that see only the prefix, and that no token sees.
    """
    longest = max(len(row.tokens) for row in rows)
    ids = torch.full((len(rows), longest), inputs.pad_token)
    positions = torch.full((len(rows), longest), prefix)
    is_seen = torch.zeros(len(rows), 1, longest, prefix + longest, dtype=torch.bool)
    is_seen[..., :prefix] = True
    for number, row in enumerate(rows):
        count = len(row.tokens)
        ids[number, :count] = torch.tensor(row.tokens)
        positions[number, :count] = torch.tensor(row.positions)
        for index, seen in enumerate(row.seen):
            is_seen[number, 0, index, [prefix + each for each in seen]] = True
    dtype = inputs.model.dtype
    mask = torch.zeros(is_seen.shape, dtype=dtype).masked_fill_(~is_seen, torch.finfo(dtype).min)
    output = inputs.model(
        input_ids=ids.to(inputs.device),
        attention_mask=mask.to(inputs.device),
        position_ids=positions.to(inputs.device),
        cache=cache,
        use_cache=True,
    )
    check_scores(output.logits)
    scores: Tensor = output.logits.float().log_softmax(-1)
    return scores
