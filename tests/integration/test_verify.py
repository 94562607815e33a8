"""``nox -s verify``: the real installation, offline, on this machine's own interpreter."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from catalogue import make_wheel
from projects import OWN_PLATFORM, OWN_PYTHON, ROOT, Devpi, Project, linux_only

from devpi_warmup.digests import digest
from devpi_warmup.inputs.pip_config import clean_environment
from devpi_warmup.inputs.targets import Target
from devpi_warmup.process import isolation

pytestmark = linux_only


def find_spec_of(version: str) -> dict[str, str]:
    """Return the environment in which nox finds a Python, {} where there is none."""
    environs = [{}]
    if pyenv := shutil.which("pyenv"):
        listed = subprocess.run([pyenv, "versions", "--bare"], capture_output=True, text=True)
        own = [name for name in listed.stdout.split() if name.startswith(f"{version}.")]
        environs += [{"PYENV_VERSION": name} for name in own]
    for environ in environs:
        argv = [f"python{version}", "-c", "import venv, ensurepip"]
        with suppress(OSError):
            if subprocess.run(argv, env=os.environ | environ, capture_output=True).returncode == 0:
                return environ or {"PYENV_VERSION": os.environ.get("PYENV_VERSION", "")}
    return {}


TARGET = Target(OWN_PYTHON, OWN_PLATFORM)


@pytest.fixture
def ready(warmed: Project, devpi: Devpi) -> Project:
    """A project whose wheelhouse covers this machine."""
    if "ver-app" not in devpi.upstream.projects:
        devpi.upstream.add("ver-app", "1.0", requires=("ver-lib",))
        devpi.upstream.add("ver-lib", "1.0")
    warmed.write("ver-app", pythons=(OWN_PYTHON,), platforms=(OWN_PLATFORM, "win_amd64"))
    assert warmed.nox("-s", "warmup").returncode == 0
    del warmed.environ["DEVPI_INDEX"]
    return warmed


def test_installed(ready: Project) -> None:
    done = ready.nox("-s", "verify", "-p", OWN_PYTHON)
    assert done.returncode == 0, done.output
    assert f"{TARGET.id} installed: 2 distributions, pip check passes" in done.stdout
    assert "2 of 2 modules imported" in done.stdout
    assert f"network kept away by {isolation().name}" in done.stdout
    assert "win_amd64" not in done.stdout  # a foreign target is never called installed


def test_an_older_level_installs_beside_a_newer_one(warmed: Project, devpi: Devpi) -> None:
    """pip would take the wheel of the newer level on this machine, and refuse its hash."""
    tag = f"cp{OWN_PYTHON.replace('.', '')}"
    for platform in ("manylinux2014_x86_64", "manylinux_2_28_x86_64"):
        devpi.upstream.add("level-app", "1.0", tag=f"{tag}-{tag}-{platform}")
    platforms = ("manylinux2014_x86_64", "manylinux_2_28_x86_64")
    warmed.write("level-app", pythons=(OWN_PYTHON,), platforms=platforms)
    assert warmed.nox("-s", "warmup").returncode == 0
    assert len(list(warmed.wheelhouse.glob("*.whl"))) == 2
    done = warmed.nox("-s", "verify")
    assert done.returncode == 0, done.output
    assert f"{tag}-manylinux2014_x86_64 installed" in done.stdout


def test_a_failing_import_is_a_named_warning(warmed: Project, devpi: Devpi) -> None:
    devpi.upstream.add(
        "imp-app", "1.0", files={"imp_good.py": "", "imp_bad.py": "import no_such_library"}
    )
    warmed.write("imp-app", pythons=(OWN_PYTHON,), platforms=(OWN_PLATFORM,))
    assert warmed.nox("-s", "warmup").returncode == 0
    done = warmed.nox("-s", "verify")
    assert done.returncode == 0, done.output
    assert "1 of 2 modules imported" in done.stdout
    assert "import imp_bad fails: ModuleNotFoundError: No module named" in done.stderr


def test_without_a_wheelhouse_it_says_what_to_run(project: Project) -> None:
    project.write("six", pythons=(OWN_PYTHON,), platforms=(OWN_PLATFORM,))
    done = project.nox("-s", "verify")
    assert done.returncode == 1
    assert f'run nox -s "warmup({TARGET.id})" first' in done.stderr
    assert "Traceback" not in done.output


def change_requirements(project: Project) -> None:
    (project.root / "requirements" / "main.txt").write_text("ver-app\nver-other\n")


def remove_lock(project: Project) -> None:
    (project.wheelhouse / "locks" / f"{TARGET.id}.txt").unlink()


def edit_lock(project: Project) -> None:
    lock = project.wheelhouse / "locks" / f"{TARGET.id}.txt"
    lock.write_text(lock.read_text() + "# changed\n")


def remove_wheel(project: Project) -> None:
    (project.wheelhouse / "ver_lib-1.0-py3-none-any.whl").unlink()


def exchange_wheel(project: Project) -> None:
    filename, data = make_wheel("ver-lib", "1.0", files={"evil.py": ""})
    (project.wheelhouse / filename).write_bytes(data)


def fail_target(project: Project) -> None:
    path = project.wheelhouse / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["targets"][TARGET.id] |= {"state": "missing", "reason": "no such project"}
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (change_requirements, "the requirements have changed since its warmup"),
        (remove_lock, "txt is missing from wheelhouse/"),
        (edit_lock, "txt is not the file that its warmup left there"),
        (remove_wheel, "ver_lib-1.0-py3-none-any.whl is missing from wheelhouse/"),
        (exchange_wheel, "whl is not the file that its warmup left there"),
        (fail_target, "is missing: no such project"),
    ],
)
def test_a_spoiled_wheelhouse_is_not_installed(
    ready: Project, spoil: Callable[[Project], None], message: str
) -> None:
    import re

    spoil(ready)
    table = ready.nox("-s", "report")
    assert table.returncode == 1
    assert re.search(message.replace("is missing: ", ""), table.stdout), table.output
    done = ready.nox("-s", "verify")
    assert done.returncode == 1, done.output
    assert re.search(message, done.stderr), done.output
    assert "installed:" not in done.stdout
    assert "Traceback" not in done.output


def test_an_emptied_lock_beside_an_edited_manifest(ready: Project) -> None:
    """The manifest names all three files of a lock, or it covers nothing."""
    path = ready.wheelhouse / "manifest.json"
    manifest = json.loads(path.read_text())
    lock = f"locks/{TARGET.id}.txt"
    (ready.wheelhouse / lock).write_text("")
    del manifest["targets"][TARGET.id]["locks"][lock]
    path.write_text(json.dumps(manifest))
    for session in ("report", "verify"):
        done = ready.nox("-s", session)
        assert done.returncode == 1, done.output
        assert "is covered without a lock" in done.output
    # Even where its digest is that of the emptied file.
    manifest["targets"][TARGET.id]["locks"][lock] = digest(ready.wheelhouse / lock)
    path.write_text(json.dumps(manifest))
    done = ready.nox("-s", "verify")
    assert done.returncode == 1, done.output
    assert "txt does not hold the files that the manifest names for it" in done.stderr


def test_the_order_of_a_selection_does_not_decide(ready: Project) -> None:
    foreign = TARGET.id.replace(OWN_PLATFORM, "win_amd64")
    done = ready.nox("-s", f"verify({foreign})", f"verify({TARGET.id})")
    assert done.returncode == 0, done.output
    assert f"{foreign} is not verified" in done.stderr
    assert "installed: 2 distributions" in done.stdout


def test_a_missing_interpreter_is_noxs_own_rule(project: Project) -> None:
    project.write("six", pythons=("3.15",), platforms=(OWN_PLATFORM,))
    done = project.nox("-s", "verify", "-p", "3.15")
    assert done.returncode == 1
    assert "Python interpreter 3.15 not found" in done.stderr


FOREIGN = ("win_amd64", "manylinux_2_90_x86_64", "musllinux_1_2_x86_64", "macosx_14_0_arm64")


@pytest.mark.parametrize(
    "selection",
    [("-s", "verify"), ("-s", "verify", "-p", OWN_PYTHON), ("-k", "verify and (windows or linux)")],
)
def test_nothing_that_can_run_here_is_an_error_that_names_it(
    project: Project, selection: tuple[str, ...]
) -> None:
    project.write("six", pythons=(OWN_PYTHON, "3.15"), platforms=FOREIGN)
    done = project.nox(*selection)
    assert done.returncode == 1, done.output
    tag = f"cp{OWN_PYTHON.replace('.', '')}"
    for platform, reason in (
        ("win_amd64", "this machine is Linux x86_64"),
        ("manylinux_2_90_x86_64", "this machine has glibc 2."),
    ):
        assert f"{tag}-{platform} is not verified: {reason}" in done.stderr
    assert "nothing that was selected can run here" in done.stderr
    assert "Traceback" not in done.output


def test_what_cannot_run_here_is_passed_over_by_name(ready: Project) -> None:
    done = ready.nox("-s", "verify")
    assert done.returncode == 0, done.output
    foreign = TARGET.id.replace(OWN_PLATFORM, "win_amd64")
    assert f"{foreign} is not verified: this machine is Linux" in done.stderr
    assert ready.nox("-s", f"verify({foreign})").returncode == 1
    assert ready.nox("-k", "verify and windows").returncode == 1


def test_an_environment_is_never_reused(warmed: Project, devpi: Devpi) -> None:
    """``-R`` would leave what is installed, and verify nothing of what lies there now."""
    devpi.upstream.add("reuse-app", "1.0", files={"reuse_app.py": "", "reuse_more.py": ""})
    warmed.write("reuse-app", pythons=(OWN_PYTHON,), platforms=(OWN_PLATFORM,))
    assert warmed.nox("-s", "warmup").returncode == 0
    assert warmed.nox("-s", "verify").returncode == 0
    (site,) = warmed.root.glob(".nox/verify*/lib/*/site-packages")
    (site / "reuse_app.py").write_text("raise ValueError('of the run before')")
    done = warmed.nox("-R", "-s", "verify")
    assert done.returncode == 0, done.output
    assert "2 of 2 modules imported" in done.stdout, done.output


def test_an_interpreter_older_than_the_lock_serves(warmed: Project, devpi: Devpi) -> None:
    """Debian 12 has 3.11.2; the lock is for the newest 3.11, and says from where on it holds."""
    major, minor, patch = sys.version_info[:3]
    newer = f"{major}.{minor}.{patch + 1}"
    devpi.upstream.add("patch-app", "2.0", requires_python=f">={newer}")
    devpi.upstream.add("patch-app", "1.0")
    warmed.write("patch-app", pythons=(OWN_PYTHON,), platforms=(OWN_PLATFORM,))
    done = warmed.nox("-s", "warmup")
    assert f"covered  from {newer}" in done.stdout, done.output
    own = f"{major}.{minor}.{patch}"
    done = warmed.nox("-s", "verify")
    assert done.returncode == 1
    assert f"this machine has Python {own}, and the lock serves from {newer}" in done.stderr
    assert f'write pythons = ["{own}"] into [tool.devpi-warmup]' in done.stderr
    warmed.write("patch-app", pythons=(own,), platforms=(OWN_PLATFORM,))
    assert warmed.nox("-s", "report").returncode == 1
    assert warmed.nox("-s", "warmup").returncode == 0
    done = warmed.nox("-s", "verify")
    assert done.returncode == 0, done.output


def test_modules_of_a_namespace_package_are_imported(warmed: Project, devpi: Devpi) -> None:
    files = {"space/good/__init__.py": "", "space/bad.py": "raise ValueError('no')"}
    devpi.upstream.add("space-app", "1.0", files=files)
    warmed.write("space-app", pythons=(OWN_PYTHON,), platforms=(OWN_PLATFORM,))
    assert warmed.nox("-s", "warmup").returncode == 0
    done = warmed.nox("-s", "verify")
    assert done.returncode == 0, done.output
    assert "1 of 2 modules imported" in done.stdout
    assert "import space.bad fails: ValueError: no" in done.stderr


@pytest.mark.parametrize("session", ["warmup", "verify"])
@pytest.mark.parametrize(
    ("options", "environ", "message"),
    [
        (("-P", OWN_PYTHON), {}, "names a Python that is not a target"),
        ((), {"NOXFORCEPYTHON": OWN_PYTHON}, "names a Python that is not a target"),
        (("-fb", "venv"), {}, "run it without --no-venv and without -fb"),
    ],
)
def test_options_of_nox_that_make_other_sessions(
    project: Project, session: str, options: tuple[str, ...], environ: dict[str, str], message: str
) -> None:
    project.write("six", pythons=(OWN_PYTHON,), platforms=(OWN_PLATFORM,))
    done = project.nox(
        "-s", session, *options, DEVPI_INDEX="http://127.0.0.1:9/root/pypi", **environ
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.output


OLD = [version for version in ("3.7", "3.8") if find_spec_of(version)]


OLD = [*OLD[:1], *(pytest.param(version, marks=pytest.mark.long) for version in OLD[1:])]


@pytest.mark.parametrize("python", OLD or [pytest.param("", marks=pytest.mark.skip("none here"))])
def test_a_python_that_virtualenv_no_longer_knows(
    warmed: Project, devpi: Devpi, python: str
) -> None:
    if "old-app" not in devpi.upstream.projects:
        devpi.upstream.add("old-app", "1.0")
    warmed.write("old-app", pythons=(python,), platforms=(OWN_PLATFORM,))
    assert warmed.nox("-s", "warmup").returncode == 0
    done = warmed.nox("-s", "verify", **find_spec_of(python))
    assert done.returncode == 0, done.output
    assert f"on Python {python}." in done.stdout


def test_inside_the_gap_nox_alone_is_enough(ready: Project, tmp_path: Path) -> None:
    """A fresh environment with nothing but nox, in a network namespace with no way out."""
    home = tmp_path / "only-nox"
    subprocess.run([sys.executable, "-m", "virtualenv", "-q", str(home)], check=True)
    python = str(home / "bin" / "python")
    subprocess.run(
        [python, "-I", "-m", "pip", "install", "-q", "nox"], check=True, env=clean_environment()
    )
    listed = subprocess.run(
        [python, "-I", "-m", "pip", "list"], check=True, capture_output=True, text=True
    ).stdout
    assert not {"requests", "resolvelib", "rich", "mousebender"} & set(listed.split())
    env = ready.env(PYTHONPATH=str(ROOT)) | {"PATH": f"{home / 'bin'}:{ready.env()['PATH']}"}
    done = subprocess.run(
        [*isolation().prefix, python, "-m", "nox", "-s", "verify", "-p", OWN_PYTHON],
        cwd=ready.root,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{TARGET.id} installed" in done.stdout


@pytest.mark.parametrize("lock", [f"{TARGET.id}.txt", f"pylock.{TARGET.id}.toml"])
def test_both_locks_install_with_pip_alone(ready: Project, tmp_path: Path, lock: str) -> None:
    home = tmp_path / "closed"
    subprocess.run([sys.executable, "-m", "virtualenv", "-q", str(home)], check=True)
    python = str(home / "bin" / "python")
    options = ["--require-hashes"] if lock.endswith(".txt") else []
    done = subprocess.run(
        [
            *(*isolation().prefix, python, "-I", "-m", "pip", "install", "--no-index"),
            *("--find-links", f"wheelhouse/locks/{TARGET.id}.html", *options),
            *("-r", f"wheelhouse/locks/{lock}"),
        ],
        cwd=ready.root,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert digest(ready.wheelhouse / "ver_app-1.0-py3-none-any.whl")
    subprocess.run([python, "-I", "-c", "import ver_app, ver_lib"], check=True)
