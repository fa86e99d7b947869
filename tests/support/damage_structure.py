"""Damage the structure of a text at random: keys, values and elements of JSON, XML, YAML and tables."""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from pathlib import PurePath
from random import Random
from typing import Any
from xml.etree import ElementTree

_RAW = "\ue000"  # around text that JSON writes as it is, without quotes

# Values in place of others: JSON that Python cannot write is between two `_RAW`.
_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    -5.5,
    0.5,
    1e-320,
    1e30,
    10**15,
    10**400,
    f"{_RAW}1e400{_RAW}",
    f"{_RAW}-1e400{_RAW}",
    f"{_RAW}{'9' * 5000}{_RAW}",
    float("nan"),
    float("inf"),
    float("-inf"),
    "",
    " ",
    "NaN",
    "inf",
    "1_000",
    "\uff11\uff12",
    "-7",
    "text",
    "a\x00b",
    "\x1b[31mred\x1b[0m",
    "two\nlines\r\n",
    "\u202eturned",
    "\ud800",
    "x" * 5000,
    "../" * 40 + "etc/passwd",
    "/dev/zero",
    "/dev/stdin",
    "/proc/self/mem",
    "-",
    "~",
    ".",
    "file:///etc/passwd",
    "http://127.0.0.1:9/a.jpg",
    "http://[::1",
    "data:image/png;base64,AAAA",
    "data:,",
    "%00%zz",
    [],
    {},
    [[]],
    [None],
    [1, 2, 3, 4],
    [[1, 2], [3, 4], [5, 6]],
    ["a", {"b": [1]}],
    {"a": {"a": {"a": []}}},
    {"size": [10, 10], "counts": [10, 50, 40]},
    {"size": [10**5, 10**5], "counts": [10**10]},
    {"size": [100, 100], "counts": "PPYo0~~~"},
    {"size": [8000, 8000], "counts": [1] * 200},
)
_DEPTHS = (5, 60, 400, 900, 970, 990, 5000, 100_000)

_YAML_VALUES = (
    "",
    "~",
    ".nan",
    ".inf",
    "1e400",
    "-3",
    "true",
    "[]",
    "{}",
    "[[[[1]]]]",
    "{1: {2: {3: 4}}}",
    "2024-01-01",
    "!!python/object:os.system x",
    "!!binary AAAA",
    "!!set {a, b}",
    "&a [*a]",
    "&a {b: *a}",
    "*missing",
    '"\\x00\\x1b[31m"',
    "'" + "x" * 5000 + "'",
    "/dev/zero",
    "../../../..",
    "[a, b",
    "? [1, 2]",
    "|\n  text",
    "0x" + "f" * 5000,
    "[" * 3000,
)
_YAML_BOMB = "\n".join(
    f"a{number}: &a{number} [{', '.join([f'*a{number - 1}' if number else 'lol'] * 10)}]"
    for number in range(9)
)
_XML_BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
_XML_FILE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
_DECLARED = ("utf-7", "utf-16", "utf-32", "nonsense", "idna", "zlib", "latin-1", "ascii")


def damage_structure(data: bytes, name: str, rng: Random) -> bytes:
    """Damage the content of a file with this name. Raises ValueError if its bytes are too damaged."""
    suffix = PurePath(name).suffix.lower()
    try:
        return _STRUCTURES.get(suffix, _damage_text)(data, rng)
    except (RecursionError, ElementTree.ParseError, csv.Error) as error:
        raise ValueError(str(error)) from None


# --- JSON ------------------------------------------------------------------------------------


def _damage_json(data: bytes, rng: Random) -> bytes:
    return _dump(_damage_value(json.loads(data.decode("utf-8-sig")), rng))


def _damage_jsonl(data: bytes, rng: Random) -> bytes:
    lines = data.splitlines()
    if not lines:
        raise ValueError("no line")
    at = rng.randrange(len(lines))
    lines[at] = _damage_json(lines[at], rng)
    return b"\n".join(lines)


def _dump(value: Any) -> bytes:
    """Write JSON, with raw text where a value says so."""
    escaped = re.escape(json.dumps(_RAW)[1:-1])
    text = json.dumps(value)
    text = re.sub(rf'"{escaped}(.*?){escaped}"', lambda match: match[1], text)
    text = re.sub(rf"{escaped}\d+{escaped}", "", text)  # keys that are there twice
    for depth in _DEPTHS:
        deep = "[" * depth + "1" + "]" * depth
        text = text.replace(f'"deep {depth}"', deep)
        text = text.replace(f'"deeper {depth}"', '{"a":' * depth + "1" + "}" * depth)
    return text.encode()


