"""Who we are to the index: its URL, a netrc file, keyring, and the token devpi gives for them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from requests.utils import get_netrc_auth

from devpi_warmup.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from devpi_warmup.inputs.urls import IndexUrl
    from devpi_warmup.process import Runner

KEYRING_TIMEOUT = 60.0  # seconds; it may be asking a person to unlock something
HINT = "give them in DEVPI_INDEX=https://user:password@…, in a netrc file, or in keyring"


@dataclass(frozen=True)
class Credentials:
    """A user name and a password, and where they are from.

    :param source: how to call it in an error
    :param token: whether the password is a token that devpi gave for the real one
    """

    user: str
    password: str = field(repr=False)
    source: str
    token: bool = False


class Authenticator:
    """The credentials for one index: those in use, and what to try when they are refused.

    Thread-safe. In the order of pip (pip/_internal/network/auth.py): the URL, a netrc file, and
    after a refusal keyring, through its own command.
    """

    def __init__(
        self,
        url: IndexUrl,
        *,
        keyring: str = "auto",
        runner: Runner = run,
        which: Callable[[str], str | None] = shutil.which,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Look into the URL and the netrc file; keyring is asked when it is needed.

        :param keyring: pip's ``keyring-provider``; all but "disabled" mean its command here
        """
        self._url = url
        self._runner = runner
        self._environ = environ
        self._command = None if keyring == "disabled" else which("keyring")
        self._guard = threading.Lock()
        self._keyring = ""  # what was the matter with it
        self._password = _given(url)  # the one that a token may stand for
        self.current = self._password

    @property
    def none(self) -> str:
        """Say that there are no credentials, and what may be the matter with them."""
        netrc = self._environ.get("NETRC", "")
        missing = "; NETRC names no file" if netrc and not Path(netrc).is_file() else ""
        return f"none{missing}{self._keyring}"

    def use_token(self, token: str) -> None:
        """Send a token of devpi from now on: it checks one much faster than a password."""
        with self._guard:
            if self._password is not None:
                source = self._password.source
                self.current = Credentials(self._password.user, token, source, token=True)

    def refused(self, used: Credentials | None) -> bool:
        """Return whether there are other credentials to try than those a server has refused."""
        with self._guard:
            if used != self.current:
                return True  # another thread was faster
            if used is not None and used.token:
                self.current = self._password  # expired, or the server has forgotten it
                return True
            found = self._ask_keyring()
            if found is None:
                return False
            self.current = self._password = found
            return True

    def _ask_keyring(self) -> Credentials | None:
        command, self._command = self._command, None  # once
        known = self._password
        if command is None or (known is not None and known.password):
            return None
        user = [self._url.user] if self._url.user else []
        env = dict(self._environ) | {"PYTHONIOENCODING": "utf-8"}
        for service in (self._url.simple, self._url.url, urlsplit(self._url.url).netloc):
            argv = [command, "--mode=creds", "--output=json", "get", service, *user]
            try:
                done = self._runner(argv, env=env, timeout=KEYRING_TIMEOUT)
            except (OSError, subprocess.TimeoutExpired) as error:
                self._keyring = f"; keyring cannot be asked: {type(error).__name__}"
                return None
            if done.returncode != 0:
                continue  # it has none for this service
            found = _credential(done.stdout)
            if found is not None:
                return found
            self._keyring = "; keyring gave an answer that is none"
        return None


def _credential(text: str) -> Credentials | None:
    """Read what ``keyring --output=json get`` prints."""
    try:
        found = json.loads(text)
        user, password = found["username"], found["password"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(user, str) or not isinstance(password, str):
        return None
    return Credentials(user, password, "keyring")


def _given(url: IndexUrl) -> Credentials | None:
    if url.password:
        return Credentials(url.user, url.password, "the index URL")
    netrc = None
    with suppress(UnicodeDecodeError):  # the one fault of the file that requests lets through
        netrc = get_netrc_auth(url.url)
    if netrc is not None and url.user in {"", netrc[0]}:
        return Credentials(*netrc, "a netrc file")
    return Credentials(url.user, "", "the index URL, a user alone") if url.user else None
