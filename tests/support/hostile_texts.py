"""Text files that attack: they take memory, time or both, or name what is no data."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

Content = str | bytes | Callable[[Path], str | bytes | None]

DEEP = 100_000
ZEROS = 4 << 30  # bytes of a file with a hole


def _many_levels(opening: str, closing: str, inner: str = "") -> str:
    return opening * DEEP + inner + closing * DEEP


def hole(start: bytes = b"") -> Callable[[Path], None]:
    """Return what writes a file of 4 GiB that takes no space."""

    def write(path: Path) -> None:
        with path.open("wb") as file:
            file.write(start)
            file.truncate(ZEROS)

    return write


def _aliases(levels: int, *, merged: bool) -> str:
    """Return YAML whose size doubles ten times at each level."""
    lines = ["a0: &a0 {k0: x, k1: y}" if merged else "a0: &a0 [x, y]"]
    for number in range(1, levels):
        parts = ", ".join([f"*a{number - 1}"] * 10)
        value = f"{{<<: [{parts}], k{number + 1}: z}}" if merged else f"[{parts}]"
        lines.append(f"a{number}: &a{number} {value}")
    return "\n".join([*lines, f"names: *a{levels - 1}", "train: images", ""])


def _names(entries: str) -> str:
    return f"train: images\nnames:\n{entries}\n"


def _colliding() -> str:
    """Return names whose keys have one hash in Python."""
    return "\n".join(f"  {number * (2**61 - 1)}: a" for number in range(20_000))


YAML: Mapping[str, Content] = {
    "aliases": _aliases(30, merged=False),
    "merges": _aliases(30, merged=True),
    "merge of itself": "names: &a {<<: *a, 0: x}\ntrain: images\n",
    "list that contains itself": "names: &a [*a, x]\ntrain: images\n",
    "many aliases": "a: &a x\nnames: [" + "*a, " * 20_000 + "x]\ntrain: images\n",
    "levels of lists": f"names: {_many_levels('[', ']')}\ntrain: images\n",
    "levels of objects": f"names: {_many_levels('{a: ', '}', 'x')}\ntrain: images\n",
    "levels of blocks": "names:\n"
    + "\n".join(" " * n + "a:" for n in range(1, 2000))
    + "\ntrain: x\n",
    "levels of dashes": "train: x\nnames:\n" + "- " * 50_000 + "x\n",
    "many names": lambda _: _names("\n".join(f"  {number}: a" for number in range(200_000))),
    "12 MB": lambda _: _names("  - " + "x" * 12_000_000),
    "colliding keys": lambda _: _names(_colliding()),
    "a million digits": _names("  " + "9" * 1_000_000 + ": a"),
    "a million digits as name": _names("  - " + "9" * 1_000_000),
    "a number of base 60": _names("  0: " + ":".join(["59"] * 300_000)),
    "hexadecimal": _names("  0: 0x" + "f" * 60_000),
    "infinite key": _names("  .inf: a"),
    "1e999 as key": _names("  1e+999: a"),
    "empty integer": _names('  - !!int ""'),
    "no boolean": _names("  - !!bool x"),
    "no date": _names("  - !!timestamp x"),
    "date 2001-99-99": _names("  - 2001-99-99"),
    "python object": _names("  - !!python/object/apply:os.system [id]"),
    "binary": _names("  - !!binary =="),
    "list as key": _names("  [a, b]: c"),
    "NUL": "names: [a]\ntrain: images\nx: \0\n",
    "no UTF-8": b"names: [a]\ntrain: images\nx: \xff\xfe\n",
    "hole": hole(b"names: [a]\ntrain: images\n"),
    "poses with a million points": "names: [a]\ntrain: images\nkpt_shape: [1000000000, 3]\n",
    "poses below 0": "names: [a]\ntrain: images\nkpt_shape: [-5, -3]\n",
    "train is a device": "names: [a]\ntrain: /dev/zero\nval: /proc/kmsg\n",
    "train is a long path": f"names: [a]\ntrain: {'a/' * 5000}\n",
}

_BOX = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 50, 50]}


def coco(region: object = None, **fields: object) -> str:
    """Return a COCO file of one image, in which `region` replaces fields of the annotation."""
    annotation = _BOX | (region if isinstance(region, dict) else {})
    return json.dumps(
        {
            "images": [{"id": 1, "file_name": "images/a.png", "width": 200, "height": 100}],
            "categories": [{"id": 1, "name": "dog"}],
            "annotations": [annotation],
            **fields,
        }
    )


def _raw(text: str, **fields: object) -> str:
    """Return a COCO file in which a text that is no JSON of Python takes the place of RAW."""
    return coco({**fields}).replace('"RAW"', text)


_ROW = '{"image": "images/a.png", "question": "q"}\n'

JSON: Mapping[str, Content] = {
    "levels of lists": _many_levels("[", "]"),
    "levels of objects": _many_levels('{"a":', "}", "1"),
    "levels in a region": _raw(_many_levels("[", "]"), segmentation="RAW"),
    "levels without an end": lambda _: "[" * 5_000_000,
    "13 million lists": lambda _: "[" + "[]," * 13_000_000 + "[]]",
    "a million digits": _raw("9" * 1_000_000, bbox=["RAW", 1, 2, 3]),
    "1e999": _raw("1e999", bbox=["RAW", 1, 2, 3]),
    "NaN": _raw("NaN", bbox=["RAW", 1, 2, 3]),
    "-Infinity": _raw("-Infinity", bbox=["RAW", 1, 2, 3]),
    "sizes of 1e308": coco({"bbox": [1e308, 1e308, 1e308, 1e308]}),
    "run lengths of 1e18": coco({"segmentation": {"size": [100, 200], "counts": [10**18, 10**18]}}),
    "run lengths below 0": coco({"segmentation": {"size": [100, 200], "counts": [-5, 30000]}}),
    "run lengths of a huge size": lambda _: coco(
        {"segmentation": {"size": [10**9, 10**9], "counts": [1]}}
    ),
    "compressed run lengths": coco({"segmentation": {"size": [100, 200], "counts": "o" * 200_000}}),
    "polygon of a million points": lambda _: coco({"segmentation": [[1, 2, 50, 60] * 500_000]}),
    "many keypoints": lambda _: coco({"keypoints": [1, 2, 2] * 300_000, "num_keypoints": 300_000}),
    "category of another kind": coco({"category_id": {"a": []}}),
    "images is an object": coco(images={"a": 1}),
    "file name is a device": coco(
        images=[{"id": 1, "file_name": "/dev/zero", "width": 9, "height": 9}]
    ),
    "file name with NUL": coco(
        images=[{"id": 1, "file_name": "a\0b.png", "width": 9, "height": 9}]
    ),
    "file name of 100,000 letters": coco(
        images=[{"id": 1, "file_name": "a/" * 50_000, "width": 9, "height": 9}]
    ),
    "hole": hole(),
    "hole after the beginning": hole(coco().encode()),
    "NUL": coco().replace("dog", "d\0g"),
    "no UTF-8": coco().encode().replace(b"dog", b"d\xffg"),
    "half of UTF-16": coco().encode("utf-16")[:-101],
    "UTF-32": coco().encode("utf-32"),
}

JSONL: Mapping[str, Content] = {
    "levels": _ROW + _many_levels("[", "]") + "\n",
    "a million digits": _ROW
    + '{"image": "images/a.png", "question": "q", "id": '
    + "9" * 1_000_000
    + "}\n",
    "a long line": lambda _: (
        _ROW + '{"image": "images/a.png", "question": "' + "x" * 20_000_000 + '"}\n'
    ),
    "hole": hole(_ROW.encode()),
    "NUL": _ROW + "\0\0\0\n" + _ROW,
    "no UTF-8": _ROW.encode() + b'{"image": "\xff\xfe"}\n',
    "20,000 marks": lambda _: json.dumps(
        {"image": "images/a.png", "marks": [{"shape": "point", "coords": [1, 2]}] * 20_000}
    ),
    "a million points": lambda _: json.dumps(
        {"image": "images/a.png", "marks": [{"shape": "mask", "coords": [1, 2] * 1_000_000}]}
    ),
    "long base64": lambda _: (
        '{"image": "data:image/png;base64,' + "A" * 30_000_000 + '", "question": "q"}\n'
    ),
    "image is a device": '{"image": "/dev/zero", "question": "q"}\n',
    "image is standard input": '{"image": "/dev/stdin", "question": "q"}\n',
    "mask is a device": '{"image": "images/a.png", "marks": [{"shape": "mask", "file": "/dev/zero"}]}',
    "mask is standard input": (
        '{"image": "images/a.png", "marks": [{"shape": "mask", "file": "/dev/stdin"}]}'
    ),
}

_ENTITIES = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "ha"}">' for n in range(12))


def _voc(inner: str = "", head: str = "") -> str:
    return (
        f"{head}<annotation><filename>images/a.png</filename><size><width>200</width>"
        f"<height>100</height></size>{inner}</annotation>"
    )


def voc_object(box: str) -> str:
    """Return a VOC file of one region."""
    return _voc(f"<object><name>dog</name><bndbox>{box}</bndbox></object>")


XML: Mapping[str, Content] = {
    "entities": _voc("&a11;", f"<!DOCTYPE annotation [{_ENTITIES}]>"),
    "entity of a long text": lambda _: _voc(
        "&a;" * 50_000, f'<!DOCTYPE a [<!ENTITY a "{"x" * 50_000}">]>'
    ),
    "entity of a file": _voc("&a;", '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>'),
    "entity of an address": _voc("&a;", '<!DOCTYPE a [<!ENTITY a SYSTEM "http://127.0.0.1:9/">]>'),
    "DTD of a device": _voc(head='<!DOCTYPE a SYSTEM "file:///dev/zero">'),
    "levels": _voc(_many_levels("<a>", "</a>")),
    "5 million elements": lambda _: _voc("<a/>" * 5_000_000),
    "many attributes": lambda _: _voc("<a " + " ".join(f'b{n}="1"' for n in range(50_000)) + "/>"),
    "a long attribute": lambda _: _voc(f'<a b="{"x" * 10_000_000}"/>'),
    "no end": _voc()[:-20],
    "punycode": b"<?xml version='1.0' encoding='punycode'?><annotation>\xff" + b"a" * 300_000,
    "unicode-escape": b"<?xml version='1.0' encoding='unicode-escape'?>\xff" + _voc().encode(),
    "zlib": b"<?xml version='1.0' encoding='zlib'?><annotation>\xff</annotation>",
    "NUL": _voc("\0"),
    "hole": hole(b"<annotation>"),
    "a million digits": voc_object(f"<xmin>{'9' * 1_000_000}</xmin>"),
    "nan": voc_object("<xmin>nan</xmin><ymin>1</ymin><xmax>1e999</xmax><ymax>9</ymax>"),
}

TABLE: Mapping[str, Content] = {
    "quote without an end": lambda _: (
        'image,question\nimages/a.png,q\nimages/a.png,"' + ("x" * 4000 + ",\n") * 6_000
    ),
    "100,000 columns": lambda _: (
        "image," + ",".join(f"c{n}" for n in range(100_000)) + "\nimages/a.png\n"
    ),
    "repeated columns": "image," + ",".join(["c"] * 30_000) + "\nimages/a.png\n",
    "a long header": lambda _: "image," + "x" * 20_000_000 + "\nimages/a.png,q\n",
    "a long box": lambda _: 'image,question,mask\nimages/a.png,q,"' + "1,2," * 900_000 + '"\n',
    "NUL": "image,question\nimages/a.png,a\0b\n",
    "no UTF-8": b"image,question\nimages/a.png,\xff\n",
    "hole": hole(b"image,question\nimages/a.png,q\n"),
    "only quotes": lambda _: '"' * 3_000_000,
}

DATA: Mapping[str, Content] = {
    "blanks": "classes = 1\nnames = a" + " " * 200_000 + "b\n",
    "many entries": lambda _: (
        "".join(f"a{n} = b\n" for n in range(200_000)) + "names = x\nclasses = 1\n"
    ),
    "a list that is a device": "classes = 1\nnames = /dev/zero\ntrain = /dev/zero\n",
}

TEXTS: Mapping[str, Mapping[str, Content]] = {
    "data.yaml": YAML,
    "coco.json": JSON,
    "rows.jsonl": JSONL,
    "voc.xml": XML,
    "rows.csv": TABLE,
    "obj.data": DATA,
}


def write(path: Path, content: Content) -> None:
    """Write a hostile file."""
    if callable(content):
        made = content(path)
        if made is None:
            return
        content = made
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content, "utf-8")
