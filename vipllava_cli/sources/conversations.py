r"""Conversations of training files, as LLaVA and ShareGPT write them -> questions.

    {"image": "a.jpg", "conversations": [{"from": "human", "value": "<image>\nWhat is <bbox0>?"},
     {"from": "gpt", "value": "A bolt"}], "bboxes": [[20, 30, 60, 55]]}

The turns of the human are the questions. `<bbox0>` stands for the first of `bboxes`.
"""

import re
from collections.abc import Mapping
from typing import Any

from vipllava_cli.engine.prompts.control_words import drop_image_word
from vipllava_cli.errors import InputError, short_repr

# Field with the turns -> the fields of a turn with its speaker and its text.
_FORMS: Mapping[str, tuple[str, str]] = {
    "conversations": ("from", "value"),
    "messages": ("role", "content"),
}
_ASKING, _ANSWERING = ("human", "user"), ("gpt", "assistant")
_CONTENTS = [content for _, content in _FORMS.values()]
_IMAGE_PARTS = ("image", "image_url")  # fields of a part of a turn
_EXPECTED = "expected"  # the column that `compare` reads

_REGION = re.compile(r"<bbox(\d{1,4})>")


def is_question_line(fields: Mapping[str, Any]) -> bool:
    """Return whether a row is one of LLaVA's `questions.jsonl`, whose `text` is the question."""
    return "question_id" in fields and "text" in fields and "question" not in fields


def with_questions(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of a manifest row for one of a training or question file.

    Other rows stay as they are. Raises InputError.
    """
    if is_question_line(fields):
        rest = {name: value for name, value in fields.items() if name != "text"}
        text = fields["text"]
        question = _ask(text) if isinstance(text, str) else text
        return {"id": fields["question_id"], **rest, "question": question}
    form = next((name for name in _FORMS if isinstance(fields.get(name), list)), None)
    if form is None or "question" in fields or "questions" in fields:
        return fields
    speaker, content = _FORMS[form]
    turns, shown = _plain_turns(fields[form], content)
    if not all(isinstance(turn, dict) and isinstance(turn.get(content), str) for turn in turns):
        raise InputError(
            f'expected "{form}" as a list of turns with "{speaker}" and "{content}", found'
            f" {short_repr(turns)}"
        )
    questions = [_ask(turn[content]) for turn in turns if turn.get(speaker) in _ASKING]
    answers = [turn[content] for turn in turns if turn.get(speaker) in _ANSWERING]
    result = {name: value for name, value in fields.items() if name != form}
    if len(answers) == len(questions) and _EXPECTED not in result:
        result[_EXPECTED] = answers[0] if len(answers) == 1 else answers
    named = "image" in result or "images" in result
    images = {"images": shown} if shown and not named else {}
    return {**_one_image({**result, **images}), "questions": questions or None}


def _plain_turns(turns: list[Any], content: str) -> tuple[list[Any], list[Any]]:
    """Return turns with their content as text, and the images in it.

    The content may be a list of parts: `{"type": "text", "text": …}`, `{"type": "image", "image": …}`.
    """
    plain: list[Any] = []
    images: list[Any] = []
    for turn in turns:
        parts = turn.get(content) if isinstance(turn, dict) else None
        if isinstance(parts, list) and all(isinstance(part, dict) for part in parts):
            texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
            shown = [part[name] for part in parts for name in _IMAGE_PARTS if name in part]
            images += [each.get("url") if isinstance(each, dict) else each for each in shown]
            plain.append({**turn, content: "\n".join(texts)})
        else:
            plain.append(turn)
    return plain, images


def dropped_word_note(fields: Mapping[str, Any]) -> str | None:
    """Return a note if a question of `fields` lost the word for the image in `with_questions`."""
    turns: list[Any] = next(
        (fields[form] for form in _FORMS if isinstance(fields.get(form), list)), []
    )
    contents = (turn.get(name) for turn in turns if isinstance(turn, dict) for name in _CONTENTS)
    texts = (fields.get("text") if is_question_line(fields) else None, *contents)
    notes = (
        note for text in texts if isinstance(text, str) for note in drop_image_word(text).notes
    )
    return next(notes, None)


def _ask(text: str) -> str:
    """Return a question without the word for the image, and with `{1}` for the first region."""
    asked = drop_image_word(text).text.strip()
    return _REGION.sub(lambda match: f"{{{int(match[1]) + 1}}}", asked)


def _one_image(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Replace a list of one image, as ShareGPT has it, by the image. Raises InputError."""
    field = "image" if "image" in fields else "images"
    images = fields.get(field)
    if not isinstance(images, list):
        return fields
    if len(images) != 1:
        raise InputError(f"expected one image for each row, found {len(images)}")
    return {
        **{name: value for name, value in fields.items() if name != field},
        "image": images[0],
    }
