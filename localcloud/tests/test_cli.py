"""Finding and getting the Pulumi CLI, with stand-ins for the CLI, for Go and for the vendor's site."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from localcloud.progress import Progress
from localcloud.pulumi import cli, cli_build, cli_release

Script = Callable[..., Path]


@pytest.fixture
def bin_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the whole PATH (but for the shell's own tools), and an empty cache."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def script(file: Path, body: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return file


def quiet() -> Progress:
    return Progress(io.StringIO())


def cached_cli() -> Path:
    return script(cli.cache_directory() / "pulumi", f"echo v{cli.wanted_version()}")


@pytest.mark.parametrize("version", ["3.250.0", "3.274.1", "3.300.0-beta.1"])
def test_supported_versions(version: str) -> None:
    assert cli.supported(version)


@pytest.mark.parametrize("version", ["3.249.9", "2.99.0", "4.0.0", "4.1.0-alpha.1"])
def test_unsupported_versions(version: str) -> None:
    assert not cli.supported(version)


def test_the_wanted_version_is_supported_and_is_the_one_in_go_mod() -> None:
    assert cli.supported(cli.wanted_version())
    assert f"github.com/pulumi/pulumi/sdk/v3 v{cli.wanted_version()} " in (cli.MODULE / "go.mod").read_text()


def test_nothing_is_found_and_nothing_is_made(bin_dir: Path, tmp_path: Path) -> None:
    assert cli.find_cli() is None
    assert not (tmp_path / "cache").exists()


def test_the_cli_on_path_wins_over_the_cache(bin_dir: Path) -> None:
    cached_cli()
    ours = script(bin_dir / "pulumi", "echo v3.260.0")
    assert cli.find_cli() == cli.PulumiCli(
        path=ours, version="3.260.0", has_python_host=False, from_cache=False
    )
    script(bin_dir / "pulumi-language-python", "")
    found = cli.find_cli()
    assert found is not None
    assert found.has_python_host


@pytest.mark.parametrize(
    ("body", "reason"), [("echo v3.100.0", "3.100.0"), ("exit 1", "not report"), ("echo what", "not report")]
)
def test_an_unusable_cli_on_path_is_skipped_and_said(bin_dir: Path, body: str, reason: str) -> None:
    kept = cached_cli()
    script(bin_dir / "pulumi", body)
    said = io.StringIO()
    assert cli.ensure_cli(Progress(said)).path == kept
    assert "is skipped" in said.getvalue()
    assert reason in said.getvalue()


def test_our_own_link_on_path_is_the_cached_cli(bin_dir: Path) -> None:
    kept = cached_cli()
    (bin_dir / "pulumi").symlink_to(kept)
    found = cli.find_cli()
    assert found is not None
    assert (found.path, found.from_cache) == (kept, True)


def test_a_cached_file_that_cannot_be_run_is_not_found(bin_dir: Path) -> None:
    cached_cli().chmod(0o644)
    assert cli.find_cli() is None


class Site:
    """A vendor's site in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.version = cli.wanted_version()
        self.name = cli_release.archive_name(self.version, sys.platform, platform.machine())

    def publish(self, members: dict[str, str], checksum: str | None = None) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name, text in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(text.encode())
                archive.addfile(info, io.BytesIO(text.encode()))
        (self.folder / self.name).write_bytes(buffer.getvalue())
        digest = checksum or hashlib.sha256(buffer.getvalue()).hexdigest()
        (self.folder / f"pulumi-{self.version}-checksums.txt").write_text(
            f"{'0' * 64}  other.tar.gz\n{digest}  {self.name}\n"
        )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setattr(cli_release, "SITE", folder.as_uri())
    return Site(folder)


