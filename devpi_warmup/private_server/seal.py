"""Moving devpi into the gap: seal the private server's data, prove that a server serves all."""

from __future__ import annotations

import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from packaging.utils import NormalizedName, canonicalize_name

from devpi_warmup import process
from devpi_warmup.errors import ServerError, WarmupError, indented
from devpi_warmup.index import bases
from devpi_warmup.index.devpi import Devpi, detect, refused_login
from devpi_warmup.index.fetcher import Memo
from devpi_warmup.index.http import is_loopback
from devpi_warmup.index.simple import Index, IndexFile
from devpi_warmup.index.transport import SMALL_CONNECTIONS, Transport
from devpi_warmup.inputs import config, requirements
from devpi_warmup.inputs import pip_config as ambient
from devpi_warmup.private_server.server import REQUIREMENT, PrivateServer
from devpi_warmup.prove.foreign_pip import __file__ as shim
from devpi_warmup.report import table as report
from devpi_warmup.run import PRIVATE_FOLDER
from devpi_warmup.wheelhouse.coverage import Coverage
from devpi_warmup.wheelhouse.manifest import DIRECT
from devpi_warmup.wheelhouse.warmth import Proof, Warmth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from devpi_warmup.inputs.config import Config, IndexUrl
    from devpi_warmup.inputs.targets import Target


_PIP_LINES = 5  # of pip's own words; a wrong hash takes so many


def seal(loaded: Config, *, python: str) -> str:
    """Make the data folder of the private server ready to be copied; return what to do then.

    :param python: an interpreter with pip, whose settings say how to connect
    :raises WarmupError: a target is not covered, a file is not held, or the folder is damaged
    """
    server = _server(loaded, python)
    files = _held_files(loaded)
    try:
        index = server.start()
        transport = Transport(index)
        devpi = Devpi(transport, bare=True)
        cold = _problems(
            files,
            lambda file: _direct(file) or _cold(devpi.holds(_located(index, file), file.size)),
            transport,
        )
        if cold:
            raise ServerError(
                f"devpi does not hold every file:\n{indented(cold)}",
                hint="run nox -s warmup, which fetches what is missing; upload what is from a "
                "direct URL to an index of your own, and require it by name",
            )
        server.seal()
    finally:
        server.stop()
    server.check_files()
    return (
        f"{len(files)} files are in {PRIVATE_FOLDER}/data, which is sealed and can be copied.\n"
        f"Inside the gap, with the wheels of {REQUIREMENT}:\n"
        f"  pip install {REQUIREMENT}\n"
        "  devpi-server --serverdir data --offline-mode --host 0.0.0.0 --port 3141\n"
        "  pip install --trusted-host devpi.example.com "
        "--index-url http://devpi.example.com:3141/root/pypi/+simple/ …\n"
        f"To change that server you need {PRIVATE_FOLDER}/root-password; to use it you do not.\n"
        "Seal it again after each warmup."
    )


def _server(loaded: Config, python: str, *, offline: bool = False) -> PrivateServer:
    if loaded.index is not None:
        raise ServerError(
            "an index is configured, and its server is not ours to stop or move",
            hint="unset DEVPI_INDEX and index-url to use the private devpi-server",
        )
    folder = loaded.root / PRIVATE_FOLDER
    if not (folder / "data").is_dir():
        raise ServerError(f"there is no {PRIVATE_FOLDER}/data", hint="run nox -s warmup first")
    settings = ambient.read(process.run, python)
    return PrivateServer(folder, ambient=settings, say=report.say, offline=offline)


def _problems(
    files: Sequence[HeldFile], problem: Callable[[HeldFile], str], transport: Transport
) -> list[str]:
    """Return what is the matter with each file, several asked for at once; "" is nothing."""
    pool = ThreadPoolExecutor(SMALL_CONNECTIONS)
    try:
        found = list(pool.map(problem, files))
    except BaseException:
        transport.close()  # nobody waits for the others
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    return [f"{file.filename}: {why}" for file, why in zip(files, found, strict=True) if why]


