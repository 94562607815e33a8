"""How a run ends: it is judged by the bytes, shown, reported, and has its exit status."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from devpi_warmup import console
from devpi_warmup.errors import InvalidInputError, WarmupError
from devpi_warmup.foreign import plain
from devpi_warmup.inputs import sources
from devpi_warmup.inventory import osv
from devpi_warmup.inventory.contents import Inventory, take
from devpi_warmup.inventory.since import Differences, differences, read_former
from devpi_warmup.report import bills, outcome, publishing, table
from devpi_warmup.report.moment import moment
from devpi_warmup.report.result import Result
from devpi_warmup.sessions.arguments import Asked
from devpi_warmup.sessions.common import fail
from devpi_warmup.wheelhouse import changes
from devpi_warmup.wheelhouse.coverage import Coverage
from devpi_warmup.wheelhouse.manifest import MISSING, NAME, Manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import nox

    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inputs.config import Config
    from devpi_warmup.inputs.requirements import RequirementSet
    from devpi_warmup.report.table import Row
    from devpi_warmup.wheelhouse.changes import Change
    from devpi_warmup.wheelhouse.files import Wheelhouse


_SHOWN, _LONGEST = 40, 500  # lines, and characters of one, of what the page has in full


@dataclass(frozen=True)
class Ending:
    """What is known at the end of a run.

    :param command: its name
    :param failures: why a cell is missing, by id; None for a covered one; empty: nothing was run
    :param changes: since the last lock, by cell id
    :param broken: why nothing was done at all, or ""
    :param asked: what the report is to show beside what it always does
    """

    command: str
    failures: Mapping[str, str | None] = field(default_factory=dict)
    changes: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    broken: str = ""
    asked: Asked = field(default_factory=Asked)


def conclude(session: nox.Session, config: Config, wheelhouse: Wheelhouse, ending: Ending) -> None:
    """Print the coverage table, write the reports, and fail where a cell is not good."""
    failures = ending.failures
    cells = [c for c in config.cells if not failures or c.id in failures]
    coverage = Coverage(wheelhouse)
    if link := wheelhouse.linked:
        said = f"{link} is a link, and what it points to would stay behind"
        publish_failure(config, ending.command, said)
        session.error(said)
    asked = config.index.url if config.index and not failures else None
    wanted = read_requirements(session, config, ending.command, strict=not failures)
    digests = {name: found.digest for name, found in wanted.items()}
    carry = {e.name: e.carry for e in config.environments}
    rows = table.rows(coverage, cells, digests, failures, asked=asked, carry=carry)
    print(plain(table.table(rows, counted=config.counted)), flush=True)  # noqa: T201
    gathered = {row.cell for row in rows if row.state != MISSING}
    manifest = table.as_asked(coverage.manifest, asked)
    inventory = _inventory(
        config, wheelhouse, manifest, [cell for cell in cells if cell.id in gathered]
    )
    _tell(rows, coverage, config, ending, asked)
    _tell_found(inventory, refused=not config.licences.required)
    refused = inventory.refused if config.licences.required else ()
    problem = outcome.problem(rows, require_warm=config.require_warm, refused=refused)
    whole = problem
    if ending.broken:
        title = ending.broken.partition("\n")[0].rstrip(":")
        problem = f"nothing was warmed up: {title}; the table shows what earlier runs left"
        whole = f"nothing was warmed up: {ending.broken}"
    result = Result(
        ending.command,
        tuple(rows),
        whole,
        config.counted,
        manifest,
        ending.changes,
        bool(ending.broken),
        tuple(cells),
        inventory,
        folder=wheelhouse.shown,
        written=_now(),
        sha256=_sha256(wheelhouse),
        others=tuple(cell.id for cell in config.cells if cell not in cells),
    )
    try:
        result = replace(result, since=_since(session, ending.asked, result))
        bills.publish(result, wheelhouse.path, config.reports, ending.asked.bills)
    except WarmupError as error:
        if problem:
            console.say(str(error))
        problem = problem or str(error)
        result = replace(result, problem=whole or str(error), broken=result.broken or not whole)
    publishing.publish(result, config.reports, config.root)
    if problem:
        fail(session, problem)


def begin(config: Config, command: str) -> None:
    """Have the reports of an earlier run say that this one has not ended, until it has."""
    problem = f"{command} has not ended: it is under way, or was cut off"
    result = Result(command, (), problem, config.counted, Manifest(), written=_now())
    publishing.begin(result, config.reports)


def publish_failure(config: Config, command: str, problem: str) -> None:
    """Write the reports of a command that has come to no table, over those of the last."""
    result = Result(command, (), problem, config.counted, Manifest(), written=_now())
    publishing.publish(result, config.reports, config.root)


def _sha256(wheelhouse: Wheelhouse) -> str:
    try:
        return wheelhouse.digests.of(wheelhouse.path / NAME)
    except OSError:  # there is none
        return ""


def _now() -> str:
    """Return when that is; SOURCE_DATE_EPOCH makes reports the same bytes."""
    return moment(time.time()).strftime("%Y-%m-%d %H:%M UTC")


def _inventory(
    config: Config, wheelhouse: Wheelhouse, manifest: Manifest, cells: Iterable[Cell]
) -> Inventory:
    """Look into every file of the cells that are not missing."""
    advisories, unread = None, ""
    with console.never_silent("looking into the files of the wheelhouse"):
        if config.advisories is not None:
            try:
                shown = os.path.relpath(config.advisories, config.root).replace(os.sep, "/")
                advisories = osv.read(config.advisories, shown)
            except WarmupError as error:  # it changes no outcome, as no finding does
                console.say(f"no advisories were looked at: {error}")
                unread = str(error)
        found = take(wheelhouse, manifest, cells, config.licences, advisories)
        return replace(found, unread=unread)


def _since(session: nox.Session, asked: Asked, result: Result) -> Differences | None:
    """Hold the wheelhouse against another state, where one was named.

    :raises SinceError: that cannot be read
    """
    if not asked.since:
        return None
    former = read_former(Path(session.invoked_from) / asked.since, asked.since)
    inside = {held.cell.id for held in result.inventory.held}
    stated = {i.name: str(i.about.licence) for i in result.inventory.items}
    files = {n: replace(f, licence=stated.get(n, "")) for n, f in result.manifest.files.items()}
    entries = {id_: e for id_, e in result.manifest.cells.items() if id_ in inside}
    found = differences(former, replace(result.manifest, cells=entries, files=files), asked.since)
    console.say(f"since {asked.since}: {len(found.files_new)} new files")
    for line in changes.told(found.changes):
        console.say(f"  {line}")
    return found


def _tell_found(inventory: Inventory, *, refused: bool) -> None:
    """Say what a person has to look at before anything is let in.

    :param refused: whether licences are among it; where they fail the run, they are said there
    """
    wrong = outcome.unlicensed(inventory.refused) if refused else []
    lines = [f"licence: {line}" for line in wrong]
    for found in inventory.findings:
        names = ", ".join([found.finding.id, *found.finding.aliases])
        lines.append(f"advisory: {found.project} {found.version}: {names}")
    for line in lines[:_SHOWN]:
        console.say(line[:_LONGEST])
    if len(lines) > _SHOWN:
        console.say(f"and {len(lines) - _SHOWN} more, as the page has them")


def _tell(
    rows: Sequence[Row], coverage: Coverage, config: Config, ending: Ending, asked: str | None
) -> None:
    """Say what there is to say beside the table."""
    if changed := list(changes.told(ending.changes)):
        console.say("changed since the last lock:")
        for line in changed:
            console.say(f"  {line}")
    index, counted, every = coverage.manifest.index, config.counted, config.cells
    if not ending.failures:
        if index and asked in {None, index}:
            console.say(f"warm is what the last warmup was shown of {index}")
        for row in (row for row in rows if row.details):
            console.say(f"{row.cell} is missing: {row.details}")
    elif len(rows) < len(every):
        console.say(f"{len(rows)} of {len(every)} {counted} were selected")
    if aside := coverage.wheelhouse.aside(row.cell for row in rows if row.state == MISSING):
        console.say(f"the last lock of what is missing lies in {aside}/, until there is another")
    unused = coverage.unused_wheels(every)
    if unused and len(rows) == len(every) and all(row.state != MISSING for row in rows):
        console.say(
            f"{len(unused)} wheels in {coverage.wheelhouse.shown}/ are of no covered target, "
            f"such as {unused[0]}: nox -s prune says which may go"
        )


def read_requirements(
    session: nox.Session, config: Config, command: str, *, strict: bool = True
) -> dict[str, RequirementSet]:
    """Return what each environment requires now, by its name.

    :param command: whose report says so where they are wrong
    :param strict: whether to fail then; else that was said before
    """
    read = {e.name: sources.read(e.sources) for e in config.environments}
    wrong = dict.fromkeys(p for _, problems in read.values() for p in problems)
    if wrong and strict:
        said = str(InvalidInputError("the requirements cannot be used", wrong))
        publish_failure(config, command, said)
        fail(session, said)
    return {name: found for name, (found, _) in read.items()}
