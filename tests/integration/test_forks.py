"""A pip that is imported once answers as one that is started each time."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from catalogue import make_wheel
from projects import linux_only

from devpi_warmup import process
from devpi_warmup.inputs.targets import Target
from devpi_warmup.process import Completed, Serving
from devpi_warmup.prove.forks import _SCRIPTS, _SERVER, Forks
from devpi_warmup.prove.pip import FOREIGN, Pip

WINDOWS = Target("3.9", "win_amd64")


class Counting:
    """The real process runner, and what was run."""

    def __init__(self) -> None:
        self.argvs: list[Sequence[str]] = []

    def __call__(
        self, argv: Sequence[str], *, env: Mapping[str, str], timeout: float | None = None
    ) -> Completed:
        self.argvs.append(argv)
        return process.run(argv, env=env, timeout=timeout)


def judged(pip: Pip, folder: Path, line: str) -> Completed:
    folder.mkdir(exist_ok=True)
    lock = folder / "lock.txt"
    lock.write_text(line)
    return pip.judge_lock(lock, WINDOWS, WINDOWS.markers, folder)


@linux_only
def test_the_same_words_and_the_same_status(tmp_path: Path) -> None:
    runner = Counting()
    forks = Forks(runner)
    plain, forked = Pip(sys.executable, process.run), Pip(sys.executable, forks)
    nothing = "# nothing\nabsent==1.0 ; sys_platform == 'linux' --hash=sha256:" + "0" * 64
    for number, line in enumerate((nothing, f"absent==1.0 --hash=sha256:{'0' * 64}", "-q -q x y")):
        once, again = (
            judged(pip, tmp_path / f"{number}{name}", line)
            for name, pip in (("a", plain), ("b", forked))
        )
        assert once.returncode == again.returncode
        assert once.stderr.replace(f"{number}a", "") == again.stderr.replace(f"{number}b", "")
    assert once.returncode != 0
    assert runner.argvs == []  # no process was started but the one that serves
    # What is no script of ours goes to the runner, and so does all of it once a process is lost.
    assert forked.run("-c", "print(1)").stdout == "1\n"
    forks.close()
    assert judged(forked, tmp_path / "late", nothing).returncode == 0
    assert [argv for argv in runner.argvs if FOREIGN in argv]


@linux_only
def test_wheels_are_unpacked_in_forks_of_the_same_process(tmp_path: Path) -> None:
    name, data = make_wheel("x", "1.0")
    good, bad = tmp_path / name, tmp_path / "y-1.0-py3-none-any.whl"
    good.write_bytes(data)
    bad.write_bytes(b"no zip")
    runner, said = Counting(), []
    forks = Forks(runner)
    for number, pip in enumerate((Pip(sys.executable, process.run), Pip(sys.executable, forks))):
        folder = tmp_path / str(number)
        folder.mkdir()
        wheels, verdicts = folder / "wheels.json", folder / "verdicts.json"
        wheels.write_text(json.dumps([["x", str(good)], ["y", str(bad)]]))
        assert pip.unpack(wheels, verdicts, folder, fast=True).returncode == 0
        said.append(json.loads(verdicts.read_text()))
    once, again = said
    assert once == again
    assert not again[0]["problem"]
    assert "not a zip file" in again[1]["problem"]
    assert judged(Pip(sys.executable, forks), tmp_path / "lock", "# nothing\n").returncode == 0
    assert len(forks._servers) == 1
    assert runner.argvs == []
    forks.close()


@linux_only
def test_a_script_that_ends_as_it_likes(tmp_path: Path) -> None:
    """The answer is its exit status, whatever way it ends, and the next call is answered."""
    server = Serving([sys.executable, "-I", _SERVER], os.environ)
    endings = {
        "pass": "0",
        "raise SystemExit": "0",
        "raise SystemExit(7)": "7",
        "raise SystemExit('no')": "1",
        "1 / 0": "1",
        "import os; os.kill(os.getpid(), 9)": "-9",
    }
    for number, (code, status) in enumerate(endings.items()):
        script = tmp_path / f"{number}.py"
        script.write_text(f"import sys; print('out'); print('err', file=sys.stderr)\n{code}\n")
        outputs = [str(tmp_path / f"{number}.{name}") for name in ("out", "err")]
        assert server.ask(json.dumps([*outputs, str(script)])) == status
        if status != "-9":
            assert Path(outputs[0]).read_text() == "out\n"
            assert Path(outputs[1]).read_text().startswith("err\n")
    server.close()
    assert server.ask("closed") == ""


@linux_only
def test_calls_at_once_are_forks_of_one_process(tmp_path: Path) -> None:
    """None waits for another: each of these ends when all have begun."""
    pipes = [tmp_path / str(number) for number in range(3)]
    for pipe in pipes:
        os.mkfifo(pipe)
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\n"
        "own, *others = sys.argv[1:]\n"
        "inbox = os.open(own, os.O_RDWR)\n"
        "for other in others: os.write(os.open(other, os.O_RDWR), b'x')\n"
        "for _ in others: assert os.read(inbox, 1) == b'x'\n"
        "sys.exit(len(own))\n"
    )
    server = Serving([sys.executable, "-I", _SERVER], os.environ)

    def call(own: Path) -> str:
        others = [str(pipe) for pipe in pipes if pipe != own]
        return server.ask(json.dumps([f"{own}.out", f"{own}.err", str(script), str(own), *others]))

    with ThreadPoolExecutor(3) as pool:
        assert [*pool.map(call, pipes)] == [str(len(str(pipe))) for pipe in pipes]
    server.close()


@linux_only
def test_who_waits_for_a_lost_process_is_told(tmp_path: Path) -> None:
    runner = Counting()
    forks = Forks(runner)
    script = tmp_path / "script.py"
    script.write_text("import os, signal, time\nos.kill(os.getppid(), signal.SIGKILL)\n")
    forks._fork((sys.executable, "-I", _SERVER), (str(script),), os.environ)
    (server,) = forks._servers.values()
    assert server.ask("lost") == ""
    done = judged(Pip(sys.executable, forks), tmp_path / "lock", "# nothing\n")
    assert done.returncode == 0
    forks.close()


@linux_only
def test_a_signal_that_is_blocked_where_it_is_started(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("raise SystemExit(3)\n")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        server = Serving([sys.executable, "-I", _SERVER], os.environ)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    call = json.dumps([str(tmp_path / "out"), str(tmp_path / "err"), str(script)])
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.ask, call)
        try:
            assert answer.result(timeout=60) == "3"
        finally:
            server.kill()
    server.close()


@linux_only
def test_what_is_cancelled_is_not_begun_again(tmp_path: Path) -> None:
    runner = Counting()
    forks, begun = Forks(runner), tmp_path / "begun"
    os.mkfifo(begun)
    script = tmp_path / "foreign_pip.py"
    script.write_text(f"open({str(begun)!r}, 'w').close()\nimport signal; signal.pause()\n")
    _SCRIPTS.add(str(script))
    try:
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(forks, [sys.executable, "-I", str(script)], env=os.environ)
            begun.read_text()  # it waits for the other end
            forks.cancel()
            assert done.result(timeout=60).returncode == -9
        assert forks([sys.executable, "-I", str(script)], env=os.environ).returncode == -9
    finally:
        _SCRIPTS.remove(str(script))
    assert runner.argvs == []
    forks.close()


_COUNTED = """
import runpy, sys, zipfile
opened, init = [], zipfile.ZipFile.__init__
def count(self, file, *more, **named):
    opened.append(str(file))
    init(self, file, *more, **named)
zipfile.ZipFile.__init__ = count
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print(sum(path.endswith(".whl") for path in opened))
"""


def test_pip_opens_each_wheel_once(tmp_path: Path) -> None:
    """For all that it asks of a wheel: the requirements, the name, and the report."""
    for name, needs in (("a", ("b",)), ("b", ())):
        filename, data = make_wheel(name, "1.0", requires=needs)
        (tmp_path / filename).write_bytes(data)
    markers = tmp_path / "markers.json"
    markers.write_text(json.dumps(dict(WINDOWS.markers)))
    report = tmp_path / "report.json"
    install = ("install", "--dry-run", "--ignore-installed", "--no-index", "--quiet", "a")
    places = (f"--find-links={tmp_path}", f"--report={report}")
    pip = Pip(sys.executable, process.run)
    done = pip.offline("-c", _COUNTED, FOREIGN, str(markers), *install, *places)
    assert done.returncode == 0, done.stderr
    found = json.loads(report.read_text())["install"]
    assert {item["metadata"]["name"]: item["metadata"].get("requires_dist") for item in found} == {
        "a": ["b"],
        "b": None,
    }
    assert done.stdout.strip() == "2"
