"""A wheel of over 2.5 GB through a real devpi: ``nox -s measure -- large``.

It is made here, of a stored member of zeros, and lies sparse on a disk of the upstream. Some
10 GB of disk are needed for a while. What has to hold is asserted; the times are for reading.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests
from indexes import ROOT

from devpi_warmup.inputs.pip_config import PipConfig, clean_environment
from devpi_warmup.private_server.server import PrivateServer

SIZE = 2_600_000_000  # bytes
PIECE = 1 << 20
NAME = "big-1.0-py3-none-any.whl"
NOXFILE = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nimport devpi_warmup\n\ndevpi_warmup.register()\n"
TABLE = (
    '[tool.devpi-warmup]\npythons = ["3.13"]\nplatforms = ["win_amd64", "manylinux2014_x86_64"]\n'
)
PARENT = (  # the largest process below it, in KiB
    "import resource, subprocess, sys\n"
    "code = subprocess.run(sys.argv[1:]).returncode\n"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    "sys.exit(code)\n"
)


class Sparse(io.FileIO):
    """A file in which zeros take no room."""

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if len(data) == PIECE and not any(data):
            self.seek(len(data), os.SEEK_CUR)
            return len(data)
        return super().write(data) or 0


def make(folder: Path) -> str:
    """Write a page and a wheel; return the wheel's sha256."""
    files = {
        "big-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: big\nVersion: 1.0\n",
        "big-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with Sparse(folder / NAME, "w+") as stream, zipfile.ZipFile(stream, "w") as archive:
        with archive.open("big/data.bin", "w", force_zip64=True) as member:
            for _ in range(SIZE // PIECE):
                member.write(bytes(PIECE))
        for name, text in files.items():
            archive.writestr(name, text)
        record = "".join(f"{name},,\n" for name in ("big/data.bin", *files))
        archive.writestr("big-1.0.dist-info/RECORD", f"{record}big-1.0.dist-info/RECORD,,\n")
    digest = hashlib.sha256()
    with (folder / NAME).open("rb") as stream:
        while piece := stream.read(PIECE):
            digest.update(piece)
    page = folder / "simple" / "big"
    page.mkdir(parents=True)
    link = f'<a href="../../{NAME}#sha256={digest.hexdigest()}">{NAME}</a>'
    (page / "index.html").write_text(f"<!DOCTYPE html><html><body>{link}</body></html>")
    return digest.hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def warmup(root: Path, index: str) -> tuple[float, int]:
    """Return seconds, and the size in bytes of the largest process."""
    env = clean_environment() | {"DEVPI_INDEX": index, "NOX_SCRIPT_MODE": "none"}
    argv = [sys.executable, "-c", PARENT, sys.executable, "-m", "nox", "-s", "warmup"]
    begun = time.perf_counter()
    done = subprocess.run(argv, cwd=root, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return time.perf_counter() - begun, int(done.stdout.split()[-1]) << 10


def fetch(index: str, sha256: str, folder: Path) -> float:
    """Fetch the wheel as plainly as can be; return seconds."""
    begun, digest = time.perf_counter(), hashlib.sha256()
    url = f"{index}/+f/{sha256[:3]}/{sha256[3:16]}/{NAME}"
    with requests.get(url, stream=True, timeout=60) as answer, (folder / "x").open("wb") as stream:
        for piece in answer.iter_content(1 << 18):
            digest.update(piece)
            stream.write(piece)
    assert digest.hexdigest() == sha256
    (folder / "x").unlink()
    return time.perf_counter() - begun


def measure(folder: Path) -> None:
    upstream, root = folder / "upstream", folder / "project"
    upstream.mkdir()
    (root / "requirements").mkdir(parents=True)
    (root / "requirements" / "main.txt").write_text("big\n")
    (root / "pyproject.toml").write_text(TABLE)
    (root / "noxfile.py").write_text(NOXFILE)
    sha256 = make(upstream)
    blocks = (upstream / NAME).stat().st_blocks * 512
    server = PrivateServer(folder / "devpi", settings=PipConfig({}, ()))
    with served(upstream) as url:
        index = server.start().url
        try:
            requests.patch(
                index,
                json=[f"mirror_url={url}"],
                auth=("root", (server.folder / "root-password").read_text()),
                headers={"Accept": "application/json"},
                timeout=30,
            ).raise_for_status()
            cold, peak = warmup(root, index)
            entry = json.loads((root / "wheelhouse" / "manifest.json").read_text())["files"][NAME]
            assert entry["sha256"] == sha256
            assert entry["warm"] == "warm"
            again, _ = warmup(root, index)
            shutil.rmtree(root / "wheelhouse")
            warm, _ = warmup(root, index)
            plain = fetch(index, sha256, folder)
        finally:
            server.stop()
    size = (root / "wheelhouse" / NAME).stat().st_size
    assert size > 2_500_000_000
    assert peak < 500 << 20, peak
    print(f"{NAME}: {size} bytes, {blocks} of them on the upstream's disk; two targets")
    print(f"cold devpi {cold:.1f} s, warm devpi {warm:.1f} s, again {again:.1f} s")
    print(f"a plain fetch from the warm devpi {plain:.1f} s")
    print(f"the largest process of the cold run had {peak >> 20} MiB")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        measure(Path(place))
