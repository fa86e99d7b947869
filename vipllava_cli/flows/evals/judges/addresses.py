"""The address of a judge's server, as a user gives it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vipllava_cli.errors import UsageError

_ENDPOINT = "/chat/completions"


@dataclass(frozen=True)
class JudgeAddress:
    """The address before `/chat/completions`, its query, and its form for messages."""

    base: str = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    shown: str
    has_path: bool


def parse_address(text: str) -> JudgeAddress:
    """Parse `--judge-url`: the base of a server, also with `/chat/completions` at its end.

    Raises UsageError for anything but an http(s) address.
    """
    import httpx2

    from vipllava_cli.storage.web import hide_password

    text = text.strip()
    shown = hide_password(text)[:100]
    try:
        url = httpx2.URL(text)
        is_address = url.scheme in ("http", "https") and bool(url.host)
    except (httpx2.InvalidURL, ValueError):
        is_address = False
    if not is_address:
        raise UsageError(
            f"--judge-url is an address like http://localhost:8000/v1, not {shown!r}: begin it with"
            " http:// or https://"
        )
    path = url.path.rstrip("/").removesuffix(_ENDPOINT)
    query = dict(url.params)
    base = str(url.copy_with(path=path, query=None, fragment=None))
    return JudgeAddress(base, query, hide_password(base)[:100], bool(path))
