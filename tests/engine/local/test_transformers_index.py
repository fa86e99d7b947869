"""The index of names of transformers: short at the start, and the library's own in the end.

Each test has processes of its own: imports cannot be undone.
"""

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.model

DEFER = "from vipllava_cli.engine.local.deferred_imports import defer_imports; defer_imports()\n"
# Everything that a lazy module knows, in an order that does not depend on the hashes of a process.
WHOLE = (
    "import json, sys, transformers, transformers.models\n"
    "def whole(module):\n"
    "    dir(module)\n"
    "    parts = vars(module)\n"
    "    return {\n"
    "        'all': sorted(set(module.__all__)), 'length': len(module.__all__),\n"
    "        'classes': parts['_class_to_module'], 'modules': sorted(parts['_modules']),\n"
    "        'missing': {k: sorted(map(str, v)) for k, v in parts['_object_missing_backend'].items()},\n"
    "        'structure': {k: sorted(set(v)) for k, v in parts['_import_structure'].items()},\n"
    "        'version': getattr(module, '__version__', None), 'dir': sorted(set(dir(module))),\n"
    "    }\n"
    "print(json.dumps([whole(transformers), whole(transformers.models)]))\n"
)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def plain() -> list[dict[str, Any]]:
    """What transformers knows without this program."""
    found: list[dict[str, Any]] = json.loads(run("import torch\n" + WHOLE))
    return found


def test_the_whole_index_equals_that_of_the_library(plain: list[dict[str, Any]]) -> None:
    ours = json.loads(run(DEFER + WHOLE))
    for mine, theirs in zip(ours, plain, strict=True):
        for part in ("all", "length", "classes", "modules", "missing", "structure", "version"):
            assert mine[part] == theirs[part], part
        assert set(theirs["dir"]) - set(mine["dir"]) == set()


def test_the_short_index_names_the_modules_that_the_whole_one_names(
    plain: list[dict[str, Any]],
) -> None:
    code = (
        "import json, transformers, transformers.models\n"
        "both = (transformers, transformers.models)\n"
        "print(json.dumps([vars(each)['_class_to_module'] for each in both]))"
    )
    for short, whole in zip(json.loads(run(DEFER + code)), plain, strict=True):
        assert "CLIPVisionModel" in short
        assert "Qwen2VLForConditionalGeneration" not in short
        assert {name: whole["classes"].get(name) for name in short} == short


def test_an_answer_of_the_shipped_model_reads_no_other_models() -> None:
    code = (
        "import sys, vipllava_cli\n"
        "answer = vipllava_cli.load_model('tiny').ask('sample_images/garden.png', 'what is this?')\n"
        "names = vars(sys.modules['transformers'])['_class_to_module']\n"
        "print(bool(answer.text), 'LlavaProcessor' in names, 'BertModel' in names)"
    )
    assert run(code) == "True True False"


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("from transformers import BertConfig; print(BertConfig.__module__)", "bert.configuration"),
        ("import transformers; print(transformers.BertTokenizerFast.__name__)", "BertTokenizer"),
        ("import transformers.models; print(transformers.models.bert.BertConfig)", "BertConfig"),
        ("from transformers.models import t5; print(t5.T5Config.__name__)", "T5Config"),
        ("from transformers import initialization as i; print(i.__name__)", "rs.initialization"),
        ("import transformers; print(hasattr(transformers, 'NoSuchName'))", "False"),
        ("import transformers; print(hasattr(transformers, '__wrapped__'))", "False"),
        (
            "import pickle, transformers as t; print(pickle.loads(pickle.dumps(t)).BertConfig)",
            "BertConfig",
        ),
        ("from transformers import AutoConfig as A; print(A.for_model('t5').model_type)", "t5"),
    ],
)
def test_every_other_name_is_found_as_without_the_program(code: str, printed: str) -> None:
    without, ours = run("import torch\n" + code), run(DEFER + code)
    assert ours == without
    assert printed in ours


def test_a_name_that_is_missing_raises_the_error_of_the_library() -> None:
    code = (
        "import transformers\n"
        "try: transformers.NoSuchName\n"
        "except AttributeError as error: print(error)"
    )
    assert run(DEFER + code) == run(code)


def test_transformers_without_these_parts_stays_as_it_is() -> None:
    from types import SimpleNamespace

    from vipllava_cli.engine.local.transformers_index import _change

    other = SimpleNamespace(define_import_structure="a text", _LazyModule=object)
    _change(other)
    assert vars(other) == {"define_import_structure": "a text", "_LazyModule": object}
    _change(empty := SimpleNamespace())
    assert vars(empty) == {}
