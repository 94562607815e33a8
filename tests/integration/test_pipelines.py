"""The pipelines that are offered, executed: in a foreign repository, with clean clones and a devpi.

GitHub's by act, GitLab's by gitlab-ci-local, Jenkins' by groovy and a script of steps. None of them
is the system itself: what they do not do is said in docs/pipelines.md.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from catalogue import Catalogue
from filelock import FileLock
from projects import OWN_PLATFORM, OWN_PYTHON, ROOT, Devpi, Done, Project, linux_only
from readme import blocks

pytestmark = linux_only
_LONG = pytest.mark.long  # one job of GitHub is always run
SUPPORT = Path(__file__).parent.parent / "support" / "pipelines"
OTHER = "musllinux_1_2_x86_64"  # nothing here can install it
TAG = f"cp{OWN_PYTHON.replace('.', '')}"
CELLS = (f"{TAG}-{OWN_PLATFORM}", f"{TAG}-{OTHER}")
PINS = (ROOT / "scripts" / "action_pins.txt").read_text()
PINNED = dict(line.split() for line in PINS.splitlines() if line[:1] != "#")
OWN, WORKFLOW = "devpi-warmup/devpi-warmup", ".github/workflows/wheelhouse.yml"
OWN_JOBS = "  lint:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo linted\n"
JAVA = shutil.which("groovy") and shutil.which("java")


@pytest.fixture(scope="session")
def wheels(request: pytest.FixtureRequest) -> Path:
    """Everything that a job installs, so that it asks no index for it; the workers share it."""
    folder: Path = request.config.cache.mkdir("pipeline-wheels")
    made = folder / f"made-{hashlib.sha256((ROOT / 'pyproject.toml').read_bytes()).hexdigest()}"
    with FileLock(folder / "made.lock"):
        if not made.exists():
            pip = [sys.executable, "-m", "pip", "-q"]
            subprocess.run(
                [*pip, "wheel", f"--wheel-dir={folder}", str(ROOT), "hatchling"], check=True
            )
            given = ["--no-index", f"--find-links={folder}", f"--target={folder / 'libraries'}"]
            shutil.rmtree(folder / "libraries", ignore_errors=True)
            subprocess.run([*pip, "install", *given, "devpi-warmup"], check=True)
            for own in (folder / "libraries").glob("devpi_warmup*"):
                shutil.rmtree(own)
            for wheel in folder.glob("devpi_warmup*.whl"):
                wheel.unlink()
            made.touch()
    return folder


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Path:
    """The package as it is now, built."""
    folder = tmp_path_factory.mktemp("own")
    argv = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", f"--wheel-dir={folder}"]
    subprocess.run([*argv, "--no-index", f"--find-links={wheels}", str(ROOT)], check=True)
    return folder


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository as the pin of its action has it, and nothing else that lies here."""
    folder = tmp_path_factory.mktemp("released")
    for name in ("action.yml", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in ("devpi_warmup", ".github"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def foreign(warmed: Project, devpi: Devpi, wheels: Path, own: Path) -> Project:
    """A repository of others, in git, with a job of its own."""
    fill(devpi.upstream)
    warmed.write("pipe-app", pythons=(OWN_PYTHON,), platforms=(OWN_PLATFORM, OTHER))
    (warmed.root / "noxfile.py").unlink()
    (ignored,) = [block.text for block in blocks() if block.kind == "gitignore"]
    (warmed.root / ".gitignore").write_text(f"{ignored}/store\n/work\n/.gitlab-ci-local\n/.venv\n")
    warmed.environ |= {
        "PIP_FIND_LINKS": f"{wheels} {own}",
        "PIP_NO_INDEX": "1",
        "PYTHONPATH": str(wheels / "libraries"),  # each job would install the same again
        "STUB_REPOSITORY": str(warmed.root),
        "STUB_PYTHON": sys.executable,
        "STUB_STORE": str(warmed.root / "store"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "HOME": str(warmed.root.parent),
        "XDG_CACHE_HOME": str(warmed.root.parent / "cache"),
    }
    return warmed


def fill(upstream: Catalogue) -> None:
    if "pipe-app" not in upstream.projects:
        upstream.add("pipe-app", "1.0", requires=("pipe-lib",))
        for platform in (OWN_PLATFORM, OTHER):
            upstream.add("pipe-lib", "1.0", tag=f"{TAG}-{TAG}-{platform}")


def break_one(project: Project, upstream: Catalogue) -> None:
    """Require what one of the two targets cannot have."""
    if "pipe-half" not in upstream.projects:
        upstream.add("pipe-half", "1.0", tag=f"{TAG}-{TAG}-{OWN_PLATFORM}")
    (project.root / "requirements" / "main.txt").write_text("pipe-app\npipe-half\n")


def commit(project: Project) -> None:
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com")
    remote = ("remote", "add", "origin", "https://git.example.com/group/project.git")
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), remote):
        subprocess.run(["git", *words], cwd=project.root, check=True)
    subprocess.run(["git", *who, "commit", "-qm", "all"], cwd=project.root, check=True)


def single(project: Project, folder: Path) -> dict[str, bytes]:
    """What one run gathers, in a clean clone."""
    subprocess.run(["git", "clone", "-q", str(project.root), str(folder)], check=True)
    one = Project(folder, {"DEVPI_INDEX": project.environ["DEVPI_INDEX"]})
    assert one.devpi_warmup("warmup").returncode == 0
    status = subprocess.run(
        ["git", "status", "--porcelain", "-uall"], cwd=folder, capture_output=True, text=True
    )
    locks = [path.name for path in (one.wheelhouse / "locks").iterdir()]
    assert sorted(status.stdout.split()) == sorted(
        ["??"] * len(locks) + [f"wheelhouse/locks/{name}" for name in locks]
    )
    return gathered(one.wheelhouse)


def gathered(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock" and path.parent.name != "reports"
    }


def test_every_action_is_one_of_the_list() -> None:
    """No linter that works offline notices a commit that does not exist."""
    found = set()
    for path in (ROOT / ".github", ROOT / "examples" / "ci", ROOT / "templates"):
        for file in path.rglob("*.yml"):
            found |= set(re.findall(r"uses: ([\w./-]+)@(\S+)", file.read_text()))
    assert found == set(PINNED.items())


@pytest.mark.parametrize(
    ("pin", "file"),
    [(OWN, "action.yml"), (OWN, "devpi_warmup/sessions/plan.py"), (f"{OWN}/{WORKFLOW}", WORKFLOW)],
)
def test_the_pins_of_our_own_have_what_is_used(pin: str, file: str) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("it takes the history")
    argv = ["git", "show", f"{PINNED[pin]}:{file}"]
    shown = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    if "bad object" in shown.stderr or "invalid object" in shown.stderr:
        pytest.skip("a shallow clone does not have that commit")
    assert shown.stdout == (ROOT / file).read_text(), "scripts/pin_action.py says what to do"


def test_the_linters_find_nothing() -> None:
    workflows = [
        str(ROOT / ".github/workflows/wheelhouse.yml"),
        str(ROOT / "examples/ci/github.yml"),
    ]
    module = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    scripts = Path(sys.executable).parent
    for argv in (
        [
            str(scripts / "zizmor"),
            "--offline",
            "--no-progress",
            str(ROOT / "action.yml"),
            *workflows,
        ],
        [str(scripts / "jactionlint"), *workflows],
        [*module, "vendor.github-workflows", *workflows],
        [*module, "vendor.github-actions", str(ROOT / "action.yml")],
    ):
        done = subprocess.run(argv, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def act(foreign: Project, released: Path) -> Callable[[bool], Done]:
    program = Path(sys.executable).parent / "act"

    def act(fan_out: bool) -> Done:
        example = (ROOT / "examples" / "ci" / "github.yml").read_text()
        workflow = example.replace("workflow_dispatch:", "push:")
        workflow = workflow.replace("fan-out: false", f"fan-out: {str(fan_out).lower()}")
        folder = foreign.root / ".github" / "workflows"
        folder.mkdir(parents=True)
        (folder / "ci.yml").write_text(workflow + OWN_JOBS)
        commit(foreign)
        secrets = foreign.root.parent / "secrets"
        secrets.write_text(f"DEVPI_INDEX={foreign.environ['DEVPI_INDEX']}\n")
        local = []
        for name, pin in PINNED.items():
            owner, action, *_ = name.split("/")
            place = SUPPORT / "stubs" / action if owner == "actions" else released
            local += ["--local-repository", f"{owner}/{action}@{pin}={place}"]
        variables = []
        for name in (
            "PIP_FIND_LINKS",
            "PIP_NO_INDEX",
            "PYTHONPATH",
            "STUB_REPOSITORY",
            "STUB_PYTHON",
            "STUB_STORE",
        ):
            variables += ["--env", f"{name}={foreign.environ[name]}"]
        argv = [str(program), "push", "-P", "ubuntu-latest=-self-hosted", "--no-cache-server"]
        argv += ["--concurrent-jobs", "2", "--secret-file", str(secrets), *variables, *local]
        foreign.environ.pop("DEVPI_INDEX")
        return foreign.run(argv)

    return act


def test_github_in_one_job(foreign: Project, act: Callable[[bool], Done]) -> None:
    done = act(False)
    assert done.returncode == 0, done.output
    assert "linted" in done.output
    assert "2 of 2 targets covered" in done.output
    assert f"{CELLS[0]} installed: 2 distributions" in done.output
    assert not list(foreign.root.glob("wheelhouse"))
    assert "nobody-knows" not in done.output


@_LONG
def test_github_as_a_fan_out(foreign: Project, devpi: Devpi, act: Callable[[bool], Done]) -> None:
    done = act(True)
    assert done.returncode == 0, done.output
    assert "2 parts merged into wheelhouse/" in done.output
    assert f"{CELLS[0]} installed: 2 distributions" in done.output
    foreign.environ["DEVPI_INDEX"] = devpi.index
    merged = gathered(foreign.root / "store" / "wheelhouse")
    assert merged == single(foreign, foreign.root.parent / "single")
    assert sorted(path.name for path in (foreign.root / "store").iterdir()) == sorted(
        [*(f"part-{id_}" for id_ in CELLS), "wheelhouse"]
    )


@_LONG
def test_github_with_a_target_that_fails(
    foreign: Project, devpi: Devpi, act: Callable[[bool], Done]
) -> None:
    break_one(foreign, devpi.upstream)
    done = act(True)
    assert done.returncode == 1
    assert "1 of 2 targets covered" in done.output
    assert "pipe-half: no wheel for this target" in done.output
    assert "installed:" not in done.output


# Before its fixtures: what every job installs is only made where one will run.
gitlab_only = pytest.mark.skipif(
    shutil.which("gitlab-ci-local") is None,
    reason="gitlab-ci-local is not here: npm install -g gitlab-ci-local@4.73.0",
)


@pytest.fixture
def gitlab(foreign: Project) -> Callable[[str, str], Done]:
    program = str(shutil.which("gitlab-ci-local"))

    def gitlab(template: str, inputs: str) -> Done:
        (foreign.root / "templates").mkdir()
        shutil.copy(ROOT / "templates" / f"{template}.yml", foreign.root / "templates")
        (foreign.root / ".gitlab-ci.yml").write_text(
            "include:\n"
            f"  - local: templates/{template}.yml\n    inputs:\n{inputs}"
            "lint:\n  stage: test\n  script: [echo linted]\n"
        )
        commit(foreign)
        assert program is not None
        argv = [program, "--force-shell-executor", "--shell-isolation", "--concurrency", "2"]
        argv += ["--no-artifacts-to-source", "--home", str(foreign.root.parent)]
        argv += ["--variable", "GITLAB_CI=true"]
        for name in ("DEVPI_INDEX", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PYTHONPATH"):
            argv += ["--variable", f"{name}={foreign.environ[name]}"]
        return foreign.run(argv)

    return gitlab


@gitlab_only
def test_gitlab_in_one_job(foreign: Project, gitlab: Callable[[str, str], Done]) -> None:
    done = gitlab("wheelhouse", f"      verify: [{CELLS[0]}]\n")
    assert done.returncode == 0, done.output
    assert "2 of 2 targets covered" in done.output
    assert f"{CELLS[0]} installed: 2 distributions" in done.output
    assert "linted" in done.output


@gitlab_only
@pytest.mark.parametrize("whole", [True, False])
def test_gitlab_as_a_fan_out(
    foreign: Project, devpi: Devpi, gitlab: Callable[[str, str], Done], whole: bool
) -> None:
    if not whole:
        break_one(foreign, devpi.upstream)
    ids = ", ".join(CELLS)
    done = gitlab("fan-out", f"      targets: [{ids}]\n      verify: [{CELLS[0]}]\n")
    if not whole:
        assert done.returncode == 1
        assert "1 of 2 targets covered" in done.output
        assert "installed:" not in done.output
        return
    assert done.returncode == 0, done.output
    assert "2 parts merged into wheelhouse/" in done.output
    assert f"{CELLS[0]} installed: 2 distributions" in done.output
    (merged,) = foreign.root.glob(".gitlab-ci-local/artifacts/*merge*/wheelhouse")
    assert gathered(merged) == single(foreign, foreign.root.parent / "single")


@_LONG
@pytest.mark.skipif(not JAVA, reason="groovy is not here: apt-get install groovy")
@pytest.mark.parametrize("name", ["Jenkinsfile.fan-out", "Jenkinsfile", "failing"])
def test_jenkins(foreign: Project, devpi: Devpi, name: str) -> None:
    if name == "failing":
        break_one(foreign, devpi.upstream)
    commit(foreign)
    file = "Jenkinsfile" if name == "Jenkinsfile" else "Jenkinsfile.fan-out"
    work = foreign.root / "work"
    work.mkdir()
    java = os.path.realpath(str(shutil.which("java")))
    foreign.environ["JAVA_HOME"] = str(Path(java).parent.parent)
    argv = ["groovy", str(SUPPORT / "host.groovy"), str(ROOT / "examples" / "ci" / file)]
    done = foreign.run([*argv, str(foreign.root), str(work)])
    if name == "failing":
        assert done.returncode == 1
        assert "1 of 2 targets covered" in done.output
        assert "Finished: FAILURE" in done.output
        return
    assert done.returncode == 0, done.output
    assert "Finished: SUCCESS" in done.output
    assert f"{CELLS[0]} installed: 2 distributions" in done.output
    merged = gathered(work / "store" / "archive" / "wheelhouse")
    assert merged == single(foreign, foreign.root.parent / "single")
