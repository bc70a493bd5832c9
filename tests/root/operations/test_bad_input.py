"""Invalid input: a clear error, the documented exit status, an unchanged root."""
from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from typing import Callable, Dict, List, Tuple

import pytest

from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.dnf_runner import Answer, Dnf, add_to_shipped_library
from tests.support.repositories import define_repo, installed
from tests.support.tree_states import state_differences, tree_state

pytestmark = pytest.mark.root

NAMES = ["nothing", "a/b", "../x", "..", ".", "/nowhere", "Foo", "-x", "a b", "a\nb", "x" * 65,
         "foo.tar", "*", ""]


def assert_error(answer: Answer, status: int, text: str) -> None:
    """Assert that the answer is an error of that status, one paragraph that contains ``text``."""
    assert answer.status == status, answer.text
    assert answer.err.startswith("Error: ")
    assert text in answer.err
    assert "Traceback" not in answer.text
    assert "\n\n" not in answer.err.strip("\n")


@pytest.fixture
def assert_refused(node: Path, dnf: Dnf) -> Callable[..., None]:
    """A function that runs a command and asserts an error and an unchanged root."""
    # The first run creates dnf's own files.
    assert dnf.plugin(node, "list").status == 0

    def check(words: List[object], status: int, text: str) -> None:
        before = (installed(node), tree_state(node))
        assert_error(dnf.plugin(node, *words), status, text)
        after = (installed(node), tree_state(node))
        assert after[0] == before[0]
        assert state_differences(before[1], after[1]) == []

    return check


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_plugin_name_is_an_error(name: str, node: Path, dnf: Dnf) -> None:
    if name.startswith("-"):
        assert dnf.plugin(node, "install", name, "-y").status != 0
        return
    answer = dnf.plugin(node, "install", "-y", name)
    assert answer.status in (2, 7), answer.text
    assert answer.err.startswith("Error: ") and "Traceback" not in answer.text
    for command in ("remove", "verify", "upgrade", "drop") if name in ("a/b", "..") else (
            "remove",):
        answer = dnf.plugin(node, command, "-y", name)
        assert answer.status == 2, answer.text
        assert answer.err.startswith("Error: ") and "Traceback" not in answer.text


def test_the_error_for_an_unknown_plugin_names_the_places_searched(
        built: support.Fixtures, node: Path, dnf: Dnf, assert_refused: Callable[..., None]) -> None:
    define_repo(node, "snmp", f"file://{built.repo('snmp')}")
    assert_refused(["install", "-y", "nothing"], 2,
                   "there is no plugin nothing: not a path, not in the"
                   " library, not in any repository, since none is enabled in this run")
    assert_error(dnf.plugin(node, "install", "-y", "nothing", "--enablerepo=snmp"), 2,
                 "not in the metadata of the enabled repositories (snmp)")
    assert_refused(["install", "-y", "cim", "--enablerepo=nosuch"], 1, "Unknown repo: 'nosuch'")


@pytest.mark.parametrize("words, text", [
    (["bogus"], "there is no subcommand bogus"), (["install"], "install needs the name"),
    (["repos", "x"], "repos takes no names"), (["list", "--all", "--installed"], "exclude each"),
    (["list", "nosuch"], "no plugin nosuch to list"),
    (["install", "snmp", "--json"], "cannot ask"),
    (["install", "snmp", "-y", "--downloadonly"], "cannot be limited to the download"),
    (["remove", "snmp", "-y", "--json", "--downloadonly"], "cannot be limited to the download"),
    (["install", "snmp", "-y", "--setopt=tsflags=test"],
     "with tsflags=test, which changes no file"),
    (["install", "snmp", "-y", "--setopt=tsflags=nodocs,justdb"], "cannot be done with tsflags=ju"),
    (["remove", "snmp", "-y", "--setopt=tsflags=justdb,test"], "with tsflags=justdb,test, which")])
def test_an_invalid_command_line_is_a_usage_error(words: List[str], text: str, node: Path,
                                                  dnf: Dnf) -> None:
    answer = dnf.plugin(node, *words)
    assert answer.status == 2
    assert text in answer.text
    if "--json" in words:
        assert answer.json["error"]["kind"] == "UsageError"


