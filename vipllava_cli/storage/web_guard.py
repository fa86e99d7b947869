"""Limits of what a web server can make a request cost: time, headers, redirects, packed bodies."""

import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpcore2
import httpx2

MAX_HEADER_BYTES = 256 << 10  # everything before the first byte of a body
MIN_BYTES_PER_SECOND = 1000
_PATIENCE = 2  # the time to measure a speed, in read time-outs
_UNPACK_CHUNK = 1 << 20  # bytes
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_PACKED = ("gzip", "x-gzip", "deflate")


class BodyError(httpx2.DecodingError):
    """A body that cannot be unpacked within its limit. The text is a reason in a few words."""


class LongBodyError(BodyError):
    """A body above its limit."""


@dataclass(frozen=True)
class ReplyLimits:
    """Limits of a whole reply: unpacked bytes of its body, and seconds from request to end."""

    max_body: int
    max_seconds: float


class GuardedTransport(httpx2.BaseTransport):
    """A transport that ends slow replies and endless headers, with a TransportError.

    A reply is slow if it stays below `min_speed` bytes a second for twice the read time-out. A time-out
    of the library limits only the time between two bytes. With `limits`, a body is unpacked here and
    read as UTF-8, and a longer one raises LongBodyError. Threads may share a guarded transport.
    """

    def __init__(
        self,
        transport: httpx2.HTTPTransport,
        limits: ReplyLimits | None = None,
        min_speed: float = MIN_BYTES_PER_SECOND,
    ) -> None:
        self._transport = transport
        self._limits = limits
        self._watch = _Watch(min_speed)
        # httpx2 2.16.2 has no option for the network of a transport; its httpcore2 pool has one.
        pool: Any = transport._pool
        pool._network_backend = _GuardedBackend(pool._network_backend, self._watch)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        seconds = self._limits.max_seconds if self._limits else None
        self._watch.begin(MAX_HEADER_BYTES, seconds)
        response = self._transport.handle_request(request)
        self._watch.begin_body()
        return _bounded(response, self._limits.max_body) if self._limits else response

    def close(self) -> None:
        self._transport.close()


def body_chunks(response: httpx2.Response, limit: int) -> Iterator[bytes]:
    """Yield the body of a streamed response, unpacked, until `limit` bytes have been yielded.

    Memory stays below about 2 MiB for any body. Raises BodyError for a packing that is not gzip or
    deflate, and for a body that is damaged.
    """
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    chunks = response.iter_raw()
    if coding in _PACKED:
        chunks = _unpack(chunks)
    elif coding not in ("", "identity"):
        raise BodyError(f"its body is packed as {coding[:20]!r}")
    left = limit
    while left > 0:
        chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk[:left]
        left -= len(chunk)


def _bounded(response: httpx2.Response, limit: int) -> httpx2.Response:
    """Return a response whose body is unpacked, limited, and text in UTF-8.

    httpx2 2.16.2 decodes a body with any codec that the server names: punycode takes a time that grows
    with the square of the length.
    """
    headers = [
        (name, value.partition(b";")[0] if name.lower() == b"content-type" else value)
        for name, value in response.headers.raw  # bytes: a value may not be ASCII
        if name.lower() not in (b"content-encoding", b"content-length")
    ]
    return httpx2.Response(
        response.status_code,
        headers=headers,
        stream=_BoundedBody(response, limit),
        extensions=response.extensions,
    )


class _BoundedBody(httpx2.SyncByteStream):
    """The unpacked body of a response, which raises LongBodyError after `limit` bytes."""

    def __init__(self, response: httpx2.Response, limit: int) -> None:
        self._response = response
        self._limit = limit

    def __iter__(self) -> Iterator[bytes]:
        left = self._limit
        for chunk in body_chunks(self._response, self._limit + 1):
            left -= len(chunk)
            if left < 0:
                raise LongBodyError(f"its body has more than {self._limit >> 20} MiB")
            yield chunk

    def close(self) -> None:
        self._response.close()


