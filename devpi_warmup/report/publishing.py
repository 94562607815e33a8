"""Where the reports of a result go: files in ``reports/``, and what the CI system shows."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from devpi_warmup import console
from devpi_warmup.report.annotations import commands
from devpi_warmup.report.as_json import as_json, licences
from devpi_warmup.report.junit import junit
from devpi_warmup.report.page.document import page, stylesheet
from devpi_warmup.report.summary import summary
from devpi_warmup.wheelhouse.files import put_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from devpi_warmup.report.result import Result

REPORT, _BEFORE = "report.json", ".report.before.json"
FILES: Mapping[str, Callable[[Result], str]] = {
    "index.html": page,
    "report.css": stylesheet,
    REPORT: as_json,
    "licences.json": licences,
    "junit.xml": junit,
}


def publish(
    result: Result,
    folder: Path,
    root: Path,
    files: Mapping[str, Callable[[Result], str]] = FILES,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Write every report; one that cannot be written is named, and changes no outcome.

    :param folder: of the files
    :param root: the repository, for places in it
    :param files: their names, and what writes them
    """
    for wrong in _written(_as_before(result, folder), folder, files):
        console.say(wrong)
    if on_github(environ):
        sys.stderr.write(commands(result, root))
        sys.stderr.flush()
    if page := environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(page).open("a", encoding="utf-8") as stream:
                stream.write(summary(result))
        except OSError as error:
            console.say(f"the summary of the step cannot be written: {error.strerror}")


def begin(result: Result, folder: Path) -> None:
    """Have the reports of an earlier run not be taken for those of this one, should it be cut off.

    :param result: says that it has not ended
    """
    if any((folder / name).exists() for name in FILES):
        with suppress(OSError):
            (folder / REPORT).replace(folder / _BEFORE)
        for _ in _written(result, folder, FILES):
            pass  # the run itself will say that its disk is full, or read-only


def _as_before(result: Result, folder: Path) -> Result:
    """Return a result with the time of the last report, where nothing but the time is another."""
    try:
        text = (folder / _BEFORE).read_text(encoding="utf-8")
        (folder / _BEFORE).unlink()
        same = replace(result, written=json.loads(text)["written"])
        return same if as_json(same) == text else result
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return result


def _written(
    result: Result, folder: Path, files: Mapping[str, Callable[[Result], str]]
) -> Iterator[str]:
    """Write files; yield what to say of each that cannot be written."""
    for name, write in files.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            put_text(folder / name, write(result))
        except OSError as error:
            yield f"{folder.name}/{name} cannot be written: {error.strerror}"
            with suppress(OSError):  # no report is better than that of another run
                (folder / name).unlink(missing_ok=True)


@contextmanager
def folded(title: str, environ: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Fold what is said meanwhile, where the CI system can.

    :param title: of ASCII letters, digits and -_().
    """
    name = f"w{time.time_ns():x}"
    if on_github(environ):
        begin, end = f"::group::{title}\n", "::endgroup::\n"
    elif environ.get("GITLAB_CI") == "true":
        now = int(time.time())
        begin = f"\x1b[0Ksection_start:{now}:{name}[collapsed=true]\r\x1b[0K{title}\n"
        end = f"\x1b[0Ksection_end:{{}}:{name}\r\x1b[0K\n"
    else:
        yield
        return
    sys.stderr.write(begin)
    sys.stderr.flush()
    try:
        yield
    finally:
        sys.stderr.write(end.format(int(time.time())))
        sys.stderr.flush()


def on_github(environ: Mapping[str, str]) -> bool:
    """Whether a workflow of GitHub runs this, or what does the same."""
    return environ.get("GITHUB_ACTIONS") == "true"


def in_pipeline(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether one of the CI systems runs this that read reports."""
    return on_github(environ) or environ.get("GITLAB_CI") == "true" or "JENKINS_URL" in environ