def test_the_release_is_checked_and_only_what_is_needed_is_kept(bin_dir: Path, site: Site) -> None:
    answer = f"#!/bin/sh\necho v{site.version}\n"
    others = {"pulumi/pulumi-language-go": "", "../../evil": ""}
    site.publish({"pulumi/pulumi": answer, "pulumi/pulumi-language-python": "#!/bin/sh\n", **others})
    found = cli.ensure_cli(quiet())
    assert found == cli.PulumiCli(
        path=cli.cache_directory() / "pulumi", version=site.version, has_python_host=True, from_cache=True
    )
    assert sorted(file.name for file in found.path.parent.iterdir()) == ["pulumi", "pulumi-language-python"]
    assert cli.ensure_cli(quiet()) == found


def test_a_release_with_another_checksum_is_thrown_away(
    bin_dir: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.publish({"pulumi/pulumi": f"#!/bin/sh\necho v{site.version}\n"}, checksum="1" * 64)
    monkeypatch.setattr(cli_build, "build", refuse)
    with pytest.raises(cli.CliUnavailable, match="the vendor's list says 1111"):
        cli.ensure_cli(quiet())
    assert not [file for file in cli.cache_directory().parent.iterdir() if file.is_dir()]


def test_a_release_of_another_version_is_not_taken(
    bin_dir: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.publish({"pulumi/pulumi": "#!/bin/sh\necho v3.1.0\n"})
    monkeypatch.setattr(cli_build, "build", refuse)
    with pytest.raises(cli.CliUnavailable, match=r"reports version 3\.1\.0"):
        cli.ensure_cli(quiet())


def refuse(version: str, directory: Path, progress: Progress) -> None:
    raise cli_release.Unavailable("build: refused")


@pytest.mark.parametrize(("system", "machine"), [("win32", "AMD64"), ("linux", "riscv64")])
def test_there_is_no_release_for_other_platforms(system: str, machine: str) -> None:
    with pytest.raises(cli_release.Unavailable, match="none for"):
        cli_release.archive_name("3.274.1", system, machine)


def test_release_names_of_the_known_platforms() -> None:
    assert cli_release.archive_name("3.274.1", "linux", "aarch64") == "pulumi-v3.274.1-linux-arm64.tar.gz"
    assert cli_release.archive_name("3.274.1", "darwin", "x86_64") == "pulumi-v3.274.1-darwin-x64.tar.gz"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the vendor's site nor a package index answers."""
    monkeypatch.setattr(cli_release, "SITE", "http://127.0.0.1:9/releases")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)


def fake_go(bin_dir: Path, version: str, build: str = "") -> Path:
    """A `go` that reports a version, notes what it is asked for, and builds a CLI that is a script."""
    made = 'printf \'#!/bin/sh\\necho v%s\\n\' "$VERSION" > "$out/pulumi"; /bin/chmod 755 "$out/pulumi"'
    return script(
        bin_dir / "go",
        f"""if [ "$1" = env ]; then echo go{version}; exit 0; fi
echo "$GOTOOLCHAIN $@" > {bin_dir}/asked
while [ "$1" != -o ]; do shift; done; out=$2; VERSION={cli.wanted_version()}
{build or made}""",
    )


def test_go_on_path_builds_the_cli_with_our_host_beside_it(bin_dir: Path, offline: None) -> None:
    fake_go(bin_dir, cli_build.needed_go())
    found = cli.ensure_cli(quiet())
    assert found.from_cache
    assert found.has_python_host
    asked = (bin_dir / "asked").read_text()
    assert asked.startswith("local build -trimpath")
    assert f"version.Version=v{cli.wanted_version()}" in asked


def test_an_old_go_is_not_asked_to_build(bin_dir: Path, offline: None) -> None:
    fake_go(bin_dir, "1.21.3")
    with pytest.raises(cli.CliUnavailable, match=r"is Go 1\.21\.3, needed is"):
        cli.ensure_cli(quiet())
    assert not (bin_dir / "asked").exists()


def test_a_build_that_fails_leaves_nothing_behind(bin_dir: Path, offline: None) -> None:
    fake_go(bin_dir, "1.99.0", build="echo half > $out/pulumi; echo 'no space left on device' >&2; exit 1")
    with pytest.raises(cli.CliUnavailable, match="no space left on device"):
        cli.ensure_cli(quiet())
    assert cli.find_cli() is None
    assert not [file for file in cli.cache_directory().parent.iterdir() if file.is_dir()]


def test_a_full_disk_is_said_before_a_build(
    bin_dir: Path, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_go(bin_dir, "1.99.0")
    monkeypatch.setattr(cli_build, "FREE_BYTES", 1 << 60)
    with pytest.raises(cli.CliUnavailable, match="GB are needed"):
        cli.ensure_cli(quiet())
    assert not (bin_dir / "asked").exists()


def test_when_nothing_is_possible_there_is_one_clear_message(
    bin_dir: Path, offline: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    for part in (
        "There is no Pulumi CLI",
        "cannot be reached",
        "there is no `go` on PATH",
        "no Go toolchain",
        "Do one of these",
    ):
        assert printed.err.count(part) == 1
    assert "Traceback" not in printed.err


def test_nothing_is_in_the_way_of_a_cli_that_is_here(bin_dir: Path, offline: None) -> None:
    cached_cli()
    assert cli.obstacles(Path("/nonexistent/python")) == []


def test_every_way_to_a_cli_that_is_closed_is_told_without_taking_it(bin_dir: Path, offline: None) -> None:
    reasons = cli.obstacles(Path(sys.executable))
    assert [reason.split(":")[0] for reason in reasons] == ["official release", "build from source"]
    for part in (
        "cannot be reached",
        "there is no `go` on PATH",
        "no Go toolchain from the Python package index",
    ):
        assert part in "\n".join(reasons)
    assert not cli.cache_directory().exists()
    script(bin_dir / "pulumi", "echo v3.1.0")
    assert "is skipped: it is version 3.1.0" in cli.obstacles(Path(sys.executable))[0]


def test_a_release_that_answers_is_a_way(bin_dir: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.publish({"pulumi/pulumi": ""})
    monkeypatch.setattr(cli_build, "ask", refuse)
    assert cli.obstacles(Path(sys.executable)) == []


@pytest.mark.parametrize(("modules", "way"), [("exit 0", True), ("echo 'no such host' >&2; exit 1", False)])
def test_a_go_that_gets_the_module_is_a_way(bin_dir: Path, offline: None, modules: str, way: bool) -> None:
    body = (
        f'if [ "$1" = env ]; then echo go{cli_build.needed_go()}; exit 0; fi; [ "$1" = list ] || exit 3; '
        f"{modules}"
    )
    script(bin_dir / "go", body)
    reasons = cli.obstacles(Path(sys.executable))
    assert (reasons == []) is way, reasons
    assert way or "no such host" in reasons[1]


def test_a_disk_that_is_too_full_for_a_build_is_told_at_once(
    bin_dir: Path, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_build, "FREE_BYTES", 1 << 60)
    assert "GB are needed" in cli.obstacles(Path(sys.executable))[1]


def test_go_builds_in_a_folder_for_temporary_files_that_is_there(
    bin_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/nonexistent")
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert Path(cli_build._environment({})["TMPDIR"]).is_dir()


def test_the_command_describes_the_cli_as_json(bin_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = cached_cli()
    assert cli.main([]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "path": str(kept),
        "version": cli.wanted_version(),
        "has_python_host": False,
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.26.6", (1, 26, 6)), ("1.27rc1", (1, 27)), ("1.26.6-x.3", (1, 26, 6)), ("devel", ())],
)
def test_go_versions_as_numbers(text: str, expected: tuple[int, ...]) -> None:
    assert cli_build.numbers(text) == expected


def test_the_module_names_the_cli_as_its_tool() -> None:
    assert f"tool {cli_build.PACKAGE}\n" in (cli.MODULE / "go.mod").read_text()
