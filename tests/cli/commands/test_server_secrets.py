"""No key of a server is in anything that the program prints or writes."""

import json
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import SAMPLES, Finished, Run
from tests.support import benchmark_files as files
from tests.support.judge import JudgeServer
from tests.support.judge import serving as serving_judge
from tests.support.server_engines import server_home, write_rows
from tests.support.vision_server import MODEL, VisionServer, serving

KEY = "sk-canary/93ab+7f"
IMAGE = SAMPLES / "zoo-red-box.png"

home = pytest.fixture(autouse=True)(server_home)


def _own_variable(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("VIPLLAVA_KEY_BOX", KEY)


def _named_variable(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("MY_KEY", KEY)


def _keyring(patch: pytest.MonkeyPatch) -> None:
    keyring = ModuleType("keyring")
    keyring.__spec__ = ModuleSpec("keyring", None)
    keyring.get_password = lambda *names: {("vipllava", "box"): KEY}.get(names)  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "keyring", keyring)


def _openai_variable(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("OPENAI_API_KEY", KEY)


# Where the key is -> what puts it there, and the name of the model.
PLACES: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "its own variable": (_own_variable, "box"),
    "a named variable": (_named_variable, "box"),
    "the keyring": (_keyring, "box"),
    "the variable of OpenAI": (_openai_variable, f"openai:{MODEL}"),
}


@pytest.fixture
def server() -> Iterator[VisionServer]:
    """A server that repeats the key in its answers and errors."""
    ways = {"number 1.": ["500"], "number 2.": ["400"], "number 3.": ["thinks"]}
    answers = {"number 4.": f"your key is {KEY}", "number 5.": {"content": KEY, "reasoning": KEY}}
    with serving(VisionServer(key=KEY, ways=ways, answers=answers)) as state:
        yield state


def check(outputs: list[Finished], folder: Path) -> None:
    """Assert that the key is neither in the outputs nor in a file of the folder."""
    for output in outputs:
        assert KEY not in output.stdout + output.stderr
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert len(written) >= 3
    for path in written:
        assert KEY.encode() not in path.read_bytes(), path


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_no_command_shows_or_keeps_the_key(
    place: str, server: VisionServer, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, model = PLACES[place]
    put(monkeypatch)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    named = ["--key-env", "MY_KEY"] if place == "a named variable" else []
    out, rows = tmp_path / "out.jsonl", write_rows(tmp_path, 8, IMAGE)
    page, saved, other = tmp_path / "page.html", tmp_path / "chat.json", tmp_path / "out.csv"
    asked = ["--model", model, "-v", "--debug"]
    outputs = [
        run("models", "add", "box", "--url", server.url, "--model", MODEL, *named),
        run("batch", rows, "-o", out, "--report", page, *asked),
        run("batch", rows, "-o", other, *asked),
        run("compare", out, out, "-o", tmp_path / "compared.html"),
        run("report", out, "-o", tmp_path / "report.html"),
        run("ask", IMAGE, "what is number 4.", "--json", *asked),
        run("ask", IMAGE, "what is number 5.", *asked),
        run("ask", IMAGE, "is it?", "--choices", "no,yes", *asked),
        run("chat", IMAGE, "--save", saved, *asked, stdin=b"hi?\nwhat is number 4.\n/stats\n"),
        run("eval", "clipart", "--n", "1", "--out", tmp_path / "eval", "--json", *asked),
        run("models", "list", "--json"),
        run("models", "info", "box"),
        run("models", "use", "box"),
        run("config", "list"),
    ]
    assert any("400" in output.stderr for output in outputs)
    assert json.loads(outputs[5].stdout)["answer"] == "your key is …"
    server.key = "another"  # the server repeats what it was sent
    outputs.append(run("ask", IMAGE, "why?", *asked))
    assert "answered 401" in outputs[-1].stderr
    assert server.keys[-1] == f"Bearer {KEY}"
    monkeypatch.setattr("vipllava_cli.engine.server.engine.parameters", None)  # a bug
    outputs.append(run("ask", IMAGE, "why?", *asked, "--no-image-check"))
    assert "Traceback" in outputs[-1].stderr
    check(outputs, tmp_path)


@pytest.mark.slow
def test_a_judge_keeps_no_key(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    rows = [(str(n), IMAGE, f"what is {n}?", "x", ["rec"]) for n in range(4)]
    data = files.vip_bench(tmp_path / "data", rows)
    answers = {f"v1_{n}": "0.5 of it" for n in range(4)}
    (data / "answers.json").write_text(json.dumps(answers))
    command = ["eval", "vip-bench", "--data", data, "--predictions", data / "answers.json"]
    command += ["--out", tmp_path / "out", "--judge-model", "judge", "-v", "--debug"]
    grade = f"0.5 because of {KEY}"
    with serving_judge(JudgeServer(grade=grade, ways={"what is 1? <obj>": ["401"]})) as judge:
        outputs = [run(*command, "--judge-url", judge.url) for _ in range(2)]
    assert outputs[1].code == 0
    assert judge.keys == {f"Bearer {KEY}"}
    grades = (tmp_path / "out" / "grades.jsonl").read_text().splitlines()
    assert [json.loads(line)["raw"] for line in grades] == ["0.5 because of …"] * 4
    check(outputs, tmp_path)


@pytest.mark.parametrize(
    "address",
    [f"http://me:{KEY}@x.org/v1", f"http://{KEY}@x.org/v1", f"http://x.org/v1?api_key={KEY}"],
)
def test_an_address_with_a_key_is_refused_and_not_shown(
    address: str, tmp_path: Path, home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    outputs = [
        run("models", "add", "box", "--url", address, "--model", MODEL, "--debug"),
        run("ask", IMAGE, "why?", "--model", f"openai:{MODEL}", "--debug"),
        run("eval", "vip-bench", "--data", ".", "--out", tmp_path / "out", "--judge-url", address,
            "--judge-model", "judge", "--debug"),
    ]  # fmt: skip
    assert [output.code for output in outputs] == [2, 2, 2]
    assert all("holds a password or a key: remove it" in each.stderr for each in outputs)
    settings = home / "config" / "settings.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps({"servers": {"box": {"url": address, "model": MODEL}}}))
    outputs += [run("ask", IMAGE, "why?", "--model", "box", "--debug"), run("models", "list")]
    assert outputs[3].code == 2
    assert not any(KEY in output.stdout + output.stderr for output in outputs)


def test_the_password_of_a_proxy_is_not_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", f"http://me:{KEY.replace('/', '-')}@127.0.0.1:9")
    run("models", "add", "box", "--url", "http://x.org/v1", "--model", MODEL)
    asked = run("ask", IMAGE, "why?", "--model", "box", "--debug")
    assert asked.code == 4
    assert "HTTP_PROXY" in asked.stderr
    assert "canary" not in asked.stderr
