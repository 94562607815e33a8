"""What becomes of a run when a server, the network, the disk or the run itself is cut off."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from catalogue import Catalogue, Upload, make_wheel, served
from faultbook import record, summary, warm
from projects import Devpi, Project, linux_only, mirror, new_project, upstream_of
from sites import FINE, Answer, Proxy, listening

from devpi_warmup.errors import WarmupError
from devpi_warmup.private_server.server import PrivateServer

pytestmark = pytest.mark.xdist_group("faults")

Make = Callable[[Path], PrivateServer]


def wheel(name: str) -> Upload:
    return Upload(*make_wheel(name, "1.0"))


# The servers ------------------------------------------------------------------------------


def test_connection_refused(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        index = f"http://127.0.0.1:{nobody.getsockname()[1]}/root/pypi"
        with pytest.raises(WarmupError, match="the connection is refused") as error:
            warm(index, wheel("refused"), tmp_path)
    record("connection refused", "devpi", "fails", summary(error.value))


def test_devpi_is_killed_and_restarted_in_the_middle(make_server: Make, tmp_path: Path) -> None:
    upstream, true = Catalogue(), wheel("restarted")
    upstream.upload("restarted", true)
    server = make_server(tmp_path / "server")
    with served(upstream) as url:
        front = Proxy(target=mirror(server, url).partition("/root/")[0])
        restarts, one = [], threading.Lock()

        def kill() -> None:
            assert server._process is not None
            server._process.kill()
            server._process.wait()

        def restart(pause: float) -> None:
            with one:
                if not restarts:
                    server.stop()
                    restarts.append(pause)
                    front.target = server.start().url.partition("/root/")[0]

        # While devpi waits for the file.
        upstream.faults[f"/files/{true.filename}"] = [Answer(FINE.status, before=kill), FINE]
        with listening(front) as base:
            outcome = warm(f"{base}/root/pypi", true, tmp_path, restart)
        server.stop()
    assert restarts
    assert outcome == "OK"
    record("killed and restarted in the middle", "devpi", outcome)


def test_the_upstream_goes_after_half_the_files(make_server: Make, tmp_path: Path) -> None:
    upstream = Catalogue()
    halves = [wheel("first-half"), wheel("second-half")]
    for true in halves:
        upstream.upload(true.filename.partition("-")[0].replace("_", "-"), true)
    server = make_server(tmp_path / "server")
    with served(upstream) as url:
        index = mirror(server, url)
        assert warm(index, halves[0], tmp_path) == "OK"
    with pytest.raises(WarmupError) as error:  # its port is closed now
        warm(index, halves[1], tmp_path)
    record("gone after half the files", "upstream", "fails", summary(error.value, "second-half"))
    server.stop()
    wheelhouse = tmp_path / "wheelhouse"
    assert (wheelhouse / halves[0].filename).read_bytes() == halves[0].data
    assert not (wheelhouse / halves[1].filename).exists()
    with served(upstream) as url:
        index = mirror(server, url)
        upstream.asked.clear()
        for true in halves:
            assert warm(index, true, tmp_path) == "OK"
        server.stop()
    assert not upstream.asked[f"/files/{halves[0].filename}"]
    record("back again, in the next run", "upstream", "OK")


def test_a_page_that_devpi_cannot_renew(make_server: Make, tmp_path: Path) -> None:
    """It is served as it was, and nothing on it says so; what it lists can still be had."""
    upstream, old = Catalogue(), wheel("stale")
    upstream.upload("stale", old)
    server = make_server(tmp_path / "server")
    with served(upstream) as url:
        index = mirror(server, url, "mirror_cache_expiry=0")
        assert warm(index, old, tmp_path) == "OK"
        upstream.add("stale", "2.0")
    shutil.rmtree(tmp_path / "wheelhouse")
    outcome = warm(index, old, tmp_path)  # its upstream is gone
    server.stop()
    assert outcome == "OK"
    record("stale page: the upstream is gone, and has a newer version", "devpi page", outcome)


def test_another_client_wants_the_same_file_at_the_same_time(devpi: Devpi, tmp_path: Path) -> None:
    """devpi answers the slower one with 500, from an AssertionError of its file store."""
    true = wheel("raced")
    devpi.upstream.upload("raced", true)
    path = f"{devpi.index}/+f/{true.digest[:3]}/{true.digest[3:16]}/{true.filename}"

    def overtake() -> None:
        with requests.Session() as session:
            assert session.get(path, timeout=30).content == true.data
            # On the same connection, so the commit is done.
            session.get(path, headers={"Accept": "application/json"}, timeout=30)

    upstream = devpi.upstream
    upstream.faults[f"/files/{true.filename}"] = [Answer(FINE.status, before=overtake), FINE]
    front = Proxy(target=devpi.index.partition("/root/")[0])
    with listening(front) as base:
        outcome = warm(f"{base}/root/pypi", true, tmp_path)
    assert outcome == "OK"
    assert upstream.asked[f"/files/{true.filename}"] == 2
    assert front.asked[path.removeprefix(front.target)] > 1  # it did answer 500
    record("another client fetches the same file at the same time", "devpi", outcome)


def test_the_clock_jumps(devpi: Devpi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true = wheel("clock")
    devpi.upstream.upload("clock", true)
    jumps = iter([1e9, 4e9, -5.0, 2e9] * 1000)
    monkeypatch.setattr("time.time", lambda: next(jumps))
    devpi.upstream.faults["/+simple/clock/"] = [Answer(503), Answer(503), FINE]
    outcome = warm(devpi.index, true, tmp_path)
    monkeypatch.undo()
    assert outcome == "OK"
    record("clock jumps by decades", "warmup", outcome)


# The disk ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def warm_project(make_server: Make, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with a private server, and one target of it covered."""
    project = new_project(tmp_path_factory.mktemp("disk"))
    upstream = Catalogue()
    upstream.add("disk-app", "1.0", requires=("disk-lib; sys_platform == 'win32'",))
    big = {"disk_lib/data.bin": "".join(f"{number}\n" for number in range(200_000))}
    upstream.add("disk-lib", "1.0", files={"disk_lib/__init__.py": "", **big})
    project.write("disk-app", pythons=("3.13",))
    with upstream_of(make_server(project.root / ".devpi"), upstream):
        done = project.nox("-s", "warmup(cp313-manylinux2014_x86_64)")
        assert done.returncode == 0, done.output
        yield project


