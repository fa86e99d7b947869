"""The HTTP client without the libraries of asynchronous programs."""

import subprocess
import sys

PROGRAM = """
import sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from vipllava_cli.cli.lean_http import skip_async_libraries

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()

skip_async_libraries()
import httpx2
server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.handle_request).start()
status = httpx2.get(f"http://127.0.0.1:{server.server_port}", trust_env=False).status_code
print(status, {"anyio", "h2", "trio"} & set(sys.modules))
"""
LATER = "import anyio; print(anyio.run.__name__)"


def _run(program: str) -> list[str]:
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return [line for line in done.stdout.splitlines() if "HTTP/1" not in line]


def test_hides_what_is_installed() -> None:
    assert _run(PROGRAM) == ["204 set()"]


def test_others_can_be_imported_later() -> None:
    assert _run(PROGRAM + LATER) == ["204 set()", "run"]


def test_changes_nothing_where_the_client_is_loaded() -> None:
    program = "import httpx2, httpcore2, sys\n" + PROGRAM + "print('anyio' in sys.modules)"
    assert _run(program)[-1] == "True"
