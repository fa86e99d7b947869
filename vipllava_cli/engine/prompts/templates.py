"""Prompt templates: the text around the questions and answers of a conversation.

`human` is the template of the model's documentation. `vicuna` is the one of its training
(ViP-LLaVA's conversation.py, v1). `chat` is the chat template of the processor; the engine renders it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vipllava_cli.engine.options import VIPLLAVA_TEMPLATE, TemplateName
from vipllava_cli.engine.prompts.control_words import IMAGE
from vipllava_cli.errors import UsageError

# These lines ask for a short answer, in the words of the model's training (LLaVA-1.5).
LETTER_LINE = "Answer with the option's letter from the given choices directly."
PHRASE_LINE = "Answer the question using a single word or phrase."


@dataclass(frozen=True)
class Turn:
    """A question and its answer, which is None before the model answers.

    `tokens` are the token ids of the answer; empty if they are unknown.
    """

    question: str
    answer: str | None = None
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True)
class Template:
    """The text before the first question, around every question, and after an answer."""

    system: str
    before: str
    after: str
    between: str
    stop: str

    def format_question(self, question: str, *, first: bool) -> str:
        """Format a question. The first one carries the system text and the image."""
        opening = (
            f"{self.system}{self.before}{IMAGE}\n" if first else f"{self.between}{self.before}"
        )
        return f"{opening}{question}{self.after}"

    def format_answer(self, answer: str) -> str:
        return f" {answer}"


TEMPLATES: Mapping[str, Template] = {
    TemplateName.human: Template(
        system="A chat between a curious human and an artificial intelligence assistant. The"
        " assistant gives helpful, detailed, and polite answers to the human's questions.",
        before="###Human: ",
        after="###Assistant:",
        between="",
        stop="###",
    ),
    TemplateName.vicuna: Template(
        system="A chat between a curious user and an artificial intelligence assistant. The"
        " assistant gives helpful, detailed, and polite answers to the user's questions. ",
        before="USER: ",
        after=" ASSISTANT:",
        between="</s>",
        stop="</s>",
    ),
}

# Text that ends an answer under every template. The models write it when they continue alone.
STOPS: tuple[str, ...] = ("###",)


def choose_template(
    template: str, model: str, *, is_vipllava: bool, is_on_server: bool = False
) -> str:
    """Return the template that a choice means: `auto` depends on the model.

    Raises UsageError for a template of ViP-LLaVA with another model on this machine. The engine of a
    server refuses it itself.
    """
    if template == TemplateName.auto:
        return VIPLLAVA_TEMPLATE if is_vipllava else TemplateName.chat.value
    if template != TemplateName.chat and not (is_vipllava or is_on_server):
        raise UsageError(
            f"the template {template} is for ViP-LLaVA, and {model} has its own: use --template auto"
        )
    return template


def render(template: Template, turns: Sequence[Turn]) -> str:
    """Format the conversation as one text for the model to continue."""
    text = ""
    for number, turn in enumerate(turns):
        text += template.format_question(turn.question, first=number == 0)
        if turn.answer is not None:
            text += template.format_answer(turn.answer)
    return text