@contextmanager
def mounted(project: Project, folder: Path, options: str) -> Iterator[None]:
    """Run nox where ``folder`` is a small file system of its own, in a namespace of mounts."""
    copy = folder.with_name(folder.name + ".copy")
    script = (
        f"mount -t tmpfs tmpfs {folder} && cp -a {copy}/. {folder} && "
        f'mount -o remount,{options} {folder} && exec "$@"'
    )
    command = project.command

    def wrapped(*arguments: str) -> list[str]:
        return ["unshare", "-r", "-m", "sh", "-c", script, "sh", *command(*arguments)]

    shutil.copytree(folder, copy, symlinks=True)
    project.command = wrapped  # type: ignore[method-assign]
    yield
    project.command = command  # type: ignore[method-assign]
    shutil.rmtree(copy)


@linux_only
@pytest.mark.parametrize(
    ("fault", "where", "options", "message"),
    [
        # First what finds a devpi that does not have the file yet.
        ("disk full", "devpi", "size=700k", "devpi's log: OSError: [Errno 28] No space left"),
        ("read-only", "devpi", "ro", "did not start: OSError: [Errno 30] Read-only file system"),
        ("disk full", "wheelhouse", "size=200k", "No space left on device"),
        ("read-only", "wheelhouse", "ro", "Read-only file system"),
    ],
)
def test_a_disk_that_takes_no_more(
    warm_project: Project, fault: str, where: str, options: str, message: str
) -> None:
    root = warm_project.root
    folder = {"wheelhouse": root / "wheelhouse", "devpi": root / ".devpi" / "data"}[where]
    before = warm_project.files()
    with mounted(warm_project, folder, options):
        done = warm_project.nox("-s", "warmup")
    assert done.returncode == 1, done.output
    assert "Traceback" not in done.output
    assert message in done.stderr
    after = warm_project.files()
    before.pop("manifest.json")  # what is missing now is noted there
    assert before.items() <= after.items()
    assert warm_project.states()["cp313-manylinux2014_x86_64"] == "covered"
    line = next(line for line in done.stderr.splitlines() if message in line)
    record(
        fault,
        where,
        "fails",
        summary(re.split(r" is missing: | was not warmed up: ", line)[-1].partition("; its")[0]),
    )


