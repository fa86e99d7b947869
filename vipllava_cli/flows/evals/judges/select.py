"""The judge that the options of a run name."""

from vipllava_cli.errors import UsageError
from vipllava_cli.flows.evals.judges.chat import PARALLEL, TIMEOUT, chat_judge
from vipllava_cli.flows.evals.judges.grading import Judge, exact_judge


def select_judge(
    kind: str | None,
    model: str | None,
    url: str | None,
    parallel: int = PARALLEL,
    timeout: float = TIMEOUT,
) -> Judge | None:
    """Return the judge of `--judge`, or of `--judge-model` and `--judge-url`; None without any.

    Raises UsageError for options that exclude each other, or that name half a judge.
    """
    if kind is not None:
        if url or model:
            raise UsageError(f"--judge {kind} uses no server: remove --judge-url and --judge-model")
        return exact_judge()
    if model is None:
        if url is not None:
            raise UsageError("--judge-url needs the name of the judge: add --judge-model NAME")
        return None
    return chat_judge(model, url, parallel=parallel, timeout=timeout)
