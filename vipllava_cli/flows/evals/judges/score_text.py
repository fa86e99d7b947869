"""The reading of a judge's reply: text -> a number from 0 to 1, or None.

Only a number that the text gives as its score counts. A text with several candidates has none, because
a wrong grade looks like a right one. The numbers of a judge that thinks before it replies are drafts.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

# The end of a judge's thoughts, in the words of several families of models.
_THOUGHT_END = re.compile(
    r"</(?:think|thinking|thought|reasoning)>|\[/THINK\]|◁/think▷"
    r"|<\|channel\|>\s*final\s*(?:<\|message\|>)?",
    re.IGNORECASE,
)
_THOUGHT_START = re.compile(
    r"<(?:think|thinking|thought|reasoning)>|\[THINK\]|◁think▷|<\|channel\|>\s*analysis",
    re.IGNORECASE,
)

# A comma before three digits is a decimal comma only after 0: `1,000` may be a thousand.
_NUMBER = (
    r"[-+]?(?:[0-9]+(?:\.[0-9]+)?|0,[0-9]+|[0-9]+,[0-9]{1,2}(?![0-9])|[.,][0-9]+)"
    r"(?:[eE][-+]?[0-9]+)?"
)
# A number with what belongs to it: `0.8`, `0.8/1.0`, `8 out of 10`, `80 %`.
_VALUE = (
    rf"(?<![\w.,/%+-])(?P<number>{_NUMBER})"
    rf"(?:\s*(?:/|\bout of\b)\s*(?P<whole>{_NUMBER})|\s*(?P<percent>%))?"
    r"(?![\w/%]|[.,][0-9]|\s*[-\u2013\u2014]\s*[.,]?[0-9]|\s+of\s+[0-9])"
)
_VALUES = re.compile(_VALUE, re.IGNORECASE)
_LABEL = r"(?:\b(?:score|grade|rating|mark|points?|verdict)s?\b)"
# Words that are a label only where the line holds nothing but them and the score.
_LINE_LABEL = (
    rf"(?:{_LABEL}|\b(?:final answer|result|output|assessment|evaluation|correctness|total|scale"
    r"|bewertung|punktzahl|note|nota|puntuaci\u00f3n|calificaci\u00f3n|\u043e\u0446\u0435\u043d\u043a\u0430)\b"
    r"|\u5206\u6570|\u8bc4\u5206|\u5f97\u5206|\u70b9\u6570|\u30b9\u30b3\u30a2|\uc810\uc218)"
)
_UNIT = r"(?:\s*points?)?\s*[.!]?"
_ONLY_VALUE = re.compile(rf"[\s\"'(]*{_VALUE}{_UNIT}[\s\"').]*", re.IGNORECASE)
# A number that comes first, but neither counts things (`1 part is right`) nor starts a list.
_FIRST_VALUE = re.compile(
    rf"(?!\s*[01]\s+(?!because\b|as\b|since\b|for\b|points?\b|the\b|this\b|it\b)[a-z])"
    rf"(?!\s*1[.)]\s.*^\s*2[.)]\s)\s*{_VALUE}",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
# A line that says the score and nothing else: `Final score: 0.8`, `Score (0.0 to 1.0) = 0.8`.
_SCORE_LINE = re.compile(
    rf"\s*(?:[0-9]{{1,2}}[.)])?[^\w\d]{{0,4}}\s*(?:[^\W\d]+\s+){{0,3}}{_LINE_LABEL}\s*(?:\(\s*\))?\s*(?:is|=|:|-|\u2013|->|\u2192)+"
    rf"\s*{_VALUE}{_UNIT}\s*",
    re.IGNORECASE,
)
_LABELLED = re.compile(rf"{_LABEL}[^0-9.\n]{{0,40}}?{_VALUE}", re.IGNORECASE)
# A judge that speaks of its grade: `I would give this answer 0.8`.
_GIVEN = re.compile(
    r"\bI(?:[\u2019']?(?:d|ll)| would| will)? (?:give|rate|grade|score|assign|award|say)\b"
    rf"[^0-9.\n]{{0,40}}?{_VALUE}",
    re.IGNORECASE,
)
# A number that is the last sentence: `The answer is right. 1.0`.
_LAST_SENTENCE = re.compile(rf"[.!?]\s+{_VALUE}{_UNIT}\s*\Z", re.IGNORECASE)

# What a judge repeats of its instructions, which is no score.
_SCALE = re.compile(
    r"\b(?:from|between)?\s*(?<![\w.,])0(?:\.0+)?\s*(?:to|and|through|-|\u2013|\u2014|\.\.+|,)\s*"
    r"1(?:\.0+)?(?![\w%]|[.,][0-9])"
    r"|\bsteps of 0?\.1\b|\bout of 1(?:\.0+)?(?=\s*\)?\s*[:=])",
    re.IGNORECASE,
)
_MARKUP = re.compile(
    r"[*_`#>$~]+|\\[()\[\]]|\\,|<[^<>\n]{0,40}>|(?<!\[)\[+(?=\s*[-+.,0-9])|(?<=[0-9])\s*\]+"
)
_COMMAND = re.compile(r"\\(?:boxed|text|textbf|mathbf|mathrm|fbox)\s*\{([^{}]*)\}")
_FRACTION = re.compile(rf"\\[dt]?frac\s*\{{\s*({_NUMBER})\s*\}}\s*\{{\s*({_NUMBER})\s*\}}")
_FENCE = re.compile(r"```[a-z]*\n(.*)```", re.IGNORECASE | re.DOTALL)
_SPACES = re.compile(r"[^\S\n]+")
_JSON_KEYS = ("score", "grade", "rating", "final_score", "mark", "value", "points")
_HUGE = 10**9
_MAX_LENGTH = 10_000  # characters; a longer reply is no grade


def read_score(reply: str) -> float | None:
    r"""Return the score in a reply, None if it has none, or several.

    Understands a number alone or first, `Score: 0.8`, `**0.8**`, `0.8/1.0`, `8/10`, `80%`, `0,8`,
    `\boxed{0.8}` and `{"score": 0.8}`.
    """
    text = final_text(reply)
    if text is None or len(text) > _MAX_LENGTH:
        return None
    text = _SPACES.sub(" ", _without_symbols(unicodedata.normalize("NFKC", text))).strip()
    if len(text) > _MAX_LENGTH:  # one letter may become eighteen
        return None
    found = _from_json(text)
    if found is not None:
        return found if 0.0 <= found <= 1.0 else None
    lines = [line for line in _plain(text).splitlines() if line.strip()]
    return _from_lines(lines) if lines else None


def final_text(reply: str) -> str | None:
    """Return a reply without the thoughts before it. None if the thoughts have no end."""
    text = reply[_end_of_thoughts(reply) :]
    return None if _THOUGHT_START.search(text) else text


def _end_of_thoughts(reply: str) -> int:
    ends = [found.end() for found in _THOUGHT_END.finditer(reply)]
    return ends[-1] if ends else 0


def _from_json(text: str) -> float | None:
    """Return the score of a JSON object, also between code fences. NaN for one without a score."""
    fenced = _FENCE.fullmatch(text.strip())
    try:
        value = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    fields = {str(key).lower(): value for key, value in value.items()}
    found = [_from_field(fields[key]) for key in _JSON_KEYS if key in fields]
    return found[0] if found else float("nan")


def _from_field(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if -_HUGE < value < _HUGE else float("nan")  # no float is that large
    found = _ONLY_VALUE.fullmatch(value) if isinstance(value, str) else None
    score = _value(found) if found else None
    return float("nan") if score is None else score


def _without_symbols(text: str) -> str:
    """Remove pictures and marks without width. NFKC has written `\u00bd` as `1\u20442`."""
    text = text.replace("\u2044", "/").replace("\u2248", "")
    return "".join(sign for sign in text if unicodedata.category(sign) not in ("So", "Cf"))


def _plain(text: str) -> str:
    """Remove markup, and the scale of the instructions."""
    text = _FRACTION.sub(r"\1/\2", text)
    for _ in range(2):  # `\boxed{\text{0.8}}`
        text = _COMMAND.sub(r"\1", text)
    text = text.replace(r"\%", "%").replace(r"\_", "_")
    return _SCALE.sub("", _MARKUP.sub("", text))


def _from_lines(lines: Sequence[str]) -> float | None:
    """Return the score in lines without markup, by the first rule that applies."""
    text = "\n".join(lines)
    only = _ONLY_VALUE.fullmatch(text)
    if only:
        return _value(only)
    # 1. The last line, if it is a line of a score.
    last = _SCORE_LINE.fullmatch(lines[-1])
    if last:
        return _value(last)
    # 2. Lines of a score elsewhere, if they agree.
    stated = [_value(found) for line in lines if (found := _SCORE_LINE.fullmatch(line))]
    if stated:
        return _agreed(stated)
    # 3. A number that is called the score, that comes first, or that is the last line or sentence. No
    #    other number in the text may be another score.
    likely = [_value(found) for form in (_LABELLED, _GIVEN) for found in form.finditer(text)]
    likely += [
        _value(found)
        for found in (
            _FIRST_VALUE.match(text),
            _ONLY_VALUE.fullmatch(lines[-1]),
            _LAST_SENTENCE.search(text),
        )
        if found
    ]
    others = [score for found in _VALUES.finditer(text) if (score := _value(found)) is not None]
    return _agreed([*likely, *others]) if likely else None


def _agreed(scores: Sequence[float | None]) -> float | None:
    return scores[0] if len(set(scores)) == 1 else None


def _value(found: re.Match[str]) -> float | None:
    """Return the number of a match as a share of 1, None outside 0 to 1."""
    number = _float(found["number"])
    if found["percent"]:
        # `0.8%` is more likely a mistake for 0.8 than less than a hundredth.
        score = number / 100 if number >= 1 or number == 0 else float("nan")
    elif found["whole"]:
        score = _share(number, _float(found["whole"]))
    else:
        score = number
    return score if 0.0 <= score <= 1.0 else None


def _share(number: float, whole: float) -> float:
    """Return a number of a whole. NaN for `0.8/10`, which may mean 0.8 or 0.08."""
    is_clear = whole == 1 or (whole > 1 and number.is_integer())
    return number / whole if is_clear else float("nan")


def _float(text: str) -> float:
    return float(text.replace(",", "."))
