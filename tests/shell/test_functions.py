"""The functions of ncap_utils, with the guide's arguments."""

from __future__ import annotations

import pytest

from tests.shell.machines import Machine


def test_get_abs_filename(machine: Machine) -> None:
    (machine.home / "a b").mkdir()
    done = machine.bash(
        'get_abs_filename "a b/c.txt"; get_abs_filename .; get_abs_filename /x; '
        'get_abs_filename nothing/c; echo "end $?"'
    )
    assert done.stdout.splitlines() == [f"{machine.home}/a b/c.txt", f"{machine.home}/.", "/x", "end 0"]


PARSED = [
    ("lab/inputs/data.zip", "lab", "lab/inputs", "data.zip"),
    ("lab/inputs/a/b/c", "lab", "lab/inputs", "c"),
    ("lab/inputs/folder/", "lab", "lab/inputs", "folder"),
    ("lab/inputs/a/inputs/two words.zip", "lab", "lab/inputs", "two words.zip"),
    ("lab/results/job_0/process_results/m.h5", "lab", "lab/results/job_0/process_results", "m.h5"),
    ("s3://public/data/d.zip", "lab", "s3://public/data", "d.zip"),
    ("https://a.org/b/u#sha256=0a&size=1/d e.nwb", "lab", "https://a.org/b/u#sha256=0a&size=1", "d e.nwb"),
]


@pytest.mark.parametrize(("path", "group", "inputdir", "name"), PARSED)
def test_parseargsstd(machine: Machine, path: str, group: str, inputdir: str, name: str) -> None:
    done = machine.bash(
        f'parseargsstd bucket "{path}" results/job_1/ lab/configs/c.yaml\n'
        "for name in bucketname inputpath groupdir inputdir dataname resultdir processdir configname "
        "configpath; do\n"
        'echo "${!name}"\ndone'
    )
    expected = [
        "bucket",
        path,
        group,
        inputdir,
        name,
        "results/job_1",
        "results/job_1/process_results",
        "c.yaml",
        "lab/configs/c.yaml",
    ]
    assert done.stdout.splitlines() == expected


def test_accessdir(machine: Machine) -> None:
    assert machine.bash('accessdir "a b/c" d').returncode == 0
    assert [(machine.home / name).stat().st_mode & 0o777 for name in ("a b/c", "d")] == [0o777, 0o777]
    assert machine.bash("touch file; accessdir file/x").returncode != 0


def test_errorlog_stops_at_the_first_error_outside_of_a_job_too(machine: Machine) -> None:
    done = machine.bash("errorlog\necho one\nfalse\necho two")
    assert (done.returncode, done.stdout) == (1, "one\n")


def test_errorlog_records_each_command_before_it_runs(machine: Machine) -> None:
    state = machine.root / "state"
    state.mkdir()
    done = machine.bash(
        'errorlog\nx="a b"\necho "$x"\nfor i in 1 2; do true; done\nfalse', NEUROCAAS_STATE=str(state)
    )
    assert done.returncode == 1
    commands = (state / "commands").read_bytes().decode().rstrip("\0").split("\0")
    assert commands[0] == 'x="a b"'
    assert commands[1] == 'echo "$x"'
    assert commands.count("true") == 2
    assert commands[-1] == "false"


