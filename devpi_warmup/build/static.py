"""What an sdist says of the wheel that it gives, without that any code of it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.metadata import parse_email
from packaging.version import InvalidVersion, Version

from devpi_warmup.wheelhouse.wheels import core_of

if TYPE_CHECKING:
    from pathlib import Path

_FIRST = Version("2.2")  # PEP 643: since then what is not Dynamic holds for every wheel
_NEEDED = frozenset({"requires-dist", "requires-python", "provides-extra"})


def static_metadata(source: Path) -> tuple[str, str]:
    """Return the core metadata of an unpacked sdist, and who says it; "" where it is not final.

    By PEP 643: of version 2.2 or newer, and nothing that is needed is Dynamic.
    """
    try:
        data = (source / "PKG-INFO").read_bytes()
        raw, _ = parse_email(data)
        final = Version(raw.get("metadata_version", "0")) >= _FIRST
        if final and not _NEEDED & {name.strip().lower() for name in raw.get("dynamic", ())}:
            return core_of(data), "its PKG-INFO"
    except (OSError, ValueError, InvalidVersion):
        pass
    return "", ""
