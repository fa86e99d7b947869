"""Regions as models write them: an answer of each notation, and texts that are none."""

import json
import time

import pytest

from vipllava_cli.flows.pointing.find_regions import final_answer, find_regions
from vipllava_cli.flows.pointing.regions import MAX_REGIONS

Found = list[tuple[tuple[float, ...], str | None]]

ANSWERS: dict[str, tuple[str, Found]] = {
    "Qwen-VL": (
        "The <ref>red car</ref><box>(221,423),(569,886)</box> is next to <ref>a tree</ref>"
        "<box>(12,5),(300,901)</box>.",
        [((221, 423, 569, 886), "red car"), ((12, 5, 300, 901), "a tree")],
    ),
    "Qwen-VL, several boxes of one label": (
        "<ref>birds</ref><box>(1,2),(30,40)</box><box>(5,6),(70,80)</box>",
        [((1, 2, 30, 40), "birds"), ((5, 6, 70, 80), "birds")],
    ),
    "Qwen2-VL": (
        "<|object_ref_start|>the eyes on a giraffe<|object_ref_end|>"
        "<|box_start|>(176,106),(232,160)<|box_end|>",
        [((176, 106, 232, 160), "the eyes on a giraffe")],
    ),
    "Qwen2-VL without its special tokens": (
        "the eyes on a giraffe(176,106),(232,160)",
        [((176, 106, 232, 160), None)],
    ),
    "Qwen2-VL, a click": ("<|box_start|>(540,31)<|box_end|>", [((540, 31), None)]),
    "Qwen2.5-VL and Qwen3-VL": (
        '```json\n[\n\t{"bbox_2d": [341, 258, 397, 360], "label": "cup"},\n'
        '\t{"bbox_2d": [10, 20, 110, 220], "label": "plate"}\n]\n```',
        [((341, 258, 397, 360), "cup"), ((10, 20, 110, 220), "plate")],
    ),
    "Qwen2.5-VL, a point": (
        '```json\n[{"point_2d": [394, 105], "label": "the door handle"}]\n```',
        [((394, 105), "the door handle")],
    ),
    "Qwen2.5-VL, the text of a sign": (
        '{"bbox_2d": [1, 2, 30, 40], "text_content": "EXIT"}',
        [((1, 2, 30, 40), "EXIT")],
    ),
    "Qwen3-VL, a box and a point in one object": (
        '{"bbox_2d": [1, 2, 30, 40], "point_2d": [15, 20], "label": "a"}',
        [((1, 2, 30, 40), "a"), ((15, 20), "a")],
    ),
    "Qwen3-VL, nested, with a sentence after it": (
        'Here: {"objects": [{"label": "a", "bbox": [1, 2, 30, 40]}], "scores": [1, 2, 30, 40]} There'
        " is 1 of them.",
        [((1, 2, 30, 40), "a")],
    ),
    "several boxes under one name": (
        '{"label": "sheep", "bbox_2d": [[1, 2, 30, 40], [5, 6, 70, 80]]}',
        [((1, 2, 30, 40), "sheep"), ((5, 6, 70, 80), "sheep")],
    ),
    "single quotes": (
        "[{'bbox_2d': [1, 2, 30, 40], 'label': \"the dog's nose\"}]",
        [((1, 2, 30, 40), "the dog's nose")],
    ),
    "escapes in a label": (
        '{"bbox_2d": [1, 2, 30, 40], "label": "caf\\u00e9 \\"x\\", {y}: [1, 2, 3, 4]"}',
        [((1, 2, 30, 40), 'café "x", {y}: [1, 2, 3, 4]')],
    ),
    "cut at the token limit": (
        '```json\n[{"bbox_2d": [1, 2, 30, 40], "label": "a"}, {"bbox_2d": [5, 6, 70, 80], "la',
        [((1, 2, 30, 40), "a")],
    ),
    "cut within a number": (
        '[{"bbox_2d": [1, 2, 30, 40], "label": "a"}, {"bbox_2d": [5, 6, 70, 8',
        [((1, 2, 30, 40), "a")],
    ),
    "InternVL": (
        "<ref>the girl</ref><box>[[73, 120, 410, 998]]</box>",
        [((73, 120, 410, 998), "the girl")],
    ),
    "InternVL, several boxes": (
        "Sure. <ref>cups</ref><box>[[1, 2, 30, 40], [5, 6, 70, 80]]</box>",
        [((1, 2, 30, 40), "cups"), ((5, 6, 70, 80), "cups")],
    ),
    "InternVL, cut in the second box": (
        "<ref>cups</ref><box>[[1, 2, 30, 40], [5, 6, 7",
        [((1, 2, 30, 40), "cups")],
    ),
    "MiniCPM-V": (
        "<ref>bus</ref><box>120 35 760 990</box>",
        [((120, 35, 760, 990), "bus")],
    ),
    "MiniCPM-V, cut": ("<ref>bus</ref><box>120 35 760 99", []),
    "GLM-V": (
        "It is <|begin_of_box|>[[12,34,567,890]]<|end_of_box|>",
        [((12, 34, 567, 890), None)],
    ),
    "GLM-V, JSON": (
        '<|begin_of_box|>[{"bbox_2d": [1, 2, 30, 40], "label": "a"}]<|end_of_box|>',
        [((1, 2, 30, 40), "a")],
    ),
    "GLM-V, a number": ("<|begin_of_box|>42<|end_of_box|>", []),
    "GLM-V, two numbers": ("<|begin_of_box|>[3, 4]<|end_of_box|>", [((), None)]),
    "Gemini": (
        '```json\n[{"box_2d": [120, 35, 760, 990], "label": "bus"},'
        ' {"point": [50, 60], "label": "b"}]\n```',
        [((120, 35, 760, 990), "bus"), ((50, 60), "b")],
    ),
    "PaliGemma": (
        "<loc0112><loc0200><loc0900><loc1023> cat ; <loc0000><loc0010><loc0020><loc0030> a black dog",
        [((112, 200, 900, 1023), "cat"), ((0, 10, 20, 30), "a black dog")],
    ),
    "PaliGemma with a mask": (
        "<loc0112><loc0200><loc0900><loc1023><seg001><seg127> cat",
        [((112, 200, 900, 1023), "cat")],
    ),
    "Florence-2": (
        "green car<loc_52><loc_332><loc_932><loc_774>wheel<loc_708><loc_557><loc_843><loc_773>"
        "<loc_147><loc_566><loc_284><loc_783>",
        [
            ((52, 332, 932, 774), "green car"),
            ((708, 557, 843, 773), "wheel"),
            ((147, 566, 284, 783), "wheel"),
        ],
    ),
    "Kosmos-2": (
        "<grounding><phrase> a fire</phrase><object><patch_index_0044><patch_index_0863></object>",
        [((12 / 32, 1 / 32, 1, 27 / 32), "a fire")],
    ),
    "Molmo": (
        ' <point x="63.5" y="44.5" alt="Mt Rainier">Mt Rainier</point>',
        [((63.5, 44.5), "Mt Rainier")],
    ),
    "Molmo, several points": (
        '<points x1="10.2" y1="20.4" x2="30" y2="40.8" alt="cats">cats</points>',
        [((10.2, 20.4), "cats"), ((30, 40.8), "cats")],
    ),
    "Molmo, cut": ('<points x1="10.2" y1="20.4" x2="30" y2="4', [((10.2, 20.4), None)]),
    "a point in text": ("<point>512 300</point>", [((512, 300), None)]),
    "LLaVA-1.5": ("The dog is at [0.12, 0.25, 0.531, 0.9].", [((0.12, 0.25, 0.531, 0.9), None)]),
    "a list of lists": (
        "[[1, 2, 30, 40], [5, 6, 70, 80]]",
        [((1, 2, 30, 40), None), ((5, 6, 70, 80), None)],
    ),
    "a label of a line end and spaces": (
        "<ref> the \n  cat </ref> <box>(1,2),(30,40)</box>",
        [((1, 2, 30, 40), "the cat")],
    ),
    "thoughts": (
        "<think>Maybe [1, 2, 30, 40] or <box>(1,2),(30,40)</box>.</think>"
        '{"bbox_2d": [5, 6, 70, 80], "label": "it"}',
        [((5, 6, 70, 80), "it")],
    ),
    "thoughts without a start": (
        "<box>(1,2),(30,40)</box></think> <box>(5,6),(70,80)</box>",
        [((5, 6, 70, 80), None)],
    ),
    "thoughts without an end": ("<think><box>(1,2),(30,40)</box>", []),
    "thoughts of Kimi-VL": (
        '◁think▷{"bbox_2d": [1, 2, 3, 4]}◁/think▷{"bbox_2d": [0.1, 0.2, 0.3, 0.4]}',
        [((0.1, 0.2, 0.3, 0.4), None)],
    ),
    # Texts without regions.
    "prose": ('It\'s a "dog" (a brown one), 3 years old; see [1] and [2, 3].', []),
    "three numbers": ("[1, 2, 3] and (1,2),(3)", []),
    "corners that are not sorted": ("the list [4, 3, 2, 1]", []),
    "other JSON": ('{"colour": [1, 2, 30, 40], "name": "x"}', []),
    "empty": ("", []),
}


