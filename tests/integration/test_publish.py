"""``publish`` into real servers: what is sent, shown, refused, and left of a run that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from catalogue import Catalogue, make_wheel, served
from projects import OWN_PLATFORM, OWN_PYTHON, Devpi, Project, linux_only, new_project
from sdist import make_sdist
from servers import FAST, devpi_server, free_port
from sites import Answer, Proxy, listening

pytestmark = [linux_only, pytest.mark.xdist_group("publish")]
PASSWORD = "s3cret-of-ops"


@dataclass
class Inside:
    """A devpi of the closed side, with a user ``ops``."""

    url: str
    folder: Path

    def stage(self, name: str, **more: object) -> str:
        return self.index(name, {"type": "stage", "bases": [], "volatile": False, **more})

    def index(self, name: str, body: dict[str, object]) -> str:
        requests.put(
            f"{self.url}/ops/{name}",
            json=body,
            auth=("ops", PASSWORD),
            headers={"Accept": "application/json"},
            timeout=30,
        ).raise_for_status()
        return f"{self.url}/ops/{name}"

    def names(self, index: str) -> set[str]:
        """What an index has on its disk."""
        folder = self.folder / "+files" / "ops" / index.rpartition("/")[2]
        return {path.name for path in folder.rglob("*") if path.is_file()}


@contextmanager
def started(scripts: Path, folder: Path, *options: str) -> Iterator[Inside]:
    with devpi_server(scripts, folder, *FAST, *options) as url:
        for user, password in (("ops", PASSWORD), ("guest", "guest")):
            requests.put(
                f"{url}/{user}",
                json={"password": password},
                headers={"Accept": "application/json"},
                timeout=30,
            ).raise_for_status()
        yield Inside(url, folder)


@pytest.fixture(scope="module")
def inside(scripts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    with started(scripts, tmp_path_factory.mktemp("inside") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def whole(devpi_server: Devpi, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A wheelhouse with wheels of two platforms, an sdist to be built, and a wheel of one's own."""
    upstream = devpi_server.upstream
    upstream.add("pub-app", "1.0", requires=("pub-lib",), requires_python=">=3.8")
    for tag in (f"cp{OWN_PYTHON.replace('.', '')}-none-{OWN_PLATFORM}", "py3-none-win_amd64"):
        upstream.add("pub-lib", "2.0", tag=tag, files={"pub_lib.py": "x = 1\n" * 2000})
    for number in range(4):
        upstream.add(f"pub-more-{number}", "1.0")
    upstream.add("pub-kit", "1.0")
    upstream.upload("pub-source", make_sdist("pub-source", "1.0", static=("pub-kit",)))
    project = new_project(tmp_path_factory.mktemp("whole"))
    filename, data = make_wheel("pub-own", "1.0")
    (project.root / "dist").mkdir()
    (project.root / "dist" / filename).write_bytes(data)
    more = 'sdists = ["pub-source"]\nwheels = ["dist/*.whl"]'
    lines = ["pub-app", "pub-own", "pub-source", *(f"pub-more-{n}" for n in range(4))]
    platforms = (OWN_PLATFORM, "win_amd64")
    project.write(*lines, pythons=(OWN_PYTHON,), platforms=platforms, more=more)
    done = project.nox("-s", "warmup", DEVPI_INDEX=devpi_server.index)
    assert done.returncode == 0, done.output
    return project


FILES = 11  # of that wheelhouse: 2 of pub-lib, the built wheel, its sdist and its kit among them


@pytest.fixture
def logged_in(whole: Project, tmp_path: Path) -> Project:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login ops password {PASSWORD}\n")
    netrc.chmod(0o600)
    return Project(whole.root, {"NETRC": str(netrc)})


def test_published_and_again(logged_in: Project, inside: Inside) -> None:
    index = f"{inside.url}/ops/first"
    absent = logged_in.nox("-s", "publish", "--", index)
    assert absent.returncode == 1
    assert "this devpi has no index" in absent.stderr
    assert "--create makes it: not volatile, and without bases" in absent.stderr
    done = logged_in.nox("-s", "publish", "--", index, "--create")
    assert done.returncode == 0, done.output
    assert f"{FILES} files sent (0.0 MB), 0 were there; {FILES} of {FILES} proven" in done.stdout
    assert f"in the store of {index}; 2 of 2 targets served by it" in done.stdout
    made = requests.get(index, headers={"Accept": "application/json"}, timeout=30).json()["result"]
    assert (made["volatile"], made["bases"]) == (False, [])
    page = requests.get(
        f"{index}/+simple/pub-app/",
        headers={"Accept": "application/vnd.pypi.simple.v1+json"},
        timeout=30,
    ).json()
    assert page["files"][0]["requires-python"] == ">=3.8"
    assert "pub_source-1.0.tar.gz" in inside.names(index)
    with listening(Proxy(target=inside.url)) as front:
        again = logged_in.nox("-s", "publish", "--", f"{front}/ops/first", "--create")
    assert again.returncode == 0, again.output
    assert f"0 files sent (0.0 MB), {FILES} were there; {FILES} of {FILES} proven" in again.stdout
    assert PASSWORD not in absent.output + done.output + again.output


