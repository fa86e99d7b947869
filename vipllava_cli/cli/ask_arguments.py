"""Tell the image and the questions of `ask` apart, as people type them.

A question is one argument if the user quotes it, else one argument for each word. The image may come
first or last.
"""

import glob
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from vipllava_cli.cli.image_source import check_exists
from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.images.source import Source, display_name, is_any_address, parse_source
from vipllava_cli.sources.folder import image_suffixes

QUESTION_MARKS = ("?", "\uff1f", "\u061f")  # also of Chinese and Japanese, and of Arabic
EXAMPLE_IMAGE, EXAMPLE_QUESTION = "cat.jpg", "what is this?"
MAX_LISTED_IMAGES = 5  # in the command for `batch`, unless no shorter pattern names the same images


@dataclass(frozen=True)
class AskArguments:
    """The image and the questions of an `ask`, with notes about what was guessed."""

    image: str
    questions: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_arguments(arguments: Sequence[str], *, needs_question: bool = True) -> AskArguments:
    """Tell the image from the questions, and join the words of questions without quotes.

    The image comes first, or elsewhere if only another argument names one. Raises UsageError if an
    image or a question is missing or there are several images, and InputError for a missing file.
    """
    if not arguments and not needs_question:
        raise UsageError(f"ask needs an image, as in `vipllava ask {EXAMPLE_IMAGE} --fields …`")
    if not arguments:
        raise UsageError(f"ask needs an image and a question, as in {_example()}")
    typed, arguments = arguments, _join_path(arguments)
    at = _find_image(arguments)
    image, words = arguments[at], [*arguments[:at], *arguments[at + 1 :]]
    _check_single_image(image, arguments, words)
    if not words and needs_question:
        raise UsageError(f"ask needs a question after the image, as in {_example(image)}")
    questions = join_words(words)
    notes = [_JOINED.format(question) for question in questions if question not in words]
    if at or image not in typed:
        notes.insert(0, f"took {display_name(image)} as the image, and the rest as the question")
    return AskArguments(image, tuple(questions), tuple(notes))


# --- questions -------------------------------------------------------------------------------


def join_words(arguments: Sequence[str]) -> list[str]:
    """Join arguments to questions.

    A question that starts with a single word goes on to the next argument that ends with a question
    mark, or to the last argument. An argument of several words, or with a question mark, that starts
    a question is the complete question: the user quoted it.
    """
    questions: list[str] = []
    open_words: list[str] = []
    for argument in arguments:
        text = argument.strip()
        is_complete = _is_phrase(text) or not text
        if open_words or not is_complete:
            open_words.append(text)
        else:
            questions.append(argument)
        if open_words and text.endswith(QUESTION_MARKS):
            questions.append(" ".join(open_words))
            open_words = []
    return [*questions, " ".join(open_words)] if open_words else questions


_JOINED = 'asking "{}" as one question; to ask several, put each in quotes'


# --- the image -------------------------------------------------------------------------------


def _join_path(arguments: Sequence[str]) -> Sequence[str]:
    """Join the first or the last arguments if only together they name an image file.

    A path with spaces and without quotes comes as one argument for each word.
    """
    if any(_exists(argument) for argument in arguments):
        return arguments
    for count in range(2, len(arguments) + 1):
        first, last = " ".join(arguments[:count]), " ".join(arguments[-count:])
        if _is_image(first):
            return [first, *arguments[count:]]
        if _is_image(last):
            return [*arguments[:-count], last]
    return arguments


def _find_image(arguments: Sequence[str]) -> int:
    """Return the position of the image. Raises UsageError and InputError if there is none."""
    first, last = arguments[0], len(arguments) - 1
    is_folder = os.path.isdir(_parse(first).location)
    if (_exists(first) and not is_folder) or (_has_image_suffix(first) and not _is_phrase(first)):
        return 0
    images = [at for at, argument in enumerate(arguments) if _is_image(argument)]
    if images:
        return images[-1]
    if is_folder or _looks_like_path(first):
        return 0
    files = [
        at for at, argument in enumerate(arguments) if os.path.isfile(_parse(argument).location)
    ]
    if files:
        return files[-1]
    # A missing file, or a folder, after the question.
    if last and (_has_image_suffix(arguments[last]) or _exists(arguments[last])):
        return last
    if _is_phrase(first) or first.strip().endswith(QUESTION_MARKS):
        raise UsageError(
            f"ask needs an image before the question, as in {_example(question=join_words(arguments)[0])}"
        )
    _check_first_exists(arguments)
    return 0


