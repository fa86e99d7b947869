"""A server of chat completions that answers after a wait: `python -m benchmarks.stand_in SECONDS`.

It prints its port. One thread serves all connections, so that its own work takes little of the machine.
"""

import asyncio
import json
import sys
from typing import Any

_TEXT_TOKENS, _IMAGE_TOKENS = 20, 300


def _reply(body: bytes) -> bytes:
    tokens = _TEXT_TOKENS + (_IMAGE_TOKENS if b'"image_url"' in body else 0)
    reply: dict[str, Any] = {
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "a red square"}}],
        "usage": {"prompt_tokens": tokens, "completion_tokens": 4},
    }
    text = json.dumps(reply).encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    return head.encode() + text


async def serve(seconds: float) -> None:
    """Serve on the loopback interface until the process is ended."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                await asyncio.sleep(seconds)
                writer.write(_reply(body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", backlog=256, limit=1 << 24)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