@pytest.mark.parametrize(("answer", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_the_regions_of_an_answer(answer: str, expected: Found) -> None:
    assert [(each.numbers, each.label) for each in find_regions(answer)] == expected


UNREADABLE = [
    '{"bbox_2d": [NaN, 2, 30, 40]}',
    '{"bbox_2d": [1, 2, Infinity, 40]}',
    '{"bbox_2d": [1, 2, 1e999, 40]}',
    '{"bbox_2d": [1, 2, 30]}',
    '{"bbox_2d": [1, 2, 30, 40, 50]}',
    '{"bbox_2d": [1, 2, null, 40]}',
    '{"bbox_2d": []}',
    '{"point_2d": [1, 2, 30, 40]}',
    "<box>(1,b),(2,d)</box>",
    "<box>[[1, 2, 30]]</box>",
    "<box>1 2 30 ٤٠</box>",
    '<point x="NaN" y="3">',
    "cat<loc_9><loc_9><loc_8><loc_8>",
    "cat<loc_1><loc_2><loc_3><loc_4><loc_5>",
]


@pytest.mark.parametrize("answer", UNREADABLE)
def test_a_region_that_cannot_be_read_has_no_numbers(answer: str) -> None:
    assert [each.numbers for each in find_regions(answer)] == [()]


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps([{"bbox_2d": [n, n, n + 9, n + 9], "label": f"object {n}"} for n in range(12)]),
        "".join(f"<ref>object {n}</ref><box>({n},{n}),({n + 9},{n + 9})</box>" for n in range(9)),
        "".join(f"<ref>o{n}</ref><box>[[{n}, {n}, {n + 9}, {n + 9}]]</box>, " for n in range(9)),
    ],
)
def test_an_answer_that_is_cut_anywhere_keeps_its_complete_regions(answer: str) -> None:
    complete = [(each.numbers, each.label) for each in find_regions(answer)]
    counts = []
    for end in range(len(answer) + 1):
        found = [(each.numbers, each.label) for each in find_regions(answer[:end])]
        assert found == complete[: len(found)], answer[:end]
        counts.append(len(found))
    assert counts == sorted(counts)
    assert counts[-1] == len(complete)


