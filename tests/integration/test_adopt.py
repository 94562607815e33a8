"""Into any repository: ``register()`` in a noxfile of others, and the command without one."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from catalogue import Catalogue, served
from projects import OWN_PLATFORM, OWN_PYTHON, Devpi, Project, linux_only

FOREIGN = """
import nox
import devpi_warmup

nox.options.default_venv_backend = "none"
nox.options.error_on_missing_interpreters = False

@nox.session
def lint(session):
    session.log("linted")

@nox.session(default=False)
def coverage(session):
    session.log("counted")

"""


@pytest.fixture
def foreign(warmed: Project, devpi: Devpi) -> Project:
    """A repository with sessions of its own, and a small application."""
    if "adopt-app" not in devpi.upstream.projects:
        devpi.upstream.add("adopt-app", "1.0", requires=("adopt-lib>=1",))
        devpi.upstream.add("adopt-lib", "1.0")
        devpi.upstream.add("adopt-lib", "2.0")
    warmed.write("adopt-app", pythons=(OWN_PYTHON,), platforms=(OWN_PLATFORM, "win_amd64"))
    register(warmed)
    return warmed


def register(project: Project, call: str = "devpi_warmup.register()", after: str = "") -> None:
    (project.root / "noxfile.py").write_text(f"{FOREIGN}{call}\n{after}\n")


def names(listing: str) -> list[str]:
    return [item["session"] for item in json.loads(listing)]


def test_two_lines_in_a_foreign_noxfile(foreign: Project) -> None:
    plain = foreign.nox()
    assert plain.returncode == 0, plain.output
    assert "linted" in plain.stderr
    assert "warmup" not in plain.output
    done = foreign.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    assert "2 of 2 targets covered" in done.stdout
    assert foreign.nox("-s", "coverage").returncode == 0
    listed = names(foreign.nox("-s", "warmup", "-l", "--json").stdout)
    assert listed == [f"warmup({id_})" for id_ in foreign.states()]


@linux_only
def test_a_prefix_and_a_folder_above(foreign: Project) -> None:
    below = foreign.root / "ci"
    below.mkdir()
    (foreign.root / "noxfile.py").rename(below / "noxfile.py")
    text = (below / "noxfile.py").read_text()
    call = 'from pathlib import Path\ndevpi_warmup.register(Path(__file__).parents[1], prefix="w-")'
    (below / "noxfile.py").write_text(text.replace("devpi_warmup.register()", call))
    inside = Project(below, foreign.environ)
    early = inside.nox("-s", f"w-verify({cell()})")
    assert early.returncode == 1
    assert f'nox -s "w-warmup({cell()})"' in early.stderr
    done = inside.nox("-s", "w-warmup")
    assert done.returncode == 0, done.output
    assert "2 of 2 targets covered" in done.stdout
    assert foreign.wheelhouse.is_dir()
    assert inside.nox("-s", "w-verify", "-p", OWN_PYTHON).returncode == 0


def cell() -> str:
    return f"cp{OWN_PYTHON.replace('.', '')}-{OWN_PLATFORM}"


def test_names_that_are_there_already_are_refused(foreign: Project) -> None:
    register(foreign, "@nox.session\ndef report(session): ...\ndevpi_warmup.register()")
    done = foreign.nox("-l")
    assert done.returncode != 0
    assert "sessions of these names already: report" in done.stderr
    assert 'devpi_warmup.register(prefix="wheels-")' in done.stderr
    assert "Traceback" not in done.output


def test_a_report_of_others_does_not_decide(foreign: Project) -> None:
    register(foreign, after="@nox.session(default=False)\ndef report(session): ...")
    done = foreign.nox("-s", "warmup")
    assert done.returncode == 1
    assert "call devpi_warmup.register() last" in done.stderr


@pytest.mark.parametrize(
    ("table", "environ", "message"),
    [
        ("requirments = []", {}, "did you mean 'requirements'?"),
        ("", {"DEVPI_INDEX": "devpi.example.com"}, "must begin with https:// or http://"),
        ('exclude = ["*"]', {}, "every target is excluded"),
    ],
)
@pytest.mark.parametrize(
    "asked",
    [
        ("-s", "warmup"),
        ("-s", "warmup", "-p", "3.13"),
        ("-s", "warmup(cp313-win_amd64)"),
        ("-s", "verify"),
        ("-s", "report", "seal", "verify-devpi"),
    ],
)
def test_a_wrong_table_breaks_no_session_of_others(
    foreign: Project, table: str, environ: dict[str, str], message: str, asked: tuple[str, ...]
) -> None:
    foreign.write("adopt-app", more=table)
    foreign.environ |= environ
    assert foreign.nox().returncode == 0
    done = foreign.nox(*asked)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_a_host_that_runs_in_parallel(foreign: Project) -> None:
    text = (foreign.root / "noxfile.py").read_text()
    more = "nox.options.allow_parallel = True\nnox.options.parallel = 2\n"
    (foreign.root / "noxfile.py").write_text(text + more)
    done = foreign.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    assert "2 of 2 targets covered" in done.stdout


def test_a_missing_interpreter_is_red_in_verify_alone(foreign: Project) -> None:
    foreign.write("adopt-app", pythons=("3.15",), platforms=(OWN_PLATFORM,))
    assert foreign.nox("-s", "warmup").returncode == 0
    done = foreign.nox("-s", "verify", "--no-error-on-missing-interpreters")
    assert done.returncode == 1
    assert "3.15" in done.stderr


@pytest.mark.parametrize("words", [("-f", "noxfile.py"), ("--noxfile=noxfile.py",), ("-r",)])
def test_other_options_are_not_taken_for_a_forced_environment(
    foreign: Project, words: tuple[str, ...]
) -> None:
    """``-f`` is what nox itself adds where it has made an environment for the noxfile."""
    done = foreign.nox(*words, "-s", "warmup")
    assert done.returncode == 0, done.output


@pytest.mark.parametrize("session", ["warmup", "report", "verify", "seal", "verify-devpi"])
def test_what_stands_after_the_dashes_is_not_ignored(foreign: Project, session: str) -> None:
    done = foreign.nox("-s", session, "--", "django")
    assert done.returncode == 1
    words = {
        "verify": "--from-source and nothing else",
        "warmup": "--upgrade [PROJECT …] and nothing else",
        "report": "--since MANIFEST and --sbom [CELL …]",
    }
    takes = words.get(session, "nothing")
    assert f"takes {takes} after --: django" in done.stderr


@linux_only
def test_the_command_needs_no_noxfile(foreign: Project) -> None:
    (foreign.root / "noxfile.py").unlink()
    early = foreign.devpi_warmup(f"verify({cell()})")
    assert early.returncode == 1
    assert f'devpi-warmup "warmup({cell()})"' in early.stderr
    done = foreign.devpi_warmup("warmup", "-p", OWN_PYTHON)
    assert done.returncode == 0, done.output
    assert "2 of 2 targets covered" in done.stdout
    assert (foreign.root / ".nox").is_dir()
    assert foreign.devpi_warmup("verify", "-p", OWN_PYTHON).returncode == 0
    assert foreign.devpi_warmup("report").returncode == 0
    listing = foreign.devpi_warmup("warmup", "-l", "--json", NOX_SCRIPT_MODE="").stdout
    assert names(listing) == [f"warmup({id_})" for id_ in foreign.states()]


def test_the_command_alone_lists_and_never_passes_for_a_run(foreign: Project) -> None:
    alone = foreign.devpi_warmup()
    assert alone.returncode == 0
    assert "devpi-warmup warmup -p 3.13" in alone.stdout
    assert f"warmup({cell()})" in alone.stdout
    for options in (("-p", OWN_PYTHON), ("-x",), ("--", "x")):
        done = foreign.devpi_warmup(*options)
        assert done.returncode not in {0, None}, options
        assert "name a session" in done.stderr
    assert "usage: devpi-warmup SESSION" in foreign.devpi_warmup("--help").stdout
    assert foreign.devpi_warmup("--version").stdout.startswith("devpi-warmup 0.")
    unknown = foreign.devpi_warmup("warmpu")
    assert unknown.returncode == 3
    assert "Sessions not found: warmpu" in unknown.stderr


@pytest.mark.parametrize(
    ("session", "force"),
    [
        ("warmup", "-fb"),
        pytest.param("verify", "--force-venv-backend", marks=pytest.mark.long),
        pytest.param("verify", "-fbvenv", marks=pytest.mark.long),
        pytest.param("verify", "--force-v", marks=pytest.mark.long),
        pytest.param("warmup", "noxfile", marks=pytest.mark.long),
        ("verify", "noxfile"),
        ("report", "--no-venv"),
    ],
)
def test_an_environment_of_another_kind_is_never_a_success(
    foreign: Project, session: str, force: str
) -> None:
    """nox passes over a Python that is not here, with status 0, before a session is asked."""
    foreign.write("adopt-app", pythons=("3.7", "3.15"), platforms=(OWN_PLATFORM,))
    more = () if force in {"noxfile", "--no-venv", "-fbvenv"} else ("venv",)
    options = () if force == "noxfile" else (force, *more)
    if force == "noxfile":
        call = "nox.options.force_venv_backend = 'venv'\ndevpi_warmup.register()"
        register(foreign, call)
    runs = [foreign.nox("-s", session, *options)]
    if force != "noxfile":  # the command has its own
        runs.append(foreign.devpi_warmup(session, *options))
    for done in runs:
        assert done.returncode not in {0, None}, done.output
    assert not foreign.wheelhouse.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("-s",),
        ("-k", ""),
        ("-k",),
        ("--keywords=",),
        ("-k", "warmup", "-k", ""),
        ("-s", "--", "warmup"),
        ("--", "-l"),
        ("-x", "--", "-s"),
        ("warmup", "-s"),
        ("warmup", "--", "--help"),
    ],
)
def test_the_command_never_succeeds_at_nothing(foreign: Project, words: tuple[str, ...]) -> None:
    done = foreign.devpi_warmup(*words)
    assert done.returncode not in {0, None}, done.output
    assert not foreign.wheelhouse.exists()


def test_a_run_that_was_killed_while_its_environment_was_made(foreign: Project) -> None:
    for name in ("manylinux2014_x86_64", "win_amd64"):
        half = foreign.root / ".nox" / f"warmup-cp{OWN_PYTHON.replace('.', '')}-{name}" / "bin"
        half.mkdir(parents=True)
        (half / "python").symlink_to(sys.executable)
        (half.parent / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).parent}\n")
    done = foreign.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    again = foreign.nox("-s", "warmup")
    assert again.stderr.count("eusing existing virtual environment") == 2


def test_fewer_than_all_is_said(foreign: Project) -> None:
    foreign.write("adopt-app")
    done = foreign.nox("-s", "warmup", NOXPYTHON="3.13")
    assert done.returncode == 0, done.output
    assert "2 of 4 targets were selected" in done.stderr
    assert foreign.nox("-s", "report", NOXPYTHON="3.13").returncode == 1  # of all


def test_the_command_says_what_is_wrong_with_the_table(foreign: Project) -> None:
    foreign.write("adopt-app", more="requirments = []")
    done = foreign.devpi_warmup("warmup")
    assert done.returncode == 1
    assert "did you mean 'requirements'?" in done.stderr


def test_a_plain_index(project: Project) -> None:
    catalogue = Catalogue()
    catalogue.add("adopt-plain", "1.0")
    project.write("adopt-plain", pythons=("3.13",), platforms=("win_amd64",))
    with served(catalogue) as url:
        project.environ["DEVPI_INDEX"] = url.replace("+simple", "simple")
        done = project.nox("-s", "warmup")
        assert done.returncode == 0, done.output
        assert "does not answer as a devpi-server: what it holds cannot be shown" in done.stderr
        assert not [path for path in catalogue.asked if path.startswith("/+simple")]
        project.write(
            "adopt-plain",
            pythons=("3.13",),
            platforms=("win_amd64",),
            more="require-warm = true",
        )
        assert project.nox("-s", "warmup").returncode == 1


@linux_only
def test_environments_with_contradicting_pins(warmed: Project, devpi: Devpi) -> None:
    for version in ("1.0", "2.0"):
        devpi.upstream.add("adopt-django", version)
    warmed.write("adopt-django<2", pythons=(OWN_PYTHON,), platforms=(OWN_PLATFORM, "win_amd64"))
    (warmed.root / "requirements" / "dev.txt").write_text("adopt-django>=2\n")
    with (warmed.root / "pyproject.toml").open("a") as stream:
        stream.write(
            "[tool.devpi-warmup.environments.prod]\nrequirements = ['requirements/main.txt']\n"
            "[tool.devpi-warmup.environments.dev]\nrequirements = ['requirements/dev.txt']\n"
        )
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    assert "4 of 4 cells covered" in done.stdout
    assert sorted(path.name for path in warmed.wheelhouse.glob("*.whl")) == [
        f"adopt_django-{version}-py3-none-any.whl" for version in ("1.0", "2.0")
    ]
    locks = {path.name for path in (warmed.wheelhouse / "locks").glob("*.txt")}
    assert locks == {f"{id_}.txt" for id_ in warmed.states()}
    verified = warmed.nox("-s", "verify", "-p", OWN_PYTHON)
    assert verified.returncode == 0, verified.output
    for name in ("prod", "dev"):
        assert f"{name}-{cell()} installed: 1 distributions" in verified.stdout
    # What one of them requires changes, and the other stays covered.
    (warmed.root / "requirements" / "dev.txt").write_text("adopt-django==2\n")
    report = warmed.nox("-s", "report")
    assert report.returncode == 1
    assert "2 of 4 cells covered" in report.stdout
    one = warmed.nox("-k", "warmup and dev")
    assert one.returncode == 0, one.output
    assert "2 of 2 cells covered" in one.stdout
    assert warmed.nox("-s", f"warmup(prod-{cell()})").returncode == 0
    assert warmed.nox("-s", "report").returncode == 0
    served_all = warmed.nox("-s", "verify-devpi")
    assert served_all.returncode == 0, served_all.output
    assert "4 of 4 cells served by" in served_all.stdout


def test_six_mistakes_are_six_problems_of_one_run(foreign: Project, devpi: Devpi) -> None:
    devpi.upstream.add("adopt-windows", "1.0", tag="py3-none-win_amd64")
    foreign.write(
        "adopt-app",
        "adopt-lbi",
        "adopt-lib>>2",
        "-e .",
        "adopt-lib>=9",
        "adopt-windows",
        "git+https://git.example.com/x",
        pythons=(OWN_PYTHON,),
        platforms=(OWN_PLATFORM,),
    )
    done = foreign.nox("-s", "warmup")
    assert done.returncode == 1
    block = done.stderr.partition(" is missing: 6 problems:\n")[2].partition("nox > ")[0]
    for number, words in (
        (3, "does not parse"),
        (4, "the option -e is not allowed here"),
        (7, "is a VCS requirement"),
    ):
        assert f"requirements/main.txt:{number}: " in block
        assert words in block
    assert "adopt-lbi: the index has no such project" in block
    assert "did you mean 'adopt-lib'?" in block
    assert "adopt-lib: none of its versions matches >=9" in block
    assert "adopt-windows: no wheel for this target" in block
    assert len(block.splitlines()) < 24  # a screen


def test_a_reason_of_many_cells_stands_once(foreign: Project) -> None:
    foreign.write("adopt-lib>=9", pythons=("3.12", "3.13"))
    done = foreign.nox("-s", "warmup")
    assert done.returncode == 1
    assert done.stderr.count("wanted by requirements/main.txt:1") == 1
    assert done.stderr.count("is missing for the same reason as cp312-manylinux2014_x86_64") == 3
    assert done.stdout.count("none of its versions matches >=9") == 1
    assert done.stdout.count("as cp312-manylinux2014_x86_64") == 3
    again = foreign.nox("-s", "report")
    assert again.stdout.count("none of its versions matches >=9") == 1
    assert again.stderr.count("wanted by requirements/main.txt:1") == 1


def test_the_projects_own_tables_are_inputs(warmed: Project, devpi: Devpi) -> None:
    for name in ("adopt-run", "adopt-web", "adopt-test"):
        devpi.upstream.add(name, "1.0")
    (warmed.root / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1"\ndependencies = ["adopt-run"]\n'
        '[project.optional-dependencies]\nweb = ["adopt-web"]\n'
        '[dependency-groups]\ntest = ["adopt-test"]\n'
        '[tool.devpi-warmup]\npythons = ["3.13"]\nplatforms = ["win_amd64"]\n'
        'requirements = ["pyproject.toml[web]"]\ngroups = ["test"]\n'
    )
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    lock = (warmed.wheelhouse / "locks" / "cp313-win_amd64.txt").read_text()
    assert [line.split("==")[0] for line in lock.splitlines() if "==" in line] == [
        "adopt-run",
        "adopt-test",
        "adopt-web",
    ]
    assert "# via -r pyproject.toml" in lock


def test_a_pylock_is_an_input(foreign: Project) -> None:
    foreign.write("adopt-app", "adopt-lib<2", pythons=("3.13",), platforms=("win_amd64",))
    assert foreign.nox("-s", "warmup").returncode == 0
    lock = foreign.wheelhouse / "locks" / "pylock.cp313-win_amd64.toml"
    text = lock.read_text().replace("../", "")
    (foreign.root / "pylock.toml").write_text(text)
    table = (foreign.root / "pyproject.toml").read_text()
    (foreign.root / "pyproject.toml").write_text(table + 'requirements = ["pylock.toml"]\n')
    done = foreign.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    found = (foreign.wheelhouse / "locks" / "cp313-win_amd64.txt").read_text()
    assert "adopt-lib==1.0" in found
    assert "# via -r pylock.toml, adopt-app" in found


@linux_only
def test_inside_nox_and_the_wheel_alone_are_enough(
    foreign: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``pip install --no-deps`` beside nox: no library of the engine is there."""
    assert foreign.nox("-s", "warmup").returncode == 0
    block = tmp_path / "block"
    block.mkdir()
    for name in (
        "requests",
        "resolvelib",
        "mousebender",
        "rich",
        "tomli_w",
        "truststore",
        "urllib3",
    ):
        (block / f"{name}.py").write_text("raise ImportError(f'no {__name__} here', name=__name__)")
    environ = {"PYTHONPATH": str(block)}
    done = foreign.devpi_warmup("verify", "-p", OWN_PYTHON, **environ)
    assert done.returncode == 0, done.output
    assert foreign.devpi_warmup("report", **environ).returncode == 0
    lacking = foreign.devpi_warmup("warmup", **environ)
    assert lacking.returncode == 1
    assert "libraries of the engine are missing: " in lacking.stderr
    assert "Traceback" not in lacking.output
    assert os.environ.get("PYTHONPATH") != str(block)
