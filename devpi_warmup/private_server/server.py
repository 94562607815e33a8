"""The private devpi-server: make its environment, start it, know when it is ready, stop it."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

from devpi_warmup.errors import IndexAccessError, ServerError, indented
from devpi_warmup.holding import HeldError, Hold
from devpi_warmup.index.transport import Transport
from devpi_warmup.inputs.pip_config import clean_environment
from devpi_warmup.inputs.urls import IndexUrl
from devpi_warmup.private_server.environment import environment
from devpi_warmup.process import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from devpi_warmup.inputs.pip_config import PipConfig
    from devpi_warmup.process import Runner

FOLDER = ".devpi"
START_TIMEOUT = 120.0  # seconds; a data folder of many gigabytes starts slowly
STOP_TIMEOUT = 15.0  # seconds
# Seconds that devpi waits for its upstream. Half of what we wait for devpi, since a page that was
# too late makes devpi wait once more, in vain, when it is asked again (mirror.py).
REQUEST_TIMEOUT = 30
_INDEX = "root/pypi"
_OK = 200
_SERVING = re.compile(r"Serving on (http://127\.0\.0\.1:\d+)")
# devpi stretches the secret of its tokens over 512 MiB of memory, which takes ten seconds.
# The secret is random, not a password, so nothing is gained by it here.
_FAST_START = (
    *("--argon2-memory-cost", "8"),
    *("--argon2-time-cost", "1"),
    *("--argon2-parallelism", "1"),
)
_CHILD = Path(__file__).with_name("child.py")


class PrivateServer:
    """A devpi-server for this run alone, on loopback, with data that stays.

    :param folder: holds its data and log; ``.devpi/``
    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: PipConfig,
        runner: Runner = run,
        offline: bool = False,
        kit: Callable[[], Path | None] = lambda: None,
    ) -> None:
        """Describe a server; nothing is made or started yet.

        :param offline: serve what is there, as inside the gap, and never ask an upstream
        :param kit: returns a page of links to install it from, if there is one
        """
        self.folder = folder.resolve()  # devpi says where it is by its real path
        self.log = self.folder / "server.log"
        self._settings = settings
        self._runner = runner
        self._offline = offline
        self._kit = kit
        self._process: subprocess.Popen[bytes] | None = None
        self._password = ""
        self._index = ""
        self._watcher: _LogWatcher | None = None
        self._lock = Hold(self.folder / "run.lock")

    def start(self) -> IndexUrl:
        """Start the server and return its index, once it answers.

        :raises ServerError: it cannot be made or started; with the last lines of its log
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except HeldError:
            raise ServerError(
                f"another run uses the private devpi-server in {self.folder.name}/",
                hint="wait until it ends, or set DEVPI_INDEX to a server of your own",
            ) from None
        except OSError as error:
            raise ServerError(
                f"{self.folder.name}/ cannot be written: {error.strerror}",
                hint="the private devpi-server keeps its data there",
            ) from None
        try:
            python = self.environment()
            url = self._launch(python)
            self._check(url)
        except BaseException:
            self.stop()
            raise
        return IndexUrl(f"{url}/{_INDEX}")

    def stop(self) -> None:
        """Stop the server; its data stays. Nothing happens where none is running."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None  # noqa: S101
            with suppress(OSError):
                process.stdin.close()  # child.py takes this as Ctrl-C
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._lock.release()

    @property
    def pid(self) -> int:
        """The process, or 0 where none is running."""
        return self._process.pid if self._process else 0

    @property
    def complaint(self) -> str:
        """What the system last refused the server, a full disk say; "" if nothing."""
        return self._watcher.complaint if self._watcher else ""

    def seal(self) -> None:
        """Make a transaction of no consequence the last one, while the server runs.

        At every start devpi replays the last one (filestore_fs.py, ``_perform_crash_recovery``).
        If that was a deletion, a file downloaded again since is deleted again; if it wrote a
        file that a copy lacks, the copy refuses to start.

        :raises ServerError: devpi does not take it
        """
        self._change(f"description=sealed {uuid4().hex}")

    def check_files(self) -> None:
        """Have devpi hash every file of its stopped data folder (``devpi-fsck``).

        :raises ServerError: a file is missing or damaged
        """
        code = "from devpi_server.fsck import fsck; fsck()"
        argv = [
            str(self.environment()),
            "-I",
            "-c",
            code,
            "--serverdir",
            str(self.folder / "data"),
        ]
        done = self._runner(argv, env=clean_environment())
        # A missing file of a mirror is a warning there, with exit status 0.
        output = done.stdout + done.stderr
        bad = [line for line in output.splitlines() if " WARN" in line or " ERRO" in line]
        if done.returncode != 0 or bad:
            lines = indented(bad[:5]) or done.last_lines()
            raise ServerError(
                f"devpi-fsck finds the data folder damaged:\n{lines}",
                hint="run nox -s warmup, which fetches what is missing, then nox -s seal",
            )

    def environment(self) -> Path:
        """Return the interpreter of the server's environment, made if need be.

        :raises ServerError: it cannot be made
        """
        return environment(self._settings, self._runner, self._kit)

    def _launch(self, python: Path) -> str:
        self._password = self._root_password()
        env = clean_environment() | {"DEVPISERVER_ROOT_PASSWD": self._password}
        if cert := self._settings.kept.get("cert"):
            env["REQUESTS_CA_BUNDLE"] = cert  # devpi_server/httpclient.py reads no other
        if proxy := self._settings.kept.get("proxy"):
            env |= {"http_proxy": proxy, "https_proxy": proxy}
        argv = [str(python), "-I", str(_CHILD), str(self.folder)]
        argv += [
            "--listen",
            "127.0.0.1:0",
            "--threads",
            "16",
            "--request-timeout",
            str(REQUEST_TIMEOUT),
        ]
        # METADATA alone is enough to resolve; what upstream lacks it for is read of the wheel.
        argv += ["--offline-mode"] if self._offline else ["--enable-core-metadata"]
        self._process = subprocess.Popen(
            [*argv, *_FAST_START],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us; we stop it when we are done
        )
        assert self._process.stdout is not None  # noqa: S101
        self._watcher = watcher = _LogWatcher(self._process.stdout, self.log)
        watcher.start()
        if not watcher.settled.wait(START_TIMEOUT) or watcher.url is None:
            why = f": {self.complaint}" if self.complaint else ""
            raise ServerError(
                f"the private devpi-server did not start{why}; its last lines:\n"
                + indented(watcher.last),
                hint=f"all of them are in {self.folder.name}/{self.log.name}; where a module is "
                f"missing, delete {python.parent.parent}, which is made anew",
            )
        return watcher.url

    def _root_password(self) -> str:
        """Return the random password of the server's root user, which only this user can read."""
        path = self.folder / "root-password"
        if not path.exists():
            temporary = path.with_name(f".{path.name}.{uuid4().hex}")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.write(secrets.token_urlsafe(32))
            temporary.replace(path)
        return path.read_text(encoding="ascii")

    def _check(self, url: str) -> None:
        """Make sure that this is our server, and that its mirror is quick to answer."""
        self._index = f"{url}/{_INDEX}"
        status = self._ask("GET", f"{url}/+status")
        if Path(str(status.get("serverdir"))) != self.folder / "data":
            raise ServerError("another devpi-server answers at the address of the private one")
        # Without the parameter the answer lists every project of the upstream.
        config = self._ask("GET", f"{self._index}?no_projects=")
        # Without the first the first unknown project loads a list of all names there are.
        wanted = ("mirror_no_project_list", "mirror_provides_core_metadata")
        if missing := [f"{name}=True" for name in wanted if not config.get(name)]:
            self._change(*missing)

    def _change(self, *settings: str) -> None:
        self._ask("PATCH", self._index, list(settings))

    def _ask(self, method: str, url: str, body: list[str] | None = None) -> dict[str, Any]:
        """Ask as any other client of devpi does; to change something, as its root user."""
        address = IndexUrl(self._index, *(("root", self._password) if body else ()))
        transport = Transport(address, read_timeout=START_TIMEOUT)
        try:
            answer = transport.ask(method, url, {"Accept": "application/json"}, json=body)
            result = json.loads(answer.body)["result"] if answer.status == _OK else None
        except (IndexAccessError, ValueError, LookupError, TypeError) as error:
            raise ServerError(
                f"the private devpi-server does not answer: {type(error).__name__}",
                hint=f"its log is {self.folder.name}/{self.log.name}",
            ) from None
        finally:
            transport.close()
        return result if isinstance(result, dict) else {}


class _LogWatcher(threading.Thread):
    """Copies the server's output into a file, so that its pipe never fills, and reads along."""

    def __init__(self, stream: IO[bytes], log: Path) -> None:
        super().__init__(daemon=True)
        self.url: str | None = None
        self.settled = threading.Event()  # it serves, or it has ended
        self.last: deque[str] = deque(maxlen=8)
        self.complaint = ""
        self._stream = stream
        self._log = log

    def run(self) -> None:
        with self._log.open("wb") as log, self._stream:
            for line in self._stream:
                log.write(line)
                log.flush()
                text = line.decode(errors="replace").rstrip()
                self.last.append(text)
                if text.startswith("OSError: "):
                    self.complaint = text
                if match := _SERVING.search(text):
                    self.url = match[1]
                    self.settled.set()
        self.settled.set()
