"""Small files in the formats of the published benchmarks, written from clip-art scenes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vipllava_cli.flows.evals.clipart.scenes import SIMPLE, Scene, make_scene, scene_rng
from vipllava_cli.flows.evals.vip_bench import META

TESTED = 7  # a stream of scenes that neither training nor `eval clipart` uses


def scenes(count: int, things: int = 4) -> list[Scene]:
    """Return scenes with exactly this number of objects."""
    found: list[Scene] = []
    number = 0
    while len(found) < count:
        rng = scene_rng(TESTED, number)
        number += 1
        scene = make_scene(rng, SIMPLE, classes=rng.choice(80, things, replace=False).tolist())
        if len(scene.placements) == things:
            found.append(scene)
    return found


def boxes(scene: Scene) -> list[list[float]]:
    return [list(placement.box) for placement in scene.placements]


def save(scene: Scene, folder: Path, name: str) -> str:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    scene.image.save(folder / "images" / name)
    return name


def write_rows(folder: Path, rows: Sequence[Any], name: str = "rows.json") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(rows))
    return folder


def visual7w(folder: Path, count: int) -> Path:
    rows = []
    for number, scene in enumerate(scenes(count)):
        right = number % 4
        rows.append(
            {
                "id": f"v7w-{number}",
                "image": save(scene, folder, f"{number}.png"),
                "question": f"Which one is the {scene.placements[right].object_class.name}?",
                "bboxes": boxes(scene),
                "answer": boxes(scene)[right],
            }
        )
    return write_rows(folder, rows)


def pointqa(folder: Path, count: int) -> Path:
    rows = [
        {
            "id": f"pointQA_twice-{number}",
            "image": save(scene, folder, f"{number}.png"),
            "general_question": "what is the object in the red box?",
            "bboxes": boxes(scene)[:1],
            "answer": scene.placements[0].object_class.name,
        }
        for number, scene in enumerate(scenes(count))
    ]
    return write_rows(folder, rows)


def vcr(folder: Path, count: int) -> Path:
    rows = []
    (folder / "vcr1images").mkdir(parents=True)
    for number, scene in enumerate(scenes(count)):
        names = [placement.object_class.name for placement in scene.placements]
        meta = {"boxes": [[*box, 0.9] for box in boxes(scene)], "segms": [[] for _ in names]}
        (folder / f"vcr1images/{number}.json").write_text(json.dumps(meta))
        rows.append(
            {
                "id": f"vcr-{number}",
                "image": save(scene, folder, f"{number}.png"),
                "meta_dir": f"./dataset/vcr1images/{number}.json",
                "class_names": names,
                "question": ["What", "is", [0], "?"],
                "answer_choices": [["a", name, "."] for name in names],
                "answer_label": 0,
                "rationale_choices": [["Because", [at], "is", "there", "."] for at in range(4)],
                "rationale_label": 0,
            }
        )
    return write_rows(folder, rows)


def vip_bench(folder: Path, questions: Sequence[tuple[str, Path, str, str, list[str]]]) -> Path:
    """Write both splits. A question is its number, image, text, answer and capabilities."""
    meta = {
        f"v1_{number}": {"question": f"{text} <obj>", "answer": answer, "capability": capability}
        for number, _, text, answer, capability in questions
    }
    for split in ("bbox", "human"):
        (folder / split / "images").mkdir(parents=True)
        lines = []
        for number, image, text, _, _ in questions:
            (folder / split / "images" / image.name).write_bytes(image.read_bytes())
            lines.append({"question_id": int(number), "image": image.name, "text": text})
        file = folder / split / "questions.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / META).write_text(json.dumps(meta))
    return folder
