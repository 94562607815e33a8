"""The private server goes into the gap: its data sealed, and served without a network."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from devpi_warmup import console, process
from devpi_warmup.digests import digest
from devpi_warmup.errors import ServerError, WarmupError, indented
from devpi_warmup.index.devpi import Devpi, stored_at
from devpi_warmup.index.transport import Transport
from devpi_warmup.inputs import config, pip_config
from devpi_warmup.private_server.environment import REQUIREMENT
from devpi_warmup.private_server.server import FOLDER, PrivateServer
from devpi_warmup.prove.pip import Pip
from devpi_warmup.prove.server import Locked, LockedFile, cold, download_all, locked, problems
from devpi_warmup.wheelhouse.kit import page_of_server
from devpi_warmup.wheelhouse.lock import build_option, install_command
from devpi_warmup.wheelhouse.manifest import NAME
from devpi_warmup.wheelhouse.origins import Origin

if TYPE_CHECKING:
    from devpi_warmup.inputs.config import Config


# What the private server does not have: it mirrors, and nobody uploads to it.
_VERSION = ".serverversion"  # devpi-server writes it into its data (devpi_server/main.py)
BESIDE = frozenset({Origin.LOCAL, Origin.BUILT, Origin.ITSELF})


def seal(loaded: Config, *, python: str) -> str:
    """Make the data folder of the private server ready to be copied; return what to do then.

    :param python: an interpreter with pip, whose settings say how to connect
    :raises WarmupError: a target is not covered, a file is not held, or the folder is damaged
    """
    server = _server(loaded, python)
    found = locked(loaded)
    files = [file for file in found.files if file.origin not in BESIDE]
    try:
        index = server.start()
        transport = Transport(index)
        devpi = Devpi(transport, bare=True)

        def problem(file: LockedFile) -> str:
            stored = stored_at(index.url, file.filename, file.sha256)
            return cold(devpi.holds(stored, file.size))

        wrong = problems(files, problem, transport)
        if wrong:
            raise ServerError(
                f"devpi does not hold every file:\n{indented(wrong)}",
                hint="run nox -s warmup, which fetches what is missing; upload what is from a "
                "direct URL to an index of your own, and require it by name",
            )
        server.seal()
    finally:
        server.stop()
    server.check_files()
    _seal_of(loaded).write_text(_state(loaded), encoding="ascii")
    return (
        f"{len(files)} files are in {FOLDER}/data, which is sealed and can be copied.\n"
        f"Inside the gap:\n  {_install_server(found)}\n"
        "  devpi-server --serverdir data --offline-mode --host 0.0.0.0 --port 3141\n"
        "  pip install --trusted-host devpi.example.com "
        "--index-url http://devpi.example.com:3141/root/pypi/+simple/ "
        f"{_beside(found)}{_limits(found)}"
        f"--require-hashes -r {loaded.wheelhouse_shown}/locks/{loaded.cells[0].id}.txt\n"
        "It serves the targets of this configuration, and nothing else.\n"
        f"To change that server you need {FOLDER}/root-password; to use it you do not.\n"
        "Seal it again after each warmup."
    )


def _beside(found: Locked) -> str:
    """Return pip's option for the wheels that no index has, where the first lock has some."""
    cell = found.cells[0]
    names = found.coverage.entry(cell).files
    if not any(file.origin in BESIDE and file.filename in names for file in found.files):
        return ""
    return f"--find-links {found.coverage.wheelhouse.shown}/locks/{cell.id}.html "


def _limits(found: Locked) -> str:
    """Return pip's option that holds builds to what is carried, where the first lock has some."""
    cell = found.cells[0]
    lock = f"{found.coverage.wheelhouse.shown}/locks/{cell.id}"
    return build_option(cell.id, lock) if found.coverage.entry(cell).to_build else ""


