"""A small index made by the tests: wheels, pages, and the two ways to reach them.

``Catalogue.respond`` answers a request as a simple repository would. The unit tests reach it
through a requests adapter, without a socket; the integration tests through an HTTP server on
loopback, which devpi-server mirrors.
"""

from __future__ import annotations

import hashlib
import html
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests
from packaging.utils import canonicalize_name
from requests.adapters import BaseAdapter
from sites import Answer, Site, listening
from urllib3.response import HTTPResponse

from devpi_warmup.wheelhouse.lock import Lock

# Resolve requirement lines for a target; a fixture of the unit tests.
Resolve = Callable[..., Lock]
JSON = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True)
class Upload:
    filename: str
    data: bytes
    requires_python: str = ""
    yanked: bool = False
    metadata: bytes | None = None
    sha256: str | None = None  # what the page says, where that is not the truth

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest() if self.sha256 is None else self.sha256


def metadata(
    name: str,
    version: str,
    requires: tuple[str, ...] = (),
    extras: tuple[str, ...] = (),
    requires_python: str = "",
    headers: tuple[str, ...] = (),
) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {requires_python}"] if requires_python else []
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    lines += headers
    return "\n".join(lines) + "\n"


def make_wheel(
    name: str,
    version: str,
    *,
    requires: tuple[str, ...] = (),
    extras: tuple[str, ...] = (),
    requires_python: str = "",
    tag: str = "py3-none-any",
    build: str = "",
    files: dict[str, str] | None = None,
    headers: tuple[str, ...] = (),
) -> tuple[str, bytes]:
    """Return the filename and the bytes of a wheel that pip installs; the same bytes each time."""
    base = f"{name.replace('-', '_')}-{version}"
    info = f"{base}.dist-info"
    module = name.replace("-", "_").replace(".", "_")
    contents = {f"{module}/__init__.py": f"VERSION = {version!r}\n"} if files is None else files
    contents = {
        **contents,
        f"{info}/METADATA": metadata(name, version, requires, extras, requires_python, headers),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    contents[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*contents, f"{info}/RECORD"])
    return f"{base}{f'-{build}' if build else ''}-{tag}.whl", make_zip(contents)


