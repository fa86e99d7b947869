"""Texts with escape sequences and markup: none reaches a terminal raw."""

import io
import json
import logging
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from tests.conftest import ROOT, Run
from tests.support.terminal import run_in_terminal
from vipllava_cli.cli.html.report import write_report
from vipllava_cli.cli.terminal.escapes import EscapedStream, safe
from vipllava_cli.cli.terminal.markdown import markdown
from vipllava_cli.cli.terminal.messages import Messages, one_line, stderr_console
from vipllava_cli.cli.terminal.models import watch_download
from vipllava_cli.cli.terminal.progress import watch_progress
from vipllava_cli.engine.hub.cached_names import cached_names
from vipllava_cli.engine.hub.registry import BUNDLED

# Each is an attack on whoever shows it: a title, a clipboard, a link, a colour, a hidden line, …
ATTACKS = {
    "title": "\x1b]0;PWNED\x07",
    "clipboard": "\x1b]52;c;UFdORUQ=\x07",
    "link": "\x1b]8;;http://PWNED\x1b\\text\x1b]8;;\x1b\\",
    "colour": "\x1b[31mPWNED",
    "clear": "\x1b[2J\x1b[HPWNED",
    "device": "\x1bPPWNED\x1b\\",
    "keyboard": "\x1b[5nPWNED\x1b[c",
    "C1": "\x9b31mPWNED\x9d0;x\x9c",
    "return": "PWNED\rok",
    "backspace": "PWNED\b\b\b\b\b",
    "bell": "PWNED\a",
    "delete": "PWNED\x7f\x7f",
    "form feed": "PWNED\x0b\x0c",
    "NUL": "PWNED\0",
    "direction": "PWNED\u202e gpj.exe\u202c",
    "isolate": "PWNED\u2066x\u2069",
    "separators": "PWNED\u2028\u2029",
    "surrogate": "PWNED\udc1b[31m",
    "markup": "[bold]PWNED[/bold][link=http://x]y[/link][/INST]",
}
RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# What Rich and the prompt write themselves: colours, the cursor, and the end of a line.
OWN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b_G[^\x1b]*AAAA\x1b\\|\r")


def assert_clean(shown: str, text: str = "") -> None:
    """Assert that no control character is left, and that markup is shown as it is."""
    assert not RAW.search(shown), repr(shown)
    if text.startswith("[bold]"):
        assert "[bold]PWNED[/bold][link=http://x]y[/link][/INST]" in shown


@pytest.fixture(params=ATTACKS)
def attack(request: pytest.FixtureRequest) -> str:
    return ATTACKS[request.param]


def on_terminal(show: Callable[[Console], object], width: int = 300) -> str:
    """Return what a console on a terminal writes, without its own colours."""
    stream = io.StringIO()
    show(Console(file=stream, force_terminal=True, width=width, color_system="standard"))
    written = re.sub(r"\x1b\[[0-9;?]*[mlhKAGJ]", "", stream.getvalue())
    return written.replace("\r", "")


# --- the functions through which all texts go ------------------------------------------------


def test_texts_are_escaped(attack: str) -> None:
    for text in (safe(attack), one_line(attack)):
        assert_clean(text.replace("\n", ""), attack)
        assert "PWNED" in text or "UFdO" in text


def test_messages_are_escaped(attack: str) -> None:
    def show(console: Console) -> None:
        messages = Messages(verbose=True, console=console)
        messages.note(attack)
        messages.warning(attack)
        messages.error(attack)
        messages.say(attack)
        messages.detail(attack)
        messages.tell(attack)
        messages.tell_pairs([(attack, attack)])

    assert_clean(on_terminal(show).replace("\n", ""), attack)


def test_spinners_and_bars_are_escaped(attack: str) -> None:
    def show(console: Console) -> None:
        messages = Messages(console=console)
        with messages.waiting(attack):
            pass
        with watch_download(messages, attack, 1000) as advance:
            advance(10)
        with watch_progress(messages, 1) as listener:
            listener.note(attack, attack)

    assert_clean(on_terminal(show).replace("\n", ""), attack)


def test_markdown_of_an_answer_is_escaped(attack: str) -> None:
    shown = on_terminal(lambda console: console.print(markdown(attack)))
    assert not RAW.search(shown.replace("\n", "")), repr(shown)


