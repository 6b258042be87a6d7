"""The archives of code: complete, the same for the same content, rebuilt only when something changed."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pulumi
import pytest

from blueprints.reserved import RESERVED
from components import packaging, vendor
from neurocaas.protocol.names import ANALYSIS_NAME
from tests.program.projects import make_project


def members(archive: packaging.CodeArchive) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(archive.path) as tar:
        return {member.name: member for member in tar.getmembers()}


def test_the_code_tree_has_what_a_machine_needs(project: Path) -> None:
    found = members(packaging.code_archive(project, "spikes"))
    for name in (
        "run_main.sh",
        "ncap_utils/workflow.sh",
        "agent/cli.py",
        "neurocaas/protocol/keys.py",
        "vendor/boto3/session.py",
    ):
        assert name in found
    assert found["spikes/run_spikes.sh"].isfile()
    assert found["spikes/ncap_utils"].linkname == "../ncap_utils"
    assert not [
        name
        for name in found
        if name.startswith(("spikes/provision", "spikes/blueprint")) or "__pycache__" in name
    ]
    assert not [name for name in found if Path(name).name.startswith(".")]
    services = {
        name.split("/")[3]
        for name in found
        if name.startswith("vendor/botocore/data/") and name.count("/") > 3
    }
    assert services == {"s3", "ssm", "sts"}
    assert {(member.uid, member.gid, member.mtime) for member in found.values()} == {(0, 0, 0)}


def test_no_analysis_can_be_called_as_a_folder_of_the_tree_is(project: Path) -> None:
    tops = {name.partition("/")[0] for name in members(packaging.code_archive(project, "spikes"))} - {
        "spikes"
    }
    assert {"agent", "neurocaas", "vendor"} <= tops
    assert {name for name in tops if ANALYSIS_NAME.fullmatch(name)} <= RESERVED.keys()


def test_the_vendored_library_works_without_any_other_package(project: Path, tmp_path: Path) -> None:
    with tarfile.open(packaging.code_archive(project, "spikes").path) as tar:
        tar.extractall(tmp_path, filter="data")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'vendor')!r}); import boto3; [boto3.client(s) for "
        "s in ('s3', 'sts', 'ssm')]"
    )
    environment = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    result = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert result.returncode == 0, result.stderr


def test_the_same_content_is_the_same_archive_and_is_built_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = make_project(tmp_path / "a"), make_project(tmp_path / "b")
    first = packaging.code_archive(one, "spikes")
    assert packaging.code_archive(other, "spikes").sha256 == first.sha256
    stamp = first.path.stat().st_mtime_ns
    assert packaging.code_archive(one, "spikes") == first
    assert first.path.stat().st_mtime_ns == stamp
    script = one / "blueprints/spikes/run_spikes.sh"
    script.chmod(0o755)
    second = packaging.code_archive(one, "spikes")
    script.write_text("echo other\n")
    assert len({first.sha256, second.sha256, packaging.code_archive(one, "spikes").sha256}) == 3


def test_recordings_and_words_are_no_code(tmp_path: Path) -> None:
    root = make_project(tmp_path)
    before = packaging.code_archive(root, "spikes").sha256
    (root / "blueprints/spikes/README.md").write_text("words\n")
    (root / "blueprints/spikes/provision/10-packages.sh").write_text("echo\n")
    (root / "blueprints/spikes/.swp").write_text("editor\n")
    assert packaging.code_archive(root, "spikes").sha256 == before


@pytest.mark.parametrize("package", ["manager", "monitor"])
def test_a_function_has_its_package_the_protocol_and_nothing_else(project: Path, package: str) -> None:
    names = set(packaging.lambda_archive(project, package).assets)
    assert {"runtime/__init__.py", "neurocaas/protocol/keys.py", f"runtime/{package}/handler.py"} <= names
    folders = (
        "runtime/__init__",
        "runtime/aws/",
        "neurocaas/__init__",
        "neurocaas/protocol/",
        f"runtime/{package}/",
    )
    assert all(name.startswith(folders) for name in names)
    assert all(name.endswith(".py") for name in names)
    with_yaml = set(packaging.lambda_archive(project, package, with_yaml=True).assets)
    assert {name.split("/")[0] for name in with_yaml - names} == {"yaml"}


@pytest.mark.parametrize("package", ["manager", "monitor"])
def test_a_function_answers_out_of_its_archive_alone(project: Path, tmp_path: Path, package: str) -> None:
    """Every import of the function is in the archive, in Lambda's runtime (botocore), or in the standard
    library.
    """
    for name, asset in packaging.lambda_archive(project, package, with_yaml=True).assets.items():
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        assert isinstance(asset, pulumi.FileAsset)
        target.write_bytes(Path(asset.path).read_bytes())
    library = tmp_path / "lambda-runtime"
    for name, path in vendor.files():
        (library / name).parent.mkdir(parents=True, exist_ok=True)
        (library / name).symlink_to(path)
    imports = f"import runtime.{package}.handler, neurocaas.protocol.config, yaml"
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(library)!r}]; {imports}"
    result = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False, env={}
    )
    assert result.returncode == 0, result.stderr
