"""devpi-servers and web servers as their manuals say, on loopback, stopped by who started them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from devpi_warmup.inputs.pip_config import clean_environment

FAST = (
    *("--argon2-memory-cost", "8"),
    *("--argon2-time-cost", "1"),
    *("--argon2-parallelism", "1"),
)


@contextmanager
def devpi_server(
    scripts: Path, folder: Path, *options: str, init: tuple[str, ...] = ()
) -> Iterator[str]:
    """Run devpi-init and devpi-server with their defaults and ``options``; yield the URL.

    :param scripts: where the programs are
    :param init: options of both
    """
    data = ["--serverdir", str(folder)]
    env = clean_environment() | {"DEVPISERVER_ROOT_PASSWD": "root"}
    subprocess.run([scripts / "devpi-init", *data, *init], env=env, check=True, capture_output=True)
    server = subprocess.Popen(
        [scripts / "devpi-server", *data, "--listen", "127.0.0.1:0", *init, *options],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert server.stdout is not None
    said = []
    for line in server.stdout:
        said.append(line)
        if match := re.search(r"Serving on (http://127\.0\.0\.1:\d+)", line):
            break
    else:
        server.wait()
        raise AssertionError("".join(said))
    with (folder / "server.log").open("w") as log:
        drain = subprocess.Popen(["cat"], stdin=server.stdout, stdout=log)
        server.stdout.close()
        try:
            yield match[1]
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()
            drain.wait()


@contextmanager
def nginx(folder: Path, port: int, server: str) -> Iterator[str]:
    """Run a real nginx with one ``server`` block, which listens on ``port``; yield the URL."""
    command = shutil.which("nginx")
    assert command is not None
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""  # it reads the server's folder
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"{user}daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log {folder}/access.log;\n{temporary}{server}\n}}\n"
    )
    process = subprocess.Popen([command, "-p", str(folder), "-c", str(configuration)])
    try:
        while process.poll() is None:
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
        assert process.poll() is None, (folder / "error.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def gen_nginx(scripts: Path, data: Path, index: str, port: int, folder: Path) -> str:
    """Return the ``server`` block that devpi-gen-config writes for a running devpi-server."""
    subprocess.run(
        [
            *(scripts / "devpi-gen-config", "--serverdir", data),
            *("--host", "127.0.0.1", "--port", index.split("/")[2].partition(":")[2]),
            *("--outside-url", f"http://127.0.0.1:{port}"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    server = (folder / "gen-config" / "nginx-devpi.conf").read_text()
    return server.replace("localhost:", "127.0.0.1:")