def test_what_libraries_write_on_stderr_is_escaped(attack: str) -> None:
    stream = io.StringIO()
    with redirect_stderr(EscapedStream(stream)):
        logging.StreamHandler().emit(logging.makeLogRecord({"msg": attack}))
        try:
            raise ValueError(attack)
        except ValueError:
            traceback.print_exc()
        sys.stderr.writelines([attack, "\n"])
        console = stderr_console()
        console.print("\N{BLACK SQUARE}")
    assert_clean(stream.getvalue().replace("\n", ""))
    assert "\N{BLACK SQUARE}" in stream.getvalue()


def test_a_report_holds_no_raw_character(attack: str, tmp_path: Path) -> None:
    text = f"{attack}</script><script>alert(1)</script>\" onerror='x' javascript:alert(1) <!--"
    records = tmp_path / "r.jsonl"
    records.write_text(json.dumps(record(text)) + "\n")
    write_report(records, tmp_path / "r.html", force=True, messages=Messages(quiet=True))
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    data = page[page.index('id="data"') :]
    assert "<script>alert" not in page
    assert "<!--" not in data
    assert page.count("<script") == page.count("</script>")
    assert not RAW.search(data.replace("\n", ""))


# --- commands on a terminal ------------------------------------------------------------------


def record(text: str, id: str = "1") -> dict[str, object]:
    """Return a record whose texts are all this one."""
    mark = {"shape": "box", "coords": [1, 2, 30, 40], "color": "red", "label": text}
    return {
        "schema": 1, "id": f"{text}{id}", "key": "k", "image": text, "width": 100, "height": 100,
        "marks": [mark], "numbers": False, "crop": None, "question": text, "answer": text,
        "finish_reason": "stop", "prompt_tokens": 1, "answer_tokens": 1, "seconds": 0.1, "model": text,
        "revision": "1", "template": "human", "options": {}, "dtype": "fp32", "device": "cpu",
        "extra": {"label": "truth", text: text}, "error": None,
    }  # fmt: skip


ALL = "".join(text for name, text in ATTACKS.items() if name not in ("surrogate", "NUL"))
NAME = ALL.replace("/", "").replace("\r", "")[:200]  # a file may have this name


def shown_by(*arguments: str | Path, **variables: str) -> str:
    """Run a command on a terminal. Returns what it shows, without what the program itself sends."""
    received = run_in_terminal(*arguments, variables=variables).decode("utf-8", "replace")
    assert "a bug in vipllava" not in received, received[-2000:]
    return OWN.sub("", received.replace("\r\n", ""))


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with hostile names and records, in which commands run."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (40, 40)).save(tmp_path / f"{NAME[:60]}.png")
    for name, answer in (("a", ALL), ("b", f"{ALL} other")):
        rows = [{**record(ALL, str(number)), "answer": f"{answer}{number}"} for number in range(3)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "questions.jsonl").write_text(
        json.dumps({"id": ALL, "image": f"{NAME[:60]}.png", "question": ALL}) + "\n"
    )
    return tmp_path


HOSTILE_COMMANDS: dict[str, tuple[str, ...]] = {
    "compare": ("compare", "a.jsonl", "b.jsonl", "--truth", "label", "-v"),
    "compare one": ("compare", "a.jsonl", "--truth", "label"),
    "report": ("report", "a.jsonl", "-o", f"@{NAME[:40]}.html"),
    "dry run": ("batch", "questions.jsonl", "--dry-run"),
    "export": ("export", "a.jsonl", "--to", "coco", "-o", f"@{NAME[:40]}.json"),
    "annotate": ("annotate", f"{NAME[:60]}.png", "--box", "1,2,30,30", "-o", f"@{NAME[:40]}.png"),
    "missing image": ("ask", f"{ALL}.png", ALL),
    "debug": ("annotate", f"{ALL}.png", "--box", "1,2,30,30", "-o", "@x.png", "--debug"),
    "wrong mark": ("annotate", f"{NAME[:60]}.png", "--box", ALL, "-o", "@x.png"),
    "wrong colour": ("annotate", f"{NAME[:60]}.png", "--box", f"{ALL}:1,2,3,4", "-o", "@x.png"),
    "wrong option": ("ask", f"--{ALL}"),
    "wrong command": (ALL,),
    "wrong choice": ("ask", "x.png", "q", "--template", ALL),
    "wrong number": ("ask", "x.png", "q", "--seed", ALL),
    "unknown model": ("models", "info", ALL),
    "wrong revision": ("models", "use", "a/b", "--revision", ALL),
    "setting": ("config", "set", ALL, ALL),
    "setting of value": ("config", "set", "template", ALL),
    "resume": ("chat", "--resume", ALL),
    "help of": ("help", ALL),
}  # fmt: skip