def test_errorlog_needs_no_program(machine: Machine) -> None:
    state = machine.root / "state"
    state.mkdir()
    done = machine.bash(
        "PATH=/nonexistent\nerrorlog\nfor i in 1 2 3; do :; done\necho fine", NEUROCAAS_STATE=str(state)
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")
    assert (state / "commands").read_bytes().count(b":\0") == 3


def test_errorlog_where_its_file_cannot_be_opened(machine: Machine) -> None:
    done = machine.bash("errorlog\necho works\nfalse\necho no", NEUROCAAS_STATE=str(machine.root / "nowhere"))
    assert (done.returncode, done.stdout) == (1, "works\n")


@pytest.mark.parametrize(
    "cause", ["exec {neurocaas_commands}>&-", 'eval "exec $neurocaas_commands>/dev/full"']
)
def test_a_record_that_cannot_be_written_ends_no_script(machine: Machine, cause: str) -> None:
    done = machine.bash(
        f"errorlog\n{cause}\necho one\necho two\nfalse\necho no", NEUROCAAS_STATE=str(machine.root)
    )
    assert (done.returncode, done.stdout) == (1, "one\ntwo\n")
    assert len(done.stderr.splitlines()) == 1  # said once


def test_download_a_file(machine: Machine) -> None:
    done = machine.bash('download "lab/inputs/data.zip" mock "in/deep"')
    assert done.returncode == 0
    assert (machine.home / "in/deep/data.zip").read_text() == "the data"
    assert "s3://mock/lab/inputs/data.zip -> in/deep/data.zip" in done.stdout


@pytest.mark.parametrize("path", ["lab/inputs/set", "lab/inputs/set/", "s3://mock/lab/inputs/set/"])
def test_download_takes_folders_with_their_name(machine: Machine, path: str) -> None:
    machine.put("lab/inputs/set/a.txt", "A")
    machine.put("lab/inputs/set/sub/b c.txt", "B")
    machine.put("lab/inputs/set2/no.txt", "no")
    assert machine.bash(f'download "{path}" mock in/').returncode == 0
    found = {
        str(file.relative_to(machine.home / "in")): file.read_text()
        for file in (machine.home / "in").rglob("*")
        if file.is_file()
    }
    assert found == {"set/a.txt": "A", "set/sub/b c.txt": "B"}


def test_download_folder_puts_the_content_right_there(machine: Machine) -> None:
    machine.put("lab/inputs/set/a.txt", "A")
    machine.put("lab/inputs/set/sub/b.txt", "B")
    assert machine.bash("download_folder lab/inputs/set mock in").returncode == 0
    assert sorted(str(file.relative_to(machine.home)) for file in (machine.home / "in").rglob("*.txt")) == [
        "in/a.txt",
        "in/sub/b.txt",
    ]


def test_download_of_nothing_fails_with_advice(machine: Machine) -> None:
    done = machine.bash("errorlog; download lab/inputs/no.zip mock in; echo not reached")
    assert done.returncode == 1
    assert "neither a file s3://mock/lab/inputs/no.zip nor anything below" in done.stderr
    assert "Traceback" not in done.stderr
    assert "not reached" not in done.stdout


def test_download_into_a_file_is_told(machine: Machine) -> None:
    done = machine.bash("echo x >in; download lab/inputs/data.zip mock in")
    assert (done.returncode, done.stderr.count("in is a file. Allowed: a folder.")) == (1, 1)


def test_upload_a_folder_without_an_ending(machine: Machine) -> None:
    for name in ("out/a.txt", "out/sub dir/b.txt", "out/c.tmp"):
        path = machine.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    assert machine.bash("upload out/ mock lab results/job_1/process_results tmp").returncode == 0
    results = machine.job / "process_results"
    found = sorted(str(path.relative_to(results)) for path in results.rglob("*") if path.is_file())
    assert found == ["a.txt", "sub dir/b.txt"]


def test_upload_follows_links_but_not_in_circles_and_says_what_is_no_file(machine: Machine) -> None:
    files = "mkdir -p o/deep elsewhere; echo a >o/a; echo b >elsewhere/b; mkfifo o/pipe\n"
    links = "ln -s ../elsewhere o/linked; ln -s .. o/deep/round; ln -s a o/second; ln -s /nowhere o/lost\n"
    done = machine.bash(f"{files}{links}upload o mock lab results/r")
    assert done.returncode == 0
    results = machine.buckets / "mock/lab/results/r"
    assert sorted(str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()) == [
        "a",
        "linked/b",
        "second",
    ]
    assert done.stderr.splitlines() == [
        "Not uploaded: o/lost is a link to nothing.",
        "Not uploaded: o/pipe is no file.",
    ]


def test_upload_of_names_that_s3_does_not_take_sends_the_others_and_fails(machine: Machine) -> None:
    long = "/".join(["d" * 250] * 5)
    done = machine.bash(
        f"mkdir -p o/{long}; echo a >o/a; echo b >o/{long}/b; echo c >$'o/\\xff'; upload o mock lab results/r"
    )
    assert done.returncode == 1
    for path, fault in ((f"o/{long}/b", "it is longer than 1024 bytes"), ("o/\\udcff", "it is no UTF-8")):
        assert f"{path} (its key cannot be one of S3: {fault})" in done.stderr
    assert done.stderr.startswith("upload: 2 of 3 files were not uploaded: ")
    assert [path.name for path in (machine.buckets / "mock/lab/results/r").iterdir()] == ["a"]


def test_names_are_utf8_whatever_locale_a_script_has_chosen(machine: Machine) -> None:
    """Without this, Python takes them for text in the locale's code: ASCII here."""
    done = machine.bash("""mkdir o; echo x >o/語é; export LC_ALL=C NEUROCAAS_PYTHON="$HOME/python"
printf '#!/bin/bash\\nexec "%s" -X utf8=0 "$@"\\n' "$(command -v python3)" >"$NEUROCAAS_PYTHON"; chmod +x "$NEUROCAAS_PYTHON"
upload o mock lab results/r; download lab/results/r/語é mock back""")  # noqa: E501
    assert done.returncode == 0, done.stderr
    assert "results/r/語é: 2 bytes in " in done.stdout
    assert (machine.home / "back/語é").read_text() == "x\n"


def test_upload_a_file_and_nothing(machine: Machine) -> None:
    (machine.home / "x y.txt").write_text("x")
    assert machine.bash('upload "x y.txt" mock lab results/r').returncode == 0
    assert (machine.buckets / "mock/lab/results/r/x y.txt").read_text() == "x"
    missing = machine.bash("upload nothing mock lab results/r")
    assert missing.returncode == 1
    assert "There is no file or folder nothing" in missing.stderr


def test_transfers_are_not_disturbed_by_the_scripts_python(machine: Machine) -> None:
    bad = machine.root / "bad"
    bad.mkdir()
    (bad / "json.py").write_text("raise SystemExit('wrong module')")
    fake = bad / "python3"
    fake.write_text("#!/bin/sh\nexit 9\n")
    fake.chmod(0o755)
    (bad / "libm.so.6").write_text("no library")
    others = f"PYTHONPATH={bad} PYTHONHOME={bad} PATH={bad}:$PATH LD_LIBRARY_PATH={bad}"
    done = machine.bash(f"export {others}; download lab/inputs/data.zip mock in")
    assert done.returncode == 0, done.stderr


def test_cleanup_removes_and_switches_nothing_off(machine: Machine) -> None:
    fake = machine.root / "bin" / "shutdown"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/bash\necho "$*" > {machine.root}/off\n')
    fake.chmod(0o755)
    (machine.home / "a b").mkdir()
    assert machine.bash('cleanup "a b" nothing', PATH=f"{fake.parent}:/usr/bin:/bin").returncode == 0
    assert not (machine.root / "off").exists()
    assert not (machine.home / "a b").exists()
