"""A pip that is imported once answers as one that is started each time."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from projects import linux_only

from devpi_warmup import process
from devpi_warmup.inputs.targets import Target
from devpi_warmup.process import Completed
from devpi_warmup.prove.forks import Forks
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
    # What is no foreign pip goes to the runner, and so does all of it once the process is lost.
    assert forked.run("-c", "print(1)").stdout == "1\n"
    forks.close()
    assert judged(forked, tmp_path / "late", nothing).returncode == 0
    assert [argv for argv in runner.argvs if FOREIGN in argv]
