"""Follow the advice of an error line literally, as a person does who knows nothing else."""

import re
import shlex
from collections.abc import Callable

from vipllava_cli.cli.suggestions import edit_distance

# What a person writes for the form of a value.
_VALUES = {
    "IMAGE": "cat.jpg",
    "FILE": "advised",
    "--data DIR": "pointqa",
    "NAME": "tiny",
    "COLUMN": "label",
    "SIZES": "cpu=8GiB",
    "REV": "main",
    "N": "2",
    "X1,Y1,X2,Y2": "20,80,340,300",
}


def follow(line: str, message: str) -> str | None:
    """Return the command line that a message advises in place of `line`; None if it advises nothing."""
    for pattern, rewrite in _RULES:
        match = re.search(pattern, message)
        if match:
            return rewrite(line, match)
    return None


def _replace_command(line: str, match: re.Match[str]) -> str:
    """Write `vipllava models pull` for `vipllava pull`."""
    before = line.partition(match["wrong"])[0]
    return match["command"] + line.removeprefix(before + match["wrong"])


def _replace_nearest(line: str, match: re.Match[str]) -> str:
    """Write the right word for the one that is most similar to it."""
    right = match["right"].strip("'")
    before = match.string[: match.start()]
    typed = {part for word in shlex.split(line) for part in re.split("[:=]", word)}
    wrong = min(
        (word for word in typed if word in before), key=lambda word: edit_distance(word, right)
    )
    return _swap(line, wrong, right)


def _replace_refused(line: str, match: re.Match[str]) -> str:
    """Write the first expected value for the refused one."""
    return _swap(line, match["wrong"].strip("'"), match["right"])


def _add_suffix(line: str, match: re.Match[str]) -> str:
    """Write a name with the first suffix that is expected."""
    return _swap(line, match["wrong"], match["wrong"] + match["right"])


def _replace_list(line: str, match: re.Match[str]) -> str:
    """Replace the values of `--box` by the advised ones. The values may be several words."""
    words = shlex.split(line)
    first = next(at for at, word in enumerate(words) if word.startswith("--box"))
    is_number = re.compile(r"[\d.,a-z%]+")
    end = next(
        at
        for at in range(first + 1, len(words) + 1)
        if at == len(words) or not is_number.fullmatch(words[at])
    )
    return shlex.join([*words[: first + 1], match["right"], *words[end:]])


def _quote_value(line: str, match: re.Match[str]) -> str:
    """Write `--question 'what is this?'` for the same words elsewhere."""
    option, value = shlex.split(match["right"])
    without = line.replace(f"{option} {value}", "").replace(shlex.quote(value), "")
    return f"{without} {match['right']}"


def _run(line: str, match: re.Match[str]) -> str:
    """Run the advised command, with the shipped model in place of one of 14 GB."""
    command = match["command"].replace("--model 7b", "--model tiny")
    return " ".join(_VALUES.get(word, word) for word in command.split(" "))


def _give_value(line: str, match: re.Match[str]) -> str:
    """Write a value after the option that lacks one."""
    option, form = match["right"].split(" ", 1)
    value = _VALUES.get(match["right"]) or _VALUES.get(form, form)
    return re.sub(rf"(?<= ){re.escape(option)}(?= |$)", f"{option} {value}", line, count=1)


def _move_option(line: str, match: re.Match[str]) -> str:
    """Move an option and its value behind the subcommand."""
    words, option = shlex.split(line), match["option"]
    at = words.index(option)
    value = words[at + 1]
    return shlex.join(
        [
            *shlex.split(match["command"]),
            option,
            value,
            *[word for word in words[at + 2 :] if word not in match["command"].split()],
        ]
    )


def _remove_value(line: str, match: re.Match[str]) -> str:
    return re.sub(rf"{re.escape(match['option'])}=\S*", match["option"], line)


def _append(line: str, match: re.Match[str]) -> str:
    option, _, form = match["right"].partition(" ")
    return f"{line} {option} {_VALUES.get(form, form)}".rstrip()


def _swap(line: str, wrong: str, right: str) -> str:
    """Replace a word, or a part of one."""
    found = re.sub(rf"(?<![\w-]){re.escape(wrong)}(?![\w-])", lambda _: right, line)
    assert found != line, (line, wrong)
    return found


# The forms of advice, the most definite one first.
_RULES: tuple[tuple[str, Callable[[str, re.Match[str]], str]], ...] = (
    (
        r"unknown command '(?P<wrong>[^']+)'.*; did you mean `(?P<command>[^`]+)`\?",
        _replace_command,
    ),
    (r"did you mean (?P<right>[^`\s]+?)\?", _replace_nearest),
    (
        r"invalid \S+ (?P<wrong>'[^']*'): expected a whole number (?:from|of at least) (?P<right>\d+)",
        _replace_refused,
    ),
    (r"invalid \S+ (?P<wrong>'[^']*'): expected (?P<right>[\w-]+)(?:, | or )", _replace_refused),
    (r"unknown setting (?P<wrong>'[^']*'): expected (?P<right>[\w-]+)", _replace_refused),
    (r"there is no (?:model|folder) (?P<wrong>\S+): expected (?P<right>tiny)", _replace_refused),
    (r"invalid --\S+ (?P<wrong>'[^']*'): use (?P<right>[^\s,]+)", _replace_refused),
    (r"(?P<wrong>\S+) is not on this machine: use (?P<right>\S+),", _replace_refused),
    (r"(?P<wrong>\S+) has the suffix of another format.*: use (?P<right>\S+)", _replace_refused),
    (
        r"(?P<wrong>\S+?)(?: has no image suffix)?: expected (?:one of|a name that ends in)"
        r" (?P<right>\.\w+)",
        _add_suffix,
    ),
    (r"(?P<option>-\S+) belongs after the subcommand: (?P<command>[^…]+) …", _move_option),
    (r"needs a value: (?P<right>-\S+ \S+)", _give_value),
    (r"(?P<option>--\S+) takes no value: write", _remove_value),
    (r"without spaces: --\S+ (?P<right>\S+)", _replace_list),
    (r"write (?P<right>[\d.,]+), without a unit", _replace_list),
    (r"(?:in quotes,|the question with) (?P<right>--\w+ '[^']+')", _quote_value),
    (r"(?P<right>--force) overwrites", _append),
    (r"add (?P<right>-\S+(?: [A-Z]+| unit)?)", _append),
    (r"`(?P<command>vipllava [^`]+)`", _run),
)
