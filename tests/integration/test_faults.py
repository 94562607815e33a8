"""What becomes of each fault on the wire, of the upstream or of devpi itself.

Each case ends in one of three ways: the right bytes in the wheelhouse and shown to be warm; the
right bytes, and no claim about devpi; or an error that says why.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from catalogue import JSON, Catalogue, Upload, make_wheel, make_zip, metadata, served
from faultbook import record, summary, warm
from projects import Devpi, mirror
from sites import FINE, Answer, Proxy, Site, listening

from devpi_warmup.errors import WarmupError
from devpi_warmup.inputs.pip_config import PipConfig
from devpi_warmup.private_server.server import PrivateServer

pytestmark = pytest.mark.xdist_group("faults")

Answers = tuple[Answer, ...]
UPSTREAM, DEVPI = "upstream", "devpi"
JSON_VIEW = "application/json"


def status(code: int, **headers: str) -> Answer:
    return Answer(code, "text/html", b"<html></html>", headers)


def redirect(path: str) -> Answer:
    return Answer(302, headers={"Location": path})


@dataclass(frozen=True)
class Case:
    """One fault.

    :param where: whose it is, and of what: "upstream page", "devpi file", "devpi view" …
    :param answers: what is answered first; the last of them for ever
    :param upload: makes the file that is served from the true one
    :param either: what may be said, and stays out of the table: devpi cuts the connection on a
        wrong hash, before or after the last byte has arrived
    """

    fault: str
    where: str
    outcome: str
    answers: Answers = ()
    upload: Callable[[Upload], Upload] = lambda true: true
    either: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.where}: {self.fault}"

    @property
    def name(self) -> str:
        """A project of its own: devpi remembers what it has seen."""
        return "fault-" + "-".join(
            "".join(c if c.isalnum() else " " for c in self.id).lower().split()
        )


def statuses() -> Iterator[Case]:
    for where in ("upstream page", "upstream file", "devpi page", "devpi file"):
        for code in (403, 404, 429, 500, 502, 503):
            answer = status(code)
            # Nobody asks again who has been refused.
            refused = where.startswith(DEVPI) and code == 403
            good = "fails" if refused else "OK"
            yield Case(f"{code} once", where, good, (answer, FINE))
            yield Case(f"{code} three times", where, good, (answer, answer, answer, FINE))
            yield Case(f"{code} for ever", where, "fails", (answer,))


def wire() -> Iterator[Case]:
    for where in ("upstream page", "upstream file", "devpi page", "devpi file"):
        content_type = JSON if where.endswith("page") else "application/octet-stream"
        cut = Answer(200, content_type, b"{", {"Content-Length": "9999"})
        yield Case("truncated body once", where, "OK", (cut, FINE))
        yield Case("truncated body for ever", where, "fails", (cut,))
        for how, words in (
            ("reset", "connection reset"),
            ("late", "first byte late"),
            ("stall", "stall in the middle"),
        ):
            fault = Answer(200, content_type, b"{" * 200, how=how)
            yield Case(f"{words} once", where, "OK", (fault, FINE))
            yield Case(f"{words} for ever", where, "fails", (fault,))
        if where.startswith(DEVPI):
            headers = Answer(how="headers")
            yield Case("a byte of a header now and then, once", where, "OK", (headers, FINE))
            yield Case("a byte of a header now and then, for ever", where, "fails", (headers,))
            endless = Answer(302, body=b"x" * 200, how="stall")
            yield Case("a redirect with a body that stalls", where, "fails", (endless,))
            drip = Answer(200, content_type, b"{" * 2000, how="drip")
            yield Case("a byte now and then, once", where, "OK", (drip, FINE))
            yield Case("a byte now and then, for ever", where, "fails", (drip,))
        yield Case("redirect loop", where, "fails", (redirect("?"),))


def pages() -> Iterator[Case]:
    for side in (UPSTREAM, DEVPI):
        where = f"{side} page"
        empty = Answer(200, "text/html", b"<!DOCTYPE html><html></html>")
        yield Case("empty page once", where, "OK", (empty, FINE))
        yield Case("empty page for ever", where, "fails", (empty,))
        yield Case("broken JSON", where, "fails", (Answer(200, JSON, b'{"files": [{'),))
        yield Case("JSON of another kind", where, "fails", (Answer(200, JSON, b"[1, 2]"),))
        yield Case("broken HTML", where, "fails", (Answer(200, "text/html", b"<a href=<<a <!--"),))
        yield Case(
            "bytes that are no text", where, "fails", (Answer(200, "text/html", b"\xff\xfe"),)
        )
        yield Case("a page of another type", where, "fails", (Answer(200, "image/png", b"PNG"),))
        if side == DEVPI:  # devpi reads what comes
            gigantic = Answer(200, JSON, b" " * (3 << 20))
            yield Case("gigantic page", where, "fails", (gigantic,))


def contents() -> Iterator[Case]:
    where = "upstream file"

    def zipped(contents: Callable[[Upload], dict[str, str]]) -> Callable[[Upload], Upload]:
        return lambda true: Upload(true.filename, make_zip(contents(true)))

    def info(true: Upload) -> str:
        return true.filename.removesuffix("-py3-none-any.whl") + ".dist-info"

    def huge(true: Upload) -> Upload:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{info(true)}/METADATA", b"Name: x\n" * (100 << 17))
        return Upload(true.filename, buffer.getvalue())

    yield Case(
        "wrong bytes, right length",
        where,
        "fails",
        upload=lambda true: Upload(true.filename, true.data[:-1] + b"x", sha256=true.digest),
        either=("its sha256 is", "or it was cut", "the answer ended too early"),
    )
    yield Case("no hash on the page", where, "OK", upload=lambda true: replace(true, sha256=""))
    yield Case(
        "a wheel that is no zip", where, "fails", upload=lambda t: Upload(t.filename, b"no zip")
    )
    yield Case("a wheel without METADATA", where, "fails", upload=zipped(lambda _: {"x.py": ""}))
    yield Case(
        "a wheel with two dist-infos",
        where,
        "fails",
        upload=zipped(
            lambda true: {
                f"{info(true)}/METADATA": metadata("x", "1.0"),
                "x-2.0.dist-info/METADATA": metadata("x", "2.0"),
            }
        ),
    )
    yield Case("a METADATA of 100 MB", where, "fails", upload=huge)


def filenames() -> Iterator[Case]:
    for side in (UPSTREAM, DEVPI):
        for name, words in (
            ("../../x-1.0-py3-none-any.whl", "../../x.whl"),
            ("/etc/x-1.0-py3-none-any.whl", "an absolute path"),
            ("x-1.0-py3\0-none-any.whl", "NUL"),
            ("other-9.0-py3-none-any.whl", "another project"),
        ):
            yield Case(
                f"{words} as a filename on the page", f"{side} page", "OK", (Answer(0, name),)
            )


def proofs() -> Iterator[Case]:
    view, head = "devpi view", "devpi head"
    for code in (404, 500, 502):
        good = "OK"  # asked again, or fetched again
        yield Case(f"{code} once", view, good, (status(code), FINE))
        yield Case(f"{code} for ever", view, "fails", (status(code),))
    uncommitted = Answer(200, JSON_VIEW, b'{"result": {}}')
    yield Case("not committed, for ever", view, "fails", (uncommitted,))
    yield Case("broken JSON", view, "fails", (Answer(200, JSON_VIEW, b"{"),))
    yield Case("a page of HTML", view, "fails", (status(200),))
    yield Case(
        "not on the disk, for ever",
        head,
        "fails",
        (Answer(200, headers={"Cache-Control": "no-store"}),),
    )
    kept = {"Cache-Control": "max-age=365000000, immutable, public", "Content-Length": "1"}
    yield Case("another length on the disk", head, "fails", (Answer(200, headers=kept),))
    yield Case("500 for ever", head, "fails", (status(500),))
    cache = Answer(200, "application/octet-stream", b"", {"Age": "7"})
    yield Case("a cache answers for devpi", view, "not shown", (cache,))


def cases() -> Iterator[Case]:
    yield from statuses()
    yield from wire()
    yield from pages()
    yield from filenames()
    yield from contents()
    yield from proofs()


@pytest.fixture(scope="module")
def front(devpi_server: Devpi) -> Iterator[Proxy]:
    """A site before the shared devpi-server."""
    proxy = Proxy(target=devpi_server.index.partition("/root/")[0])
    with listening(proxy):
        yield proxy


@pytest.fixture(scope="module")
def hasty(server_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devpi]:
    """A devpi-server that waits one second for its upstream."""
    catalogue = Catalogue()
    folder = tmp_path_factory.mktemp("hasty")
    with pytest.MonkeyPatch.context() as patch, served(catalogue) as upstream:
        patch.setattr("devpi_warmup.private_server.server.REQUEST_TIMEOUT", 1)
        server = PrivateServer(folder, settings=PipConfig({}, ()))
        yield Devpi(mirror(server, upstream), catalogue)
        server.stop()


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.id)
def test_a_fault_costs_time_never_truth(
    devpi: Devpi,
    front: Proxy,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    case: Case,
) -> None:
    monkeypatch.setattr("devpi_warmup.index.simple.MAX_PAGE", 1 << 20)
    site: Site = front
    index = f"{front.url}/root/pypi"
    if case.where.startswith(UPSTREAM):
        silent = any(answer.how in {"late", "stall"} for answer in case.answers)
        devpi = request.getfixturevalue("hasty") if silent else devpi
        site, index = devpi.upstream, devpi.index
    filename, data = make_wheel(case.name, "1.0")
    true = Upload(filename, data)
    devpi.upstream.upload(case.name, case.upload(true))
    path = path_of(case, true)
    answers = [dressed(answer, path, true, case) for answer in case.answers]
    if answers:
        site.faults[path] = list(answers)
    try:
        outcome, message = warm(index, true, tmp_path), ""
    except WarmupError as error:
        outcome, message = "fails", summary(error, case.name)
    record(case.fault, case.where, outcome, "" if case.either else message)
    assert outcome == case.outcome, message
    assert not case.either or any(said in message for said in case.either), message


def path_of(case: Case, true: Upload) -> str:
    split = f"{true.digest[:3]}/{true.digest[3:16]}/{true.filename}"
    return {
        "upstream page": f"/+simple/{case.name}/",
        "upstream file": f"/files/{true.filename}",
        "devpi page": f"/root/pypi/+simple/{case.name}/",
        "devpi file": f"/root/pypi/+f/{split}",
        "devpi view": f"/root/pypi/+f/{split}#view",
        "devpi head": f"/root/pypi/+f/{split}#head",
    }[case.where]


def dressed(answer: Answer, path: str, true: Upload, case: Case) -> Answer:
    """Fill in what only the file of the case tells."""
    if answer.status == 302:
        return replace(answer, headers={"Location": path})
    if answer.status != 0:
        return answer
    if case.where.startswith(UPSTREAM):
        base = "../../files/"
    else:
        base = f"../../+f/{true.digest[:3]}/{true.digest[3:16]}/"
    files = [
        {"filename": name, "url": base + name, "hashes": {"sha256": true.digest}}
        for name in (answer.content_type, true.filename)
    ]
    page = {"meta": {"api-version": "1.0"}, "name": case.name, "files": files}
    headers = {} if case.where.startswith(UPSTREAM) else {"X-Devpi-Api-Version": "2"}
    return Answer(200, JSON, json.dumps(page).encode(), headers)
