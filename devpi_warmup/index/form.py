"""A form with a file in it (RFC 7578), sent piece by piece: a wheel may be larger than memory."""

from __future__ import annotations

import io
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Form:
    """What the upload API of package indexes takes.

    :param fields: names and values
    :param path: of the file, which is the field ``content``
    :param filename: how the server is to call it
    """

    fields: tuple[tuple[str, str], ...]
    path: Path
    filename: str
    boundary: str = field(default_factory=lambda: uuid4().hex)

    @property
    def content_type(self) -> str:
        """The media type of the body."""
        return f"multipart/form-data; boundary={self.boundary}"

    @property
    def head(self) -> bytes:
        """Everything before the bytes of the file."""
        parts = [
            f'--{self.boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in self.fields
        ]
        file = f'form-data; name="content"; filename="{self.filename}"'
        kind = "Content-Type: application/octet-stream"
        parts += [f"--{self.boundary}\r\nContent-Disposition: {file}\r\n{kind}\r\n\r\n"]
        return "".join(parts).encode()

    @property
    def tail(self) -> bytes:
        """Everything behind them."""
        return f"\r\n--{self.boundary}--\r\n".encode()

    @property
    def length(self) -> int:
        """Of the whole body, in bytes.

        :raises OSError: the file cannot be read
        """
        return len(self.head) + self.path.stat().st_size + len(self.tail)

    def open(self) -> Body:
        """Return the body, to be read once and closed.

        :raises OSError: the file cannot be read
        """
        return Body(self)


class Body(io.RawIOBase):
    """The bytes of a form."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self._length, self._place = form.length, 0
        self._stack = ExitStack()
        file = self._stack.enter_context(form.path.open("rb"))
        self._parts = [io.BytesIO(form.head), file, io.BytesIO(form.tail)]

    def __len__(self) -> int:
        """Tell requests how much will come."""
        return self._length

    def tell(self) -> int:
        """Return how far it was read; requests would not announce the length without."""
        return self._place

    def readable(self) -> bool:
        """Return that it is; RawIOBase asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what comes next."""
        view = memoryview(buffer)
        while self._parts:
            if count := self._parts[0].readinto(view):
                self._place += count
                return count
            del self._parts[0]
        return 0

    def close(self) -> None:
        """Close the file."""
        self._stack.close()
        super().close()
