"""Input that is wrong: a clear error, the documented status, nothing changed in the root."""
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


def told(answer: Answer, status: int, text: str) -> None:
    """Require an error of that status that holds ``text``, as one paragraph."""
    assert answer.status == status, answer.text
    assert answer.err.startswith("Error: ")
    assert text in answer.err
    assert "Traceback" not in answer.text
    assert "\n\n" not in answer.err.strip("\n")


@pytest.fixture
def refused(node: Path, dnf: Dnf) -> Callable[..., None]:
    """A function that runs a command and requires an error that leaves the root as it was."""
    # The first run makes what dnf keeps for itself.
    assert dnf.plugin(node, "list").status == 0

    def check(words: List[object], status: int, text: str) -> None:
        before = (installed(node), tree_state(node))
        told(dnf.plugin(node, *words), status, text)
        after = (installed(node), tree_state(node))
        assert after[0] == before[0]
        assert state_differences(before[1], after[1]) == []

    return check


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_no_plugin_has(name: str, node: Path, dnf: Dnf) -> None:
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


def test_an_unknown_plugin_says_where_it_was_looked_for(
        built: support.Fixtures, node: Path, dnf: Dnf, refused: Callable[..., None]) -> None:
    define_repo(node, "snmp", f"file://{built.repo('snmp')}")
    refused(["install", "-y", "nothing"], 2, "there is no plugin nothing: not a path, not in the"
            " library, not in any repository, since none is enabled in this run")
    told(dnf.plugin(node, "install", "-y", "nothing", "--enablerepo=snmp"), 2,
         "not in the metadata of the enabled repositories (snmp)")
    refused(["install", "-y", "cim", "--enablerepo=nosuch"], 1, "Unknown repo: 'nosuch'")


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
def test_a_command_line_that_makes_no_sense(words: List[str], text: str, node: Path,
                                            dnf: Dnf) -> None:
    answer = dnf.plugin(node, *words)
    assert answer.status == 2
    assert text in answer.text
    if "--json" in words:
        assert answer.json["error"]["kind"] == "UsageError"


def bad_descriptors() -> Dict[str, Tuple[str, str]]:
    """Return by case the text of a descriptor that is refused, and what is said of it."""
    descriptor = support.descriptor_xml("tool", repos=["tool"])
    hook = ("<settings><vdsm-hook point='before_vm_strat' order='50' name='x' source='/x'/>"
            "</settings></node-plugin>")
    return {
        "ids": (support.descriptor_xml("tool"), "does not name 'tool'"),
        "xml": (descriptor[:-20], "node-plugin.xml:"),
        "entity": (descriptor.replace("?>", '?><!DOCTYPE x [<!ENTITY e "boo">]>', 1),
                   "node-plugin.xml"),
        "newer schema": (descriptor.replace('schema-version="1"', 'schema-version="9"'), "9"),
        "hook point": (descriptor.replace("</node-plugin>", hook), "before_vm_start"),
    }


def make_bundle(folder: Path, case: str, built: support.Fixtures) -> Tuple[object, str]:
    """Return a path that is no good bundle, and what is said of it."""
    repo_file = {"tool.repo": support.repo_file("tool", "file:///nowhere", gpgcheck=False)}
    if case in bad_descriptors():
        text, said = bad_descriptors()[case]
        return support.write_bundle(folder / "b", text, repo_files=repo_file), said
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
    place = support.write_bundle(folder / "b", support.descriptor_xml("tool", repos=["tool"]),
                                 repo_files=repo_file)
    if case == "link":
        (place / "keys").symlink_to("/etc")
        return place, "leads out of the bundle"
    if case == "key":
        (place / "keys").mkdir()
        (place / "keys/KEY").write_text("no key")
        return place, "is not an armored GPG public key"
    assert case == "repodata"
    (place / "repo").mkdir()
    return place, "repo/ is not a repository"


@pytest.mark.parametrize("case", [
    "folder", "repository", "text", "device", "ids", "xml", "entity", "newer schema",
    "hook point", "link", "key", "repodata", "cut off"])
def test_a_bundle_that_is_none(case: str, built: support.Fixtures, tmp_path: Path,
                               dnf: Dnf, refused: Callable[..., None],
                               monkeypatch: pytest.MonkeyPatch) -> None:
    work, temporary = tmp_path / "work", tmp_path / "temporary"
    work.mkdir()
    temporary.mkdir()
    path, text = make_bundle(work, case, built)
    monkeypatch.setenv("TMPDIR", str(temporary))
    refused(["install", "-y", path], 7, text)
    assert list(temporary.iterdir()) == []


