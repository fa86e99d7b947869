"""Compare the time of `vipllava --help` with that of a minimal Typer program.

python -m benchmarks.startup
"""

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.support import describe, seconds

BARE = """
import typer
app = typer.Typer()
@app.command()
def one(number: int = 1) -> None:
    "One."
@app.command()
def two(number: int = 2) -> None:
    "Two."
app()
"""


def main(pairs: int = 15) -> None:
    """Print the medians and the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)
        commands = {
            "vipllava --help": [sys.executable, "-m", "vipllava_cli", "--help"],
            "bare Typer --help": [sys.executable, str(bare), "--help"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(pairs):
            for name, command in commands.items():
                run = partial(subprocess.run, command, capture_output=True, check=True)
                times[name].append(seconds(run))
    ours, bare_typer = times.values()
    print(describe())
    for name, measured in times.items():
        print(f"{name:20} {median(measured):.3f} s")
    print(
        f"ratio                {median(a / b for a, b in zip(ours, bare_typer, strict=True)):.2f}"
    )


if __name__ == "__main__":
    main()
