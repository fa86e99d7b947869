"""Checkpoints of other families that attack: one line and exit code 4, before memory is taken."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.hostile.test_checkpoints import COMMANDS, LOOP, run_in
from tests.support.budget import assert_refused
from tests.support.family_checkpoints import make_family_checkpoint
from tests.support.hostile_checkpoints import text_config
from tests.support.hostile_families import FAMILY_ATTACKS, SHARED, TARGETS, config
from vipllava_cli.engine.hub.checkpoints import find_checkpoint, read_config
from vipllava_cli.engine.open import open_engine
from vipllava_cli.errors import ExitCode, ModelError

pytestmark = pytest.mark.model

ATTACKS = {**SHARED, **FAMILY_ATTACKS}


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Path]:
    return lambda family: make_family_checkpoint(family, tmp_path / "work" / "model")


@pytest.mark.parametrize("family", TARGETS)
def test_every_attack_is_refused(family: str, make: Callable[[str], Path]) -> None:
    """All attacks on one family, in one test: each takes milliseconds."""
    accepted, wrong = [], []
    for name, attack in ATTACKS.items():
        folder = make(family)
        attack(folder)
        try:
            find_checkpoint(str(folder))
        except ModelError as error:
            if len(str(error)) > 600 or str(folder) not in str(error) or "\n" in str(error):
                wrong.append((name, str(error)))
        else:
            accepted.append(name)
        shutil.rmtree(folder.parent)
        shutil.rmtree(folder.parent.parent / "outside", ignore_errors=True)
    assert (accepted, wrong) == ([], [])


def test_fields_that_run_code_do_not_reach_the_model(make: Callable[[str], Path]) -> None:
    """Transformers would load a kernel from the hub, or another class, for these."""
    folder = make("qwen3_vl")
    harmful = {
        "_attn_implementation": "evil/kernel",
        "attn_implementation": "evil/kernel",
        "auto_map": {"AutoModelForImageTextToText": "evil.Model"},
        "per_layer_config": {"0": {"hidden_size": 1 << 30}},
    }
    expected = read_config(folder, "model")
    config(**harmful)(folder)
    text_config(**harmful)(folder)
    assert read_config(folder, "model") == expected


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (LOOP, "more than 1 seconds"),
        ("{{ 'a' * 10**10 }}", "too much memory"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ raise_exception('no') }}", "no"),
    ],
)
def test_a_hostile_chat_template_is_refused(
    make: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, template: str, reason: str
) -> None:
    monkeypatch.setattr("vipllava_cli.engine.local.chat_renderer.RENDER_SECONDS", 1.0)
    folder = make("qwen3_vl")
    (folder / "chat_template.jinja").write_text(template)
    engine = open_engine(str(folder))
    view = engine.view(Image.new("RGB", (64, 64)))
    with pytest.raises(ModelError, match=reason):
        engine.prompt(view, "what?")


@pytest.mark.parametrize("command", ["ask", "batch", "plan", "info"])
@pytest.mark.parametrize(
    ("family", "attack"),
    [
        ("qwen2_5_vl", "num_hidden_layers 1000000"),
        ("gemma3", "catastrophic pattern"),
        ("internvl", "truncated weights"),
    ],
)
def test_every_command_refuses_in_its_budget(
    make: Callable[[str], Path], family: str, attack: str, command: str
) -> None:
    folder = make(family)
    ATTACKS[attack](folder)
    assert_refused(run_in(folder, *COMMANDS[command]), ExitCode.MODEL, max_lines=1)