def test_a_descriptor_of_another_name_than_asked(built: support.Fixtures, dnf: Dnf,
                                                 refused: Callable[..., None]) -> None:
    add_to_shipped_library(dnf, built.bundle("snmp"), "cim")
    refused(["install", "-y", "cim"], 7,
            "was asked for as cim, but its descriptor names the plugin snmp")


def test_a_repo_that_carries_a_bad_descriptor(node: Path, tmp_path: Path, dnf: Dnf) -> None:
    for name, text in (("bad", "<node-plugin"), ("large", "x" * 1_100_000)):
        repo = support.RpmRepo(tmp_path / name, name)
        repo.add("tool", "1.0")
        (tmp_path / "node-plugin.xml").write_text(text)
        repo.finish(descriptor=tmp_path / "node-plugin.xml")
        define_repo(node, name, repo.url)
        answer = dnf.plugin(node, "install", "-y", "tool", f"--enablerepo={name}")
        told(answer, 2, "there is no plugin tool")
        assert "node-plugin.xml" in answer.err
    answer = dnf(node, "repolist")
    assert answer.status == 0 and not {"bad", "large"}.intersection(answer.out.split())


def add_compressed(folder: Path, descriptor: Path, suffix: str) -> None:
    """Add a descriptor to a repository's metadata, compressed; zstd as EL10's modifyrepo_c does."""
    run(["modifyrepo_c", "--mdtype=node-plugin", "--compress",
         f"--compress-type={suffix.replace('zst', 'gz')}", descriptor, folder / "repodata"])
    if suffix != "zst":
        return
    (old,) = folder.glob("repodata/*node-plugin.xml.gz")
    run(["zstd", "--quiet", descriptor, "-o", folder / "repodata/node-plugin.xml.zst"])
    data = (folder / "repodata/node-plugin.xml.zst").read_bytes()
    index = folder / "repodata/repomd.xml"
    before, mark, entry = index.read_text().partition('<data type="node-plugin">')
    entry, end, after = entry.partition("</data>")
    entry = re.sub(r'(?<=<checksum type="sha256">)[^<]*', hashlib.sha256(data).hexdigest(), entry)
    entry = re.sub(r"<size>[^<]*", f"<size>{len(data)}", entry).replace(
        f"repodata/{old.name}", "repodata/node-plugin.xml.zst")
    index.write_text(before + mark + entry + end + after)


@pytest.mark.parametrize("suffix", ["zst", "gz", "xz", "bz2"])
def test_metadata_is_read_however_it_is_compressed(suffix: str, node: Path, tmp_path: Path,
                                                   dnf: Dnf) -> None:
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


def test_compressed_metadata_cannot_grow_without_bounds(node: Path, tmp_path: Path,
                                                        dnf: Dnf) -> None:
    for suffix in ("zst", "xz"):
        repo = support.RpmRepo(tmp_path / suffix, suffix)
        repo.finish()
        (tmp_path / "node-plugin.xml").write_bytes(bytes(50 << 20))
        add_compressed(repo.folder, tmp_path / "node-plugin.xml", suffix)
        define_repo(node, suffix, repo.url)
        answer = dnf.plugin(node, "info", "tool", f"--enablerepo={suffix}")
        told(answer, 2, "there is no plugin tool")
        assert "node-plugin.xml" in answer.err


def test_two_plugins_that_need_different_versions_of_one_package(
        built: support.Fixtures, tmp_path: Path, refused: Callable[..., None]) -> None:
    words: List[object] = []
    for name, version in (("one", "1.0"), ("two", "2.0")):
        repo = support.RpmRepo(tmp_path / "rpms" / name, name)
        repo.add("lib", version)
        text = support.descriptor_xml(name, repos=[name], install=["lib"]).replace(
            '<install name="lib"/>', f'<install name="lib" version="{version}"/>')
        words.append(support.write_bundle(tmp_path / name, text, repo=repo))
    refused(["install", "-y", *words], 4, "plugin one needs lib 1.0 and plugin two needs lib 2.0")


def test_one_plugin_named_twice(built: support.Fixtures, refused: Callable[..., None]) -> None:
    refused(["install", "-y", built.bundle("agent", "1.0"), built.bundle("agent", "1.1")], 2,
            "plugin agent is named twice")


