"""How a run ends: it is judged by the bytes, shown, reported, and has its exit status."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devpi_warmup import console
from devpi_warmup.errors import InvalidInputError
from devpi_warmup.foreign import plain
from devpi_warmup.inputs import sources
from devpi_warmup.report import outcome, publishing, table
from devpi_warmup.report.result import Result
from devpi_warmup.sessions.common import fail
from devpi_warmup.wheelhouse import changes
from devpi_warmup.wheelhouse.coverage import Coverage
from devpi_warmup.wheelhouse.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import nox

    from devpi_warmup.inputs.config import Config
    from devpi_warmup.inputs.requirements import RequirementSet
    from devpi_warmup.report.table import Row
    from devpi_warmup.wheelhouse.changes import Change
    from devpi_warmup.wheelhouse.files import Wheelhouse


@dataclass(frozen=True)
class Ending:
    """What is known at the end of a run.

    :param command: its name
    :param failures: why a cell is missing, by id; None for a covered one; empty: nothing was run
    :param changes: since the last lock, by cell id
    :param broken: why nothing was done at all, or ""
    """

    command: str
    failures: Mapping[str, str | None] = field(default_factory=dict)
    changes: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    broken: str = ""


def conclude(session: nox.Session, config: Config, wheelhouse: Wheelhouse, ending: Ending) -> None:
    """Print the coverage table, write the reports, and fail where a cell is not good."""
    failures = ending.failures
    cells = [c for c in config.cells if not failures or c.id in failures]
    coverage = Coverage(wheelhouse)
    if link := wheelhouse.linked:
        session.error(f"{link} is a link, and what it points to would stay behind")
    asked = config.index.url if config.index and not failures else None
    wanted = read_requirements(session, config, ending.command, strict=not failures)
    digests = {name: found.digest for name, found in wanted.items()}
    carry = {e.name: e.carry for e in config.environments}
    rows = table.rows(coverage, cells, digests, failures, asked=asked, carry=carry)
    print(plain(table.table(rows, counted=config.counted)), flush=True)  # noqa: T201
    _tell(rows, coverage, config, ending, asked)
    problem = outcome.problem(rows, require_warm=config.require_warm)
    whole = problem
    if ending.broken:
        title = ending.broken.partition("\n")[0].rstrip(":")
        problem = f"nothing was warmed up: {title}; the table shows what earlier runs left"
        whole = f"nothing was warmed up: {ending.broken}"
    manifest = coverage.manifest
    result = Result(
        ending.command,
        tuple(rows),
        whole,
        config.counted,
        manifest,
        ending.changes,
        bool(ending.broken),
    )
    publishing.publish(result, config.reports, config.root)
    if problem:
        fail(session, problem)


def publish_failure(config: Config, command: str, problem: str) -> None:
    """Write the reports of a command that has come to no table, over those of the last."""
    result = Result(command, (), problem, config.counted, Manifest())
    publishing.publish(result, config.reports, config.root)


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
    unused = coverage.unused_wheels(every)
    if unused and all(row.state != "missing" for row in rows):
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
