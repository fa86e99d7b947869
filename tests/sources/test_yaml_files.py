"""YAML files of datasets: class names are text as it is written."""

from pathlib import Path

import pytest

from tests.support.sources import write_file
from vipllava_cli.sources.yolo_classes import yaml_info

NAMES = ["no", "yes", "on", "1", "1.50", "010", "12:30", "null", "2020-01-01", "a b"]


@pytest.mark.parametrize(
    "text",
    [
        "names: [" + ", ".join(NAMES) + "]\n",
        "names:\n" + "".join(f"- {name}\n" for name in NAMES),
        "names:\n" + "".join(f"  {number}: {name}\n" for number, name in enumerate(NAMES)),
        "a: &a {0: no}\nnames:\n  <<: *a\n"
        + "".join(f"  {number}: {name}\n" for number, name in enumerate(NAMES)),
    ],
)
def test_class_names_are_text_as_it_is_written(tmp_path: Path, text: str) -> None:
    info = yaml_info(str(write_file(tmp_path / "data.yaml", text + "kpt_shape: [17, 3]\n")))
    assert info.class_names == dict(enumerate(NAMES))
    assert info.keypoints is not None
