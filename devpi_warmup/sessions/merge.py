"""The merge session: parts of several jobs become one wheelhouse, which is judged anew."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from devpi_warmup import console, process
from devpi_warmup.errors import WarmupError, together
from devpi_warmup.prove.pip import Pip
from devpi_warmup.sessions.common import fail, import_engine, python_of
from devpi_warmup.sessions.concluding import (
    Ending,
    begin,
    conclude,
    publish_failure,
    read_requirements,
)
from devpi_warmup.wheelhouse import manifest
from devpi_warmup.wheelhouse.files import Wheelhouse
from devpi_warmup.wheelhouse.merge import gather, join, read_part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import nox

    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inputs.config import Config
    from devpi_warmup.inputs.requirements import RequirementSet
    from devpi_warmup.wheelhouse.manifest import Manifest
    from devpi_warmup.wheelhouse.merge import Part

_NO_PART = "no part has it: did its job run, and store its wheelhouse?"


def merge(session: nox.Session, config: Config) -> None:
    """Join the wheelhouses that are named after --, and judge what comes of it."""
    if not session.posargs:
        session.error("merge takes folders after --: nox -s merge -- parts/*")
    wheelhouse = Wheelhouse.of(config)
    begin(config, "merge")
    requirements = read_requirements(session, config, "merge")
    try:
        joined, count = _merged(session, config, wheelhouse, requirements)
    except WarmupError as error:
        publish_failure(config, "merge", str(error))
        fail(session, str(error))
    console.say(f"{count} {'part' if count == 1 else 'parts'} merged into {wheelhouse.shown}/")
    failures = {c.id: None if c.id in joined.cells else _NO_PART for c in config.cells}
    conclude(session, config, wheelhouse, Ending("merge", failures))


def _merged(
    session: nox.Session,
    config: Config,
    wheelhouse: Wheelhouse,
    requirements: Mapping[str, RequirementSet],
) -> tuple[Manifest, int]:
    """Bring the parts together; return the manifest of them all, and how many there are.

    :raises WarmupError: they do not go together, or a file is not what it should be
    """
    pip = Pip(python_of(session), process.run)
    engine = import_engine(session, "devpi_warmup.prove.again")
    parts = _parts(session)
    with wheelhouse.held(), console.never_silent("merging"):
        joined = join(parts, config.cells, {n: found.digest for n, found in requirements.items()})
        gather(joined, parts, wheelhouse)
        broken = engine.unpack_again(joined, wheelhouse, pip)
        refused, each = {}, {}
        for cell in config.cells:
            entry = joined.cells.get(cell.id)
            if entry is None or not entry.gathered:
                continue
            if bad := [name for name in entry.files if name in broken]:
                refused[cell.id] = f"pip cannot install {bad[0]}: {broken[bad[0]]}"
            else:
                each[cell] = requirements[cell.environment]
        refused |= _refused(partial(engine.judge_again, joined, wheelhouse, pip), each)
        entries = {
            id_: entry.struck(refused[id_]) if id_ in refused else entry
            for id_, entry in joined.cells.items()
        }
        files = {  # what a part says of licences is not believed either
            name: replace(file, licence=str(wheelhouse.about(name).licence))
            for name, file in joined.files.items()
        }
        by = import_engine(session, "devpi_warmup.prove.judge").unpacker()
        manifest.write(wheelhouse, replace(joined, cells=entries, files=files, unpacked_by=by))
        for cell in config.cells:
            if cell.id not in entries or not entries[cell.id].gathered:
                wheelhouse.set_lock_aside(cell.id)
    return joined, len(parts)


def _parts(session: nox.Session) -> list[Part]:
    """Read the parts, each once; their paths are those of where the command was typed."""
    base = Path(session.invoked_from)
    named = {
        Path(os.path.abspath(base / word)): word  # noqa: PTH100 - links are for read_part
        for given in session.posargs
        for word in sorted(_expanded(base, given))
    }
    problems, parts = [], []
    for path, word in named.items():
        try:
            parts.append(read_part(path, word.rstrip("/\\")))
        except WarmupError as error:
            problems.append(error)
    if problems:
        raise together(problems)
    return parts


def _expanded(base: Path, word: str) -> list[str]:
    """Return what a pattern stands for, where the shell has left that to us."""
    if "*" not in word or (base / word).exists() or Path(word).is_absolute():
        return [word]
    return [path.relative_to(base).as_posix() for path in base.glob(word)] or [word]


def _refused(
    judge: Callable[[Cell, RequirementSet], None], each: Mapping[Cell, RequirementSet]
) -> dict[str, str]:
    """Return why a cell is not accepted, by its id; several are judged at once.

    :param judge: raises what is wrong with a cell
    :param each: what is wanted of it
    """

    def why(cell: Cell) -> str:
        try:
            judge(cell, each[cell])
        except WarmupError as error:
            return str(error.args[0])
        return ""

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return {cell.id: said for cell, said in zip(each, pool.map(why, each), strict=True) if said}