@pytest.mark.terminal
@pytest.mark.parametrize("name", HOSTILE_COMMANDS)
def test_a_command_escapes_what_it_shows(files: Path, name: str) -> None:
    # The terminal's process has another working folder.
    own = os.listdir(files)
    arguments = (
        files / each.removeprefix("@") if each in own or each[0] == "@" else each
        for each in HOSTILE_COMMANDS[name]
    )
    shown = shown_by(*arguments, VIPLLAVA_HOME=str(files / "home"))
    assert "PWNED" in shown, shown
    assert_clean(shown)


SHOWN_SETTINGS = {
    "show": ("config", "show"),
    "show one": ("config", "show", "model"),
    "list": ("models", "list"),
    "doctor": ("doctor",),
    "ask": ("ask", "x.png", "q"),
    "help": ("ask", "--help"),
}


@pytest.mark.terminal
@pytest.mark.model
@pytest.mark.parametrize("name", SHOWN_SETTINGS)
def test_settings_and_variables_are_escaped(files: Path, name: str) -> None:
    settings = files / "home" / "config" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"model": ALL, "template": ALL, ALL: ALL}))
    shown = shown_by(*SHOWN_SETTINGS[name], VIPLLAVA_HOME=str(files / "home"), HF_HOME=NAME)
    assert_clean(shown)


@pytest.mark.terminal
@pytest.mark.parametrize("place", ["home", "cache", "model"])
def test_paths_of_the_environment_are_escaped(files: Path, place: str) -> None:
    variable = {"home": "VIPLLAVA_HOME", "cache": "HF_HOME", "model": "VIPLLAVA_MODEL"}[place]
    variables = {"VIPLLAVA_HOME": str(files / "home"), variable: ALL.replace("\r", "")}
    for arguments in (("config", "path"), ("models", "list"), ("models", "info", "7b")):
        assert_clean(shown_by(*arguments, **variables))


# --- what goes to programs -------------------------------------------------------------------


def test_a_path_in_a_pipe_keeps_its_bytes(tmp_path: Path) -> None:
    home = str(tmp_path / NAME[:60])
    environment = {**os.environ, "VIPLLAVA_HOME": home, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "vipllava_cli", "config", "path"]
    finished = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert finished.stdout.decode() == f"{home}/config/settings.json\n"


def test_json_on_a_terminal_is_printable(run: Run, files: Path) -> None:
    finished = run("compare", "a.jsonl", "b.jsonl", "--json")
    assert not RAW.search(finished.stdout.replace("\n", ""))
    assert json.loads(finished.stdout)["against_first"][0]["changed"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model cache with one good name."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    add_cached(tmp_path, "models--me--good")
    return tmp_path


def add_cached(cache: Path, name: str) -> Path:
    config = cache / name / "snapshots" / "1" / "config.json"
    config.parent.mkdir(parents=True)
    config.write_text((BUNDLED["tiny"] / "config.json").read_text())
    return config


@pytest.mark.parametrize(
    "name",
    ["models--me--$(touch PWNED)", "models--me--`id`", "models--me--a;id", "models--me--a\x1b[31m",
     "models--me--a'b\"c", "models--me--\u202ex", "models--me--a b"],
)  # fmt: skip
def test_completion_offers_no_name_that_a_shell_would_run(cache: Path, name: str) -> None:
    add_cached(cache, name)
    assert list(cached_names()) == ["me/good"]


@pytest.mark.parametrize("kind", ["fifo", "deep", "huge", "list"])
def test_completion_passes_over_odd_files(cache: Path, kind: str) -> None:
    config = add_cached(cache, "models--me--odd")
    config.unlink()
    if kind == "fifo":
        os.mkfifo(config)
    else:
        texts = {"deep": "[" * 100_000, "huge": " " * 2_000_000 + "{}", "list": "[]"}
        config.write_text(texts[kind])
    assert list(cached_names()) == ["me/good"]


@pytest.mark.parametrize("text", [">" * 5000, "[" * 5000, "*a " * 5000, "|" * 5000, "- " * 3000])
def test_deep_markdown_is_shown(text: str) -> None:
    assert on_terminal(lambda console: console.print(markdown(text)), 80)