def test_nothing_is_sent_twice(logged_in: Project, inside: Inside) -> None:
    index = inside.stage("twice")
    assert logged_in.nox("-s", "publish", "--", index).returncode == 0
    front = Uploads(target=inside.url)
    with listening(front) as url:
        assert logged_in.nox("-s", "publish", "--", f"{url}/ops/twice").returncode == 0
    assert front.count == 0


@dataclass
class Uploads(Proxy):
    """Counts what is uploaded; does something after so many."""

    count: int = 0
    after: int = 0
    then: Callable[[], object] = field(default=lambda: None)

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        answer = super().handle(method, path, headers, body)
        if method == "POST" and b'name=":action"' in body:
            self.count += 1
            if self.count == self.after:
                self.then()
        return answer


@pytest.mark.parametrize("after", [1, 6])
def test_killed_in_the_middle_and_run_again(logged_in: Project, inside: Inside, after: int) -> None:
    index = inside.stage(f"killed{after}")
    front = Uploads(target=inside.url, after=after)
    with listening(front) as url:
        address = f"{url}/ops/killed{after}"
        running = subprocess.Popen(
            logged_in.command("-s", "publish", "--", address),
            cwd=logged_in.root,
            env=logged_in.env(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        front.then = lambda: os.kill(running.pid, signal.SIGKILL)
        output, _ = running.communicate(timeout=120)
        assert running.returncode == -signal.SIGKILL, output
    there = inside.names(index)
    assert len(there) == after
    done = logged_in.nox("-s", "publish", "--", index)
    assert done.returncode == 0, done.output
    assert f"{FILES - after} files sent (0.0 MB), {after} were there" in done.stdout
    assert there < inside.names(index)


def test_a_file_that_the_disk_has_lost_is_found(logged_in: Project, inside: Inside) -> None:
    """devpi says of it that it is there, and 200 to whoever sends it again."""
    index = inside.stage("lost")
    assert logged_in.nox("-s", "publish", "--", index).returncode == 0
    (stored,) = (inside.folder / "+files" / "ops" / "lost").rglob("pub_more_2-*.whl")
    stored.unlink()
    done = logged_in.nox("-s", "publish", "--", index)
    assert done.returncode == 1
    said = "pub_more_2-1.0-py3-none-any.whl: devpi has committed it, but it is not on its disk"
    assert said in done.stderr
    assert "devpi remove --index ops/lost -f PROJECT==VERSION" in done.stderr
    assert "proven" not in done.stdout


def test_other_bytes_under_a_name(logged_in: Project, inside: Inside, whole: Project) -> None:
    index = inside.stage("other")
    filename, data = make_wheel("pub-app", "1.0", files={"evil.py": ""})
    fields = {":action": "file_upload", "name": "pub-app", "version": "1.0"}
    requests.post(
        f"{index}/",
        data=fields,
        files={"content": (filename, data)},
        auth=("ops", PASSWORD),
        timeout=30,
    ).raise_for_status()
    done = logged_in.nox("-s", "publish", "--", index)
    assert done.returncode == 1
    import hashlib

    theirs = hashlib.sha256(data).hexdigest()
    ours = hashlib.sha256((whole.wheelhouse / filename).read_bytes()).hexdigest()
    assert f"{filename} is another file there: its sha256 is {theirs}" in done.stderr
    assert f"that of the wheelhouse {ours}" in done.stderr
    assert inside.names(index) == {filename}


def test_a_user_who_may_not_upload(logged_in: Project, inside: Inside, tmp_path: Path) -> None:
    index = inside.stage("closed")
    netrc = tmp_path / "guest"
    netrc.write_text("machine 127.0.0.1 login guest password guest\n")
    done = logged_in.nox("-s", "publish", "--", index, NETRC=str(netrc))
    assert done.returncode == 1
    assert "the server answered 403 (credentials: a netrc file)" in done.stderr
    assert "guest must be in its acl_upload" in done.stderr
    assert not inside.names(index)


def test_nobody(logged_in: Project, inside: Inside) -> None:
    done = logged_in.nox("-s", "publish", "--", inside.stage("nobody"), NETRC="/nowhere")
    assert done.returncode == 1
    assert "the server answered 401 (credentials: none" in done.stderr


def test_a_wrong_password_is_never_shown(
    logged_in: Project, inside: Inside, tmp_path: Path
) -> None:
    netrc = tmp_path / "wrong"
    netrc.write_text("machine 127.0.0.1 login ops password wr0ng-one\n")
    done = logged_in.nox("-s", "publish", "--", inside.stage("wrong"), NETRC=str(netrc))
    assert done.returncode == 1
    assert "devpi does not take the password of a netrc file" in done.stderr
    assert "wr0ng-one" not in done.output


def test_a_password_is_not_for_the_command_line(logged_in: Project, inside: Inside) -> None:
    address = inside.stage("argv").replace("://", f"://ops:{PASSWORD}@")
    done = logged_in.nox("-s", "publish", "--", address)
    assert done.returncode == 1
    assert "a password does not belong on a command line" in done.stderr
    assert PASSWORD not in done.output
    for session in ("publish", "clients"):
        done = logged_in.nox("-s", session, "--", address, "more")
        assert done.returncode == 1
        assert "and nothing else: http://127.0.0.1" in done.stderr
        assert PASSWORD not in done.output
    # In the environment it does; nox itself repeats what it was called with.
    other = inside.stage("argv2")
    for words in ((), ("--", other)):  # that index, and another of the same server
        done = logged_in.nox("-s", "publish", *words, DEVPI_INDEX=address, NETRC="/nowhere")
        assert done.returncode == 0, done.output
        assert f"11 of 11 proven in the store of {words[1] if words else inside.url}" in done.stdout
        assert PASSWORD not in done.output


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"volatile": True}, "is volatile: a file there may be replaced at any time"),
        ({"bases": ["ops/base"]}, "has bases (ops/base), which have a say in what pip finds"),
        ({"type": "mirror", "bases": None}, "is a mirror"),
    ],
)
def test_an_index_of_another_kind(
    logged_in: Project, inside: Inside, more: dict[str, object], said: str
) -> None:
    with suppress(requests.HTTPError):  # of a former case
        inside.stage("base")
    name = said.split()[1].strip("(:,").lower()
    given = {key: value for key, value in more.items() if value is not None}
    if "type" in given:
        body = {"type": "mirror", "mirror_url": "http://127.0.0.1:9/simple/"}
        index = inside.index(name, body)
    else:
        index = inside.stage(name, **given)
    done = logged_in.nox("-s", "publish", "--", index, "--create")
    assert done.returncode == 1
    assert said in done.stderr
    assert not inside.names(index)
    found = requests.get(index, headers={"Accept": "application/json"}, timeout=30).json()
    for key, value in given.items():
        assert found["result"][key] == value  # it is as it was


