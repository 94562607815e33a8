"""Values of JSON, read strictly: each with its path in the message."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILENAME = re.compile(r"(locks/)?[A-Za-z0-9_][A-Za-z0-9_.+!-]{0,250}")
_LOCK = re.compile(r"locks/.+")
_DISTRIBUTION = re.compile(r"[^/]+\.(whl|zip|tgz|tbz|txz|tlz|tar(\.(gz|bz2|xz|lz|lzma))?)")

_LARGEST = 1 << 50  # bytes, or seconds


class ManifestError(ValueError):
    """A manifest that is not what this version writes; the message says where."""


def get(table: Any, key: str, kind: type, where: str) -> Any:
    """Return the value of a key.

    :param where: the path of the table, for messages
    :raises ManifestError: it is missing, or of another type
    """
    place = f"{where}.{key}" if where else key
    if not isinstance(table, dict) or key not in table:
        raise ManifestError(f"{place} is missing")
    if not isinstance(table[key], kind) or isinstance(table[key], bool):
        raise ManifestError(f"{place} is not of type {kind.__name__}")
    if kind is int and not 0 <= table[key] < _LARGEST:
        raise ManifestError(f"{place} is {str(table[key])[:20]}")
    if kind is str and any("\ud800" <= letter <= "\udfff" for letter in table[key]):
        raise ManifestError(f"{place} is not text")
    return table[key]


def is_distribution(name: str) -> bool:
    """Whether a file is a wheel or an sdist, by its name."""
    return _DISTRIBUTION.fullmatch(name) is not None


def digests(table: Mapping[str, Any], key: str, where: str) -> dict[str, str]:
    """Return names of files of the wheelhouse, and their sha256.

    :raises ManifestError: it is something else
    """
    found: dict[str, object] = get(table, key, dict, where)
    for name, sha256 in found.items():
        # It is joined to the folder's path, and what lies elsewhere does not cross the gap.
        kind = _LOCK if key == "locks" else _DISTRIBUTION
        named = isinstance(sha256, str) and _FILENAME.fullmatch(name) and kind.fullmatch(name)
        if not named:
            raise ManifestError(f"{where}.{key}.{name} is not a file and its sha256")
    return {name: str(sha256) for name, sha256 in found.items()}
