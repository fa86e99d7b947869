"""A cold `ask`: a new process, from the command to the printed answer.

The minimal script does the same with transformers alone, and stops at the end of the answer, too.
`ask` also draws the mark, checks the files and prints a record.
"""

import os
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, interleave, summarize, summarize_ratio
from benchmarks.scenes import SAMPLE, SAMPLE_BOX

TOKENS = 16

MINIMAL = """
import sys
import torch
from PIL import Image
from transformers import AutoProcessor, VipLlavaForConditionalGeneration
folder, device, path, text, tokens = sys.argv[1:]
model = VipLlavaForConditionalGeneration.from_pretrained(folder, device_map=device, dtype="auto")
processor = AutoProcessor.from_pretrained(folder)
image = Image.open(path).convert("RGB")
inputs = processor(text=text, images=image, return_tensors="pt").to(model.device, model.dtype)
stop = {"stop_strings": ["###"], "tokenizer": processor.tokenizer}
ids = model.generate(**inputs, max_new_tokens=int(tokens), **stop)
print(processor.decode(ids[0][len(inputs["input_ids"][0]):], skip_special_tokens=True))
"""


def make_commands(bench: Bench) -> tuple[list[str], list[str]]:
    """Return the command of `ask`, and that of the minimal script."""
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint
    from vipllava_cli.engine.prompts.templates import TEMPLATES, Turn, render

    question = "what is in the red box?"
    model = bench.model()
    ours = [sys.executable, "-m", "vipllava_cli", "ask", str(SAMPLE), question]
    ours += ["--box", SAMPLE_BOX, "--model", model, "--device", bench.device]
    ours += ["--max-new-tokens", str(TOKENS)]
    folder = str(find_checkpoint(model).folder)
    prompt = render(TEMPLATES["human"], [Turn(question)])
    minimal = [sys.executable, "-c", MINIMAL, folder, bench.device, str(SAMPLE), prompt]
    return ours, [*minimal, str(TOKENS)]


def users_environment() -> dict[str, str]:
    """Return the environment, without a setting that lets Python compile modules at every start."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def run(bench: Bench) -> Iterator[Measure]:
    """Time both commands, in turn."""
    ours, minimal = make_commands(bench)

    def start(command: list[str]) -> None:
        """Run a command, and show what it prints, such as progress bars, only if it fails."""
        done = subprocess.run(  # noqa: S603 - own commands
            command, capture_output=True, text=True, check=False, env=users_environment()
        )
        if done.returncode:
            raise RuntimeError(f"exit code {done.returncode}: {done.stderr.strip()[-300:]}")

    rounds = bench.choose(5 if bench.size == "tiny" else 1, 1)
    times = interleave(
        {"ask": lambda: start(ours), "script": lambda: start(minimal)},
        rounds,
        warm_up=rounds > 1,
    )
    yield summarize("ask", times["ask"], "s")
    yield summarize("minimal script", times["script"], "s")
    goal = "at most 0.55" if bench.size == "tiny" else ""
    yield summarize_ratio("ask relative to the script", times["ask"], times["script"], goal)
