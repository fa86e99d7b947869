"""The numbers of SECURITY.md are those of the program."""

from pathlib import Path

import pytest

from vipllava_cli.engine.hub import client, download
from vipllava_cli.engine.hub.checks import files, tokenizer_files, weights
from vipllava_cli.engine.local import chat_renderer, chat_worker
from vipllava_cli.engine.server import client as server
from vipllava_cli.engine.server import waits
from vipllava_cli.flows.evals.judges import chat
from vipllava_cli.images import fetch
from vipllava_cli.storage import web, web_guard

PAGE = Path(__file__).parents[1] / "SECURITY.md"
MIB, KIB = 1 << 20, 1 << 10

LIMITS = {
    "`config.json` and": f"{files.MAX_BYTES['config.json'] // MIB} MiB",
    "`tokenizer.json`": f"{files.MAX_BYTES['tokenizer.json'] // MIB} MiB",
    "header of a safetensors": f"{weights.MAX_HEADER_BYTES // MIB} MiB",
    "chat template": f"{tokenizer_files.MAX_TEMPLATE // KIB} KiB,"
    f" {chat_renderer.RENDER_SECONDS:g} seconds to render, {chat_worker.MAX_MEMORY // MIB} MiB",
    "JSON reply of a hub": f"{client.MAX_REPLY // MIB} MiB",
    "list of a hub's files": f"{client.MAX_PAGES} pages, {download.MAX_ENTRIES:,} entries",
    "headers of a reply": f"{web_guard.MAX_HEADER_BYTES // KIB} KiB",
    "speed of a reply": f"at least {web_guard.MIN_BYTES_PER_SECOND:,} bytes per second",
    "redirects of a hub": f"{web.MAX_REDIRECTS}",
    "wait that a hub": f"{client.MAX_WAIT:g} seconds",
    "reply of a judge": f"{chat.MAX_REPLY_BYTES // MIB} MiB",
    "wait that a judge": f"{waits.MAX_WAIT:g} seconds",
    "reply of a model": f"{server.MAX_BODY // MIB} MiB unpacked, and {server.MAX_TIMES:g} times",
    "wait that such": f"{waits.MAX_WAIT:g} seconds",
    "download of an image": f"{fetch.MAX_DOWNLOAD_BYTES // MIB} MiB, {fetch.DOWNLOAD_SECONDS:g} s",
    "image file": f"{fetch.MAX_BYTES // MIB} MiB",
}


@pytest.mark.parametrize("start", LIMITS)
def test_a_limit_of_the_page_is_that_of_the_program(start: str) -> None:
    [row] = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| {start}")]
    assert row.split("|")[2].strip().startswith(LIMITS[start])


def test_every_limit_of_the_page_is_compared() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    first = next(number for number, row in enumerate(rows) if row.startswith("| what |")) + 2
    assert len(rows[first:]) == len(LIMITS)


def test_the_page_invents_no_address() -> None:
    assert "@" not in PAGE.read_text()