def test_add_takes_bundles_only(built: support.Fixtures, dnf: Dnf,
                                refused: Callable[..., None]) -> None:
    refused(["add", "nothing"], 2, "nothing cannot be opened")
    refused(["add", built.repo("snmp")], 7, "is not a bundle")
    assert list(dnf.own_library.iterdir()) == []


def test_an_installroot_that_is_missing_stays_missing(built: support.Fixtures, tmp_path: Path,
                                                      dnf: Dnf) -> None:
    root = tmp_path / "missing"
    for words in (["install", built.bundle("snmp"), "-y"], ["list"], ["verify"]):
        told(dnf.plugin(root, *words), 2, f"the installroot {root} is not there")
        assert not root.exists()


@pytest.mark.parametrize("inside, text", [
    ([], "has no rpm database"), (["usr/bin/tool"], "has no rpm database"),
    (["usr/bin/tool", "var/log/messages"], "has no rpm database")])
def test_an_installroot_that_is_no_system_stays_as_it_is(
        inside: List[str], text: str, built: support.Fixtures, tmp_path: Path,
        dnf: Dnf) -> None:
    root = tmp_path / "root"
    root.mkdir()
    for name in inside:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    (root / "mnt").mkdir()
    before = tree_state(root, excluded=())
    for words in (["install", built.bundle("snmp"), "-y"], ["list"]):
        told(dnf.plugin(root, *words), 2, text)
        assert state_differences(before, tree_state(root, excluded=())) == []


def test_an_installroot_that_is_empty_stays_empty(built: support.Fixtures, tmp_path: Path,
                                                  dnf: Dnf) -> None:
    root = tmp_path / "root"
    root.mkdir()
    for words in (["install", built.bundle("snmp"), "-y"], ["list"]):
        told(dnf.plugin(root, *words), 2, f"the installroot {root} is empty")
        assert list(root.iterdir()) == []


@pytest.mark.parametrize("name", ["var/lib/dnf", "etc/yum.repos.d", "var/cache/dnf",
                                  "var/lib/dnf/history.sqlite"])
def test_a_link_that_leads_dnf_to_this_machine_is_refused(
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
    told(dnf.plugin(node, "install", built.bundle("snmp"), "-y", "--trust-keys"), 6,
         f"/{name} in {node} leads, by a symbolic link, to {outside} of this machine")


def test_a_folder_of_the_journal_that_is_a_link_is_refused_before_the_download(
        node: Path, built: support.Fixtures, dnf: Dnf, refused: Callable[..., None]) -> None:
    (node / "var/lib/ovirt-node-plugin").symlink_to("../opt")
    refused(["install", built.bundle("snmp"), "-y", "--trust-keys"], 9,
            "Make /var/lib/ovirt-node-plugin in the root a real folder.")
    assert run(["rpm", "--root", node, "--dbpath", "/usr/share/rpm", "-qa", "gpg-pubkey"]) == ""


def test_links_that_lead_back_to_themselves_are_named(
        node: Path, built: support.Fixtures, dnf: Dnf) -> None:
    shutil.rmtree(node / "etc/yum.repos.d")
    (node / "etc/yum.repos.d").symlink_to("yum.repos.d")
    told(dnf.plugin(node, "install", built.bundle("snmp"), "-y", "--trust-keys"), 6,
         f"/etc/yum.repos.d in {node} leads back to itself by symbolic links")


def test_an_rpm_database_without_packages_is_no_system(node: Path, built: support.Fixtures,
                                                       dnf: Dnf) -> None:
    shutil.rmtree(node / "usr/share/rpm")
    (node / "usr/share/rpm").mkdir()
    run(["rpm", "--root", node, "--dbpath", "/usr/share/rpm", "--define",
         "_db_backend sqlite", "--initdb"])
    told(dnf.plugin(node, "install", built.bundle("snmp"), "-y"), 2,
         f"the rpm database in the installroot {node} is empty")


def test_an_internal_error_shows_its_traceback_with_v_only(
        built: support.Fixtures, node: Path, dnf: Dnf, tmp_path: Path) -> None:
    # A folder where a file must be: none of the named errors covers it.
    (node / "etc/ovirt.plugins.d").write_text("a file")
    answer = dnf.plugin(node, "install", built.bundle("snmp"), "-y", "--trust-keys")
    assert answer.status != 0
    assert "Traceback" not in answer.text
    assert answer.err.count("Error: ") == 1
