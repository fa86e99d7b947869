"""`make demo` shows what it does, and starts the program once."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ROOT, Finished
from tests.support import warm

pytestmark = pytest.mark.model

# A Python that makes an environment whose pip prints its steps, and ends with the code in PIP_CODE.
PYTHON = """#!/bin/sh
mkdir -p "$3/bin"
cat > "$3/bin/pip" <<'END'
#!/bin/sh
echo "Collecting a-package"
echo "Requirement already satisfied: another-package"
if [ "$PIP_CODE" != 0 ]; then echo "ERROR: no such package" >&2; fi
exit "$PIP_CODE"
END
chmod +x "$3/bin/pip"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "sample_images").symlink_to(ROOT / "sample_images")
    return tmp_path


def write_program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def make_demo(
    checkout: Path, *, python: Path, in_terminal: bool = False, **environment: str
) -> Finished:
    make = ["make", "demo", f"PYTHON={python}", "TORCH_INDEX=ADDRESS"]
    if in_terminal:
        code = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
        make = [sys.executable, "-c", code, *make]
    outer = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        make,
        cwd=checkout,
        env={**outer, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=120,
    )
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_the_second_demo_starts_python_once(checkout: Path) -> None:
    starts = checkout / "starts"
    for name in ("pip", "python"):
        write_program(checkout / ".venv/bin" / name, f"#!/bin/sh\necho {name} >> '{starts}'\n")
    start = f"echo vipllava >> '{starts}'\nexec {warm.share()} -m vipllava_cli \"$@\"\n"
    write_program(checkout / ".venv/bin/vipllava", f"#!/bin/sh\n{start}")
    for name in ("torch", "installed"):
        (checkout / ".venv" / name).touch()

    done = make_demo(checkout, python=checkout / ".venv/bin/python", PYTHONPATH=str(ROOT))

    assert done.code == 0, done.stderr
    assert starts.read_text().split() == ["vipllava"]
    assert done.stdout.splitlines() == [
        "image:    sample_images/garden.png, marked in build/demo.png",
        "question: what is in the red box?",
        "answer:   a butterfly",
        "more:     . .venv/bin/activate, then vipllava --help",
    ]
    marked = Image.open(checkout / "build/demo.png").convert("RGB")
    assert marked.getpixel((294, 150)) == (255, 0, 0)


STEPS = ["create .venv", "install torch==", "install vipllava and"]


def test_the_first_demo_names_its_steps_and_shows_the_current_package(checkout: Path) -> None:
    python = write_program(checkout / "python", PYTHON)
    done = make_demo(checkout, python=python, in_terminal=True, PIP_CODE="0")
    for step in STEPS:
        assert step in done.stdout
    assert done.stdout.count("\r\x1b[K  Collecting a-package") == 2
    assert "satisfied" not in done.stdout


def test_a_pipe_gets_the_steps_without_the_packages(checkout: Path) -> None:
    python = write_program(checkout / "python", PYTHON)
    done = make_demo(checkout, python=python, PIP_CODE="0")
    lines = done.stdout.splitlines()[: len(STEPS)]
    assert all(line.startswith(step) for line, step in zip(lines, STEPS, strict=True)), lines
    assert "Collecting" not in done.stdout


def test_a_package_that_does_not_install_stops_the_demo(checkout: Path) -> None:
    python = write_program(checkout / "python", PYTHON)
    done = make_demo(checkout, python=python, PIP_CODE="1")
    assert done.code == 2
    assert "ERROR: no such package" in done.stderr
    assert STEPS[-1] not in done.stdout
    assert not (checkout / ".venv/torch").exists()
