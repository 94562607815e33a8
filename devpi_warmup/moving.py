"""Moving the private devpi-server into the gap: seal its data folder, prove it offline."""

from __future__ import annotations

import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from devpi_warmup import ambient, config, manifest, process, report, requirements
from devpi_warmup.devpi import Devpi, Warmth
from devpi_warmup.errors import ServerError, WarmupError, indented
from devpi_warmup.index import IndexFile
from devpi_warmup.pipshim import __file__ as shim
from devpi_warmup.server import PrivateServer
from devpi_warmup.transport import SMALL_CONNECTIONS, Transport
from devpi_warmup.warmup import PRIVATE_FOLDER
from devpi_warmup.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from devpi_warmup.config import Config, IndexUrl
    from devpi_warmup.targets import Target


def seal(loaded: Config, *, python: str) -> str:
    """Make the data folder of the private server ready to be copied; return what to do then.

    :param python: an interpreter with pip, whose settings say how to connect
    :raises WarmupError: a target is not covered, a file is not held, or the folder is damaged
    """
    server = _server(loaded, python)
    files = _held_files(loaded)
    try:
        index = server.start()
        devpi = Devpi(Transport(index), bare=True)
        with ThreadPoolExecutor(SMALL_CONNECTIONS) as pool:
            located = [(_located(index, name, sha256), size) for name, sha256, size in files]
            proofs = pool.map(lambda pair: devpi.holds(*pair), located)
            cold = [
                f"{file.filename}: {proof.reason}"
                for (file, _), proof in zip(located, proofs, strict=True)
                if proof.warmth is not Warmth.WARM
            ]
        if cold:
            raise ServerError(
                f"devpi does not hold every file:\n{indented(cold)}",
                hint="run nox -s warmup, which fetches what is missing",
            )
        server.seal()
    finally:
        server.stop()
    server.check_files()
    return (
        f"{len(files)} files are in {PRIVATE_FOLDER}/data, which is sealed and can be copied.\n"
        "Inside the gap, with devpi-server of the same version:\n"
        "  devpi-server --serverdir data --offline-mode --host 0.0.0.0 --port 3141 \\\n"
        "    --argon2-memory-cost 8 --argon2-time-cost 1 --argon2-parallelism 1\n"
        "  pip install --index-url http://devpi.example.com:3141/root/pypi/+simple/ …"
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


def _held_files(loaded: Config) -> list[tuple[str, str, int]]:
    """Return filename, sha256 and size of every file that devpi must hold.

    :raises ServerError: a target is not covered, and so nobody knows its files
    """
    wheelhouse = Wheelhouse(loaded.wheelhouse)
    digest = requirements.load(loaded.requirements, loaded.constraints, root=loaded.root).digest
    reasons = {t.id: manifest.why_missing(wheelhouse, t, digest) for t in loaded.targets}
    if missing := [f"{id_}: {reason}" for id_, reason in reasons.items() if reason]:
        raise ServerError(
            f"not every target is covered:\n{indented(missing)}",
            hint="run nox -s warmup first, or exclude these targets",
        )
    known = manifest.read(wheelhouse)
    names = {name for t in loaded.targets for name in known["targets"][t.id]["files"]}
    files = {name: known["files"][name] for name in sorted(names)}
    return [
        (name, file["sha256"], file["size"])
        for name, file in files.items()
        if file["origin"] == "index"
    ]


def _located(index: IndexUrl, filename: str, sha256: str) -> IndexFile:
    """Return the file where devpi keeps it (devpi_server/filestore.py, ``make_splitdir``)."""
    url = f"{index.url}/+f/{sha256[:3]}/{sha256[3:16]}/{filename}"
    return IndexFile(filename, url, sha256)


def serve_offline(loaded: Config, *, python: str) -> None:
    """Have pip resolve and download every lock from the private server, as inside the gap.

    :raises WarmupError: the server or a target fails; all targets that do are named
    """
    server = _server(loaded, python, offline=True)
    wanted = {name for name, _, _ in _held_files(loaded)}
    problems = []
    try:
        index = server.start()
        for target in loaded.targets:
            problem = _download(loaded, target, index, wanted, python)
            report.say(f"{target.id}: {problem or 'every file of its lock comes from devpi'}")
            if problem:
                problems.append(target.id)
    finally:
        server.stop()
    if problems:
        raise ServerError(
            f"devpi does not serve offline: {', '.join(problems)}", hint="run nox -s warmup"
        )


def _download(
    loaded: Config, target: Target, index: IndexUrl, wanted: set[str], python: str
) -> str:
    """Return why a lock cannot be downloaded from the index with its dependencies, or ""."""
    lock = Wheelhouse(loaded.wheelhouse).lock_path(target.id)
    entry = manifest.read(Wheelhouse(loaded.wheelhouse))["targets"][target.id]
    if direct := [name for name in entry["files"] if name not in wanted]:
        return f"{', '.join(direct)} is from a direct URL, which no index serves"
    with tempfile.TemporaryDirectory(prefix="devpi-warmup-") as folder:
        markers = Path(folder, "markers.json")
        markers.write_text(json.dumps(target.markers), encoding="utf-8")
        # Without its links page, which would let pip take the files from the wheelhouse.
        text = lock.read_text(encoding="utf-8").replace("--find-links", "# --find-links")
        pins = Path(folder, "lock.txt")
        pins.write_text(text, encoding="utf-8")
        done = process.run(
            [
                *(python, "-I", str(shim), str(markers), "download", "--quiet"),
                *("--no-cache-dir", "--only-binary=:all:", "--require-hashes"),
                *(f"--index-url={index.simple}", f"--dest={folder}/files"),
                *(*target.pip_flags, "-r", str(pins)),
            ],
            env=ambient.clean_environment() | {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"},
        )
        if done.returncode != 0:
            return done.last_lines(2)
        found = {path.name for path in Path(folder, "files").iterdir()}
    return "" if found == set(entry["files"]) else "pip downloaded other files than the lock names"


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
    return 0


if __name__ == "__main__":
    sys.exit(main())