MANY = 200_000
ATTACKS = {
    "brackets": "[" * 2_000_000,
    "braces": "{" * 2_000_000,
    "objects": '{"bbox_2d":' * MANY,
    "lists": '{"bbox_2d": ' + "[" * MANY,
    "lists in a list": '{"bbox_2d": [' + "[1,2,3,4]," * MANY,
    "short lists": "[1]," * MANY,
    "quotation marks": '"' * 1_000_000,
    "escaped quotation marks": '{"bbox_2d": "' + '\\"' * MANY,
    "apostrophes": "{'" * MANY,
    "backslashes": '{"bbox_2d": "' + "\\" * 1_000_000,
    "spaces": "[1," + " " * 1_000_000,
    "spaces in brackets": "[ " * MANY,
    "starts of boxes": "<box>" * MANY,
    "numbers in boxes": "<box>[1,2,3,4" * MANY,
    "starts of labels": "<ref>a" * MANY,
    "locations": "<loc0001>" * MANY,
    "other locations": "<loc_1>" * MANY,
    "patches": "<object>" * MANY + "<patch_index_0001>",
    "starts of points": "<point x=" * MANY,
    "points": "<points " + 'x1="1" ' * MANY,
    "parentheses": "(1,1" * MANY,
    "digits": "[" + "1" * 1_000_000 + ", 2, 3, 4]",
    "numbers": "[" + "1, " * MANY + "1]",
    "boxes": json.dumps([{"bbox_2d": [1, 2, 3, 4], "label": "a"}] * 20_000),
    "thoughts": "<think>" * MANY + "[1",
}


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
def test_a_hostile_answer_takes_bounded_time(text: str) -> None:
    start = time.process_time()
    assert len(find_regions(text)) <= MAX_REGIONS
    assert time.process_time() - start < 8


def test_a_long_label_is_cut() -> None:
    [region] = find_regions(f"<ref>{'long ' * 1000}</ref><box>(1,2),(3,4)</box>")
    assert region.label is not None
    assert len(region.label) == 100
    assert region.label.endswith("…")


def test_a_label_has_no_control_characters() -> None:
    [region] = find_regions('{"bbox_2d": [1, 2, 3, 4], "label": "a\\u001b[31m\\ud800 b\\n\u0007c"}')
    assert region.label == "a[31m b c"


def test_the_answer_comes_after_the_thoughts() -> None:
    assert final_answer("<think>a</think>b") == "b"
    assert final_answer("a</thinking>b") == "b"
    assert final_answer("<think>a") == ""
    assert final_answer("a") == "a"