def _direct(file: HeldFile) -> str:
    return "it is from a direct URL, which no index serves" if file.direct else ""


def _cold(proof: Proof) -> str:
    return "" if proof.warmth is Warmth.WARM else proof.reason


@dataclass(frozen=True)
class HeldFile:
    """A file of a lock, which devpi must hold.

    :param size: bytes
    :param direct: whether a requirement names it by URL, past the index
    """

    project: NormalizedName
    filename: str
    sha256: str
    size: int
    direct: bool


def _held_files(loaded: Config) -> list[HeldFile]:
    """Return every file of every target.

    :raises ServerError: a target is not covered, and so nobody knows its files
    """
    coverage = Coverage(loaded.open_wheelhouse())
    digest = requirements.load(loaded.requirements, loaded.constraints, root=loaded.root).digest
    reasons = {t.id: coverage.why_missing(t, digest) for t in loaded.targets}
    if missing := [f"{id_}: {reason}" for id_, reason in reasons.items() if reason]:
        raise ServerError(
            f"not every target is covered:\n{indented(missing)}",
            hint="run nox -s warmup first, or exclude these targets",
        )
    names = {name for target in loaded.targets for name in coverage.entry(target).files}
    known = coverage.manifest.files
    return [
        HeldFile(
            canonicalize_name(file.project), name, file.sha256, file.size, file.origin == DIRECT
        )
        for name in sorted(names)
        for file in [known[name]]
    ]


def _located(index: IndexUrl, file: HeldFile) -> IndexFile:
    """Return the file where devpi keeps it (devpi_server/filestore.py, ``make_splitdir``)."""
    url = f"{index.url}/+f/{file.sha256[:3]}/{file.sha256[3:16]}/{file.filename}"
    return IndexFile(file.filename, url, file.sha256)


