"""`vipllava compare`: compare results with each other, or with the right answers. It loads no model."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import Force, Json, OutputOptions, out_option
from vipllava_cli.errors import UsageError
from vipllava_cli.storage.files import STANDARD_INPUT
from vipllava_cli.storage.similar_names import find_similar

_MAX_COLUMN = 64  # characters: a longer word is no name of a column


@command
def compare(
    results: Annotated[
        list[Path],
        typer.Argument(
            help="Files or tables of batch, or folders of eval: answers to the same source; one alone is"
            " compared with its right answers."
        ),
    ],
    truth: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column with the right answers. (default: the scores that eval stored, else the"
            " column wanted, truth, answer or expected)",
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="An answer is right only if it is exactly the truth. (default: case, articles,"
            " plurals, punctuation, number words and common synonyms may differ)",
        ),
    ] = False,
    synonyms: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File of more synonyms: one group of names in each line, like car, vehicle.",
        ),
    ] = None,
    json: Json = False,
    out: Annotated[
        Path | None,
        out_option("an HTML page of the changed or wrong rows and their images"),
    ] = None,
    force: Force = False,
    *,
    output: OutputOptions,
) -> None:
    """Compare results with the right answers, or with each other: accuracy, mistakes, changes.

    vipllava compare answers.jsonl --truth label

    vipllava compare before.jsonl after.jsonl --out changes.html
    """
    from vipllava_cli.cli.html.comparison import write_comparison
    from vipllava_cli.cli.html.page import check_page_name
    from vipllava_cli.cli.terminal.comparison import comparison_to_json, print_comparison
    from vipllava_cli.cli.terminal.json_output import print_json
    from vipllava_cli.flows.evals.answer_rule import AnswerRule, rule_with_synonyms
    from vipllava_cli.flows.evals.compare import compare as compare_files
    from vipllava_cli.flows.evals.result_files import find_records
    from vipllava_cli.storage.files import same_file
    from vipllava_cli.storage.outputs import OutputKind, check_output, is_standard_output

    messages = output.messages()
    _check_names(results, truth)
    if strict and synonyms is not None:
        raise UsageError("--strict compares the texts as they are: remove --synonyms")
    if out is not None:
        if is_standard_output(str(out)):
            raise UsageError("a page cannot go to stdout: give a file with -o FILE")
        if any(same_file(path, out) for path in (*results, *map(find_records, results))):
            raise UsageError(
                f"{out} is one of the files to compare: give another path for the page"
            )
        check_page_name(out)
        inputs = [str(synonyms)] if synonyms else []
        check_output(str(out), OutputKind.page, force=force, inputs=inputs)
    rule = AnswerRule(strict) if synonyms is None else rule_with_synonyms(synonyms)
    comparison = compare_files(results, truth, rule)
    messages.note(*comparison.notes())
    if json:
        print_json(comparison_to_json(comparison))
    else:
        print_comparison(comparison, is_complete=messages.verbose)
    if out is not None:
        write_comparison(comparison, out, messages)


def _check_names(results: list[Path], truth: str | None) -> None:
    """Raise UsageError for a word among the files that is probably the name of a column."""
    words = [each for each in results if _is_word(each)]
    files = [str(each) for each in results if each not in words]
    if words and files:
        column = " ".join([*([truth] if truth else []), *map(str, words)])
        command = shlex.join(["vipllava", "compare", *files, "--truth", column])
        raise UsageError(f"there is no file {words[0]}: for a column, use `{command}`")


def _is_word(path: Path) -> bool:
    """Return whether a path is neither a file, nor similar to the name of one."""
    is_input = os.path.exists(path) or str(path) == STANDARD_INPUT
    is_path = path.suffix or path.parent.name or len(path.name) > _MAX_COLUMN
    return not (is_input or is_path or find_similar(str(path)))