def test_an_index_of_a_user_that_is_not_there(logged_in: Project, inside: Inside) -> None:
    done = logged_in.nox("-s", "publish", "--", f"{inside.url}/absent/index", "--create")
    assert done.returncode == 1
    assert "Traceback" not in done.output
    assert "absent" in done.stderr


def test_an_address_that_is_no_devpi(logged_in: Project) -> None:
    with served(Catalogue()) as url:
        done = logged_in.nox("-s", "publish", "--", f"{url}/ops/prod")
    assert done.returncode == 1
    assert "does not answer as a devpi-server" in done.stderr
    assert "--pages" in done.stderr


def test_a_file_over_the_limit_is_named_before_anything_is_sent(
    logged_in: Project, scripts: Path, tmp_path: Path
) -> None:
    with started(scripts, tmp_path / "data", "--max-request-body-size", "6000") as server:
        index = server.stage("small")
        done = logged_in.nox("-s", "publish", "--", index)
        assert done.returncode == 1
        assert "the server takes no file as large as pub_lib-2.0-" in done.stderr
        assert "--max-request-body-size BYTES" in done.stderr
        assert not server.names(index)


def test_a_wheelhouse_that_is_not_whole(logged_in: Project, inside: Inside) -> None:
    index = inside.stage("partial")
    path = logged_in.wheelhouse / "pub_more_1-1.0-py3-none-any.whl"
    data = path.read_bytes()
    try:
        path.write_bytes(data[:-1] + b"x")
        done = logged_in.nox("-s", "publish", "--", index)
    finally:
        path.write_bytes(data)
    assert done.returncode == 1
    assert "is not the file that its warmup left there" in done.stderr
    assert not inside.names(index)


def test_a_token_that_the_server_has_forgotten(logged_in: Project, inside: Inside) -> None:
    """As after its restart: the password gives another one."""
    inside.stage("token")
    front = Forgetting(target=inside.url)
    with listening(front) as url:
        done = logged_in.nox("-s", "publish", "--", f"{url}/ops/token")
    assert done.returncode == 0, done.output
    assert front.logins == 2
    assert front.refused == 1


@dataclass
class Forgetting(Proxy):
    """Refuses the first upload."""

    logins: int = 0
    refused: int = 0

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.logins += path == "/+login"
        if method == "POST" and b'name=":action"' in body and not self.refused:
            self.refused += 1
            return Answer(401)
        return super().handle(method, path, headers, body)


