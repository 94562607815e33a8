"""A download that goes on where it was cut, where the server allows it (RFC 9110, section 14)."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import requests

from devpi_warmup.index.patience import TransientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_FROM = re.compile(r"bytes (\d+)-")


class Growing:
    """A file that comes in one answer, or in several.

    :param path: where it is written
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begin("")

    def _begin(self, validator: str) -> None:
        self._size = 0  # bytes
        self._digest = hashlib.sha256()
        self._validator = validator

    @property
    def headers(self) -> Mapping[str, str]:
        """What to ask the rest with: the same file from there on, or else all of the new one."""
        if not (self._size and self._validator):
            return {}
        return {"Range": f"bytes={self._size}-", "If-Range": self._validator}

    @property
    def sha256(self) -> str:
        """Of what has come so far."""
        return self._digest.hexdigest()

    def forget(self) -> None:
        """Begin anew with the next answer."""
        self._begin("")

    def take(self, response: requests.Response, pieces: Iterable[bytes]) -> None:
        """Write an answer behind what is there, or in its place.

        :raises OSError: it cannot be written
        :raises TransientError: it is a part that was not asked for
        """
        if response.status_code != requests.codes.partial_content:
            self._begin(_validator(response))
        else:
            begins = _FROM.match(response.headers.get("Content-Range", ""))
            if not self._size or begins is None or int(begins[1]) != self._size:
                self.forget()
                raise TransientError("the server answered with another part of the file")
        with self._path.open("r+b" if self._size else "wb") as stream:
            stream.seek(self._size)
            for piece in pieces:
                stream.write(piece)
                self._digest.update(piece)
                self._size += len(piece)


def _validator(response: requests.Response) -> str:
    """Return what tells this version of a file from any other, or "" where nothing does."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
