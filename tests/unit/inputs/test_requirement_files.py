from __future__ import annotations

from pathlib import Path

import pytest
from wanted import load_files

from devpi_warmup.errors import InvalidInputError
from devpi_warmup.inputs.requirements import RequirementSet, for_target
from devpi_warmup.inputs.targets import Target

A, B = "a" * 64, "b" * 64


def load(root: Path, text: str | bytes, **environ: str) -> RequirementSet:
    data = text if isinstance(text, bytes) else text.encode()
    (root / "main.txt").write_bytes(data)
    return load_files(root, "main.txt", environ=environ)


def shown(loaded: RequirementSet) -> list[str]:
    return [str(root) for root in loaded.requirements]


def test_what_pip_users_write(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("idna\n-c limits.txt\n")
    (tmp_path / "limits.txt").write_text("six<2\n")
    loaded = load(
        tmp_path,
        f"""
        # a comment
        Pandas[excel, test]>=1,\\
            <3 ; python_version < "3.10"   # another
        six==1.16.0 --hash=sha256:{A} --hash sha256:{B}
        -r more.txt
        ${{NAME}}>=2
        https://devpi.example.com/files/foo-1.0-py3-none-any.whl#sha256={A} ; os_name == "nt"
        bar @ https://devpi.example.com/bar-2.0-py3-none-any.whl --hash=sha256:{B}
        """,
        NAME="attrs",
    )
    assert shown(loaded) == [
        "Pandas[excel,test]<3,>=1",
        "six==1.16.0",
        "idna",
        "attrs>=2",
        "foo @ https://devpi.example.com/files/foo-1.0-py3-none-any.whl",
        "bar @ https://devpi.example.com/bar-2.0-py3-none-any.whl",
    ]
    pandas, six, idna, _, foo, bar = loaded.requirements
    assert str(pandas.requirement.marker) == 'python_version < "3.10"'
    assert (pandas.where, six.where, idna.where) == ("main.txt:3", "main.txt:5", "more.txt:1")
    assert six.hashes == {A, B}
    assert foo.hashes == {A}
    assert str(foo.requirement.marker) == 'os_name == "nt"'
    assert bar.hashes == {B}
    assert [str(root) for root in loaded.constraints] == ["six<2"]


def test_markers_decide_per_target(tmp_path: Path) -> None:
    loaded = load(tmp_path, "colorama; sys_platform == 'win32'\ntomli; python_version < '3.11'\n")
    on_windows = for_target(loaded, Target("3.9", "win_amd64")).requirements
    on_linux = for_target(loaded, Target("3.13", "manylinux2014_x86_64")).requirements
    assert [root.name for root in on_windows] == ["colorama", "tomli"]
    assert on_linux == ()
    assert on_windows[0].requirement.marker is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-e .", "option -e is not allowed"),
        ("--editable=src", "option --editable is not allowed"),
        ("./local", "'./local' is a local path"),
        ("src/project", "is a local path"),
        ("project-1.0.tar.gz", "is a local path"),
        ("file:///wheels/x-1-py3-none-any.whl", "is a local path"),
        ("foo @ file:///wheels/foo-1-py3-none-any.whl", "foo is a local path"),
        ("git+https://devpi.example.com/x.git", "is a VCS requirement"),
        ("foo @ git+ssh://git@devpi.example.com/x.git", "foo is a VCS requirement"),
        ("--index-url https://devpi.example.com", "option --index-url"),
        ("-i https://devpi.example.com", "option -i is not allowed"),
        ("--extra-index-url=https://devpi.example.com", "option --extra-index-url"),
        ("--find-links wheels", "option --find-links"),
        ("-f wheels", "option -f is"),
        ("--trusted-host devpi.example.com", "option --trusted-host"),
        ("--pre", "option --pre"),
        ("--no-binary :all:", "option --no-binary"),
        ("--what-is-this", "option --what-is-this"),
        ("six --config-settings x=y", "option --config-settings"),
        ("six --hash=md5:abc", "'six --hash=md5:abc' has no valid sha256 hash"),
        ("six --hash=sha256:abc", "has no valid sha256 hash"),
        ("-r missing.txt", "missing.txt cannot be read"),
        ("-r https://devpi.example.com/r.txt", "-r with a URL is not supported"),
        ("six; sys_platform ~= 'linux'", "its marker cannot be evaluated"),
        ("six; 'x' in extras", "its marker cannot be evaluated"),
        ("foo @ http://[x/foo-1.0-py3-none-any.whl", "has no valid URL"),
        ("six=1.0", "'six=1.0' does not parse"),
        ("six>=1 --hash='", "does not parse"),
        ("https://devpi.example.com/foo-1.0.tar.gz", "is not the URL of a wheel"),
        ("foo @ https://devpi.example.com/foo-1.0.zip", "is not the URL of a wheel"),
        ("foo @ https://devpi.example.com/bar-1.0-py3-none-any.whl", "not the project of bar"),
    ],
)
def test_refused_with_file_line_and_hint(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        load(tmp_path, f"idna\n{line}\n")
    (problem,) = caught.value.problems
    assert problem.where == "main.txt:2"
    assert problem.hint


def test_all_problems_of_all_files_come_together(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("-e .\n-r main.txt\n")
    with pytest.raises(InvalidInputError) as caught:
        load(tmp_path, "-r more.txt\n--pre\nsix=1\n")
    places = [problem.where for problem in caught.value.problems]
    assert places == ["more.txt:1", "more.txt:2", "main.txt:2", "main.txt:3"]
    assert "main.txt includes itself" in str(caught.value)


def test_one_file_may_be_included_twice(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("six\n")
    assert shown(load(tmp_path, "-r more.txt\n-r more.txt\n")) == ["six", "six"]


@pytest.mark.parametrize("text", ["", "# nothing\n\n"])
def test_an_empty_set_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"main\.txt: nothing is required"):
        load(tmp_path, text)


@pytest.mark.parametrize(
    "data",
    [
        "six  # 한글\n".encode(),
        "six  # 한글\n".encode("utf-8-sig"),
        "six  # 한글\n".encode("utf-16"),
        "# -*- coding: cp949 -*-\nsix  # 한글\n".encode("cp949"),
        b"six\r\n",
    ],
)
def test_encodings(tmp_path: Path, data: bytes) -> None:
    assert shown(load(tmp_path, data)) == ["six"]


def test_an_unreadable_encoding_has_a_hint(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"not UTF-8 text\n.*cp949"):
        load(tmp_path, "six  # 한글\n".encode("cp949"))


def test_continuation_ends_with_the_file(tmp_path: Path) -> None:
    assert shown(load(tmp_path, "six>=1,\\\n<2\\")) == ["six<2,>=1"]


def test_constraints_have_no_extras_and_no_url(tmp_path: Path) -> None:
    (tmp_path / "limits.txt").write_text("six[a]<2\nfoo @ https://e.com/foo-1-py3-none-any.whl\n")
    with pytest.raises(InvalidInputError) as caught:
        load(tmp_path, "six\n-c limits.txt\n")
    messages = [problem.message for problem in caught.value.problems]
    assert messages == ["a constraint cannot have extras", "a constraint cannot have a URL"]


def test_a_secret_of_the_environment_never_shows(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        load(
            tmp_path,
            "foo @ https://u:${TOKEN}@devpi.example.com/foo.zip\n"
            "a b https://${TOKEN}@x.com\n${TOKEN}\nfoo --hash=${TOKEN}\n"
            'foo @ http://u:s3cret!@h/foo-1.0-py3-none-any.whl --hash="abc\n'
            '-i http://u:s3cret!@h/ "\n'
            "git+https://h.example.com/x?tok=s3cret!\n"
            "foo @ http://h.example.com/foo-1.0-py3-none-any.whl?tok=s3cret! ;; x\n"
            "foo @ http://me:s3cret!#x@h.example.com/foo-1.0-py3-none-any.whl\n",
            TOKEN="s3cret!",
        )
    assert len(caught.value.problems) == 9
    assert "s3cret" not in str(caught.value)
    loaded = load(
        tmp_path,
        "foo @ https://u:${TOKEN}@devpi.example.com/foo-1-py3-none-any.whl",
        TOKEN="s3cret",
    )
    assert "s3cret" not in str(loaded.requirements[0])


def test_an_unset_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="UNSET is not set in the environment"):
        load(tmp_path, "${UNSET}>=1\n")


def test_the_digest_is_of_what_is_wanted(tmp_path: Path) -> None:
    first = load(tmp_path, "six>=1\n${NAME}\n", NAME="attrs").digest
    assert load(tmp_path, "# new comment\nsix>=1\n\n${NAME}\n", NAME="attrs").digest == first
    assert load(tmp_path, "six>=1\n${NAME}\n", NAME="idna").digest != first
    url = "six @ https://me:${TOKEN}@devpi.example.com/six-1.0-py3-none-any.whl"
    outside, inside = (load(tmp_path, url, TOKEN=token).digest for token in ("s3cret", "none"))
    assert outside == inside  # a secret does not go through the gap
    assert load(tmp_path, "${NAME}\nsix>=1\n", NAME="attrs").digest != first
    assert load(tmp_path, "six>=2\n${NAME}\n", NAME="attrs").digest != first


URL = "https://devpi.example.com/files/foo-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    "fragment",
    [f"#sha256={A}", f"#egg=foo&sha256={A}", f"#sha256={A}&egg=foo", f"#sha256={A.upper()}"],
)
def test_a_hash_anywhere_in_the_fragment_counts(tmp_path: Path, fragment: str) -> None:
    (root,) = load(tmp_path, f"{URL}{fragment}").requirements
    assert root.hashes == {A}
    assert root.url == URL


@pytest.mark.parametrize(
    ("fragment", "message"),
    [
        ("#md5=0cc175b9c0f1b6a831c399e269772661", "has no valid sha256 hash: md5="),
        (f"#sha512={A}", "has no valid sha256 hash: sha512="),
        ("#sha256=abc", "has no valid sha256 hash: sha256="),
        (f"#sha1={'0' * 40}&sha256={A}", "has no valid sha256 hash: sha1="),  # pip takes the first
        ("#egg=foo[a]", "egg=foo[a] is not the project of foo-1.0-py3-none-any.whl"),
        ("#egg=bar", "egg=bar is not the project"),
    ],
)
def test_other_fragments_are_refused(tmp_path: Path, fragment: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        load(tmp_path, f"foo @ {URL}{fragment}")
    assert message in str(caught.value)
