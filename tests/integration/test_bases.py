"""An index with several bases: each of them must have had its say, with a real devpi-server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from catalogue import Catalogue, make_wheel, served
from projects import Project, mirror
from sites import Answer, Proxy, listening

from devpi_warmup.private_server.server import PrivateServer

ONE = {"pythons": ("3.13",), "platforms": ("manylinux2014_x86_64",)}


@dataclass
class Several:
    """``root/dev`` over ``user/mine`` (uploads), ``root/pypi`` and ``root/cu`` (mirrors).

    ``front`` stands before the server, so that what is asked can be counted.
    """

    index: str
    pypi: Catalogue
    cu: Catalogue
    front: Proxy
    root: requests.Session
    server: str

    def put(self, index: str, **settings: object) -> None:
        self.root.put(f"{self.server}/{index}", json=settings).raise_for_status()

    def patch(self, index: str, *settings: str) -> None:
        self.root.patch(f"{self.server}/{index}", json=list(settings)).raise_for_status()

    def pages(self) -> Counter[str]:
        """How often each page was asked for, by index and project."""
        found: Counter[str] = Counter()
        for path, count in self.front.asked.items():
            head, simple, project = path.partition("/+simple/")
            if simple:
                found[f"{head.strip('/')} {project.strip('/')}"] += count
        return found


@pytest.fixture
def several(
    make_server: Callable[[Path], PrivateServer], tmp_path: Path, project: Project
) -> Iterator[Several]:
    private = make_server(tmp_path / "several")
    pypi, cu = Catalogue(), Catalogue()
    with served(pypi) as first, served(cu) as second, requests.Session() as session:
        index = mirror(private, first)
        password = (private.folder / "root-password").read_text()
        session.auth = ("root", password)
        session.headers["Accept"] = "application/json"
        session.trust_env = False
        server = index.removesuffix("/root/pypi")
        front = Proxy(target=server)
        with listening(front) as base:
            found = Several(f"{base}/root/dev", pypi, cu, front, session, server)
            found.put("root/cu", type="mirror", mirror_url=second, mirror_no_project_list=True)
            found.put("root/mine", type="stage", bases=[])
            found.put("root/dev", type="stage", bases=["root/mine", "root/pypi", "root/cu"])
            project.environ |= {"DEVPI_INDEX": found.index, "PIP_RETRIES": "1"}
            yield found
            private.stop()


def upload(several: Several, index: str, name: str, version: str) -> None:
    filename, data = make_wheel(name, version)
    several.root.post(
        f"{several.server}/{index}/",
        data={":action": "file_upload", "name": name, "version": version},
        files={"content": (filename, data)},
    ).raise_for_status()


FAULT = Answer(502)


def test_a_base_at_fault_is_named(project: Project, several: Several) -> None:
    """devpi serves the page with the other base's file, with status 200."""
    several.pypi.add("torch", "1.0")
    several.cu.add("torch", "2.0")
    several.pypi.add("app", "1.0", requires=("torch",))
    project.write("app", **ONE)
    several.cu.faults["/+simple/torch/"] = [FAULT]
    several.cu.faults["/+simple/app/"] = [Answer(404)]
    done = project.nox("-s", "warmup")
    assert done.returncode == 1, done.output
    assert "root/cu, a base of the index, does not say what it has of torch" in done.stderr
    assert "the server answered 502, its upstream 502" in done.stderr
    assert "Traceback" not in done.output
    assert "0 of 1 targets covered" in done.stdout


def test_every_base_that_answers_is_heard(project: Project, several: Several) -> None:
    several.pypi.add("torch", "1.0")
    several.cu.add("torch", "2.0")
    several.pypi.add("app", "1.0", requires=("torch",))
    project.write("app", **ONE)
    done = project.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    lock = project.wheelhouse / "locks" / "cp313-manylinux2014_x86_64.txt"
    assert "torch==2.0" in lock.read_text()
    assert "2 of 2" in done.stdout
    # torch: both mirrors stand on the page. app: cu alone shows nothing of it.
    assert several.pages() == {"root/dev app": 1, "root/dev torch": 1, "root/cu app": 1}
    assert project.nox("-s", "verify-devpi").returncode == 0


def test_a_mirror_that_answers_late_is_waited_for(project: Project, several: Several) -> None:
    """It fails for the page of the index, and answers when it is asked itself."""
    several.pypi.add("torch", "1.0")
    several.cu.add("torch", "2.0")
    project.write("torch", **ONE)
    several.cu.faults["/+simple/torch/"] = [FAULT, Answer(299)]
    done = project.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    assert (project.wheelhouse / "torch-2.0-py3-none-any.whl").exists()


def test_the_same_file_of_two_mirrors_is_one(project: Project, several: Several) -> None:
    """The first base's stands on the page; the other has said nothing that is not there."""
    several.pypi.add("torch", "1.0")
    several.cu.add("torch", "1.0")
    project.write("torch", **ONE)
    done = project.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    assert several.pages() == {"root/dev torch": 1, "root/cu torch": 1}


@pytest.mark.parametrize(
    ("whitelist", "inheritance", "asked"),
    [("", "", False), ("torch", "union", True), ("torch", "intersection", False)],
)
def test_an_upload_hides_the_mirrors_and_needs_no_question(
    project: Project, several: Several, whitelist: str, inheritance: str, asked: bool
) -> None:
    upload(several, "root/mine", "torch", "3.0")
    if whitelist:
        several.patch("root/mine", f"mirror_whitelist={whitelist}")
        several.patch("root/dev", f"mirror_whitelist_inheritance={inheritance}")
    several.cu.add("torch", "4.0")
    project.write("torch", **ONE)
    several.cu.faults["/+simple/torch/"] = [FAULT]
    done = project.nox("-s", "warmup")
    assert done.returncode == (1 if asked else 0), done.output
    if asked:
        assert "root/cu, a base of the index, does not say" in done.stderr
    else:
        assert several.pages() == {"root/dev torch": 1}


