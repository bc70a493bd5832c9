"""RPM headers are read completely, or refused."""
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ovirt_node_plugin.errors import NodePluginError, Refused
from ovirt_node_plugin.packages.headers import read_header
from tests import support
from tests.support.adhoc import quick_rpm
from tests.support.custom_plugins import UNSIGNED
from tests.support.dnf_runner import Dnf, environment
from tests.support.rpm_headers import Tags, edit_header

pytestmark = [pytest.mark.root]

FILE_SIZES, FILE_MODES, FILE_DIGESTS, FILE_LINKS, FILE_FLAGS = 1028, 1030, 1035, 1036, 1037
FILE_USERS, FILE_GROUPS, BASE_NAMES = 1039, 1040, 1117
SUMMARY, DIR_INDEXES, DIR_NAMES = 1004, 1116, 1118
FILES = {"/opt/evil/a": "x", "/etc/ld.so.preload": "/opt/evil.so\n"}


@pytest.fixture
def rpm(tmp_path: Path) -> Path:
    return quick_rpm("evil", "1.0", files=FILES)


def test_a_header_has_files_scriptlets_and_digest(tmp_path: Path) -> None:
    header = read_header(quick_rpm("x", "1.0", files=FILES, scriptlets={"post": "true"}))
    assert header.nevra == "x-1.0-1.noarch" and header.signer == "" and len(header.digest) == 64
    assert {file.path for file in header.files if not file.is_folder} == set(FILES)
    assert header.scriptlets == ("post",)


def test_a_rewritten_header_is_read_like_the_original(rpm: Path, tmp_path: Path) -> None:
    copy = edit_header(rpm, tmp_path / "same.rpm", lambda tags: None)
    assert read_header(copy).files == read_header(rpm).files


@pytest.mark.parametrize("tag", [FILE_SIZES, FILE_MODES, FILE_DIGESTS, FILE_LINKS, FILE_FLAGS,
                                 FILE_USERS, FILE_GROUPS])
def test_a_header_without_a_file_attribute_is_refused(tag: int, rpm: Path, tmp_path: Path) -> None:
    odd = edit_header(rpm, tmp_path / "odd.rpm", lambda tags: tags.pop(tag))
    with pytest.raises(NodePluginError):
        read_header(odd)


def test_a_header_with_fewer_links_than_files_is_refused(rpm: Path, tmp_path: Path) -> None:
    def shorten(tags: Tags) -> None:
        tags[FILE_LINKS] = (8, 1, b"\0")
    with pytest.raises(Refused, match="does not say of every file what it is"):
        read_header(edit_header(rpm, tmp_path / "odd.rpm", shorten))


def test_a_file_name_with_control_characters_is_refused(rpm: Path, tmp_path: Path) -> None:
    def rename(tags: Tags) -> None:
        kind, count, names = tags[BASE_NAMES]
        tags[BASE_NAMES] = kind, count, names.replace(b"ld.so.preload", b"\x1b[1A\x1b[2K\n.load")
    with pytest.raises(Refused, match="control characters"):
        read_header(edit_header(rpm, tmp_path / "odd.rpm", rename))


def test_a_header_without_a_digest_is_refused(rpm: Path, tmp_path: Path) -> None:
    odd = edit_header(rpm, tmp_path / "odd.rpm", lambda tags: None, digests=False)
    with pytest.raises(Refused, match="no digest of itself"):
        read_header(odd)


@pytest.mark.parametrize("tag", [FILE_LINKS, FILE_FLAGS])
def test_a_plugin_with_an_incomplete_header_is_refused(tag: int, node: Path, dnf: Dnf, rpm: Path,
                                                       tmp_path: Path) -> None:
    repo = support.RpmRepo(tmp_path / "repo", "evil")
    edit_header(rpm, tmp_path / rpm.name, lambda tags: tags.pop(tag))
    repo.add_file(tmp_path / rpm.name)
    bundle = support.write_bundle(tmp_path / "evil", support.descriptor_xml(
        "evil", repos=["evil"]), repo=repo)
    answer = dnf.plugin(node, "install", bundle, "-y", UNSIGNED)
    assert answer.status == 6, answer.text
    assert not (node / "etc/ld.so.preload").exists() and not (node / "opt/evil").exists()


def test_an_rpm_replaced_while_the_plan_is_shown_is_not_installed(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    repo = support.RpmRepo(tmp_path / "repo", "evil")
    repo.add("evil", "1.0", files={"/opt/evil/a": "x"})
    bundle = support.write_bundle(tmp_path / "evil", support.descriptor_xml(
        "evil", repos=["evil"]), repo=repo)
    (planned_rpm,) = (bundle / "repo").rglob("*.rpm")
    other_rpm = quick_rpm("evil", "1.0", files=FILES, scriptlets={"post": "touch /var/tmp/ran"})
    with subprocess.Popen(dnf.argv(node, "node-plugin", "install", bundle, UNSIGNED),
                          env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, bufsize=0) as process:
        assert process.stdout is not None and process.stdin is not None
        output = b""
        while b"[y/N]" not in output:
            chunk = process.stdout.read(4096)
            assert chunk, output.decode()
            output += chunk
        planned_rpm.write_bytes(other_rpm.read_bytes())
        process.stdin.write(b"y\n")
        output += process.stdout.read()
    assert process.returncode == 6, output.decode()
    assert b"is not the one that was planned any more" in output
    assert not (node / "var/tmp/ran").exists() and not (node / "opt/evil").exists()


def test_a_header_with_a_long_folder_for_many_files_is_refused(rpm: Path, tmp_path: Path) -> None:
    """Its paths together would have gigabytes."""
    def lengthen(tags: Tags) -> None:
        for tag, value in ((DIR_INDEXES, bytes(4)), (BASE_NAMES, b"a\0")):
            tags[tag] = tags[tag][0], 50_000, value * 50_000
        kind, count, names = tags[DIR_NAMES]
        tags[DIR_NAMES] = kind, count, b"/" + b"a" * 1_000_000 + b"/\0" + names.partition(b"\0")[2]
    with pytest.raises(Refused, match="paths of more than 33554432 characters"):
        read_header(edit_header(rpm, tmp_path / "odd.rpm", lengthen))


def test_a_header_with_many_files_is_refused(rpm: Path, tmp_path: Path) -> None:
    def multiply(tags: Tags) -> None:
        tags[DIR_INDEXES] = tags[DIR_INDEXES][0], 100_001, bytes(4 * 100_001)
    with pytest.raises(Refused, match="has more than 100000 files"):
        read_header(edit_header(rpm, tmp_path / "odd.rpm", multiply))


def test_a_header_that_is_too_large_is_refused(rpm: Path, tmp_path: Path) -> None:
    def enlarge(tags: Tags) -> None:
        tags[SUMMARY] = 9, 1, b"a" * (33 << 20) + b"\0"
    with pytest.raises(Refused, match="bytes; 33554432 are allowed"):
        read_header(edit_header(rpm, tmp_path / "odd.rpm", enlarge))