def _install_server(found: Locked) -> str:
    """Say how devpi-server gets installed inside: from a lock that holds it, if one does.

    Of several, that of the newest Python.
    """
    project = canonicalize_name(REQUIREMENT.partition("==")[0])
    for cell in sorted(found.cells, key=lambda cell: cell.target.version, reverse=True):
        names = found.coverage.entry(cell).files
        if any(file.project == project and file.filename in names for file in found.files):
            return f"{install_command(cell.id, found.coverage.wheelhouse.shown)}"
    return (
        f"pip install {REQUIREMENT}  # whose wheels are not in {found.coverage.wheelhouse.shown}/: "
        "give them an environment, as the README says"
    )


def serve_offline(loaded: Config, *, python: str) -> None:
    """Have pip resolve and download every lock from the private server, as inside the gap.

    :raises WarmupError: the server or a target fails; all targets that do are named
    """
    server = _server(loaded, python, offline=True)
    found = locked(loaded)
    seal_of = _seal_of(loaded)
    if not seal_of.is_file() or seal_of.read_text(encoding="ascii") != _state(loaded):
        console.say(
            f"{FOLDER}/data is not sealed since the last warmup: run nox -s seal before you copy "
            "it (inside: this data is of another state than the wheelhouse)"
        )
    try:
        index = server.start()
        environ = {"PIP_INDEX_URL": index.simple, "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
        download_all(found, environ, pip=Pip(python, process.run), beside=BESIDE)
    finally:
        server.stop()


def _seal_of(loaded: Config) -> Path:
    """Return the file that travels with the data, and says for which manifest it was sealed."""
    return loaded.root / FOLDER / "data" / ".sealed"


def _state(loaded: Config) -> str:
    return digest(loaded.wheelhouse / NAME)


def _check_data(data: Path) -> None:
    """Refuse what is not the data of a devpi-server, whole, and alone.

    :raises ServerError: it is not
    """
    again = "inside, copy what the sender has brought, with its dot files, in the place of what is"
    if not data.is_dir():
        hint = f"run nox -s warmup first; {again} there"
        raise ServerError(f"there is no {FOLDER}/data", hint=hint)
    if not (data / _VERSION).is_file():
        message = f"{FOLDER}/data is not the whole data of a devpi-server: it has no {_VERSION}"
        raise ServerError(message, hint=f"{again} there")
    if nested := [path.name for path in data.iterdir() if (path / _VERSION).is_file()]:
        message = f"{FOLDER}/data holds the data of another devpi-server: {nested[0]}/"
        raise ServerError(message, hint=f"it was copied into the older one; {again} there")


def _server(loaded: Config, python: str, *, offline: bool = False) -> PrivateServer:
    if loaded.index is not None:
        raise ServerError(
            "an index is configured, and its server is not ours to stop or move",
            hint="unset DEVPI_INDEX and index-url to use the private devpi-server",
        )
    folder = loaded.root / FOLDER
    _check_data(folder / "data")
    settings = pip_config.read(process.run, python)
    kit = partial(page_of_server, loaded)
    return PrivateServer(folder, settings=settings, offline=offline, kit=kit)


def _raise_loopback() -> None:
    """Bring up 127.0.0.1, which is down in a fresh network namespace (netdevice(7))."""
    import fcntl  # noqa: PLC0415
    import socket  # noqa: PLC0415
    import struct  # noqa: PLC0415

    set_flags, up_and_running = 0x8914, 0x1 | 0x40
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, set_flags, struct.pack("16sh14x", b"lo", up_and_running))


def main() -> int:
    """Run :func:`serve_offline` in a process of its own, which has no network.

    ``python -m devpi_warmup.private_server.seal ROOT PYTHON COMMAND``
    """
    if process.isolation().prefix:
        _raise_loopback()
    console.type_as(sys.argv[3])
    try:
        serve_offline(config.load(Path(sys.argv[1]), {}), python=sys.argv[2])
    except WarmupError as error:
        console.say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
