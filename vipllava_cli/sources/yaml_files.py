"""Parse YAML files of datasets within limits.

A kilobyte of YAML can stand for any amount of data: aliases repeat parts of it, and merge keys (`<<`)
copy them.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.sources.files import decode_text, read_data

MAX_BYTES = 4 << 20
MAX_NODES = 100_000  # names, keys, lists and objects; Open Images has 601 classes, V3Det 13,204
MAX_ALIASES = 1_000
MAX_MERGED = 10_000  # keys of an object with merges
MAX_DEPTH = 32
MAX_TEXT = 64 << 10  # characters of one value; some datasets hold the program that downloads them
NAMES = "names"  # the key of the class names
# The kinds of values that YAML 1.1 sees in `no`, `010`, `1.50`, `null` and `2020-01-01`.
_GUESSED_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "null", "timestamp")
)
_MAX_NUMBER = 15  # characters; Python's numbers of any length take time by the square of it


# What PyYAML 6.0.3 raises too: for `!!int ""`, `!!bool x`, `!!timestamp x` and deep nesting.
_OTHERS = (ValueError, LookupError, AttributeError, TypeError, RecursionError)


def load_yaml(file: str, encoding: str | None = None) -> Mapping[str, Any]:
    """Parse a YAML file that contains an object. Raises InputError."""
    import yaml

    text = decode_text(read_data(file, MAX_BYTES), file, encoding)
    try:
        _check_events(text)
        content = yaml.load(text, _loader())  # noqa: S506 - a safe loader
    except (yaml.YAMLError, *_OTHERS) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else str(error).partition("\n")[0]
        raise InputError(f"{file} is not valid YAML ({where}): correct it") from None
    if not isinstance(content, dict):
        raise InputError(f'{file}: expected an object with "names", found {short_repr(content)}')
    return content


def _check_events(text: str) -> None:
    """Raise ValueError for YAML beyond the limits. Keeps nothing of it in memory."""
    import yaml

    nodes = aliases = depth = 0
    for event in yaml.parse(text, _parser()):
        if isinstance(event, yaml.CollectionStartEvent):
            nodes, depth = nodes + 1, depth + 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent):
            nodes += 1
            if len(event.value) > MAX_TEXT:
                raise ValueError(f"a value has more than {MAX_TEXT:,} characters")
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        for count, limit, what in (
            (nodes, MAX_NODES, "values"),
            (aliases, MAX_ALIASES, "aliases"),
            (depth, MAX_DEPTH, "levels"),
        ):
            if count > limit:
                raise ValueError(f"it has more than {limit:,} {what}")


def _parser() -> Any:
    import yaml

    # libyaml's parser is ten times as fast, and not in every build of PyYAML.
    return yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


@cache
def _loader() -> Any:
    """Make the loader class: that of safe YAML, with few merges and without long numbers."""
    parser = _parser()

    class Loader(parser):  # type: ignore[misc, valid-type]
        def flatten_mapping(self, node: Any) -> None:
            """Merge, bottom up: PyYAML copies by the power of the levels of merges."""
            has_merge = any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value)
            super().flatten_mapping(node)
            if has_merge and len(node.value) > MAX_MERGED:
                raise ValueError(f"merge keys (<<) give more than {MAX_MERGED:,} values")

    def construct_number(loader: Any, node: Any) -> Any:
        """Keep a long number as text."""
        if len(node.value) > _MAX_NUMBER:
            return node.value
        return parser.yaml_constructors[node.tag](loader, node)

    for tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float"):
        Loader.add_constructor(tag, construct_number)
    Loader.add_constructor("tag:yaml.org,2002:map", _construct_object)
    return Loader


def _construct_object(loader: Any, node: Any) -> Iterator[dict[Any, Any]]:
    """Construct an object whose class names are text as it is written: YAML reads `no` as false."""
    import yaml

    content: dict[Any, Any] = {}
    yield content  # first, since it may contain itself
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value == NAMES:
            _read_as_text(value)
    content.update(loader.construct_mapping(node))


def _read_as_text(names: Any) -> None:
    """Let the values in a list or an object be text, unless a tag or nothing is written."""
    import yaml

    if isinstance(names, yaml.CollectionNode):
        values = (each[1] if isinstance(each, tuple) else each for each in names.value)
        for value in values:
            if isinstance(value, yaml.ScalarNode) and value.value and value.tag in _GUESSED_TAGS:
                value.tag = "tag:yaml.org,2002:str"
