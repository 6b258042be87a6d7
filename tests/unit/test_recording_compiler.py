"""From the events of a recording to its scripts: each rule by what a line becomes, or why it is refused."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from image_builder.lint.scripts import lint_script
from image_builder.recording import pip
from image_builder.recording.compiler import BUILD_FOLDER, Compiled, compile_recording
from image_builder.recording.events import Content, Event, Log, from_line, to_line

SHA = "ab" * 32


def line(text: str, seq: int = 2, **more: Any) -> Event:
    """A line that added one file, unless `more` says otherwise."""
    files = more.pop("files", [["added", "/opt/build/x"]])
    more = {"cwd": BUILD_FOLDER, "cwd_after": BUILD_FOLDER, "files": files, "file_count": len(files), **more}
    return Event(seq, "command", text, **more)


def compiled(*events: Event) -> Compiled:
    return compile_recording([Event(1, "begin", cwd=BUILD_FOLDER, cwd_after=BUILD_FOLDER), *events])


def body(*events: Event) -> str:
    """What the lines became. It is a script that bash can read."""
    result = compiled(*events)
    assert [problem.text() for problem in result.problems] == []
    assert subprocess.run(["bash", "-n"], input=result.build, text=True, check=False).returncode == 0
    assert [finding for finding in lint_script(result.build, "x.sh") if finding.severity == "error"] == []
    return result.build.partition(f"\ncd -- {BUILD_FOLDER}\n\n")[2].rstrip("\n")


def refusal(*events: Event) -> str:
    result = compiled(*events)
    assert (result.build, result.validate) == ("", ""), "nothing may be written"
    (problem,) = result.problems
    return problem.text()


def test_lines_that_failed_or_changed_nothing_are_comments() -> None:
    assert body(
        line("ls", files=[]),
        line("make", 3, status=2, files=[]),
        line("touch x", 4),
        line("echo one\ntwo", 5, files=[]),
        line("cd /opt", 6, files=[], cwd_after="/opt"),
    ) == "# no effect: ls\n# failed (2): make\ntouch x\n# no effect: echo one\n# two"  # fmt: skip


def test_comments_stay_as_they_are() -> None:
    typed = [
        line("# the tool", files=[]),
        line("touch x", 3),
        line("  # and\n# so", 4, files=[]),
        line(")", 5, status=2, files=[]),
    ]
    assert body(*typed) == "# the tool\ntouch x\n  # and\n# so\n# failed (2): )"


def test_a_failed_line_that_changed_files_must_be_resolved() -> None:
    failed = line("make install", 7, status=2)
    said = refusal(failed)
    assert "line 7 `make install`" in said
    assert "/opt/build/x" in said
    assert "rec drop 7" in said
    result = compiled(failed, Event(8, "drop", target=7), line("touch y", 9))
    assert "# dropped: make install" in result.build
    assert result.warnings == [
        "line 7 is left out, but what it changed (1 file) is in the recorded root, and verifying will show it"
    ]
    assert compiled(failed, Event(8, "drop", "taken back", target=7), line("touch y", 9)).warnings == []


def test_every_line_runs_in_its_folder() -> None:
    assert body(
        line("touch a", cwd="/opt/sp ace", cwd_after="/opt/sp ace"),
        line("touch b", 3, cwd="/opt/sp ace", cwd_after="/opt/sp ace"),
        line("mkdir y && cd y", 4, cwd="/opt/sp ace", cwd_after="/opt/sp ace/y"),
        line("touch c", 5, cwd="/opt/sp ace/y", cwd_after="/opt/sp ace/y"),
        line("touch d", 6, cwd="/", cwd_after="/"),
    ) == "cd -- '/opt/sp ace'\ntouch a\ntouch b\nmkdir y && cd y\ntouch c\ncd -- /\ntouch d"  # fmt: skip


def test_environment_and_state_are_kept() -> None:
    assert body(
        line("export A=1", files=[], environment={"A": "1"}, state=True),
        line("X=5", 3, files=[], state=True),
        line("umask 027", 4, files=[], state=True),
        line("touch $X", 5),
    ) == "export A=1\nX=5\numask 027\ntouch $X"  # fmt: skip


LOOSE = [
    "touch a; false; touch b",
    "false || touch a",
    "for i in 1 2; do touch $i; done",
    "if true; then touch a; fi",
    "f() { touch a; }",
    "source /opt/x/activate",
    "conda activate base",
    "eval 'touch a'",
    "trap 'touch a' EXIT",
    "touch a # and\ntouch b",
]


@pytest.mark.parametrize("text", LOOSE)
def test_what_strict_options_would_change_runs_without_them(text: str) -> None:
    assert body(line(text)) == f"set +uo pipefail\n{{\n{text}\n}} || (exit $?)\nset -uo pipefail"


def test_so_do_unset_variables_broken_pipes_and_functions() -> None:
    assert body(line("touch $NOTHING", unset=["NOTHING"])).startswith("set +uo")
    assert body(line("yes | head -1 > x", pipestatus=[141, 0])).startswith("set +uo")
    assert body(line("yes | head -1 > x", pipestatus=[0, 0])) == "yes | head -1 > x"
    assert body(line("g x", functions=["g"])).startswith("set +uo")


def test_here_documents_unicode_and_long_lines_stay_as_they_are() -> None:
    for text in (
        "cat > a <<'END'\nx $HOME `y` é✓\n\n  END\nEND",
        "echo a \\\n  b > c",
        "echo 'a\nb' > c",
        "echo \"$(date)\" > 'ü n'",
    ):
        assert body(line(text)) == text


def test_aliases_are_written_out() -> None:
    assert body(
        line("alias mk='mkdir -p' ll='ls -l'", files=[], state=True),
        line("mk a && mk b", 3),
        line("echo mk > mk", 4),
        line("unalias mk", 5, files=[], state=True),
        line("mk c", 6),
    ) == (
        "# written out below: alias mk='mkdir -p' ll='ls -l'\nmkdir -p a && mkdir -p b\necho mk > mk\n"
        "# written out below: unalias mk\nmk c"
    )  # fmt: skip


# apt, pip, conda

APT = {"curl": "7.88.1-10", "libcurl4": "7.88.1-10"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("apt-get install -y curl", "apt-get install -y curl=7.88.1-10 \\\n    libcurl4=7.88.1-10"),
        ("apt install curl", "apt-get install --yes curl=7.88.1-10 \\\n    libcurl4=7.88.1-10"),
        (
            "apt-get -q install curl=7.88.1-10",
            "apt-get -q install --yes curl=7.88.1-10 \\\n    libcurl4=7.88.1-10",
        ),
        (
            "apt-get install --yes curl/stable",
            "apt-get install --yes curl=7.88.1-10 \\\n    libcurl4=7.88.1-10",
        ),
        (
            "DEBIAN_FRONTEND=noninteractive apt-get install \\\n  -y \\\n  curl",
            "DEBIAN_FRONTEND=noninteractive apt-get install \\\n  -y \\\n  curl=7.88.1-10 \\\n    "
            "libcurl4=7.88.1-10",
        ),
        ("apt-get upgrade", "apt-get install --yes \\\n    curl=7.88.1-10 libcurl4=7.88.1-10"),
        (
            "apt-get update && apt-get install -y curl",
            "apt-get update && apt-get install -y curl=7.88.1-10 \\\n    libcurl4=7.88.1-10",
        ),
        ("apt-get remove curl", "apt-get remove --yes curl"),
        ("add-apt-repository ppa:x/y", "add-apt-repository --yes ppa:x/y"),
    ],
)
def test_apt_installs_what_was_installed_and_asks_nothing(text: str, expected: str) -> None:
    assert body(line(text, apt=APT)) == expected


def test_packages_that_came_along_stay_automatic() -> None:
    made = body(line("apt-get install -y curl", apt=APT, apt_automatic=["libcurl4"]))
    assert made.endswith("\napt-mark auto libcurl4 >/dev/null")


SITE = "/opt/v/lib/python3.11/site-packages"
META = "/opt/conda/envs/x/conda-meta/numpy-1.26-py_0.json"
PIP = {f"{SITE}|Scikit_Learn": "1.4.2", f"{SITE}|joblib": "1.4.0"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "/opt/v/bin/pip install scikit-learn",
            "/opt/v/bin/pip install scikit-learn==1.4.2 \\\n    joblib==1.4.0",
        ),
        ("pip install 'scikit.learn>=1' -q", "pip install scikit.learn==1.4.2 -q \\\n    joblib==1.4.0"),
        (
            "python3 -m pip install scikit-learn[tests]",
            "python3 -m pip install 'scikit-learn[tests]==1.4.2' \\\n    joblib==1.4.0",
        ),
        ("uv pip install joblib scikit-learn", "uv pip install joblib==1.4.0 scikit-learn==1.4.2"),
        ("pip install -r r.txt", "pip install -r r.txt \\\n    joblib==1.4.0 scikit-learn==1.4.2"),
        ("pip install --require-hashes -r r.txt", "pip install --require-hashes -r r.txt"),
        ("pip uninstall joblib", "pip uninstall --yes joblib"),
        ("pip uninstall -y joblib", "pip uninstall -y joblib"),
        ("pip download joblib", "pip download joblib"),
    ],
)
def test_pip_installs_what_was_installed(text: str, expected: str) -> None:
    assert body(line(text, python=PIP)) == expected


HASHES = {"scikit-learn": "a" * 64, "joblib": "b" * 64}
LIST = (
    f"cat > /tmp/recorded-2.txt <<'END-2'\njoblib==1.4.0 --hash=sha256:{'b' * 64}\nscikit-learn==1.4.2 "
    f"--hash=sha256:{'a' * 64}\nEND-2\n"
)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("/opt/v/bin/pip install scikit-learn", "/opt/v/bin/pip install {}"),
        ("pip -q install \\\n  -U 'scikit.learn[x]>=1' \\\n  joblib", "pip -q install -U {}"),
        ("python3 -m pip --python /opt/v/bin/python install -r r.txt -c c.txt --requirement=s.txt -t "
            "'/opt/a b'",
         "python3 -m pip --python /opt/v/bin/python install -t '/opt/a b' {}"),
        ("cd /opt && pip install --no-deps --extra-index-url https://x.example/simple scikit-learn joblib > "
            "log",
         "cd /opt && pip install --extra-index-url https://x.example/simple {} > log"),
    ],
)  # fmt: skip
def test_pip_takes_the_files_that_it_took(text: str, options: str) -> None:
    expected = LIST + options.format("--no-deps --require-hashes -r /tmp/recorded-2.txt")
    assert body(line(text, python=PIP, digests=HASHES)) == expected


def test_what_came_along_is_not_asked_for_in_a_replay_either() -> None:
    along = [
        f"{SITE}/joblib-1.4.0.dist-info",
        f"{SITE}/typing_extensions-4.0.dist-info",
        "/opt/other site/x-1.dist-info",
    ]
    made = body(line("/opt/v/bin/pip install scikit-learn", python=PIP, digests=HASHES, along=along[:1]))
    assert made.endswith(
        f"\nrm --force -- {SITE}/joblib-1.4.0.dist-info/REQUESTED\n"
        f"sed --in-place '/\\.dist-info\\/REQUESTED,/d' -- {SITE}/joblib-1.4.0.dist-info/RECORD"
    )
    more = {**PIP, f"{SITE}|typing-extensions": "4.0", "/opt/other site|X": "1"}
    made = body(line("uv pip install scikit-learn", python=more, along=along))
    assert f"rm --force -- {SITE}/{{joblib-1.4.0,typing_extensions-4.0}}.dist-info/REQUESTED\n" in made
    assert "rm --force -- '/opt/other site'/x-1.dist-info/REQUESTED\n" in made
    for text in (
        "pip install joblib scikit-learn",
        "pip uninstall -y joblib",
        "pip install --require-hashes -r r.txt",
    ):
        assert "REQUESTED" not in body(line(text, python=PIP, along=along)), (
            "nothing was named that was not named before"
        )


WHEEL = "https://x.example/six-1.16.0-py2.py3-none-any.whl"


@pytest.mark.parametrize(
    ("word", "pinned"),
    [
        (WHEEL, f"'{WHEEL}#sha256={SHA}'"),
        (f"'six @ {WHEEL}'", f"'six @ {WHEEL}#sha256={SHA}'"),
        (f"{WHEEL}#egg=six", f"'{WHEEL}#egg=six&sha256={SHA}'"),
        (f"{WHEEL}#sha256={SHA}", f"{WHEEL}#sha256={SHA}"),
        ("$SITE/six.whl", "$SITE/six.whl"),
        ("/opt/six.whl", "/opt/six.whl"),
    ],
)
def test_what_pip_takes_by_its_address_gets_its_digest(word: str, pinned: str) -> None:
    info = {"url": WHEEL, "archive_info": {"hashes": {"sha256": SHA}}}
    local = {"url": "file:///opt/six.whl", "archive_info": {"hashes": {"sha256": SHA}}}
    report = {"install": [{"is_direct": True, "download_info": info},
        {"is_direct": True, "download_info": local}, {"is_direct": False},
                          {"is_direct": True, "download_info": {"url": "x", "vcs_info": {}}}]}  # fmt: skip
    archives = pip.archives(json.dumps(report))
    assert archives == {WHEEL: SHA, "file:///opt/six.whl": SHA}
    assert body(line(f"pip install -q {word}", archives=archives)) == f"pip install -q {pinned}"
    assert [pip.archives(broken) for broken in ("", "{", "[]", '{"install": 3}')] == [{}, {}, {}, {}]


def test_digests_come_from_a_report_about_the_whole_line() -> None:
    def item(name: str, version: str, **info: Any) -> dict[str, Any]:
        return {"metadata": {"name": name, "version": version}, "download_info": {"url": "x", **info}}

    def archive(digest: str) -> dict[str, Any]:
        return {"archive_info": {"hashes": {"sha256": digest}}}

    both = [item("scikit-learn", "1.4.2", **archive("a" * 64)), item("joblib", "1.4.0", **archive("b" * 64))]
    assert pip.digests(json.dumps({"install": both}), PIP) == HASHES
    for other in (both[:1], [*both, item("more", "1", **archive("c"))],
        [both[0], item("joblib", "1.5.0", **archive("b"))],
                  [both[0], item("joblib", "1.4.0", dir_info={})],
                  [both[0], item("joblib", "1.4.0", archive_info={})]):  # fmt: skip
        assert pip.digests(json.dumps({"install": other}), PIP) == {}
    for broken in ("", "{", "[]", '{"install": 3}'):
        assert pip.digests(broken, PIP) == {}


COMMIT = "c0ffee" + "0" * 34


@pytest.mark.parametrize(
    ("word", "pinned"),
    [
        ("git+https://x.example/o/r.git", f"git+https://x.example/o/r.git@{COMMIT}"),
        ("git+https://x.example/o/r@feature/x#egg=r", f"git+https://x.example/o/r@{COMMIT}#egg=r"),
        (
            "'r @ git+ssh://git@x.example/o/r.git@v1#subdirectory=a'",
            f"'r @ git+ssh://git@x.example/o/r.git@{COMMIT}#subdirectory=a'",
        ),
        ("git+$SITE/r", f"git+$SITE/r@{COMMIT}"),
    ],
)
def test_what_pip_takes_from_git_gets_its_commit(word: str, pinned: str) -> None:
    report = {
        "install": [
            {"download_info": {"url": "x", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}},
            {"download_info": {}},
        ]
    }
    assert pip.revisions(json.dumps(report)) == [COMMIT]
    assert body(line(f"pip install -q {word}", revisions=[COMMIT])) == f"pip install -q {pinned}"
    unknown = compiled(line(f"pip install {word}"))
    assert ["git is not pinned" in warning for warning in unknown.warnings] == [True]


def test_several_installations_in_a_line_keep_to_themselves() -> None:
    result = compiled(
        line(
            "/a/bin/pip install joblib && /b/bin/pip install scikit-learn",
            python={**PIP, f"{SITE}|scipy": "1.1"},
        )
    )
    assert "/a/bin/pip install joblib==1.4.0 && /b/bin/pip install scikit-learn==1.4.2\n" in result.build
    assert ["give each a line of its own" in warning for warning in result.warnings] == [True]


def test_packages_that_no_command_names_are_warned_of() -> None:
    for text in ("su alice -c 'pip install joblib'", "./setup.sh", "conda run -n x pip install joblib"):
        assert "not pinned" in compiled(line(text, python=PIP)).warnings[0]
    cases: list[dict[str, Any]] = [
        {"python": {f"{SITE}|pip": "24"}},
        {"python": PIP, "apt": APT},
        {"python": PIP, "conda": {META: "x"}},
    ]
    for more in cases:
        assert compiled(line("./setup.sh", **more)).warnings == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "conda install numpy",
            "conda install --yes numpy \\\n    https://c.example/linux-64::numpy=1.26=py_0",
        ),
        (
            "mamba create -y -n x numpy",
            "mamba create -y -n x numpy \\\n    https://c.example/linux-64::numpy=1.26=py_0",
        ),
        ("conda remove numpy", "conda remove --yes numpy"),
        (
            "conda update --all -n x",
            "conda install --yes  -n x \\\n    https://c.example/linux-64::numpy=1.26=py_0",
        ),
        (
            "micromamba upgrade -y numpy",
            "micromamba install -y numpy \\\n    https://c.example/linux-64::numpy=1.26=py_0",
        ),
        ("conda env create -f env.yml", f"conda env create -f env.yml\nls {META} >/dev/null"),
        (
            "conda env update -n x --file env.yml",
            f"conda env update -n x --file env.yml\nls {META} >/dev/null",
        ),
        ("conda env remove -n x", "conda env remove --yes -n x"),
        (
            "micromamba create -y -p /opt/e -f lock.txt",
            f"micromamba create -y -p /opt/e -f lock.txt\nls {META} >/dev/null",
        ),
        ("conda create --clone base -n x", f"conda create --yes --clone base -n x\nls {META} >/dev/null"),
        (
            "conda install -y https://c.example/a.conda#00",
            f"conda install -y https://c.example/a.conda#00\nls {META} >/dev/null",
        ),
        (
            "conda install -y -c https://c.example/ numpy",
            "conda install -y -c https://c.example/ numpy \\\n    "
            "https://c.example/linux-64::numpy=1.26=py_0",
        ),
    ],
)
def test_conda_installs_what_was_installed(text: str, expected: str) -> None:
    made = body(line(text, conda={META: "https://c.example/linux-64::numpy=1.26=py_0"}))
    assert made == f"set +uo pipefail\n{{\n{expected}\n}} || (exit $?)\nset -uo pipefail"


# editors, downloads, clones


def content(text: str | None, **more: Any) -> Content:
    return Content(**{"mode": 0o644, "uid": 0, "gid": 0, "sha256": SHA, "text": text, **more})


def test_an_editor_becomes_the_file_that_it_wrote() -> None:
    files = [["changed", "/etc/a b"], ["added", "/etc/.a.swp"], ["removed", "/etc/old"], ["added", "/etc/n"]]
    contents = {
        "/etc/a b": content("x $y\n`z`\n", mode=0o600),
        "/etc/n": content("no newline", uid=33, gid=33),
    }
    mark = f"END-{SHA[:16]}"
    assert body(line("vim '/etc/a b'", files=files, contents=contents)) == (
        f"cat > '/etc/a b' <<'{mark}'\nx $y\n`z`\n{mark}\nchmod 0600 '/etc/a b'\n"
        f"cat > /etc/n <<'{mark}'\nno newline\n{mark}\ntruncate --size=-1 /etc/n\nchmod 0644 /etc/n\nchown "
        "33:33 /etc/n\n"
        "rm -rf -- /etc/old"
    )  # fmt: skip
    assert "no text of at most 64 KiB" in refusal(line("nano x", contents={"/opt/build/x": content(None)}))


def test_downloads_are_checked_afterwards() -> None:
    contents = {"/opt/build/x": content(None)}
    check = f"echo '{SHA}  /opt/build/x' | sha256sum --check --strict --quiet"
    for text in (
        "curl -fLo x https://x.example/v1/x",
        "wget -q https://x.example/v1/x",
        "mkdir y && wget https://x.example/x",
    ):
        assert body(line(text, contents=contents)) == f"{text}\n{check}"
    moving = compiled(line("wget https://x.example/releases/latest/x", contents=contents))
    assert "better name a version" in moving.warnings[0]
    unpacked = compiled(
        line("curl https://x.example/x.tgz | tar xz", files=[["added", "/a"], ["added", "/b"]])
    )
    assert "only files that stay are checked" in unpacked.warnings[0]


@pytest.mark.parametrize(
    ("text", "run"),
    [
        ("curl -fsSL https://x.example/i.sh | bash", "bash /tmp/recorded-2.sh"),
        ("wget -qO- https://x.example/i.sh | sh -s -- --yes 'a b'", "sh /tmp/recorded-2.sh --yes 'a b'"),
        (
            "curl -sSL https://x.example/i.py | python3 - --version 1",
            "python3 /tmp/recorded-2.sh --version 1",
        ),
    ],
)
def test_a_download_piped_into_a_shell_is_saved_checked_and_run(text: str, run: str) -> None:
    source = text.partition(" |")[0]
    assert body(line(text, fetched=SHA)) == (
        f"{source} > /tmp/recorded-2.sh\necho '{SHA}  /tmp/recorded-2.sh' | sha256sum --check --strict "
        f"--quiet\n{run}"
    )
    assert "could not be fetched again" in refusal(line(text))


def test_a_clone_is_taken_to_its_commit() -> None:
    commit = "0123456789" * 4
    made = body(line("git clone https://x.example/o/r", commits={"/opt/build/r": commit}))
    assert made.startswith("git clone https://x.example/o/r\n")
    assert f"git -C /opt/build/r reset --quiet --hard {commit}" in made


# what cannot be repeated


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("./server &", "background"),
        ("reboot", "restart"),
        ("passwd ubuntu", "asks"),
        ("echo root:x | chpasswd", "asks"),
        ("read answer", "asks"),
        ("read -rs WORD", "SSM parameter /neurocaas/secret"),
        ("adduser alice", "asks"),
        ("ssh-keygen -t rsa -f k", "asks"),
        ("crontab -e", "crontab"),
        ("alias x=y; touch z", "alias"),
        ("set -f", "options"),
        ("set -o noglob", "options"),
        ("sudo -iu ubuntu", "not recorded"),
        ("sudo --login", "not recorded"),
        ("bash -l", "not recorded"),
        ("python3.11 -q", "not recorded"),
        ("cd -", "remembers"),
        ("popd", "remembers"),
        ("touch x; rec note y", "line of its own"),
        ("bash", "not recorded"),
        ("sudo -i", "not recorded"),
        ("sudo su", "not recorded"),
        ("su - ubuntu", "not recorded"),
        ("ssh host", "not recorded"),
        ("screen", "not recorded"),
        ("python3", "not recorded"),
        ("cd /opt && ipython", "not recorded"),
        ("psql", "not recorded"),
        ("cat > x <<END\nopen", "never ends"),
        ("bash <(curl -s https://x.example/i.sh) --all", "run by `bash` at once"),
        ('eval "$(wget -qO- https://x.example/i.sh)"', "run by `eval` at once"),
        ('sh -c "$(curl -fsSL https://x.example/i.sh)"', "run by `sh` at once"),
        ("cd /opt && curl -s https://x.example/i.sh | sudo bash -x", "run by `bash` at once"),
        (
            "curl -s https://x.example/i.sh | sed s/a/b/ | tee i.sh | bash -es -- --all",
            "run by `bash` at once",
        ),
    ],
)
def test_refused(text: str, word: str) -> None:
    said = refusal(line(text))
    assert word in said
    assert "line 2 `" in said


@pytest.mark.parametrize(
    "text",
    ["su alice -c 'touch x'", "su - alice -c 'touch x'", "su -lc 'touch x' alice", "su alice <<'X'\ntouch "
        "x\nX", "sudo -iu alice touch x",
     "sudo -i <<'X'\ntouch x\nX", "bash --norc x.sh", "python3 -m venv x", "set +e; touch x", "bash -c "
         "'touch x'", "bash x.sh",
     "sudo -u ubuntu -H -- bash -c 'touch x'", "python3 -c 'open(\"x\", \"w\")'", "python3 x.py > y",
     "cat x.sh | bash", "python3 - <<'END'\nopen('x', 'w')\nEND", "set -- a b", "adduser "
         "--disabled-password --gecos '' alice",
     "curl -s https://x.example/a | python3 -c 'import sys; print(sys.stdin.read())' > x", "curl -s "
         "https://x.example/a | bash x.sh",
     "x=$(curl -s https://x.example/v); touch $x",
     "while read x; do touch $x; done < list", "cat list | while read x; do touch $x; done", "echo reboot > "
         "x"],
)  # fmt: skip
def test_not_refused(text: str) -> None:
    assert text in body(line(text))


@pytest.mark.parametrize("text", ["set -e", "set -euo pipefail", "set -o errexit -o pipefail", "set +x"])
def test_strictness_is_the_scripts_own(text: str) -> None:
    result = compiled(line(text, files=[], state=True), line("touch x", 3))
    assert (f"# the script has its own: {text}\ntouch x\n" in result.build, result.problems) == (True, [])
    assert "set -euo pipefail" in body(line("set +e; touch x")), (
        "and is put back after a line that changes it"
    )


def test_all_problems_are_told_at_once() -> None:
    assert (
        len(compiled(line("bash"), line("reboot", 3), line("touch x", 4), line("make", 5, status=1)).problems)
        == 3
    )


@pytest.mark.parametrize(
    "event",
    [
        line("curl -u me:${SECRET_PASSWORD} https://x.example"),
        line("export TOKEN=${SECRET_TOKEN}", environment={"TOKEN": "${SECRET_TOKEN}"}),
        line("vim x", contents={"/opt/build/x": content("password=${SECRET_PASSWORD}")}),
    ],
)
def test_secrets_are_lifted_out(event: Event) -> None:
    said = refusal(event)
    assert "a secret" in said
    assert "SSM parameter /neurocaas/" in said


# remarks, checks, the log


def test_notes_checks_and_interruptions() -> None:
    check, again = Event(4, "check", "test -f 'x y'"), Event(5, "resume")
    result = compiled(Event(2, "note", "why\nso"), line("touch x", 3), check, again, again)
    assert "\n# why\n\n# so\ntouch x\n" in result.build
    assert result.validate.endswith(
        "set -Eeuo pipefail\n\nbash -eo pipefail -c 'test -f '\"'\"'x y'\"'\"''\n"
    )
    assert len(result.warnings) == 1
    assert (result.kept, result.left_out) == (1, 0)


def test_nothing_to_do_is_no_script() -> None:
    assert compiled(line("ls", files=[])).build == ""


def test_the_log_survives_a_crash(tmp_path: Any) -> None:
    log = Log(tmp_path / "deep" / "log.jsonl")
    events = [
        Event(1, "begin"),
        line("vim é✓\nx", contents={"/a": content("x")}, environment={"A": None}),
        Event(3, "drop", target=2),
    ]
    for event in events[:2]:
        log.append(event)
    with log.path.open("a") as file:
        file.write('{"seq": 9, "kin')
    log.append(events[2])
    assert log.read() == events
    assert [from_line(to_line(event)) for event in events] == events
    assert log.path.stat().st_mode & 0o077 == 0
