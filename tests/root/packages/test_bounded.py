"""Files of a root that would block dnf or fill its memory are refused in every command."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, Dict, List

import pytest

from ovirt_node_plugin.errors import BadBundle
from ovirt_node_plugin.packages.metadata import check_sizes, read_metadata
from ovirt_node_plugin.system import limits
from ovirt_node_plugin.system.run import run
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf

pytestmark = pytest.mark.root


def fifo(path: Path) -> None:
    os.mkfifo(path)


def sparse(path: Path) -> None:
    path.write_bytes(b"")
    os.truncate(path, 12 << 30)


@pytest.mark.parametrize("make", [fifo, sparse])
@pytest.mark.parametrize("command", [["repolist"], ["node-plugin", "list"]])
def test_a_repo_file_that_dnf_could_not_read_is_refused(
        command: List[str], make: Callable[[Path], None], node: Path, dnf: Dnf) -> None:
    path = node / "etc/yum.repos.d/odd.repo"
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)
    answer = dnf(node, *command)
    assert answer.status != 0
    assert (f"{path} is not a regular file of at most 4194304 bytes; dnf would read it\n"
            "Find out what made it, and remove it.") in answer.text


BAD: Dict[str, Callable[[Path], None]] = {"fifo": fifo, "sparse": sparse}


@pytest.mark.parametrize("kind", BAD)
def test_a_record_that_cannot_be_read_does_not_stop_other_commands(
        kind: str, node: Path, dnf: Dnf) -> None:
    folder = node / "etc/ovirt.plugins.d"
    folder.mkdir(exist_ok=True)
    BAD[kind](folder / "odd")
    assert dnf(node, "repolist").status == 0
    answer = dnf(node, "node-plugin", "list")
    assert "odd is broken: /etc/ovirt.plugins.d/odd" in answer.text
    assert answer.status == 0


@pytest.mark.parametrize("name", ["etc/passwd", "etc/group", "etc/os-release"])
@pytest.mark.parametrize("kind", BAD)
def test_a_file_of_any_size_ends_no_query(kind: str, name: str, node: Path, dnf: Dnf) -> None:
    (node / name).unlink(missing_ok=True)
    BAD[kind](node / name)
    answer = dnf(node, "node-plugin", "list", "--json")
    assert answer.status == 0
    assert answer.json["plugins"] == []


COMPRESSORS: Dict[str, List[str]] = {
    ".gz": ["gzip", "-1"], ".xz": ["xz", "-0"], ".bz2": ["bzip2", "-1"], ".zst": ["zstd", "-q"]}


def compressed(path: Path, suffix: str, size_bytes: int) -> Path:
    """Write that many zeros to a file, compressed."""
    path.write_bytes(bytes(size_bytes))
    run([*COMPRESSORS[suffix], path])
    return path.with_name(path.name + suffix)


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_metadata_that_is_too_large_when_decompressed_is_refused(
        suffix: str, tmp_path: Path) -> None:
    half = [compressed(tmp_path / name, suffix, limits.METADATA_BYTES // 2) for name in "ab"]
    check_sizes(half)
    more = compressed(tmp_path / "c", suffix, 1)
    with pytest.raises(BadBundle, match="are larger than 67108864 bytes, decompressed"):
        check_sizes([*half, more])
    with pytest.raises(BadBundle, match="is larger than 1048576 bytes"):
        read_metadata(half[0])
    assert read_metadata(more) == b"\0"


def test_a_repository_in_a_bundle_whose_metadata_is_too_large_is_refused(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "tool")
    plain = tmp_path / "updateinfo.xml"
    plain.write_bytes(b"<updates>" + b" " * limits.METADATA_BYTES + b"</updates>")
    run(["modifyrepo_c", "--mdtype=updateinfo", plain, bundle / "repo/repodata"])
    answer = dnf.plugin(node, "install", bundle, "-y", UNSIGNED)
    assert answer.status == 7
    assert "larger than 67108864 bytes" in " ".join(answer.err.split())
