"""The files of a checkpoint: regular files of the folder, of a size that can be read."""

import json
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from vipllava_cli.errors import ModelError, VipllavaError
from vipllava_cli.storage.sizes import binary_size

_MIB = 1 << 20

# The files that this program or transformers reads, and the largest size of each in bytes. Parsed JSON
# takes up to 20 times its size in memory.
MAX_BYTES: Mapping[str, int] = {
    "config.json": _MIB,
    "generation_config.json": _MIB,
    "processor_config.json": _MIB,
    "preprocessor_config.json": _MIB,
    "video_preprocessor_config.json": _MIB,
    "adapter_config.json": _MIB,
    "chat_template.jinja": _MIB // 4,
    "chat_template.json": _MIB // 4,
    "tokenizer_config.json": 4 * _MIB,
    "special_tokens_map.json": 4 * _MIB,
    "added_tokens.json": 4 * _MIB,
    "tokenizer.json": 40 * _MIB,
    "tokenizer.model": 32 * _MIB,
    "vocab.json": 32 * _MIB,
    "merges.txt": 32 * _MIB,
    "model.safetensors.index.json": 16 * _MIB,
}
_MAX_TEMPLATES = 16
_MAX_DEPTH = 32  # levels of a JSON file; published ones have at most 6

# The first bytes of what a clone without Git LFS has in place of a large file.
_POINTER_START = b"version https://git-lfs.github.com/spec/"

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


_Value = TypeVar("_Value")


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what the system or a library raises while a checkpoint is read into ModelError."""
    try:
        yield
    except (VipllavaError, MemoryError):
        raise
    except Exception as error:
        raise ModelError(
            f"{name} cannot be read ({reason_of(error)}): get the checkpoint again"
        ) from error


def reason_of(error: Exception) -> str:
    """Return the text of an exception in one short line."""
    strerror = error.strerror if isinstance(error, OSError) else None
    return " ".join(str(strerror or error).split())[:120] or type(error).__name__


def reads_checkpoint(read: Callable[[Path, str], _Value]) -> Callable[[Path, str], _Value]:
    """Raise only errors of this program from a function of a checkpoint's folder and name."""

    @wraps(read)
    def guarded(folder: Path, name: str) -> _Value:
        with reading(name):
            return read(folder, name)

    return guarded


def check_files(folder: Path, name: str) -> None:
    """Check the kind, the place and the size of every small file that loading reads.

    Raises ModelError. Files that are missing are no error here.
    """
    for file, max_bytes in MAX_BYTES.items():
        size = regular_size(folder / file, name)
        if size is not None and size > max_bytes:
            raise ModelError(
                f"{name}: {file} has {binary_size(size)}, more than the limit of"
                f" {binary_size(max_bytes)}: get the checkpoint again"
            )
    _check_other_templates(folder, name)


def _check_other_templates(folder: Path, name: str) -> None:
    """Check the chat templates beside the default one: transformers reads them, the engine does not.

    Raises ModelError.
    """
    templates = folder / "additional_chat_templates"
    if templates.is_symlink() or (templates.exists() and not templates.is_dir()):
        raise ModelError(f"{name}: {templates.name} is no folder: expected one, or remove it")
    files = list(islice(templates.glob("*.jinja"), _MAX_TEMPLATES + 1))
    limit = MAX_BYTES["chat_template.jinja"]
    is_small = all((regular_size(file, name, folder) or 0) <= limit for file in files)
    if len(files) > _MAX_TEMPLATES or not is_small:
        raise ModelError(
            f"{name}: {templates.name}: expected at most {_MAX_TEMPLATES} templates of"
            f" {binary_size(limit)} each: remove that folder, and keep chat_template.jinja"
        )


def regular_size(path: Path, name: str, folder: Path | None = None) -> int | None:
    """Return the bytes of a regular file of the checkpoint, None if there is none.

    `folder` is the checkpoint's, if the file is not directly in it.

    Does not open the file: opening a named pipe would wait for its other end. Raises ModelError for
    another kind of file, and for a link to a file outside the checkpoint.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"{name}: {path.name} cannot be read ({reason_of(error)})") from None
    if not stat.S_ISREG(status.st_mode):
        kind = next((text for test, text in _KINDS if test(status.st_mode)), "no regular file")
        raise ModelError(
            f"{name}: {path.name} is {kind}: expected a regular file; get the checkpoint again"
        )
    if path.is_symlink() and not path.resolve().is_relative_to(_root(folder or path.parent)):
        raise ModelError(
            f"{name}: {path.name} is a link to a file outside of the checkpoint: replace it by a copy"
        )
    return status.st_size


def _root(folder: Path) -> Path:
    """Return the folder that holds all files of a checkpoint.

    In the hub's cache, `snapshots/COMMIT/` has links into `blobs/` beside `snapshots/`.
    """
    folder = folder.resolve()
    return folder.parent.parent if folder.parent.name == "snapshots" else folder


def read_json(path: Path, name: str, *, max_depth: int | None = _MAX_DEPTH) -> Any:
    """Read a JSON file of a checkpoint within the limit of its size.

    Raises FileNotFoundError, and ModelError for a file that cannot be read.
    """
    regular_size(path, name)
    limit = MAX_BYTES.get(path.name, _MIB)
    try:
        with path.open("rb") as file:
            text = file.read(limit + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ModelError(f"{name}: {path.name} cannot be read ({reason_of(error)})") from None
    if len(text) > limit:
        raise ModelError(f"{name}: {path.name} has more than {binary_size(limit)}")
    check_pointer(text, path.name, name)
    value = parse_json(text, path.name, name)
    if max_depth and _is_deeper(value, max_depth):
        raise ModelError(f"{name}: {path.name} has more than {max_depth} levels")
    return value


def check_pointer(start: bytes, file: str, name: str) -> None:
    """Raise ModelError if a file is a pointer of Git LFS. `start` is at least its first 8 bytes."""
    if start[: len(_POINTER_START)] == _POINTER_START[: max(len(start), 8)]:
        raise ModelError(
            f"{name}: {file} is a pointer of Git LFS in place of the file: run `git lfs pull` in its"
            " folder, or get the checkpoint again"
        )


def parse_json(text: bytes, file: str, name: str, **options: Any) -> Any:
    """Parse JSON without NaN and infinity. Raises ModelError. `options` are those of `json.loads`."""
    try:
        return json.loads(text, parse_constant=_refuse_constant, **options)
    except RecursionError:
        raise ModelError(f"{name}: {file} has too many levels") from None
    except ValueError as error:
        raise ModelError(f"{name}: {file} cannot be read as JSON ({reason_of(error)})") from None


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _is_deeper(value: Any, levels: int) -> bool:
    """Return whether a value has more than this many levels of lists and objects."""
    level = [value]
    for _ in range(levels):
        containers = [each for each in level if isinstance(each, dict | list) and each]
        if not containers:
            return False
        level = [
            child
            for each in containers
            for child in (each.values() if isinstance(each, dict) else each)
        ]
    return any(isinstance(each, dict | list) for each in level)
