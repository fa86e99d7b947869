"""Tokenized conversations with the training targets of every token."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from transformers import PreTrainedTokenizerBase

from training.architecture import GRID, first_token
from training.patch_targets import IGNORE
from vipllava_cli.engine.prompts.control_words import IMAGE
from vipllava_cli.engine.prompts.templates import TEMPLATES
from vipllava_cli.flows.evals.clipart.question_generator import SceneTurn
from vipllava_cli.flows.evals.clipart.questions import QUESTION_KINDS

KINDS = tuple(QUESTION_KINDS)


@dataclass(frozen=True)
class ConversationTokens:
    """The tokens of a conversation. All lists have the same length; IGNORE stands for no target.

    `answer_targets` are the tokens of the answers and of the stop texts behind them, without stale
    answers. `question_kinds` are indices in KINDS at the same tokens. `auxiliary_targets` stand at the
    questions' tokens.
    """

    input_ids: list[int] = field(default_factory=list)
    answer_targets: list[int] = field(default_factory=list)
    auxiliary_targets: list[int] = field(default_factory=list)
    question_kinds: list[int] = field(default_factory=list)

    def append(
        self,
        ids: Sequence[int],
        answers: Sequence[int],
        auxiliary: Sequence[int],
        kinds: Sequence[int],
    ) -> None:
        self.input_ids.extend(ids)
        self.answer_targets.extend(answers)
        self.auxiliary_targets.extend(auxiliary)
        self.question_kinds.extend(kinds)


def tokenize_conversation(
    tokenizer: PreTrainedTokenizerBase,
    template_name: str,
    turns: Sequence[SceneTurn],
    max_tokens: int | None = None,
) -> ConversationTokens:
    """Tokenize a conversation under a template.

    With `max_tokens`, keep as many turns as fit, at least one. The limit excludes the image tokens.
    """
    template = TEMPLATES[template_name]
    stop = tokenizer.convert_tokens_to_ids(template.stop)
    tokens = ConversationTokens()
    tokens.append([tokenizer.bos_token_id], [IGNORE], [IGNORE], [IGNORE])
    # The stop text of an answer is the first token of the next question.
    stop_target, stop_kind = IGNORE, IGNORE
    for number, turn in enumerate(turns):
        prompt = template.format_question(turn.question, first=number == 0)
        question, auxiliary = _tokenize_question(tokenizer, prompt, turn)
        answer = _tokenize(tokenizer, template.format_answer(turn.answer))
        length = len(tokens.input_ids) + len(question) + len(answer) - GRID * GRID
        if number and max_tokens and length > max_tokens:
            break
        ignored = [IGNORE] * (len(question) - 1)
        kind = KINDS.index(turn.kind)
        tokens.append(question, [stop_target, *ignored], auxiliary, [stop_kind, *ignored])
        tokens.append(
            answer,
            [IGNORE] * len(answer) if turn.is_stale else answer,
            [IGNORE] * len(answer),
            [kind] * len(answer),
        )
        stop_target, stop_kind = IGNORE if turn.is_stale else stop, kind
    tokens.append([stop], [stop], [IGNORE], [stop_kind])
    return tokens


def _tokenize_question(
    tokenizer: PreTrainedTokenizerBase, prompt: str, turn: SceneTurn
) -> tuple[list[int], list[int]]:
    """Tokenize a question in its template. Returns its ids and its auxiliary targets."""
    prompt = prompt.replace(IMAGE, IMAGE * (GRID * GRID))
    start = prompt.rindex(turn.question)
    encoded = tokenizer(prompt, add_special_tokens=False, return_offsets_mapping=True)
    ends = [end for _, end in encoded["offset_mapping"]]
    targets = [IGNORE] * len(ends)
    for auxiliary in turn.auxiliary_targets:
        # From this target's first token on, earlier targets no longer apply.
        first = bisect_left(ends, start + auxiliary.end)
        last = min(first + auxiliary.tokens, len(ends))
        token = first_token(tokenizer, auxiliary.word)
        targets[first:] = [token] * (last - first) + [IGNORE] * (len(ends) - last)
    targets[-1] = IGNORE  # the answer's first token is the target there
    return encoded["input_ids"], targets


def _tokenize(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids
