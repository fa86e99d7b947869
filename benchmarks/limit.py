"""Compare the speed of answers with the limit that `vipllava plan` prints.

python -m benchmarks.make_checkpoint --size 7b --out build/7b
python -m benchmarks.limit build/7b --device cuda:0
"""

import argparse
from pathlib import Path
from statistics import median

from benchmarks.support import describe, seconds
from vipllava_cli import Box, GenerationOptions, Model, load_model
from vipllava_cli.engine.hardware.estimate import make_plan
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.flows.api.model import BatchRow

IMAGE, MARK = "sample_images/garden.png", Box(294, 48, 522, 247)
QUESTION = "what is in the red box?"
TOKENS = 100  # of an answer; random weights do not end one


def ask(model: Model, tokens: int) -> None:
    """Answer one question with at most this number of tokens."""
    model.ask(IMAGE, QUESTION, marks=[MARK], options=GenerationOptions(max_new_tokens=tokens))


def ask_batch(model: Model, rows: int) -> None:
    """Answer this number of questions about one image."""
    questions: list[BatchRow] = [
        {"image": IMAGE, "question": f"what is {row}?"} for row in range(rows)
    ]
    for _ in model.batch(questions, options=GenerationOptions(max_new_tokens=TOKENS)):
        pass


def main(folder: Path, device: str, rounds: int = 3, rows: int = 32) -> None:
    """Print the limit, and the times of the first answer, of later ones and of a batch."""
    limit = make_plan(str(folder), None, LoadOptions(device=device)).estimate
    model = load_model(str(folder), device=device)
    first = seconds(lambda: ask(model, TOKENS))
    later = median(seconds(lambda: ask(model, TOKENS)) for _ in range(rounds))
    prompt = median(seconds(lambda: ask(model, 1)) for _ in range(rounds))
    batch = min(seconds(lambda: ask_batch(model, rows)) for _ in range(2))
    rate = (TOKENS - 1) / (later - prompt)
    print(f"{describe()}, {device}")
    print(f"limit: {limit.prompt_seconds:.3f} s a prompt, {limit.tokens_per_second:.0f} tokens/s")
    print(f"first answer of {TOKENS} tokens: {first:.2f} s, later ones {later:.2f} s")
    print(f"prompt and first token: {prompt:.3f} s")
    print(f"later tokens: {rate:.0f} tokens/s, {rate / limit.tokens_per_second:.2f} of the limit")
    print(f"batch of {rows}: {rows * TOKENS / batch:.0f} tokens/s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    main(arguments.folder, arguments.device)