def make_zip(contents: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in contents.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
    return buffer.getvalue()


@dataclass
class Catalogue(Site):
    """Projects, and a log of what was asked."""

    projects: dict[str, list[Upload]] = field(default_factory=dict)
    prefix: str = ""
    headers: list[dict[str, str]] = field(default_factory=list)

    def add(
        self,
        name: str,
        version: str,
        *,
        requires: tuple[str, ...] = (),
        extras: tuple[str, ...] = (),
        requires_python: str = "",
        tag: str = "py3-none-any",
        build: str = "",
        yanked: bool = False,
        core_metadata: bool = False,
        files: dict[str, str] | None = None,
        headers: tuple[str, ...] = (),
    ) -> Upload:
        filename, data = make_wheel(
            name,
            version,
            requires=requires,
            extras=extras,
            requires_python=requires_python,
            tag=tag,
            build=build,
            files=files,
            headers=headers,
        )
        served = metadata(name, version, requires, extras, requires_python, headers).encode()
        upload = Upload(filename, data, requires_python, yanked, served if core_metadata else None)
        return self.upload(name, upload)

    def upload(self, name: str, upload: Upload) -> Upload:
        self.projects.setdefault(canonicalize_name(name), []).append(upload)
        return upload

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        return self.respond(path, headers.get("Accept", ""))

    def respond(self, path: str, accept: str) -> Answer:
        if (fault := self.fault(path)) is not None:
            return fault
        parts = path.removeprefix(self.prefix).strip("/").split("/")
        if parts == ["+simple"] and JSON in accept:
            projects = [{"name": name} for name in sorted(self.projects)]
            body = {"meta": {"api-version": "1.0"}, "projects": projects}
            return Answer(200, JSON, json.dumps(body).encode())
        if parts[0] in {"simple", "+simple"} and len(parts) == 2:
            return self._page(parts[1], accept)
        if parts[0] == "files" and len(parts) == 2:
            return self._file(parts[1])
        return Answer(404)

    def _page(self, project: str, accept: str) -> Answer:
        uploads = self.projects.get(project)
        if uploads is None:
            return Answer(404)
        if JSON in accept:
            body = {
                "meta": {"api-version": "1.0"},
                "name": project,
                "files": [self._json(upload) for upload in uploads],
            }
            return Answer(200, JSON, json.dumps(body).encode())
        return Answer(200, "text/html", self.html(project).encode())

    def _json(self, upload: Upload) -> dict[str, object]:
        return {
            "filename": upload.filename,
            "url": f"../../files/{upload.filename}",
            "hashes": {"sha256": upload.digest} if upload.digest else {},
            "requires-python": upload.requires_python or None,
            "yanked": upload.yanked,
            "core-metadata": upload.metadata is not None,
        }

    def html(self, project: str, files: str = "../../files") -> str:
        lines = ["<!DOCTYPE html><html><body>"]
        for upload in self.projects[project]:
            fragment = f"#sha256={upload.digest}" if upload.digest else ""
            attributes = f'href="{files}/{upload.filename}{fragment}"'
            if upload.requires_python:
                attributes += f' data-requires-python="{html.escape(upload.requires_python)}"'
            attributes += ' data-yanked=""' if upload.yanked else ""
            lines.append(f"<a {attributes}>{upload.filename}</a>")
        return "\n".join([*lines, "</body></html>"])

    def _file(self, name: str) -> Answer:
        for uploads in self.projects.values():
            for upload in uploads:
                if upload.filename == name:
                    return Answer(200, "application/octet-stream", upload.data)
                if f"{upload.filename}.metadata" == name and upload.metadata is not None:
                    return Answer(200, "text/plain", upload.metadata)
        return Answer(404)

    def write_simple(self, folder: Path) -> str:
        """Write a PEP 503 index that pip reads from disk; return its file: URL."""
        files = folder / "files"
        files.mkdir(parents=True, exist_ok=True)
        for project, uploads in self.projects.items():
            page = folder / "simple" / project
            page.mkdir(parents=True, exist_ok=True)
            (page / "index.html").write_text(self.html(project), encoding="utf-8")
            for upload in uploads:
                (files / upload.filename).write_bytes(upload.data)
        return (folder / "simple").as_uri()


class _Adapter(BaseAdapter):
    """Answers requests from a catalogue, through the real requests and urllib3 code."""

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__()
        self._catalogue = catalogue

    def send(self, request, stream=False, timeout=None, verify=True, cert=None, proxies=None):
        assert request.url is not None
        self._catalogue.headers.append(dict(request.headers))
        path = requests.compat.urlsplit(request.url).path
        answer = self._catalogue.respond(path, request.headers.get("Accept", ""))
        headers = {"Content-Type": answer.content_type, **answer.headers}
        headers.setdefault("Content-Length", str(len(answer.body)))
        response = requests.Response()
        response.raw = HTTPResponse(
            io.BytesIO(answer.body),
            headers=headers,
            status=answer.status,
            preload_content=False,
            request_method=request.method,
        )
        response.status_code = answer.status
        response.headers.update(headers)
        response.url = request.url
        response.request = request
        return response

    def close(self) -> None:
        pass


def memory_session(catalogue: Catalogue) -> requests.Session:
    """Return a session that reaches nothing but the catalogue."""
    session = requests.Session()
    session.mount("http://", _Adapter(catalogue))
    session.mount("https://", _Adapter(catalogue))
    return session


@contextmanager
def served(catalogue: Catalogue) -> Iterator[str]:
    """Serve a catalogue; yield the URL of its simple API."""
    with listening(catalogue) as url:
        yield f"{url}{catalogue.prefix}/+simple/"