def _slots(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """List every place in a value: a container, and a key or an index."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        found.append((value, key))
        if isinstance(item, dict | list):
            _slots(item, found)
    return found


def _damage_value(value: Any, rng: Random) -> Any:
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        slots = _slots(value, []) if isinstance(value, dict | list) else []
        if not slots or rng.random() < 0.02:
            return _any_value(rng)
        # Half of the damage is near the top: a file has more coordinates than keys.
        container, key = rng.choice(slots if rng.random() < 0.6 else slots[:12])
        rng.choice(_SLOT_DAMAGES)(container, key, rng)
    return value


def _any_value(rng: Random) -> Any:
    if rng.random() < 0.1:
        return f"{rng.choice(('deep', 'deeper'))} {rng.choice(_DEPTHS)}"
    return json.loads(json.dumps(rng.choice(_VALUES)))


def _replace(container: Any, key: Any, rng: Random) -> None:
    container[key] = _any_value(rng)


def _delete(container: Any, key: Any, _: Random) -> None:
    del container[key]


def _rename(container: Any, key: Any, rng: Random) -> None:
    if isinstance(container, dict):
        value = container.pop(key)
        container[rng.choice(("", "x", key.upper(), f"{key}\x1b", key * 300))] = value
    else:
        container.insert(key, container[key])


def _double(container: Any, key: Any, rng: Random) -> None:
    """Repeat a key with another value, or an item many times."""
    if isinstance(container, dict):
        container[f"{key}{_RAW}1{_RAW}"] = _any_value(rng)
    else:
        container[key:key] = [container[key]] * rng.choice((1, 3, 500))


def _nest(container: Any, key: Any, rng: Random) -> None:
    container[key] = rng.choice(
        ([container[key]], {"value": container[key]}, {"0": container[key]})
    )


def _as_text(container: Any, key: Any, _: Random) -> None:
    container[key] = str(container[key])


_SLOT_DAMAGES: tuple[Callable[[Any, Any, Random], None], ...] = (
    _replace,
    _replace,
    _replace,
    _delete,
    _delete,
    _rename,
    _double,
    _nest,
    _as_text,
)


# --- XML -------------------------------------------------------------------------------------


def _damage_xml(data: bytes, rng: Random) -> bytes:
    if rng.random() < 0.12:
        return _damage_prolog(data, rng)
    root = ElementTree.fromstring(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        parents = [each for each in root.iter() if len(each)]
        elements = list(root.iter())
        rng.choice(_ELEMENT_DAMAGES)(rng.choice(parents or elements), rng.choice(elements), rng)
    text = ElementTree.tostring(root, encoding="unicode")
    return text.encode("utf-8", "surrogatepass")


def _damage_prolog(data: bytes, rng: Random) -> bytes:
    body = re.sub(rb"\A\s*<\?xml.*?\?>", b"", data)
    kind = rng.randrange(3)
    if kind == 0:
        declared = rng.choice(_DECLARED)
        return f'<?xml version="1.0" encoding="{declared}"?>'.encode() + body
    bomb = rng.choice((_XML_BOMB, _XML_FILE)).encode()
    return bomb + body.replace(b"</", b"&b;&a;</", 1)


def _xml_text(rng: Random) -> str:
    values = [value for value in _VALUES if isinstance(value, str | int | float)]
    return str(rng.choice(values)).replace(_RAW, "")


def _remove_child(parent: Any, _: Any, rng: Random) -> None:
    if len(parent):
        parent.remove(rng.choice(list(parent)))


def _repeat_child(parent: Any, _: Any, rng: Random) -> None:
    if len(parent):
        parent.extend([rng.choice(list(parent))] * rng.choice((1, 3, 200)))


def _replace_text(_: Any, element: Any, rng: Random) -> None:
    element.text = _xml_text(rng)


def _replace_attribute(_: Any, element: Any, rng: Random) -> None:
    if element.attrib:
        element.set(rng.choice(list(element.attrib)), _xml_text(rng))
    else:
        element.text = _xml_text(rng)


def _remove_attribute(_: Any, element: Any, rng: Random) -> None:
    if element.attrib:
        del element.attrib[rng.choice(list(element.attrib))]
    else:
        element.text = None


def _rename_element(_: Any, element: Any, rng: Random) -> None:
    element.tag = rng.choice(("x", "image", "object", "polygon", "mask", "track", "ellipse", "pt"))


def _nest_element(parent: Any, _: Any, rng: Random) -> None:
    for _ in range(rng.choice((1, 50, 400))):
        child = ElementTree.Element(parent.tag)
        child.extend(list(parent))
        for old in list(parent):
            parent.remove(old)
        parent.append(child)


_ELEMENT_DAMAGES: tuple[Callable[[Any, Any, Random], None], ...] = (
    _remove_child,
    _repeat_child,
    _replace_text,
    _replace_text,
    _replace_attribute,
    _replace_attribute,
    _replace_attribute,
    _remove_attribute,
    _rename_element,
    _nest_element,
)


# --- YAML, tables, lines ---------------------------------------------------------------------


def _damage_yaml(data: bytes, rng: Random) -> bytes:
    lines = data.decode("utf-8").splitlines() or [""]
    at = rng.randrange(len(lines))
    kind = rng.randrange(5)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(at, rng.choice((lines[at], "\t- x", "names: [a]", "- a", "---", "%TAG ! x")))
    elif kind == 2 and rng.random() < 0.5:
        lines = [
            *_YAML_BOMB.splitlines(),
            *lines,
            f"names: {rng.choice(('*a8', '[*a8]', '{0: *a8}'))}",
        ]
    else:
        lines[at] = f"{lines[at].partition(':')[0]}: {rng.choice(_YAML_VALUES)}"
    return "\n".join(lines).encode()


def _cell(rng: Random) -> str:
    value = _any_value(rng)
    text = _dump(value).decode() if not isinstance(value, str) else value
    return text.replace(_RAW, "")


def _damage_table(data: bytes, rng: Random, separator: str = ",") -> bytes:
    text = data.decode("utf-8-sig")
    separator = ";" if ";" in text.partition("\n")[0] else separator
    rows = list(csv.reader(io.StringIO(text), delimiter=separator))
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.choice((0, rng.randrange(len(rows))))
        row = rows[at]
        column = rng.randrange(len(row)) if row else 0
        kind = rng.randrange(7)
        if kind < 3 and row:
            row[column] = _cell(rng)
        elif kind == 3 and row:
            del row[column]
        elif kind == 4 and row:
            row.insert(column, rng.choice((row[column], "", "image", "marks", "box", "bbox", "x1")))
        elif kind == 5:
            rows.insert(at, list(row) * rng.choice((1, 2, 50)))
        elif row:
            row[column] = rng.choice(('"', '""x"', "a" * 200_000, "sep=|", "\x00"))
    buffer = io.StringIO()
    if rng.random() < 0.5:
        csv.writer(buffer, delimiter=separator).writerows(rows)
    else:
        buffer.writelines(f"{separator.join(row)}\n" for row in rows)
    return buffer.getvalue().encode("utf-8", "surrogatepass")


def _damage_tsv(data: bytes, rng: Random) -> bytes:
    return _damage_table(data, rng, "\t")


def _damage_text(data: bytes, rng: Random) -> bytes:
    """Damage the words of lines."""
    lines = [line.split(" ") for line in data.decode("utf-8").split("\n")]
    for _ in range(rng.choice((1, 1, 3))):
        line = rng.choice(lines)
        at = rng.randrange(len(line)) if line else 0
        kind = rng.randrange(4)
        if kind < 2 and line:
            line[at] = rng.choice(("", "-1", "nan", "inf", "1e400", "9" * 5000, "0.5", _cell(rng)))
        elif kind == 2 and line:
            del line[at]
        else:
            line[at:at] = line[:at] * rng.choice((1, 2, 500))
    return "\n".join(" ".join(line) for line in lines).encode("utf-8", "surrogatepass")


_STRUCTURES: Mapping[str, Callable[[bytes, Random], bytes]] = {
    ".json": _damage_json,
    ".jsonl": _damage_jsonl,
    ".xml": _damage_xml,
    ".yaml": _damage_yaml,
    ".csv": _damage_table,
    ".tsv": _damage_tsv,
}
