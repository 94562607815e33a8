"""An index of a devpi: what it must be like, and what only it can show."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from devpi_warmup.errors import ForbiddenError, IndexAccessError
from devpi_warmup.index.credentials import HINT
from devpi_warmup.index.devpi import detect, stored_at
from devpi_warmup.index.transport import Transport
from devpi_warmup.prove.server import cold
from devpi_warmup.publish.destination import (
    NOT_FOUND,
    OK,
    SILENCE,
    Listed,
    PublishError,
    forbidden,
    listed_on,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.utils import NormalizedName

    from devpi_warmup.index.credentials import Credentials
    from devpi_warmup.index.transport import Answer
    from devpi_warmup.inputs.pip_config import PipConfig
    from devpi_warmup.inputs.urls import IndexUrl
    from devpi_warmup.publish.parcels import Parcel

_JSON = {"Accept": "application/json"}
_UNAUTHORIZED = 401
_STAGES = frozenset({"stage", "local"})  # devpi 7 calls it local
_LIKE = "an index is like https://devpi.example.com/user/index"
_CREATED = {"type": "stage", "volatile": False, "bases": []}


class DevpiIndex:
    """One index of a devpi-server, as a destination."""

    def __init__(self, url: IndexUrl, settings: PipConfig, *, create: bool) -> None:
        """Open it, log in, and see that what is sent will stay there unchanged.

        :param create: whether to make it where it is not there; one that is there stays as it is
        :raises PublishError: there is none, or it is of another kind
        :raises IndexAccessError: it does not answer, or refuses us
        """
        self.url = url
        self.address = f"{url.url}/"
        self.transport = Transport(url, settings=settings, read_timeout=SILENCE)
        try:
            answer = self._config()
            devpi = detect(self.transport, answer.headers)
            if devpi is None:
                raise PublishError(  # noqa: TRY301 - the connections are closed below
                    f"{url.url} does not answer as a devpi-server",
                    hint=f"{_LIKE}; another kind of "
                    "server has an address for uploads and one for its pages: nox -s publish -- "
                    "https://…/legacy/ --pages https://…/simple/",
                )
            self._devpi = devpi
            if not devpi.login():
                source = self.login.source if self.login else ""
                message = f"devpi does not take the password of {source}"
                raise PublishError(message, hint=HINT)  # noqa: TRY301
            if answer.status == NOT_FOUND and create:
                answer = self._create()
                devpi.login()  # a token is shown to be one at an index that is there
            self._check(answer)
        except BaseException:
            self.transport.close()
            raise

    @property
    def login(self) -> Credentials | None:
        """Who we are to it."""
        return self.transport.login.current

    @property
    def repair(self) -> str:
        """What mends a file that is not in its store: sending it again does nothing."""
        return (
            "devpi takes a file that it has committed for there, whatever its disk has: delete it "
            f"(devpi remove --index {self._name} -f PROJECT==VERSION)"
        )

    def close(self) -> None:
        """Close every connection."""
        self.transport.close()

    def _config(self) -> Answer:
        # Without the parameter the answer lists every project.
        return self.transport.ask("GET", f"{self.url.url}?no_projects=", _JSON)

    @property
    def _name(self) -> str:
        return "/".join(self.url.url.rsplit("/", 2)[1:])

    def _create(self) -> Answer:
        """Make the index.

        :raises PublishError: devpi does not
        """
        for _ in range(2):
            used = self.login
            try:
                made = self.transport.ask("PUT", self.url.url, _JSON, json=_CREATED)
            except ForbiddenError as error:
                who = f"{used.user} may not make an index of another user" if used else "log in"
                raise forbidden(error, who) from None
            except IndexAccessError as error:
                if self.transport.login.refused(used) and self._devpi.login():
                    continue  # keyring has given a password
                raise forbidden(error, "") from None
            break
        if made.status == NOT_FOUND:
            user = self._name.partition("/")[0]
            message = f"this devpi has no user {user}, so no index {self.url.url} can be made"
            raise PublishError(message, hint=f"devpi user -c {user} makes it")
        return self._config()

    def _check(self, answer: Answer) -> None:
        """See that it is an index that files are uploaded to, and that keeps them as they are."""
        if answer.status == NOT_FOUND:
            raise PublishError(
                f"this devpi has no index {self.url.url}",
                hint="--create makes it: not volatile, and without bases",
            )
        found = _result(answer)
        other = f"publish to another: nox -s publish -- {self.url.url}-2 --create"
        if found.get("type") not in _STAGES:
            kind = found.get("type")
            told = f"a {kind}" if kind else f"no index (devpi answered {answer.status})"
            hint = f"nobody can upload to it; {other}" if kind else _LIKE
            raise PublishError(f"{self.url.url} is {told}", hint=hint)
        if found.get("volatile") is not False:
            raise PublishError(
                f"{self.url.url} is volatile: a file there may be replaced at any time",
                hint=f"devpi index {self._name} volatile=False, or {other}",
            )
        if bases := found.get("bases"):
            named = ", ".join(map(str, bases)) if isinstance(bases, list) else str(bases)
            raise PublishError(
                f"{self.url.url} has bases ({named}), which have a say in what pip finds there",
                hint=f"{other}; others may have that one among their bases",
            )

    def listed(self, project: NormalizedName) -> Mapping[str, Listed]:
        """Return what it has of a project, by filename."""
        return listed_on(self.transport, project)

    def digest(self, found: Listed) -> str:
        """Return the sha256 of a file; devpi's pages always say it of what was uploaded."""
        return found.sha256

    def send(self, parcel: Parcel) -> None:
        """Send a file: devpi commits it before it answers."""
        before = self.login
        try:
            answer = self.transport.ask("POST", self.address, _JSON, form=parcel.form)
        except ForbiddenError as error:
            user = self.login.user if self.login else "nobody"
            hint = f"{user} must be in its acl_upload: devpi index {self._name} acl_upload+={user}"
            raise forbidden(error, hint) from None
        if self.login != before:
            self._devpi.login()  # the token was refused: from here on with a new one
        if answer.status != OK:
            raise refused(parcel, answer)

    def why_unproven(self, parcel: Parcel) -> str:
        """Ask devpi's own view and its disk, at the address of the digest that it computed."""
        file = stored_at(self.url.url, parcel.name, parcel.file.sha256)
        return cold(self._devpi.holds(file, parcel.file.size))


def _result(answer: Answer) -> dict[str, Any]:
    try:
        found = json.loads(answer.body)["result"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
