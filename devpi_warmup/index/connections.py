"""The connections to one index: a session a thread, with credentials and pip's settings."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

import requests

from devpi_warmup.index.credentials import Authenticator
from devpi_warmup.index.http import configure, is_trusted, own_session
from devpi_warmup.index.patience import AgainError
from devpi_warmup.index.reading import Judge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from devpi_warmup.index.form import Form
    from devpi_warmup.inputs.pip_config import PipConfig
    from devpi_warmup.inputs.urls import IndexUrl

_UNAUTHORIZED, _FORBIDDEN = 401, 403


class Connections:
    """Sends single requests. Every thread has its own session and keep-alive connection."""

    def __init__(
        self,
        url: IndexUrl,
        *,
        make_session: Callable[[], requests.Session] | None,
        settings: PipConfig | None,
        login: Authenticator | None,
        read_timeout: float,
    ) -> None:
        """Describe the connections; none is opened yet.

        :param login: the credentials; by default those of the URL, netrc and keyring
        :param read_timeout: seconds between two pieces of an answer
        """
        self.closed = threading.Event()
        keyring = settings.kept.get("keyring-provider", "auto") if settings else "auto"
        self.login = login or Authenticator(url, keyring=keyring)
        judge = Judge(read_timeout, self.closed)
        check = not is_trusted(url, settings)
        self._make_session = make_session or partial(own_session, judge, system_trust=check)
        self._url = url
        self._settings = settings
        self._timeout = (settings.timeout if settings else 15.0, read_timeout)
        self._threads = threading.local()
        self._sessions: list[requests.Session] = []

    def close(self) -> None:
        """Close every connection; transfers under way end."""
        self.closed.set()
        for session in self._sessions:
            session.close()

    def is_own(self, url: str) -> bool:
        """Whether an address is of the server of the index."""
        return self._url.is_server_of(url)

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        json: Mapping[str, object] | Sequence[str] | None = None,
        form: Form | None = None,
        *,
        redirects: bool = True,
    ) -> requests.Response:
        """Send one request; of the answer the head is read.

        :param json: the body of the request
        :param form: the same, as a form with a file
        :param redirects: follow them
        :raises AgainError: it is to be sent once more, with other credentials
        :raises requests.RequestException: there is no answer
        """
        # Credentials of the index go to the index alone: its pages may link to other hosts.
        own = self.is_own(url)
        used = self.login.current if own else None
        auth: requests.auth.AuthBase | tuple[str, str] | None = None
        if used:  # as bytes: requests knows no more than Latin-1 of text
            auth = requests.auth.HTTPBasicAuth(used.user.encode(), used.password.encode())
        bodiless = json is None and form is None
        if not bodiless and not own:
            raise ValueError("a password is for the index alone")
        session = self._session()
        if not session.trust_env and not own:  # it reads no proxies, and so no netrc file either
            auth = requests.utils.get_netrc_auth(url)
        typed = {"Content-Type": form.content_type} if form else {}
        with form.open() if form else nullcontext() as body:
            response = session.request(
                method,
                url,
                headers={**headers, **typed},
                json=json,
                data=body,
                auth=auth,
                stream=True,
                timeout=self._timeout,
                allow_redirects=redirects and bodiless,  # a password is for nobody else
                # Of the session alone, it would stand behind REQUESTS_CA_BUNDLE.
                verify=None if session.verify is True else session.verify,
            )
        refusal = response.status_code == _UNAUTHORIZED or (
            response.status_code == _FORBIDDEN and used is not None and used.token
        )
        if own and refusal and json is None and self.login.refused(used):
            response.close()
            raise AgainError
        return response

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._threads, "session", None)
        if session is None:
            session = self._make_session()
            configure(session, self._settings, self._url)
            self._threads.session = session
            self._sessions.append(session)
        return session