def serve_offline(loaded: Config, *, python: str) -> None:
    """Have pip resolve and download every lock from the private server, as inside the gap.

    :raises WarmupError: the server or a target fails; all targets that do are named
    """
    server = _server(loaded, python, offline=True)
    try:
        index = server.start()
        environ = {"PIP_INDEX_URL": index.simple, "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
        _download_all(loaded, environ, python=python)
    finally:
        server.stop()


def serve(loaded: Config, index_url: IndexUrl, *, python: str) -> str:
    """Have pip resolve and download every lock from a server that is not ours; return the result.

    Its upstream cannot be kept away from it here, so it is asked whether it holds each file too.

    :raises WarmupError: a target fails, or it is not shown that the server holds every file
    """
    settings = ambient.read(process.run, python)
    transport = Transport(index_url, ambient=settings, say=report.say)
    try:
        count = _hold_all(loaded, transport)
        login = transport.login.current
    finally:
        transport.close()
    address = index_url.simple
    if login is not None:  # in the environment, which other users cannot read, and never in argv
        secret = f"{quote(login.user, safe='')}:{quote(login.password, safe='')}@"
        address = address.replace("://", f"://{secret}", 1)
    environ = settings.pip_environment | {"PIP_INDEX_URL": address}
    if is_loopback(index_url):
        environ |= {"no_proxy": "127.0.0.1,localhost", "NO_PROXY": "127.0.0.1,localhost"}
    _download_all(loaded, environ, python=python)
    return f"{index_url.url}; it is online, and shown to hold {count} of {count} files"


def _hold_all(loaded: Config, transport: Transport) -> int:
    """Make sure that the server holds every file of every target; return how many there are."""
    files = _held_files(loaded)
    index = Index(transport)
    projects = sorted({file.project for file in files})
    headers = index.check(projects[0] if projects else NormalizedName("pip"))
    devpi = detect(transport, headers)
    if devpi is None:
        raise ServerError(
            f"{transport.url.url} does not answer as a devpi-server: what it holds cannot be shown",
            hint="nox -s verify proves the wheelhouse, which needs no server",
        )
    if not devpi.login():
        report.say(refused_login(transport))
    index.bases = bases.read(transport)

    pages = Memo(index.page)

    def problem(file: HeldFile) -> str:
        if file.direct:
            return _direct(file)
        for wheel in pages(file.project).wheels:
            if wheel.file.filename == file.filename and wheel.file.sha256 in {"", file.sha256}:
                return _cold(devpi.holds(wheel.file, file.size))
        return f"it is not on the page of {file.project}"

    if cold := _problems(files, problem, transport):
        raise ServerError(
            f"it is not shown that devpi holds every file:\n{indented(cold)}",
            hint="run nox -s warmup, which fetches what is missing",
        )
    return len(files)


def _download_all(loaded: Config, environ: Mapping[str, str], *, python: str) -> None:
    coverage = Coverage(loaded.open_wheelhouse())
    problems: dict[str, str] = {}
    for target in loaded.targets:
        problem = _download(coverage, target, environ, python)
        report.say(f"{target.id}: {problem or 'every file of its lock comes from devpi'}")
        if problem:
            problems[target.id] = problem
    if problems:
        hint = "run nox -s warmup"
        if any("DO NOT MATCH THE HASHES" in problem for problem in problems.values()):
            hint = "a file is damaged in devpi's own store: delete it there, then run nox -s warmup"
        raise ServerError(f"devpi does not serve: {', '.join(problems)}", hint=hint)


def _download(coverage: Coverage, target: Target, environ: Mapping[str, str], python: str) -> str:
    """Return why a lock cannot be downloaded from the index with its dependencies, or ""."""
    names = coverage.entry(target).files
    known = coverage.manifest.files
    if direct := [name for name in names if known[name].origin == DIRECT]:
        return f"{', '.join(direct)} is from a direct URL, which no index serves"
    for markers in target.environments:
        lock = coverage.wheelhouse.lock_path(target.id)
        if problem := _download_as(markers, target, lock, set(names), environ, python):
            return problem
    return ""


def _download_as(  # noqa: PLR0917 - all of them name one thing each
    markers: Mapping[str, str],
    target: Target,
    lock: Path,
    names: set[str],
    environ: Mapping[str, str],
    python: str,
) -> str:
    with tempfile.TemporaryDirectory(prefix="devpi-warmup-") as folder:
        file = Path(folder, "markers.json")
        file.write_text(json.dumps(markers), encoding="utf-8")
        argv = [
            *(python, "-I", str(shim), str(file), "download", "--quiet"),
            *("--no-cache-dir", "--only-binary=:all:", "--require-hashes"),
            *(f"--dest={folder}/files", *target.pip_flags, "-r", str(lock)),
        ]
        done = process.run(argv, env=ambient.clean_environment() | dict(environ))
        if done.returncode != 0:
            # pip hides the password of its index itself.
            return done.last_lines(_PIP_LINES)
        found = {path.name for path in Path(folder, "files").iterdir()}
    return "" if found == names else "pip downloaded other files than the lock names"


def _raise_loopback() -> None:
    """Bring up 127.0.0.1, which is down in a fresh network namespace (netdevice(7))."""
    import fcntl  # noqa: PLC0415
    import socket  # noqa: PLC0415
    import struct  # noqa: PLC0415

    set_flags, up_and_running = 0x8914, 0x1 | 0x40
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, set_flags, struct.pack("16sh14x", b"lo", up_and_running))


def main() -> int:
    """Run :func:`serve_offline` in this process: ``python -m devpi_warmup.moving ROOT PYTHON``."""
    if process.isolation().prefix:
        _raise_loopback()
    try:
        serve_offline(config.load(Path(sys.argv[1]), {}), python=sys.argv[2])
    except WarmupError as error:
        report.say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
