"""The referee: real pip resolves a lock offline, with dependencies, as the target would.

pip is another implementation than ours. What it must accept is the lock with its hashes *and*
the user's own requirements and constraints, with their markers evaluated by pip: so a
requirement that we dropped by mistake is found here as well.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from devpi_warmup.errors import WarmupError, indented
from devpi_warmup.inputs.patches import Patches
from devpi_warmup.inputs.requirements import served
from devpi_warmup.prove import stand_in
from devpi_warmup.wheelhouse.lock import Lock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devpi_warmup.inputs.requirements import RequirementSet, RootRequirement
    from devpi_warmup.process import Completed
    from devpi_warmup.prove.pip import Pip


class RefereeError(WarmupError):
    """pip does not accept the lock."""


@dataclass(frozen=True)
class Verdict:
    """pip accepts the lock.

    :param pip_version: of the pip that was asked
    """

    pip_version: str


def referee(
    lock: Lock, requirements: RequirementSet, files: Mapping[str, Path], *, shown: str, pip: Pip
) -> Verdict:
    """Have pip resolve the lock offline under the target's markers and tags.

    Where a target has several environments, pip must accept the lock under each of them. pip
    builds for no other machine: in the place of an sdist it gets a wheel with what is known of
    it, and resolves what building it requires as a lock of its own.

    :param files: where the files of the lock, and of its builds, lie under their own names
    :param shown: the wheelhouse, as its users call it
    :param pip: of an interpreter of any version and platform
    :raises RefereeError: pip refuses; with its own last lines
    """
    requirements = served(requirements, {pin.project for pin in lock.pins})
    wanted, allowed = _lines(requirements.requirements), _lines(requirements.constraints)
    limits = _lines(requirements.sdists.constraints)
    with tempfile.TemporaryDirectory(prefix="devpi-warmup-") as folder:
        own, places = stand_in.lock_of(lock, files, Path(folder))
        judged = [(own, wanted, allowed)]
        tools = lock.to_build[0].requires if lock.to_build else ()  # all have the same
        if tools:
            wants = dict.fromkeys(want for one in lock.to_build for want in one.record.wants)
            build_lock = Lock(lock.cell, tools, Patches("", ""))
            judged.append((build_lock, "".join(f"{want}\n" for want in wants), limits))
        for number, (each, wanted, limit) in enumerate(judged):
            work = Path(folder, str(number))
            work.mkdir()
            path = stand_in.write(each, places, work, shown)
            for markers in lock.target.environments:
                version = _referee(each, path, markers, (wanted, limit), pip)
                if number == 0:
                    verdict = Verdict(version)
    return verdict


def _referee(
    lock: Lock, path: Path, markers: Mapping[str, str], texts: tuple[str, str], pip: Pip
) -> str:
    """Have pip resolve one lock.

    :param path: where it lies, with its page beside it
    :param texts: the requirements and the constraints that it serves
    """
    with tempfile.TemporaryDirectory(prefix="devpi-warmup-") as folder:
        work = Path(folder)
        for name, text in zip(("wanted.txt", "allowed.txt"), texts, strict=True):
            (work / name).write_text(text, encoding="utf-8")
        # The lock first: pip takes the hashes of a project from its first requirement.
        more = ("-r", str(work / "wanted.txt"), "-c", str(work / "allowed.txt"))
        done = pip.judge_lock(path, lock.target, markers, work, *more)
        if "No space left on device" in done.stderr:
            raise RefereeError(
                "pip has no space left for its temporary files",
                hint="make room where TMPDIR points, or name another folder in it",
            )
        if done.returncode < 0:
            raise ended(done, f"pip cannot judge the lock of {lock.cell.id}")
        if done.returncode != 0:
            raise RefereeError(
                f"pip refuses the lock offline:\n{indented(done.last_lines().splitlines())}",
                hint="the files contradict what the index says of them, or one was changed in the "
                "wheelhouse: run it again; if it stays, please report it",
            )
        report = json.loads((work / "report.json").read_text(encoding="utf-8"))
    _compare(lock, report)
    return str(report["pip_version"])


def ended(done: Completed, problem: str) -> RefereeError:
    """Say that a program of ours has ended before its end.

    :param problem: what it can not do therefore
    """
    if done.returncode < 0:
        return RefereeError(
            f"{problem}: it was ended by signal {-done.returncode}",
            hint="where the system has run out of memory, make some free; then run it again",
        )
    lines = indented(done.last_lines().splitlines())
    return RefereeError(
        f"{problem}:\n{lines}", hint="this is a fault of devpi-warmup: please report it"
    )


def _lines(roots: Sequence[RootRequirement]) -> str:
    # A direct URL would send pip to the network; the lock holds its file by hash.
    lines = []
    for root in roots:
        requirement = root.requirement
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        marker = f" ; {requirement.marker}" if requirement.marker else ""
        specifier = "" if root.url is not None else str(requirement.specifier)
        lines.append(f"{requirement.name}{extras}{specifier}{marker}\n")
    return "".join(lines)


def _compare(lock: Lock, report: dict[str, list[dict[str, dict[str, object]]]]) -> None:
    """Hold what pip would install against the pins: project, version and sha256."""
    ours = {(str(pin.project), pin.version, pin.sha256) for pin in lock.pins}
    theirs = set()
    for item in report["install"]:
        metadata, download = item["metadata"], item["download_info"]
        archive = download["archive_info"]
        assert isinstance(archive, dict)  # noqa: S101 - pip's documented report format
        name, version = canonicalize_name(str(metadata["name"])), Version(str(metadata["version"]))
        theirs.add((str(name), version, str(archive["hashes"]["sha256"])))
    if ours != theirs:
        difference = sorted({f"{name}=={version}" for name, version, _ in ours ^ theirs})
        raise RefereeError(
            f"pip would install something else offline: {', '.join(difference)}",
            hint="this is a fault of devpi-warmup: please report it",
        )
