"""The end of a batch: its counts, why rows failed, and the command that tries them again."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from vipllava_cli.cli.terminal.escapes import safe
from vipllava_cli.cli.terminal.messages import Messages, one_line
from vipllava_cli.cli.terminal.progress import short_id
from vipllava_cli.flows.batch.run import BatchSummary
from vipllava_cli.flows.batch.task import OnConflict
from vipllava_cli.storage.counts import count_noun

MAX_FAILURES = 5  # reasons that are listed
MAX_REASON = 300  # characters


def print_summary(
    summary: BatchSummary, out: str, messages: Messages, on_conflict: OnConflict
) -> None:
    """Print the counts of a batch, the answers that it replaced, and the reasons for failures."""
    if messages.quiet:
        return
    messages.console.print(summary_table(summary, out))
    if summary.replaced:
        reason = _REPLACED[on_conflict is OnConflict.replace]
        messages.note(f"{count_noun(summary.replaced, 'earlier answer')} replaced: {reason}")
    for line in failure_lines(summary, out):
        messages.say(line)


# Whether the run replaces answers to other requests -> why it replaced some.
_REPLACED = {
    False: "the content of the image has changed",
    True: "--force, or the content of the image has changed",
}


def print_next_command(messages: Messages, advice: str, command: str) -> None:
    """Print a command to paste, exactly, after what it is for."""
    if not messages.quiet:
        messages.console.print(Text(f"{advice}: {safe(command)}"))


def summary_table(summary: BatchSummary, out: str) -> Table:
    """Show the counts of a batch, its duration and its output file."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    rows = {
        "answered": summary.answered,
        "kept from an earlier run": summary.kept,
        "copied from an equal row": summary.copied,
        "cut off at --max-new-tokens": summary.truncated,
        "kept (another question, image or settings)": summary.siblings,
        "kept (no longer in the source)": summary.unlisted,
        "failed": summary.failed,
    }
    for name, count in rows.items():
        if count or name == "answered":
            table.add_row(str(count), Text(name))
    done = summary.answered + summary.failed
    rate = f", {done / max(summary.seconds, 1e-3):.1f} rows/s" if done else ""
    table.add_row(f"{summary.seconds:.1f}", Text(f"seconds{rate}"))
    if summary.usage:
        table.add_row(str(summary.usage.prompt_tokens), Text("prompt tokens on the server"))
        table.add_row(str(summary.usage.answer_tokens), Text("answer tokens on the server"))
    if summary.usage and summary.usage.cost is not None:
        table.add_row(f"{summary.usage.cost:.4f}", Text("cost, by the prices of `models add`"))
    table.add_row("in", Text(one_line(out)))
    return table


def failure_lines(summary: BatchSummary, out: str) -> Iterator[str]:
    """Yield a line for each of the most frequent reasons, with one of its rows, and one for the rest."""
    groups = summary.failure_groups.largest_first()
    for group in groups[:MAX_FAILURES]:
        reason = one_line(group.message)
        reason = reason if len(reason) <= MAX_REASON else f"{reason[: MAX_REASON - 1]}…"
        example = ", for example" if group.count > 1 else ":"
        yield f"{count_noun(group.count, 'row')} failed{example} {short_id(group.id)}: {reason}"
    rest = summary.failed - sum(group.count for group in groups[:MAX_FAILURES])
    if rest:
        yield f"{count_noun(rest, 'other row')} failed for other reasons: see `error` in {out}"
