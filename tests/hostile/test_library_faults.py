"""Every kind of exception that a library may raise while a model runs: one line of this program."""

import builtins
import json
import ssl
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
import safetensors
from huggingface_hub import errors as hub_errors

from tests.engine.hub.test_download_errors import make
from vipllava_cli.errors import GenerationError, ModelError, VipllavaError

pytestmark = pytest.mark.model

MODULES = (builtins, httpx2, hub_errors, json, safetensors, ssl, struct, zlib)


class PanicException(BaseException):
    """A panic of Rust code, as pyo3 names it."""


def exceptions() -> Iterator[BaseException]:
    """Make one exception of each class, and a panic."""
    kinds = {each for module in MODULES for each in vars(module).values() if isinstance(each, type)}
    for kind in sorted(kinds, key=repr):
        if issubclass(kind, Exception) and not issubclass(kind, Warning):
            yield make(kind)
    yield PanicException("called `Option::unwrap()`\non a `None` value")


def raising(error: BaseException) -> Callable[..., Any]:
    def call(*_: object, **__: object) -> Any:
        raise error

    return call


@pytest.fixture(scope="module")
def engine() -> Any:
    from vipllava_cli.engine.open import open_engine

    return open_engine("tiny")


def check(call: Callable[[], object], error: BaseException) -> None:
    """Assert that a call raises one line of this program."""
    with pytest.raises(VipllavaError) as raised:
        call()
    assert isinstance(raised.value, ModelError | GenerationError)
    assert 15 < len(str(raised.value)) < 500
    assert "\n" not in str(raised.value)
    if isinstance(error, PanicException):
        assert raised.value.exit_code == 4


def test_every_exception_of_a_run_is_one_line(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise in the tokenizer, the image processor, generation and decoding."""
    from PIL import Image

    from vipllava_cli.engine.options import GenerationOptions

    image = Image.new("RGB", (256, 256))
    prompt = engine.prompt(engine.view(image), "what?")
    short = GenerationOptions(max_new_tokens=1)

    def answer() -> object:
        return engine.answer_batch([prompt], short)

    def decode() -> object:
        return engine._make_answer(prompt, [5], 0.0)

    tokenizer = type(engine.tokenizer)
    projector = type(engine.model.model.multi_modal_projector)
    calls: tuple[tuple[Any, str, Callable[[], object]], ...] = (
        (tokenizer, "__call__", lambda: engine.encode("<image>\nwhat?")),
        (type(engine.processor.image_processor), "__call__", lambda: engine.view(image)),
        (projector, "forward", answer),
        (tokenizer, "decode", decode),
    )
    for error in exceptions():
        for owner, name, call in calls:
            with monkeypatch.context() as patch:
                patch.setattr(owner, name, raising(error))
                check(call, error)


def test_an_error_of_the_output_stays_as_it_is(engine: Any) -> None:
    """A full disk or a closed pipe under a streamed answer has messages of its own."""
    from PIL import Image

    prompt = engine.prompt(engine.view(Image.new("RGB", (256, 256))), "what?")
    for error in (OSError(28, "No space left on device"), BrokenPipeError(32, "Broken pipe")):
        with pytest.raises(type(error)) as raised:
            list(engine.answer([prompt], on_text=raising(error)))
        assert raised.value is error


def test_every_exception_of_loading_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from vipllava_cli.engine.hardware.load_options import LoadOptions
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint
    from vipllava_cli.engine.local import loading

    checkpoint = find_checkpoint("tiny")
    for error in exceptions():
        for name in ("find_source", "_load_model", "load_processor"):
            source = SimpleNamespace(spec=None, family=None, load_processor=lambda: None)
            with monkeypatch.context() as patch:
                for fast in ("inspect_machine", "plan_placement", "_load_model"):
                    patch.setattr(loading, fast, lambda *_: None)
                patch.setattr(loading, "find_source", lambda _, source=source: source)
                owner = source if name == "load_processor" else loading
                patch.setattr(owner, name, raising(error))
                with pytest.raises((ModelError, GenerationError)) as raised:
                    loading.load(checkpoint, LoadOptions())
            assert "\n" not in str(raised.value)
            assert 15 < len(str(raised.value)) < 500


def test_ctrl_c_and_exits_stay_as_they_are(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (KeyboardInterrupt, SystemExit):
        with monkeypatch.context() as patch:
            patch.setattr(type(engine.tokenizer), "__call__", raising(kind()))
            with pytest.raises(kind):
                engine.encode("<image>\nwhat?")


@pytest.mark.parametrize(
    ("owner", "call"),
    [(Path, each) for each in ("exists", "glob", "is_file", "is_symlink", "open", "stat")]
    + [(json, "loads"), (struct, "unpack")],
)
def test_every_exception_of_a_checkpoints_files_is_one_line(
    owner: Any, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Raise in each call with which the small files and the headers are read."""
    from vipllava_cli.engine.hub import checkpoints

    real = getattr(owner, call)
    folder = checkpoints.find_checkpoint("tiny").folder
    reads: tuple[Callable[[], object], ...] = (
        lambda: checkpoints.find_checkpoint("tiny"),
        lambda: checkpoints.fitted_config(folder, "tiny"),
        lambda: checkpoints.read_generation(folder, "tiny"),
    )
    messages = []
    for error in exceptions():
        if isinstance(error, PanicException | MemoryError):  # Rust has no part in this
            continue
        for read in reads:
            checkpoints._check_contents.cache_clear()
            with monkeypatch.context() as patch:
                patch.setattr(owner, call, raising(error))
                try:
                    read()
                except VipllavaError as ended:
                    messages.append(str(ended))
    assert messages or call == "glob"  # it looks for pickle weights where others are missing
    assert not [each for each in messages if "\n" in each or len(each) > 500]
    assert getattr(owner, call) is real


def test_every_exception_of_reading_a_checkpoint_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors of the disk while the small files are read."""
    from vipllava_cli.engine.hub.checks.files import read_json

    path = tmp_path / "config.json"
    path.write_text("{}")
    for number in (5, 12, 13, 23, 24, 40, 116):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", raising(OSError(number, "what it says")))
            with pytest.raises(ModelError, match=r"config\.json cannot be read"):
                read_json(path, "model")