@linux_only
def test_a_disk_that_takes_it_again(warm_project: Project) -> None:
    done = warm_project.nox("-s", "warmup")
    assert done.returncode == 0, done.output


# The run ----------------------------------------------------------------------------------


@contextmanager
def stopped_at(project: Project, upstream: Catalogue, path: str) -> Iterator[subprocess.Popen[str]]:
    """Start a warmup, and yield it while the upstream does not answer a request for ``path``.

    What it is asked for before that is covered by then.
    """
    asked, go = threading.Event(), threading.Event()

    def hold() -> None:
        asked.set()
        go.wait()

    upstream.faults[path] = [Answer(FINE.status, before=hold), FINE]
    process = subprocess.Popen(
        project.command("-s", "warmup"),
        cwd=project.root,
        env=project.env(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # The tests may run in the background of a shell, which has Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert asked.wait(120)
        assert process.stdout is not None
        said = ""
        while "cp313-manylinux2014_x86_64: covered" not in said:
            said = process.stdout.readline()
            assert said, "it ended"
        yield process
    finally:
        go.set()


@pytest.fixture
def stoppable(project: Project, make_server: Make) -> Iterator[tuple[Project, Catalogue, str]]:
    """A project with a private server, its upstream, and the file of its second target."""
    upstream = Catalogue()
    upstream.add("stop-app", "1.0", requires=("stop-lib; sys_platform == 'win32'",))
    upload = upstream.add("stop-lib", "1.0")
    project.write("stop-app", pythons=("3.13",))
    with upstream_of(make_server(project.root / ".devpi"), upstream):
        yield project, upstream, f"/files/{upload.filename}"


def whole_files(project: Project, upstream: Catalogue) -> bool:
    whole = {u.filename: u.data for group in upstream.projects.values() for u in group}
    return all(
        data == whole[name]
        for name, data in project.files().items()
        if name.endswith(".whl") and not name.startswith(".staging")
    )


@linux_only
@pytest.mark.parametrize(
    ("signum", "returncode", "fault"),
    [
        (signal.SIGKILL, -9, "kill -9"),
        (signal.SIGINT, 130, "Ctrl-C"),
        (signal.SIGTERM, -15, "SIGTERM"),
    ],
)
def test_a_stopped_run_is_simply_run_again(
    stoppable: tuple[Project, Catalogue, str], signum: int, returncode: int, fault: str
) -> None:
    """Also while the upstream is silent: nobody waits for it to end."""
    project, upstream, path = stoppable
    with stopped_at(project, upstream, path) as process:
        os.killpg(process.pid, signum)
        output, _ = process.communicate(timeout=25)  # devpi waits for the upstream for 30 seconds
    assert process.returncode == returncode, output
    assert "Traceback" not in output
    assert whole_files(project, upstream)
    assert project.states() == {"cp313-manylinux2014_x86_64": "covered"}
    record(fault, "warmup", "fails", f"exit status {returncode}")
    done = project.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    assert "2 of 2 targets covered" in done.stdout
    record(f"{fault}, and the next run", "warmup", "OK")


@linux_only
def test_two_runs_at_once_on_one_wheelhouse(stoppable: tuple[Project, Catalogue, str]) -> None:
    project, upstream, path = stoppable
    with stopped_at(project, upstream, path) as first:
        second = project.nox("-s", "warmup(cp313-manylinux2014_x86_64)")
    output, _ = first.communicate(timeout=60)
    assert first.returncode == 0, output
    assert "2 of 2 targets covered" in output
    assert second.returncode == 1, second.output
    line = next(line for line in second.stderr.splitlines() if "was not warmed up: " in line)
    assert "another warmup is at work on wheelhouse/" in line
    assert project.nox("-s", "report").returncode == 0
    record(
        "two runs at once", "wheelhouse", "fails", summary(line.partition("was not warmed up: ")[2])
    )
    record("two runs at once, the first of them", "wheelhouse", "OK")