@contextmanager
def pypiserver(folder: Path) -> Iterator[str]:
    """Run a pypiserver that takes uploads from everybody; yield its URL."""
    folder.mkdir()
    port = free_port()
    argv = [sys.executable, "-m", "pypiserver", "run", "-i", "127.0.0.1", "-p", str(port)]
    argv += ["-a", ".", "-P", ".", "--hash-algo", "sha256", "--disable-fallback", str(folder)]
    server = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        while server.poll() is None:
            with suppress(requests.ConnectionError):
                requests.get(url, timeout=30)
                break
        yield url
    finally:
        server.terminate()
        server.wait()


def test_a_server_that_is_no_devpi(whole: Project, tmp_path: Path) -> None:
    stored = tmp_path / "stored"
    with pypiserver(stored) as url:
        words = ("-s", "publish", "--", f"{url}/", "--pages", f"{url}/simple/")
        done = whole.nox(*words)
        assert done.returncode == 0, done.output
        assert f"{FILES} files sent (0.0 MB), 0 were there; {FILES} of {FILES}" in done.stdout
        assert f"proven in the store of {url}/simple; 2 of 2 targets served" in done.stdout
        again = whole.nox(*words)
        assert again.returncode == 0, again.output
        assert f"0 files sent (0.0 MB), {FILES} were there" in again.stdout
        path = stored / "pub_app-1.0-py3-none-any.whl"
        path.write_bytes(path.read_bytes() + b"x")
        other = whole.nox(*words)
        assert other.returncode == 1
        assert "pub_app-1.0-py3-none-any.whl is another file there: its sha256 is" in other.stderr
        path.unlink()
        done = whole.nox(*words)
        assert done.returncode == 0, done.output
        assert "1 files sent" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "publish takes the URL of an index after --"),
        (("ftp://devpi.example.com/ops/prod",), "must begin with https:// or http://"),
        (("http://a.example.com/u/i", "--force"), "and nothing else"),
        (("http://a.example.com/u/i", "--pages"), "--pages takes a URL"),
        (("http://a.example.com/", "--create", "--pages", "http://a.example.com/simple/"), "devpi"),
    ],
)
def test_words_that_are_none(whole: Project, words: tuple[str, ...], said: str) -> None:
    done = whole.nox("-s", "publish", "--", *words)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize("tool", ["pip", "uv"])
@pytest.mark.parametrize("of", ["folder", "index"])
def test_clients_install_with_what_is_written(
    logged_in: Project, inside: Inside, tmp_path: Path, tool: str, of: str
) -> None:
    moved = Project(tmp_path / "a folder with blanks", dict(logged_in.environ))
    import shutil

    shutil.copytree(logged_in.root, moved.root, ignore=shutil.ignore_patterns(".nox"))
    address = []
    if of == "index":
        address = ["--", f"{inside.url}/ops/clients"]
        assert moved.nox("-s", "publish", *address, "--create").returncode == 0
    done = moved.nox("-s", "clients", *address)
    assert done.returncode == 0, done.output
    written = moved.wheelhouse / "clients" / of
    assert {path.name for path in written.iterdir()} == {
        *("pip.conf", "pip.ini", "uv.toml", "README.md"),
    }
    assert PASSWORD not in "".join(path.read_text() for path in written.iterdir())
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "virtualenv", "-q", str(venv)], check=True)
    python = str(venv / "bin" / "python")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    if tool == "pip":
        argv = [python, "-m", "pip", "install", "-q", "--no-cache-dir"]
        env["PIP_CONFIG_FILE"] = str(written / "pip.conf")
    else:
        argv = [sys.executable, "-m", "uv", "pip", "install", "--no-cache", "--python", python]
        env["UV_CONFIG_FILE"] = str(written / "uv.toml")
    from devpi_warmup.process import isolation

    prefix = isolation().prefix if of == "folder" else ()
    done = subprocess.run(
        [*prefix, *argv, "pub-app"], cwd="/", env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    subprocess.run([python, "-c", "import pub_app, pub_lib"], check=True)


def test_clients_say_what_they_do_not_take(whole: Project, tmp_path: Path) -> None:
    done = whole.nox("-s", "clients", "--", "http://ops:s3cret@a.example.com/u/i")
    assert done.returncode == 1
    assert "an address with a password is not written" in done.stderr
    done = whole.nox("-s", "clients", "--", "somewhere")
    assert done.returncode == 1
    assert "the index URL must begin with https:// or http://" in done.stderr
    empty = new_project(tmp_path / "empty")
    empty.write("six")
    done = empty.nox("-s", "clients")
    assert done.returncode == 1
    assert "there is no wheelhouse/locks/" in done.stderr