def test_an_upstream_that_forbids_what_it_lacks(project: Project, several: Several) -> None:
    """As storages like S3 do: 403, where another says 404."""
    several.pypi.add("torch", "1.0")
    project.write("torch", **ONE)
    several.cu.faults["/+simple/torch/"] = [Answer(403)]
    done = project.nox("-s", "warmup")
    assert done.returncode == 1
    assert "the server answered 502, its upstream 403" in done.stderr
    assert "devpi index root/cu mirror_no_project_list=False" in done.stderr


def test_a_mirror_of_which_nothing_is_known_hides_a_missing_project(
    project: Project, several: Several
) -> None:
    """Through an inheriting index the fault of a mirror is a 404."""
    several.pypi.add("app", "1.0", requires=("gone",))
    several.pypi.add("app", "0.9")
    several.cu.faults["/+simple/gone/"] = [FAULT]
    project.write("app", **ONE)
    done = project.nox("-s", "warmup")
    assert done.returncode == 1, done.output
    assert "root/cu, a base of the index, does not say what it has of gone" in done.stderr


def test_one_base_costs_no_question_beside_its_settings(project: Project, several: Several) -> None:
    several.put("root/one", type="stage", bases=["root/pypi"])
    for name in ("app", "lib"):
        several.pypi.add(name, "1.0", requires=("lib",) if name == "app" else ())
    project.write("app", **ONE)
    index = several.index.replace("root/dev", "root/one")
    done = project.nox("-s", "warmup", DEVPI_INDEX=index)
    assert done.returncode == 0, done.output
    assert several.pages() == {"root/one app": 1, "root/one lib": 1}
    settings = {path for path in several.front.asked if path.endswith("#view") and "+f" not in path}
    assert settings == {"/root/one#view", "/root/pypi#view"}


def test_bases_that_cannot_be_read(project: Project, several: Several) -> None:
    several.pypi.add("app", "1.0")
    several.front.faults["/root/cu#view"] = [Answer(403)]
    project.write("app", **ONE)
    done = project.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    assert "it cannot be shown that each of them answers" in done.stderr
    assert "root/cu" in done.stderr
    project.write("app", **ONE, more="require-warm = true")
    for session in ("warmup", "report"):
        done = project.nox("-s", session)
        assert done.returncode == 1, done.output
        assert "the bases of the index cannot be read (root/cu:" in done.stderr


def test_a_mirror_without_its_list_of_projects_is_not_believed(
    project: Project, several: Several
) -> None:
    """By default devpi goes by that list; where it cannot be loaded, it answers 404 for all."""
    several.put(
        "root/listed",
        type="mirror",
        mirror_url=several.root.get(f"{several.server}/root/cu?no_projects=").json()["result"][
            "mirror_url"
        ],
    )
    several.put("root/both", type="stage", bases=["root/pypi", "root/listed"])
    several.pypi.add("torch", "1.0")
    several.cu.add("torch", "2.0")
    project.write("torch", **ONE)
    index = several.index.replace("root/dev", "root/both")
    several.cu.faults = {"/+simple/": [FAULT], "/+simple/torch/": [FAULT]}
    done = project.nox("-s", "warmup", DEVPI_INDEX=index)
    assert done.returncode == 1, done.output
    assert "root/listed has no list of the projects of its upstream" in done.stderr
    assert "devpi index root/listed mirror_no_project_list=True" in done.stderr
    # The list is there again; that devpi has kept in mind that there is no such project is undone.
    names = b'<!DOCTYPE html><html><body><a href="torch/">torch</a></body></html>'
    several.cu.faults = {"/+simple/": [Answer(200, "text/html", names)]}
    done = project.nox("-s", "warmup", DEVPI_INDEX=index)
    assert done.returncode == 0, done.output
    assert (project.wheelhouse / "torch-2.0-py3-none-any.whl").exists()


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({"mirror_whitelist": ["*"]}, True),
        ({"mirror_whitelist": ["torch"]}, True),
        ({"mirror_whitelist": ["*"], "mirror_whitelist_inheritance": "intersection"}, True),
        ({"mirror_whitelist": ["other"]}, False),
    ],
)
def test_a_whitelist_above_the_upload_lets_the_mirrors_in(
    project: Project, several: Several, settings: dict[str, object], asked: bool
) -> None:
    upload(several, "root/mine", "torch", "1.0")
    several.put("root/top", type="stage", bases=["root/mine", "root/cu"], **settings)
    several.cu.add("torch", "4.0")
    several.cu.faults["/+simple/torch/"] = [FAULT]
    project.write("torch", **ONE)
    index = several.index.replace("root/dev", "root/top")
    done = project.nox("-s", "warmup", DEVPI_INDEX=index)
    assert done.returncode == (1 if asked else 0), done.output
    assert ("root/cu, a base of the index, does not say" in done.stderr) == asked


def test_a_base_that_is_no_more_is_passed_over(project: Project, several: Several) -> None:
    several.put("root/gone", type="stage", bases=[])
    bases = ["root/gone", "root/pypi", "root/cu"]
    several.put("root/holes", type="stage", bases=bases)
    several.root.delete(f"{several.server}/root/gone").raise_for_status()
    several.pypi.add("app", "1.0")
    several.cu.faults["/+simple/app/"] = [FAULT]
    project.write("app", **ONE)
    done = project.nox("-s", "warmup", DEVPI_INDEX=several.index.replace("root/dev", "root/holes"))
    assert done.returncode == 1, done.output
    assert "root/cu, a base of the index, does not say what it has of app" in done.stderr