def _unpack(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack in pieces of bounded size. httpx2 2.16.2 unpacks each received piece whole."""
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        for chunk in chunks:
            piece = unpacker.decompress(chunk, _UNPACK_CHUNK)
            while piece:
                yield piece
                piece = unpacker.decompress(unpacker.unconsumed_tail, _UNPACK_CHUNK)
            if unpacker.eof:
                return
    except zlib.error as error:
        raise BodyError("its packed body is damaged") from error
    raise BodyError("its packed body is incomplete")


# --- the network -----------------------------------------------------------------------------


class _Watch(threading.local):
    """The bytes and the waiting time of the current request of each thread."""

    def __init__(self, min_speed: float) -> None:
        self._min_speed = min_speed
        self.begin(None)

    def begin(self, max_bytes: int | None, max_seconds: float | None = None) -> None:
        """Start a request. `max_bytes` limits what may arrive before its body, `max_seconds` its time."""
        self._left = max_bytes
        self._max_seconds = float("inf") if max_seconds is None else max_seconds
        self._ends = time.monotonic() + self._max_seconds
        self._restart()

    def begin_body(self) -> None:
        """Count the bytes of the body: its reader limits them."""
        self._left = None
        self._restart()

    def _restart(self) -> None:
        self._received = 0
        self._waited = 0.0

    def check_end(self) -> None:
        """Raise ReadTimeout if the time for the whole reply is over."""
        if time.monotonic() > self._ends:
            raise httpcore2.ReadTimeout(f"it sent no whole reply in {self._max_seconds:g} s")

    def time_left(self, timeout: float | None) -> float | None:
        """Return how long to wait for the next bytes."""
        if timeout is None:
            return None
        left = self._ends - time.monotonic()
        if self._received < self._min_speed * timeout * _PATIENCE:  # else it is fast enough
            left = min(left, timeout * _PATIENCE - self._waited)
        return min(timeout, max(left, 0.01))

    def count(self, received: int, waited: float, timeout: float | None) -> None:
        """Count received bytes. Raises httpcore2's errors above the limits."""
        self._received += received
        self._waited += waited
        if self._left is not None:
            self._left -= received
            if self._left < 0:
                raise httpcore2.RemoteProtocolError("the headers of its reply have no end")
        self.check_end()
        if timeout is not None and self._waited >= timeout * _PATIENCE:
            if self._received < self._min_speed * timeout * _PATIENCE:
                raise httpcore2.ReadTimeout(
                    f"it sent {self._received} bytes in {self._waited:.0f} s"
                )
            self._restart()


class _GuardedBackend(httpcore2.NetworkBackend):
    """A network whose connections report to a watch."""

    def __init__(self, backend: httpcore2.NetworkBackend, watch: _Watch) -> None:
        self._backend = backend
        self._watch = watch

    def connect_tcp(self, *args: Any, **options: Any) -> httpcore2.NetworkStream:
        return _GuardedStream(self._backend.connect_tcp(*args, **options), self._watch)

    def connect_unix_socket(self, *args: Any, **options: Any) -> httpcore2.NetworkStream:
        return _GuardedStream(self._backend.connect_unix_socket(*args, **options), self._watch)

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _GuardedStream(httpcore2.NetworkStream):
    """A connection that reports to a watch."""

    def __init__(self, stream: httpcore2.NetworkStream, watch: _Watch) -> None:
        self._stream = stream
        self._watch = watch

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        started = time.monotonic()
        try:
            data = self._stream.read(max_bytes, self._watch.time_left(timeout))
        except httpcore2.ReadTimeout:
            self._watch.check_end()
            raise
        self._watch.count(len(data), time.monotonic() - started, timeout)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, *args: Any, **options: Any) -> httpcore2.NetworkStream:
        return _GuardedStream(self._stream.start_tls(*args, **options), self._watch)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
