"""What the stand-ins of chat completions servers share: the loopback server, and their faults."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def serving_at(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve until the end of the block. Yields the address."""
    server = _Server(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    """A server that says nothing when a client closes a connection."""

    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class ChatHandler(BaseHTTPRequestHandler):
    """A connection. The stand-ins decide what to send."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise each reply waits 40 ms for the client

    def log_message(self, *_: object) -> None:
        pass

    def body(self) -> dict[str, Any]:
        """Read the request."""
        read: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return read

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", headers.pop("Content_Type", "application/json"))
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def send_choice(self, choice: dict[str, Any], usage: Any) -> None:
        """Send a completion."""
        body = {"id": "1", "choices": [{"index": 0, **choice}], "usage": usage}
        self.send(200, json.dumps(body).encode())

    def refuse(self, status: int, message: str, **headers: str) -> None:
        error = {"error": {"message": message, "type": "t", "param": None, "code": None}}
        self.send(status, json.dumps(error).encode(), **headers)

    def cut(self) -> None:
        """Send less than the announced length, then close the connection."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "500")
        self.end_headers()
        self.wfile.write(b'{"choices": [{"message": {"content": "1.0')
        self.close_connection = True

    def stay_silent(self) -> None:
        """Send nothing until the client closes the connection."""
        with suppress(OSError):
            self.connection.recv(1)
        self.close_connection = True
