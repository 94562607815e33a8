"""Proof that a server serves every lock: it is asked for each file, and pip downloads from it."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from packaging.utils import NormalizedName, canonicalize_name

from devpi_warmup import console
from devpi_warmup.digests import digest
from devpi_warmup.errors import ServerError, indented
from devpi_warmup.index.opening import open_index
from devpi_warmup.index.single_flight import SingleFlight
from devpi_warmup.index.transport import SMALL_CONNECTIONS, Transport
from devpi_warmup.inputs import sources
from devpi_warmup.prove import stand_in
from devpi_warmup.wheelhouse.coverage import Coverage
from devpi_warmup.wheelhouse.files import Wheelhouse
from devpi_warmup.wheelhouse.lock import link, links_page
from devpi_warmup.wheelhouse.origins import Origin
from devpi_warmup.wheelhouse.warmth import Proof, Warmth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from devpi_warmup.index.credentials import Credentials
    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inputs.config import Config
    from devpi_warmup.inputs.pip_config import PipConfig
    from devpi_warmup.inputs.urls import IndexUrl
    from devpi_warmup.prove.pip import Pip

_PIPS = 4  # at once, where there are as many processors
_PIP_LINES = 5  # of pip's own words; a wrong hash takes so many


@dataclass(frozen=True)
class LockedFile:
    """A file of a lock, which devpi must hold.

    :param size: bytes
    :param origin: where it comes from
    """

    project: NormalizedName
    filename: str
    sha256: str
    size: int
    origin: Origin


@dataclass(frozen=True)
class Locked:
    """The covered cells of a configuration, judged once, and all their files."""

    coverage: Coverage
    cells: tuple[Cell, ...]
    files: tuple[LockedFile, ...]


def locked(config: Config) -> Locked:
    """Judge the wheelhouse of a configuration.

    :raises ServerError: a cell is not covered, and so nobody knows its files
    """
    coverage = Coverage(Wheelhouse.of(config))
    reasons: dict[str, str] = {}
    for environment in config.environments:
        digest = sources.load(environment.sources).digest
        reasons |= {c.id: coverage.why_missing(c, digest) for c in environment.cells}
    if missing := [f"{id_}: {reason}" for id_, reason in reasons.items() if reason]:
        raise ServerError(
            f"not every target is covered:\n{indented(missing)}",
            hint="run nox -s warmup first, or exclude these targets",
        )
    names = {name for cell in config.cells for name in coverage.entry(cell).carried}
    known = {name: coverage.manifest.files[name] for name in sorted(names)}
    files = (
        LockedFile(canonicalize_name(file.project), name, file.sha256, file.size, file.origin)
        for name, file in known.items()
    )
    return Locked(coverage, config.cells, tuple(files))


def problems(
    files: Sequence[LockedFile], problem: Callable[[LockedFile], str], transport: Transport
) -> list[str]:
    """Return what is the matter with each file, several asked for at once; "" is nothing."""

    def look(file: LockedFile) -> str:
        why = problem(file)
        return _past(file) if why and file.origin is not Origin.INDEX else why

    pool = ThreadPoolExecutor(SMALL_CONNECTIONS)
    try:
        found = list(pool.map(look, files))
    except BaseException:
        transport.close()  # nobody waits for the others
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    return [f"{file.filename}: {why}" for file, why in zip(files, found, strict=True) if why]


def _page(
    files: Sequence[LockedFile], stand_ins: Sequence[Path], wheelhouse: Wheelhouse, folder: Path
) -> str:
    """Write a page of links to files of the wheelhouse alone; return pip's option for it.

    :param stand_ins: wheels in the place of sdists
    """
    page = folder / "beside.html"
    links = [link(file.filename, file.sha256, wheelhouse.path.as_uri()) for file in files]
    links += [link(path.name, digest(path), path.parent.as_uri()) for path in stand_ins]
    page.write_text(links_page("beside", links), encoding="utf-8")
    return f"--find-links={page}"


def _past(file: LockedFile) -> str:
    return f"it {file.origin.told}, which this index does not serve"


def cold(proof: Proof) -> str:
    """Return why it is not shown that a file is held, or ""."""
    return "" if proof.warmth is Warmth.WARM else proof.reason


def prove_served(config: Config, url: IndexUrl, settings: PipConfig, *, pip: Pip) -> str:
    """Have pip resolve and download every lock from a server that is not ours; return the result.

    Its upstream cannot be kept away from it here, so it is asked whether it holds each file too.

    :raises WarmupError: a target fails, or it is not shown that the server holds every file
    """
    found = locked(config)
    transport = Transport(url, settings=settings)
    held = [file for file in found.files if file.origin is not Origin.ITSELF]
    try:
        _prove_held(held, transport)
        login = transport.login.current
    finally:
        transport.close()
    environ = pip_environ(url, login, settings)
    download_all(found, environ, pip=pip, beside=frozenset({Origin.ITSELF}))
    count = len(held)
    return f"{url.url}; it is online, and shown to hold {count} of {count} files"


def pip_environ(url: IndexUrl, login: Credentials | None, settings: PipConfig) -> dict[str, str]:
    """Return what tells pip where an index is, who we are to it, and how to connect."""
    address = url.simple
    if login is not None:  # in the environment, which other users cannot read, and never in argv
        secret = f"{quote(login.user, safe='')}:{quote(login.password, safe='')}@"
        address = address.replace("://", f"://{secret}", 1)
    environ = settings.pip_environment | {"PIP_INDEX_URL": address}
    if url.is_loopback:
        environ |= {"no_proxy": "127.0.0.1,localhost", "NO_PROXY": "127.0.0.1,localhost"}
    return environ


def _prove_held(files: Sequence[LockedFile], transport: Transport) -> None:
    projects = sorted({file.project for file in files if file.origin is Origin.INDEX})
    opened = open_index(transport.url, None, projects, transport=transport)
    devpi = opened.devpi
    if devpi is None:
        raise ServerError(
            f"{transport.url.url} does not answer as a devpi-server: what it holds cannot be shown",
            hint="nox -s verify proves the wheelhouse, which needs no server",
        )
    pages = SingleFlight(opened.index.page)

    def problem(file: LockedFile) -> str:
        for listed in pages(file.project).files:
            if listed.filename == file.filename and listed.sha256 in {"", file.sha256}:
                return cold(devpi.holds(listed, file.size))
        return f"it is not on the page of {file.project}"

    if wrong := problems(files, problem, transport):
        raise ServerError(
            f"it is not shown that devpi holds every file:\n{indented(wrong)}",
            hint="run nox -s warmup, which fetches what is missing",
        )


def download_all(
    found: Locked,
    environ: Mapping[str, str],
    *,
    pip: Pip,
    beside: frozenset[Origin] = frozenset(),
    server: str = "devpi",
    again: str = "nox -s warmup",
) -> None:
    """Have pip resolve and download every lock as its target would, several at once.

    :param environ: says where the index is, and how to connect
    :param beside: files of which origin come from the wheelhouse, since no index has them
    :param server: how messages call what serves
    :param again: what mends a server that does not
    :raises ServerError: a target fails; all that do are named
    """
    wrong: dict[str, str] = {}
    download = partial(_download, found, environ=environ, pip=pip, beside=beside)
    with ThreadPoolExecutor(min(_PIPS, os.cpu_count() or 1)) as pool:
        for cell, problem in zip(found.cells, pool.map(download, found.cells), strict=True):
            names = set(found.coverage.entry(cell).files)
            past = [f for f in found.files if f.filename in names and f.origin in beside]
            good = f"every file of its lock comes from {server}"
            if past:
                good += f"; {len(past)} not asked of it: from the wheelhouse"
            console.say(f"{cell.id}: {problem or good}")
            if problem:
                wrong[cell.id] = problem
    if wrong:
        hint = f"run {again}"
        if any("DO NOT MATCH THE HASHES" in problem for problem in wrong.values()):
            hint = f"a file is damaged in the store of {server}: delete it there, then run {again}"
        raise ServerError(f"{server} does not serve: {', '.join(wrong)}", hint=hint)


def _with_stand_ins(found: Locked, cell: Cell, folder: Path) -> tuple[Path, list[Path]]:
    """Return a lock for pip to download, and wheels in the place of its sdists.

    Of an sdist pip would run code to know what it requires; that devpi holds it is shown apart.
    """
    entry, lock = found.coverage.entry(cell), found.coverage.wheelhouse.lock_path(cell.id)
    text, made = lock.read_text(encoding="utf-8"), list[Path]()
    for name, record in entry.to_build.items():
        file = found.coverage.manifest.files[name]
        made.append(stand_in.make(file.project, file.version, record.metadata, folder))
        text = text.replace(file.sha256, digest(made[-1]))
    if not made:
        return lock, made
    own = folder / lock.name
    own.write_text(text, encoding="utf-8")
    return own, made


def _download(
    found: Locked,
    cell: Cell,
    environ: Mapping[str, str],
    pip: Pip,
    beside: frozenset[Origin],
) -> str:
    """Return why a lock cannot be downloaded from the index with its dependencies, or ""."""
    entry = found.coverage.entry(cell)
    names = entry.files
    here = [f for f in found.files if f.origin in beside and f.filename in names]
    for markers in cell.target.environments:
        with tempfile.TemporaryDirectory(prefix="devpi-warmup-") as folder:
            lock, made = _with_stand_ins(found, cell, Path(folder))
            more = _page(here, made, found.coverage.wheelhouse, Path(folder))
            done = pip.download_lock(lock, cell.target, markers, Path(folder), environ, more)
            if done.returncode != 0:
                past = [f for f in found.files if f.origin not in {Origin.INDEX, *beside}]
                if direct := [f"{f.filename}: {_past(f)}" for f in past if f.filename in names]:
                    return "; ".join(direct)
                return done.last_lines(_PIP_LINES)  # pip hides the password of its index itself
            got = {path.name for path in Path(folder, "files").iterdir()}
        if got != {*entry.wheels, *(path.name for path in made)}:
            return "pip downloaded other files than the lock names"
    return ""
