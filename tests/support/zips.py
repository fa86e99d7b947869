"""ZIP archives as other programs write them, and as attackers do."""

import os
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

WIDTH, HEIGHT = 160, 120


def image_bytes(folder: Path) -> bytes:
    """Encode a grey image."""
    path = folder / "grey.png"
    Image.new("RGB", (WIDTH, HEIGHT), (128, 128, 128)).save(path)
    data = path.read_bytes()
    path.unlink()
    return data


def pack_folder(folder: Path, archive: Path, top: str = "") -> Path:
    """Pack the files of a folder, below the folder `top` of the archive."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for root, _, names in os.walk(folder):
            for name in names:
                path = Path(root) / name
                file.write(path, f"{top}{path.relative_to(folder).as_posix()}")
    return archive


def pack(archive: Path, files: Mapping[str, bytes | str]) -> Path:
    """Pack files by name, as they are given."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            info = zipfile.ZipInfo("x")
            info.filename = info.orig_filename = name  # `ZipInfo` would change the separators
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, content)
    return archive


def pack_raw_names(archive: Path, files: Mapping[bytes, bytes]) -> Path:
    """Pack files whose names are bytes of an encoding that the archive does not declare."""
    places = {bytes([ord("A") + number]) * len(name): name for number, name in enumerate(files)}
    with zipfile.ZipFile(archive, "w") as file:
        for place, content in zip(places, files.values(), strict=True):
            file.writestr(place.decode(), content)
    data = archive.read_bytes()
    for place, name in places.items():
        data = data.replace(place, name)
    archive.write_bytes(data)
    return archive


def patch_entries(archive: Path, offset: int, value: bytes, local_offset: int) -> Path:
    """Overwrite a field in every header: at `offset` of the list, at `local_offset` of the entries."""
    data = bytearray(archive.read_bytes())
    for signature, at in ((b"PK\x01\x02", offset), (b"PK\x03\x04", local_offset)):
        start = data.find(signature)
        while start >= 0:
            data[start + at : start + at + len(value)] = value
            start = data.find(signature, start + 1)
    archive.write_bytes(bytes(data))
    return archive


def overlap_entries(archive: Path) -> Path:
    """Let every entry of an archive be the first one's bytes."""
    data = bytearray(archive.read_bytes())
    start = data.find(b"PK\x01\x02")
    while start >= 0:
        data[start + 42 : start + 46] = struct.pack("<L", 0)
        start = data.find(b"PK\x01\x02", start + 1)
    archive.write_bytes(bytes(data))
    return archive
