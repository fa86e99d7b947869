"""The interface of engines."""

import subprocess
import sys

from vipllava_cli.engine.options import GREEDY, GenerationOptions


def test_the_defaults_import_neither_an_image_library_nor_torch() -> None:
    """The command line imports them for `--help`."""
    code = (
        "import sys, vipllava_cli.engine.base; print({'PIL', 'torch', 'numpy'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_options_in_records_leave_out_missing_choices() -> None:
    assert GREEDY.to_json() == {"max_new_tokens": 256, "temperature": 0.0, "top_p": 1.0, "seed": 0}
    assert GenerationOptions(choices=("a", "b")).to_json()["choices"] == ("a", "b")
