"""A server that is no devpi: it takes the legacy upload API, and has pages (PEP 503).

How such servers refuse a file that they have is not specified, and differs. So nothing is ever
read from that: their pages say what there is, and their bytes are read back.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from devpi_warmup.errors import FileError, ForbiddenError, IndexAccessError
from devpi_warmup.index.transport import Transport
from devpi_warmup.publish.destination import (
    MULTIPLE,
    OK,
    SILENCE,
    Listed,
    forbidden,
    listed_on,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.utils import NormalizedName

    from devpi_warmup.index.credentials import Credentials
    from devpi_warmup.inputs.pip_config import PipConfig
    from devpi_warmup.inputs.urls import IndexUrl
    from devpi_warmup.publish.parcels import Parcel


class Legacy:
    """An address for uploads, and one for pages."""

    def __init__(self, upload: IndexUrl, address: str, url: IndexUrl, settings: PipConfig) -> None:
        """Open both.

        :param upload: the first of them, for who we are to it
        :param address: the same, as it is to be asked
        :param url: the other
        """
        self.url = url
        self.address = address
        self.transport = Transport(url, settings=settings, read_timeout=SILENCE)
        self._upload = Transport(upload, settings=settings, read_timeout=SILENCE)

    @property
    def login(self) -> Credentials | None:
        """Who we are to its pages."""
        return self.transport.login.current

    @property
    def repair(self) -> str:
        """What mends a file that is not in its store."""
        return "delete the file there"

    def close(self) -> None:
        """Close every connection."""
        self.transport.close()
        self._upload.close()

    def listed(self, project: NormalizedName) -> Mapping[str, Listed]:
        """Return what it has of a project, by filename; digests that no page says are computed."""
        return listed_on(self.transport, project)

    def send(self, parcel: Parcel) -> None:
        """Send a file; what is answered decides nothing where its page has it then."""
        try:
            answer = self._upload.ask("POST", self.address, {}, form=parcel.form)
        except ForbiddenError as error:
            if self._has(parcel):
                return
            raise forbidden(error, "its user must be allowed to upload") from None
        if not OK <= answer.status < MULTIPLE and not self._has(parcel):
            raise refused(parcel, answer)

    def _has(self, parcel: Parcel) -> bool:
        """Whether a file is there, as after a request that was cut and sent again."""
        found = self.listed(parcel.file.project).get(parcel.name)
        return found is not None and self.digest(found) == parcel.file.sha256

    def digest(self, found: Listed) -> str:
        """Return the sha256 of a file, by its page, or else by its bytes.

        :raises FileError: it cannot be had
        """
        return found.sha256 or self._read(found.url, "")

    def _read(self, url: str, sha256: str) -> str:
        with tempfile.TemporaryDirectory(prefix="devpi-warmup-") as folder:
            return self.transport.download(url, sha256, Path(folder, "file"))

    def why_unproven(self, parcel: Parcel) -> str:
        """Read the bytes back."""
        found = self.listed(parcel.file.project).get(parcel.name)
        if found is None:
            return f"it is not on the page of {parcel.file.project}"
        try:
            self._read(found.url, parcel.file.sha256)
        except (FileError, IndexAccessError) as error:
            return str(error.args[0])
        return ""