def bad_descriptors() -> Dict[str, Tuple[str, str]]:
    """Map each case to the text of an invalid descriptor and a part of the error message."""
    valid_descriptor = support.descriptor_xml("tool", repos=["tool"])
    hook = ("<settings><vdsm-hook point='before_vm_strat' order='50' name='x' source='/x'/>"
            "</settings></node-plugin>")
    return {
        "ids": (support.descriptor_xml("tool"), "does not name 'tool'"),
        "xml": (valid_descriptor[:-20], "node-plugin.xml:"),
        "entity": (valid_descriptor.replace("?>", '?><!DOCTYPE x [<!ENTITY e "boo">]>', 1),
                   "node-plugin.xml"),
        "newer schema": (valid_descriptor.replace('schema-version="1"', 'schema-version="9"'), "9"),
        "hook point": (valid_descriptor.replace("</node-plugin>", hook), "before_vm_start"),
    }


def make_bad_bundle(folder: Path, case: str, built: support.Fixtures) -> Tuple[object, str]:
    """Return the path of an invalid bundle and a part of the error message."""
    repo_file = {"tool.repo": support.repo_file("tool", "file:///nowhere", gpgcheck=False)}
    if case in bad_descriptors():
        text, message = bad_descriptors()[case]
        return support.write_bundle(folder / "b", text, repo_files=repo_file), message
    if case == "folder":
        (folder / "empty").mkdir(parents=True)
        return folder / "empty", "is not a bundle: it has no node-plugin.xml"
    if case == "repository":
        return built.repo("snmp"), "is not a bundle"
    if case == "text":
        (folder / "x.tar").write_text("no tar")
        return folder / "x.tar", "x.tar"
    if case == "device":
        return "/dev/null", "neither a folder nor a file"
    if case == "cut off":
        (folder / "zeros").write_bytes(bytes(1 << 20))
        run(["tar", "-C", folder, "-czf", folder / "bomb.tar.gz", "zeros"])
        data = (folder / "bomb.tar.gz").read_bytes()
        (folder / "bomb.tar.gz").write_bytes(data[:len(data) // 2])
        return folder / "bomb.tar.gz", "bomb.tar.gz"
    bundle = support.write_bundle(folder / "b", support.descriptor_xml("tool", repos=["tool"]),
                                  repo_files=repo_file)
    if case == "link":
        (bundle / "keys").symlink_to("/etc")
        return bundle, "leads out of the bundle"
    if case == "key":
        (bundle / "keys").mkdir()
        (bundle / "keys/KEY").write_text("no key")
        return bundle, "is not an armored GPG public key"
    assert case == "repodata"
    (bundle / "repo").mkdir()
    return bundle, "repo/ is not a repository"


@pytest.mark.parametrize("case", [
    "folder", "repository", "text", "device", "ids", "xml", "entity", "newer schema",
    "hook point", "link", "key", "repodata", "cut off"])
def test_an_invalid_bundle_is_refused(
        case: str, built: support.Fixtures, tmp_path: Path, dnf: Dnf,
        assert_refused: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    work, temporary = tmp_path / "work", tmp_path / "temporary"
    work.mkdir()
    temporary.mkdir()
    path, text = make_bad_bundle(work, case, built)
    monkeypatch.setenv("TMPDIR", str(temporary))
    assert_refused(["install", "-y", path], 7, text)
    assert list(temporary.iterdir()) == []


def test_a_bundle_of_another_name_than_the_requested_one_is_refused(
        built: support.Fixtures, dnf: Dnf, assert_refused: Callable[..., None]) -> None:
    add_to_shipped_library(dnf, built.bundle("snmp"), "cim")
    assert_refused(["install", "-y", "cim"], 7,
                   "was asked for as cim, but its descriptor names the plugin snmp")


def test_an_invalid_descriptor_in_repository_metadata_is_an_error(
        node: Path, tmp_path: Path, dnf: Dnf) -> None:
    for name, text in (("bad", "<node-plugin"), ("large", "x" * 1_100_000)):
        repo = support.RpmRepo(tmp_path / name, name)
        repo.add("tool", "1.0")
        (tmp_path / "node-plugin.xml").write_text(text)
        repo.finish(descriptor=tmp_path / "node-plugin.xml")
        define_repo(node, name, repo.url)
        answer = dnf.plugin(node, "install", "-y", "tool", f"--enablerepo={name}")
        assert_error(answer, 2, "there is no plugin tool")
        assert "node-plugin.xml" in answer.err
    answer = dnf(node, "repolist")
    assert answer.status == 0 and not {"bad", "large"}.intersection(answer.out.split())


def add_compressed(folder: Path, descriptor: Path, suffix: str) -> None:
    """Add a compressed descriptor to a repository's metadata, in the format that EL10 writes."""
    run(["modifyrepo_c", "--mdtype=node-plugin", "--compress",
         f"--compress-type={suffix.replace('zst', 'gz')}", descriptor, folder / "repodata"])
    if suffix != "zst":
        return
    (gzip_file,) = folder.glob("repodata/*node-plugin.xml.gz")
    run(["zstd", "--quiet", descriptor, "-o", folder / "repodata/node-plugin.xml.zst"])
    data = (folder / "repodata/node-plugin.xml.zst").read_bytes()
    index = folder / "repodata/repomd.xml"
    before, start_tag, entry = index.read_text().partition('<data type="node-plugin">')
    entry, end_tag, after = entry.partition("</data>")
    entry = re.sub(r'(?<=<checksum type="sha256">)[^<]*', hashlib.sha256(data).hexdigest(), entry)
    entry = re.sub(r"<size>[^<]*", f"<size>{len(data)}", entry).replace(
        f"repodata/{gzip_file.name}", "repodata/node-plugin.xml.zst")
    index.write_text(before + start_tag + entry + end_tag + after)


@pytest.mark.parametrize("suffix", ["zst", "gz", "xz", "bz2"])
def test_compressed_descriptors_in_repository_metadata_are_read(
        suffix: str, node: Path, tmp_path: Path, dnf: Dnf) -> None:
    repo = support.RpmRepo(tmp_path / "tool", "tool")
    repo.add("tool", "1.0")
    repo.finish()
    (tmp_path / "node-plugin.xml").write_text(support.descriptor_xml("tool", repos=["tool"]))
    add_compressed(repo.folder, tmp_path / "node-plugin.xml", suffix)
    assert len(list(repo.folder.glob(f"repodata/*node-plugin.xml.{suffix}"))) == 1
    define_repo(node, "tool", repo.url)
    answer = dnf.plugin(node, "info", "tool", "--enablerepo=tool")
    assert answer.status == 0, answer.text
    assert "The plugin tool" in answer.out


def test_the_decompressed_size_of_a_descriptor_is_limited(node: Path, tmp_path: Path,
                                                          dnf: Dnf) -> None:
    for suffix in ("zst", "xz"):
        repo = support.RpmRepo(tmp_path / suffix, suffix)
        repo.finish()
        (tmp_path / "node-plugin.xml").write_bytes(bytes(50 << 20))
        add_compressed(repo.folder, tmp_path / "node-plugin.xml", suffix)
        define_repo(node, suffix, repo.url)
        answer = dnf.plugin(node, "info", "tool", f"--enablerepo={suffix}")
        assert_error(answer, 2, "there is no plugin tool")
        assert "node-plugin.xml" in answer.err


def test_plugins_that_need_different_versions_of_one_package_are_refused(
        built: support.Fixtures, tmp_path: Path, assert_refused: Callable[..., None]) -> None:
    words: List[object] = []
    for name, version in (("one", "1.0"), ("two", "2.0")):
        repo = support.RpmRepo(tmp_path / "rpms" / name, name)
        repo.add("lib", version)
        text = support.descriptor_xml(name, repos=[name], install=["lib"]).replace(
            '<install name="lib"/>', f'<install name="lib" version="{version}"/>')
        words.append(support.write_bundle(tmp_path / name, text, repo=repo))
    assert_refused(["install", "-y", *words], 4,
                   "plugin one needs lib 1.0 and plugin two needs lib 2.0")


def test_a_plugin_named_twice_is_refused(built: support.Fixtures,
                                         assert_refused: Callable[..., None]) -> None:
    assert_refused(["install", "-y", built.bundle("agent", "1.0"), built.bundle("agent", "1.1")], 2,
                   "plugin agent is named twice")


def test_add_accepts_only_bundles(built: support.Fixtures, dnf: Dnf,
                                  assert_refused: Callable[..., None]) -> None:
    assert_refused(["add", "nothing"], 2, "nothing cannot be opened")
    assert_refused(["add", built.repo("snmp")], 7, "is not a bundle")
    assert list(dnf.own_library.iterdir()) == []


def test_a_missing_installroot_is_an_error_and_is_not_created(
        built: support.Fixtures, tmp_path: Path, dnf: Dnf) -> None:
    root = tmp_path / "missing"
    for words in (["install", built.bundle("snmp"), "-y"], ["list"], ["verify"]):
        assert_error(dnf.plugin(root, *words), 2, f"the installroot {root} is not there")
        assert not root.exists()


@pytest.mark.parametrize("files, text", [
    ([], "has no rpm database"), (["usr/bin/tool"], "has no rpm database"),
    (["usr/bin/tool", "var/log/messages"], "has no rpm database")])
def test_an_installroot_without_rpm_database_is_an_error_and_unchanged(
        files: List[str], text: str, built: support.Fixtures, tmp_path: Path, dnf: Dnf) -> None:
    root = tmp_path / "root"
    root.mkdir()
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    (root / "mnt").mkdir()
    before = tree_state(root, excluded=())
    for words in (["install", built.bundle("snmp"), "-y"], ["list"]):
        assert_error(dnf.plugin(root, *words), 2, text)
        assert state_differences(before, tree_state(root, excluded=())) == []


def test_an_empty_installroot_is_an_error_and_stays_empty(built: support.Fixtures, tmp_path: Path,
                                                          dnf: Dnf) -> None:
    root = tmp_path / "root"
    root.mkdir()
    for words in (["install", built.bundle("snmp"), "-y"], ["list"]):
        assert_error(dnf.plugin(root, *words), 2, f"the installroot {root} is empty")
        assert list(root.iterdir()) == []


@pytest.mark.parametrize("name", ["var/lib/dnf", "etc/yum.repos.d", "var/cache/dnf",
                                  "var/lib/dnf/history.sqlite"])
def test_a_symbolic_link_of_dnfs_folders_to_a_path_outside_the_root_is_refused(
        name: str, node: Path, built: support.Fixtures, dnf: Dnf, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    if name.endswith(".sqlite"):
        outside /= "file"
        outside.write_text("")
    elif (node / name).is_symlink():
        (node / name).unlink()
    elif (node / name).is_dir():
        shutil.rmtree(node / name)
    (node / name).parent.mkdir(parents=True, exist_ok=True)
    (node / name).symlink_to(outside)
    assert_error(dnf.plugin(node, "install", built.bundle("snmp"), "-y", "--trust-keys"), 6,
                 f"/{name} in {node} leads, by a symbolic link, to {outside} of this machine")


def test_a_journal_folder_that_is_a_symbolic_link_is_refused_before_keys_are_imported(
        node: Path, built: support.Fixtures, dnf: Dnf, assert_refused: Callable[..., None]) -> None:
    (node / "var/lib/ovirt-node-plugin").symlink_to("../opt")
    assert_refused(["install", built.bundle("snmp"), "-y", "--trust-keys"], 9,
                   "Make /var/lib/ovirt-node-plugin in the root a real folder.")
    assert run(["rpm", "--root", node, "--dbpath", "/usr/share/rpm", "-qa", "gpg-pubkey"]) == ""


def test_a_symbolic_link_to_itself_is_refused_and_named(node: Path, built: support.Fixtures,
                                                        dnf: Dnf) -> None:
    shutil.rmtree(node / "etc/yum.repos.d")
    (node / "etc/yum.repos.d").symlink_to("yum.repos.d")
    assert_error(dnf.plugin(node, "install", built.bundle("snmp"), "-y", "--trust-keys"), 6,
                 f"/etc/yum.repos.d in {node} leads back to itself by symbolic links")


def test_an_empty_rpm_database_is_an_error(node: Path, built: support.Fixtures, dnf: Dnf) -> None:
    shutil.rmtree(node / "usr/share/rpm")
    (node / "usr/share/rpm").mkdir()
    run(["rpm", "--root", node, "--dbpath", "/usr/share/rpm", "--define",
         "_db_backend sqlite", "--initdb"])
    assert_error(dnf.plugin(node, "install", built.bundle("snmp"), "-y"), 2,
                 f"the rpm database in the installroot {node} is empty")


def test_an_internal_error_is_printed_without_a_traceback(built: support.Fixtures, node: Path,
                                                          dnf: Dnf, tmp_path: Path) -> None:
    # A file in place of a folder: none of the named errors covers it.
    (node / "etc/ovirt.plugins.d").write_text("a file")
    answer = dnf.plugin(node, "install", built.bundle("snmp"), "-y", "--trust-keys")
    assert answer.status != 0
    assert "Traceback" not in answer.text
    assert answer.err.count("Error: ") == 1