def _check_first_exists(arguments: Sequence[str]) -> None:
    """Raise InputError for a first argument that is a word of a question, or a missing file."""
    source = parse_source(arguments[0])
    try:
        check_exists(source)
    except InputError as error:
        if len(arguments) == 1 or "did you mean" in str(error):
            raise
        raise InputError(
            f"there is no file {arguments[0]}, and no other argument is an image: give the image"
            f" first, as in {_example()}"
        ) from None


def _check_single_image(image: str, arguments: Sequence[str], words: Sequence[str]) -> None:
    """Raise UsageError for several images and for a question that is another file, and InputError
    for a folder.
    """
    images = [word for word in words if _is_another_image(word)]
    questions = [word for word in words if word not in images]
    if images:
        sources = [each for each in arguments if each == image or each in images]
        raise UsageError(
            f"ask takes one image, found {len(sources)}: use {_batch_command(sources, questions)}"
        )
    files = [word for word in words if os.path.isfile(_parse(word).location)]
    if files:
        raise UsageError(
            f"{files[0]} is a file, not a question: put the question in quotes, so that the shell"
            " does not replace a ? or * in it by the names of files"
        )
    if not _exists(image) and glob.glob(_parse(image).location):
        raise UsageError(
            f"{image} is a pattern, and ask takes one image: name a file, or use"
            f" {_batch_command([image], questions)}"
        )
    if os.path.isdir(_parse(image).location):
        raise InputError(
            f"{image} is a folder, and ask takes one image: name a file in it, or use"
            f" {_batch_command([image], questions)}"
        )


# --- kinds of arguments ----------------------------------------------------------------------


def _parse(argument: str) -> Source:
    try:
        return parse_source(argument)
    except InputError:  # opening the image raises it
        return Source(argument)


def _exists(argument: str) -> bool:
    """Return whether an argument is a file, a folder, an address, `-` or `clipboard:`."""
    source = _parse(argument)
    return not source.is_local or os.path.exists(source.location)


def _is_image(argument: str) -> bool:
    """Return whether an argument is an image for certain, and not a word of a question."""
    source = _parse(argument)
    is_file = os.path.exists(source.location) and not os.path.isdir(source.location)
    return not source.is_local or (is_file and _has_image_suffix(argument))


def _is_another_image(word: str) -> bool:
    """Return whether a word beside the image is an image, too, perhaps a missing one."""
    is_named = not _is_phrase(word) or os.path.isfile(_parse(word).location)
    return is_any_address(word) or (is_named and _has_image_suffix(word))


def _has_image_suffix(argument: str) -> bool:
    return _parse(argument).location.lower().endswith(image_suffixes())


def _looks_like_path(argument: str) -> bool:
    """Return whether an argument is the name of a missing image, or empty like an unset variable."""
    if not argument or _has_image_suffix(argument):
        return True
    return os.sep in argument and not _is_phrase(argument) and not argument.endswith(QUESTION_MARKS)


def _is_phrase(argument: str) -> bool:
    """Return whether an argument has several words: the user quoted it."""
    return len(argument.split()) > 1


# --- commands in messages --------------------------------------------------------------------


def _example(image: str = EXAMPLE_IMAGE, question: str = EXAMPLE_QUESTION) -> str:
    return f"`vipllava ask {_quote(image)} {_quote(question, always=True)}`"


def _batch_command(images: Sequence[str], words: Sequence[str]) -> str:
    questions = join_words(words) or [EXAMPLE_QUESTION]
    asked = " ".join(f"--question {_quote(question, always=True)}" for question in questions)
    return f"`vipllava batch {_name_images(images)} {asked} --out answers.jsonl`, with the same options"


def _name_images(images: Sequence[str]) -> str:
    """Name images for the shell: each of a few, or many by a pattern if it matches no other file."""
    first = images[0]
    folder, name = os.path.split(first)
    suffix = os.path.splitext(name)[1]
    pattern = os.path.join(folder, f"*{suffix}")
    is_plain = len(images) > MAX_LISTED_IMAGES and re.fullmatch(r"[\w./*-]+", pattern)
    if is_plain and set(glob.glob(pattern)) == set(images):
        return pattern
    return " ".join(map(_quote, images))


def _quote(text: str, *, always: bool = False) -> str:
    """Quote for a POSIX shell: in double quotes where these are enough."""
    if not always and shlex.quote(text) == text:
        return text
    return shlex.quote(text) if re.search(r'["$`\\!]', text) else f'"{text}"'
