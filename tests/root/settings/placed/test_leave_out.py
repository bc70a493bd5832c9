"""Files that are not to stay, left out by the real rpm and dnf."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence

import pytest

from ovirt_node_plugin.errors import DescriptorError, Refused
from ovirt_node_plugin.packages.unpacking import shared_paths
from ovirt_node_plugin.plugin.descriptor import parse_descriptor
from ovirt_node_plugin.plugin.settings import LeaveOut
from ovirt_node_plugin.registry.outcomes import to_text
from ovirt_node_plugin.settings.engine import checking, selection
from ovirt_node_plugin.settings.engine.apply import apply_all
from ovirt_node_plugin.settings.kit.model import Context, KeepReason, Leavable
from ovirt_node_plugin.settings.placed import leave_out
from ovirt_node_plugin.system.paths import relative_inside
from ovirt_node_plugin.undo.changes import Applied
from tests.support import Fixtures
from tests.support.adhoc import RpmRepo, descriptor_xml, write_bundle
from tests.support.dnf_runner import NOISE, Dnf
from tests.support.settings_root import (
    RecordingRunner,
    context,
    descriptor,
    make_root,
    tree,
    write_file,
)
from tests.support.tree_states import state_differences, tree_state

DOC = "/usr/share/doc/acme"
OUT = f'<leave-out files="{DOC}/**"/>'
FILES = {f"{DOC}/README": "read me\n" * 100, f"{DOC}/html/index one.html": "x",
         f"{DOC}/100%:a": "percent and colon\n", "/opt/acme/agent": "agent\n"}


class Vendor:
    """Makes plugins of one package each, and others."""

    def __init__(self, folder: Path, built: Fixtures) -> None:
        self.folder = folder
        self.built = built

    def plugin(self, name: str, version: str = "1.0", *, settings: Sequence[str] = (OUT,),
               packages: Optional[Mapping[str, Mapping[str, str]]] = None) -> Path:
        repo = RpmRepo(self.folder / f"{name}-{version}-repo", name, key=self.built.key)
        packages = packages or {name: FILES}
        for package, files in packages.items():
            package, _, own = package.partition("=")
            repo.add(package, own or version, files=files)
        return write_bundle(
            self.folder / f"{name}-{version}",
            descriptor_xml(name, version, settings=settings, repos=[name],
                           install=[one.partition("=")[0] for one in packages]),
            repo=repo, key=self.built.key)


@pytest.fixture
def vendor(tmp_path: Path, built: Fixtures) -> Vendor:
    return Vendor(tmp_path, built)


def install(dnf: Dnf, root: Path, *bundles: Path) -> str:
    done = dnf.plugin(root, "install", *bundles, "-y", "--trust-keys")
    assert done.status == 0, done.text
    return done.text


def verify(dnf: Dnf, root: Path) -> List[str]:
    return dnf.plugin(root, "verify").out.splitlines()


def rpm(root: Path, *words: str) -> str:
    database = "/usr/share/rpm" if (root / "usr/share/rpm").is_dir() else "/var/lib/rpm"
    done = subprocess.run(["rpm", "--root", root, "--dbpath", database, *words], check=False,
                          capture_output=True, text=True)
    noise = (*NOISE, "use Alien", "However assuming")  # what Debian's rpm says besides
    return done.stdout + "".join(line for line in done.stderr.splitlines(keepends=True)
                                 if not any(words in line for words in noise))


def files_below(root: Path, folder: str) -> Dict[str, bytes]:
    return {f"/{path.relative_to(root)}": path.read_bytes()
            for path in sorted((root / folder.lstrip("/")).rglob("*")) if path.is_file()}


@pytest.mark.root
@pytest.mark.main_job
def test_files_are_not_in_the_root_and_rpm_misses_none(
        node: Path, vendor: Vendor, dnf: Dnf) -> None:
    before = tree_state(node)
    bundle = vendor.plugin("acme")
    shown = dnf.plugin(node, "install", bundle, "--assumeno").text
    assert f"leave out 3 files, 820 B: {DOC}/**" in shown
    install(dnf, node, bundle)
    assert files_below(node, DOC) == {} and (node / "opt/acme/agent").is_file()
    assert verify(dnf, node) == ["acme 1.0: ok"]
    assert rpm(node, "-V", "acme") == ""
    record = (node / "etc/ovirt.plugins.d/acme").read_text()
    assert (f'kind="leave-out" key="{DOC}/**" value="yes" before="absent"'
            ' outcome="files=3 bytes=820"') in record
    removed = dnf.plugin(node, "remove", "acme", "-y")
    assert removed.status == 0 and "remove failed" not in removed.text
    assert [line for line in state_differences(before, tree_state(node))
            if "dnf/modules.d" not in line] == []


@pytest.mark.root
@pytest.mark.main_job
def test_an_upgrade_leaves_out_what_was_there_and_goes_on_to(
        node: Path, vendor: Vendor, dnf: Dnf) -> None:
    install(dnf, node, vendor.plugin("acme", "1.0", settings=()))
    assert len(files_below(node, DOC)) == 3
    newer = {**FILES, f"{DOC}/NEWS": "news\n"}
    install(dnf, node, vendor.plugin("acme", "1.1", packages={"acme": newer}))
    assert files_below(node, DOC) == {}
    assert verify(dnf, node) == ["acme 1.1: ok"] and rpm(node, "-V", "acme") == ""
    install(dnf, node, vendor.plugin("acme", "1.2", packages={"acme": FILES}))
    assert files_below(node, DOC) == {} and rpm(node, "-V", "acme") == ""
    install(dnf, node, vendor.plugin("acme", "1.3", settings=()))
    assert len(files_below(node, DOC)) == 3
    assert verify(dnf, node) == ["acme 1.3: ok"]


@pytest.mark.root
def test_what_a_package_that_stays_has_unpacked_goes_too_and_is_no_damage(
        node: Path, vendor: Vendor, dnf: Dnf) -> None:
    same = {"acme=7": FILES}
    install(dnf, node, vendor.plugin("acme", "1.0", settings=(), packages=same))
    install(dnf, node, vendor.plugin("acme", "1.1", packages=same))
    assert files_below(node, DOC) == {}
    assert "missing" in rpm(node, "-V", "acme")  # rpm was not there to see it
    assert verify(dnf, node) == ["acme 1.1: ok"]
    write_file(node, f"{DOC}/README", "again")
    assert verify(dnf, node)[0].startswith("acme 1.1: ")
    assert f"acme 1.1: 1 file to be left out by {DOC}/**: there again, such as {DOC}/README" in (
        verify(dnf, node))


@pytest.mark.root
def test_files_that_another_plugin_has_too_stay_unless_it_leaves_them_out(
        node: Path, vendor: Vendor, dnf: Dnf) -> None:
    lib = {"libacme": {f"{DOC}/lib": "lib\n", f"{DOC}/api": "api\n"}}
    one = vendor.plugin("one", packages={**lib, "one": {f"{DOC}/one": ""}})
    two = vendor.plugin("two", packages={**lib, "two": {f"{DOC}/two": ""}},
                        settings=[f'<leave-out files="{DOC}/l*"/>'])
    shown = install(dnf, node, one, two)
    assert f"of {DOC}/**, 1 file, such as {DOC}/api, will be there: plugin two has them too" in (
        shown)
    assert list(files_below(node, DOC)) == [f"{DOC}/api", f"{DOC}/two"]
    assert verify(dnf, node) == ["one 1.0: ok", "two 1.0: ok"]
    assert dnf.plugin(node, "remove", "one", "-y").status == 0
    assert verify(dnf, node) == ["two 1.0: ok"]
    install(dnf, node, one)
    assert list(files_below(node, DOC)) == [f"{DOC}/api", f"{DOC}/two"]
    assert dnf.plugin(node, "remove", "two", "-y").status == 0
    assert verify(dnf, node) == ["one 1.0: ok"]


@pytest.mark.root
def test_files_of_the_image_stay(node: Path, vendor: Vendor, dnf: Dnf) -> None:
    core = next(path for path in rpm(node, "-qal").splitlines()
                if path.startswith("/usr/share/") and (node / path.lstrip("/")).is_file()
                and not (node / path.lstrip("/")).is_symlink())
    text = (node / core.lstrip("/")).read_text()
    write_file(node, "/usr/share/mine/own", "somebody's\n")
    bundle = vendor.plugin("acme", packages={"acme": {core: text, "/usr/share/mine/x": "",
                                                      "/usr/share/mine/own": "somebody's\n"}},
                           settings=['<leave-out files="/usr/share/**"/>'])
    shown = install(dnf, node, bundle)
    assert "leave out 1 file, 1 B: /usr/share/**" in shown
    assert f"such as {core}, will be there: package " in shown
    assert "such as /usr/share/mine/own, will be there: they were there before" in shown
    assert (node / core.lstrip("/")).read_text() == text
    assert list(files_below(node, "/usr/share/mine")) == ["/usr/share/mine/own"]
    assert verify(dnf, node) == ["acme 1.0: ok"]


@pytest.mark.root
def test_what_a_link_of_another_package_leads_to_stays(
        node: Path, vendor: Vendor, dnf: Dnf, tmp_path: Path) -> None:
    """The file would be by the link, and not where it is judged before that is there."""
    write_file(node, "/opt/acme/data/own", "somebody's\n")
    repo = RpmRepo(tmp_path / "repo", "acme", key=vendor.built.key)
    repo.add("acme", "1.0", requires="acme-b", links={"/opt/acme/l": "/opt/acme/data"})
    repo.add("acme-b", "1.0", files={"/opt/acme/l/own": "x"})
    bundle = write_bundle(tmp_path / "acme", descriptor_xml(
        "acme", "1.0", settings=['<leave-out files="/opt/acme/l/*"/>'], repos=["acme"],
        install=["acme"]), repo=repo, key=vendor.built.key)
    before = tree_state(node)
    done = dnf.plugin(node, "install", bundle, "-y", "--trust-keys")
    assert (node / "opt/acme/data/own").read_text() == "somebody's\n", done.text
    assert "such as /opt/acme/l/own, will be there: links that come lead elsewhere" in done.text
    # rpm fails: the link would be a folder
    assert state_differences(before, tree_state(node)) == []


@pytest.mark.root
def test_what_a_link_of_a_scriptlet_leads_to_stays_and_all_is_rolled_back(
        node: Path, vendor: Vendor, dnf: Dnf, tmp_path: Path) -> None:
    core = next(path for path in rpm(node, "-qal").splitlines()
                if path.startswith("/usr/share/") and (node / path.lstrip("/")).is_file()
                and not (node / path.lstrip("/")).is_symlink())
    folder, _, name = core.rpartition("/")
    repo = RpmRepo(tmp_path / "repo", "acme", key=vendor.built.key)
    repo.add("acme", "1.0", files={f"/opt/acme/l/{name}": "x", "/opt/acme/agent": "y"},
             scriptlets={"post": f"rmdir /opt/acme/l; ln -s {folder} /opt/acme/l"})
    bundle = write_bundle(tmp_path / "acme", descriptor_xml(
        "acme", "1.0", settings=['<leave-out files="/opt/acme/l/*"/>'], repos=["acme"],
        install=["acme"]), repo=repo, key=vendor.built.key)
    before = tree_state(node)
    done = dnf.plugin(node, "install", bundle, "-y", "--trust-keys")
    assert done.status != 0 and "rolled back" in done.text
    assert f"/opt/acme/l/{name} is {core}, which may be somebody else's file" in done.text
    assert state_differences(before, tree_state(node)) == []


@pytest.mark.root
def test_files_of_what_a_host_had_before_stay(host: Path, vendor: Vendor, dnf: Dnf) -> None:
    for version in ("1.0", "2.0"):
        RpmRepo(vendor.folder / f"own-{version}").add("own", version, files={
            f"{DOC}/own": version, f"{DOC}/own-{version}": ""})
    rpm(host, "-i", "--nosignature", "--noplugins", *map(str, sorted(
        (vendor.folder / "own-1.0").glob("*.rpm"))))
    install(dnf, host, vendor.plugin("acme", packages={
        "acme": {f"{DOC}/acme": ""},
        "own=2.0": {f"{DOC}/own": "2.0", f"{DOC}/own-2.0": ""}}))
    assert list(files_below(host, DOC)) == [f"{DOC}/own", f"{DOC}/own-2.0"]
    assert verify(dnf, host) == ["acme 1.0: ok"]


@pytest.mark.root
def test_a_path_of_the_machines_own_configuration_stays_out(
        node: Path, vendor: Vendor, dnf: Dnf, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".rpmmacros").write_text("%_netsharedpath /opt/acme/share%%d:/sys\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    install(dnf, node, vendor.plugin("acme", packages={"acme": {
        **FILES, "/opt/acme/share%d/x": "", "/opt/acme/y": ""}}))
    assert list(files_below(node, "/opt/acme")) == ["/opt/acme/agent", "/opt/acme/y"]
    assert files_below(node, DOC) == {}


@pytest.mark.root
def test_what_another_setting_needs_cannot_be_left_out(
        node: Path, vendor: Vendor, dnf: Dnf) -> None:
    bundle = vendor.plugin("acme", settings=[
        OUT, f'<vdsm-hook point="before_vm_start" order="50" name="x" source="{DOC}/README"/>'])
    refused = dnf.plugin(node, "install", bundle, "-y", "--trust-keys")
    assert refused.status == 6 and f"{DOC}/README" in refused.text


@pytest.mark.root
def test_a_failure_brings_back_what_was_taken_away(
        node: Path, vendor: Vendor, dnf: Dnf) -> None:
    same = {"acme=7": FILES}
    install(dnf, node, vendor.plugin("acme", "1.0", settings=(), packages=same))
    before = tree_state(node)
    broken = vendor.plugin("acme", "1.1", packages=same, settings=[
        OUT, '<persistent-path path="/var/lib/nowhere"/>'])
    failed = dnf.plugin(node, "install", broken, "-y", "--trust-keys")
    assert failed.status != 0 and "rolled back" in failed.text
    assert state_differences(before, tree_state(node)) == []


@pytest.mark.root
def test_an_image_that_was_replaced_gets_the_plugin_without_them(
        node: Path, vendor: Vendor, dnf: Dnf) -> None:
    bundle = vendor.plugin("acme")
    install(dnf, node, bundle)
    rpm(node, "-e", "acme")
    assert verify(dnf, node)[0] == "acme 1.0: package acme-1.0-1.noarch is not installed"
    install(dnf, node, bundle)
    assert files_below(node, DOC) == {} and verify(dnf, node) == ["acme 1.0: ok"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path / "root")


def leaving(root: Path, paths: Sequence[str], kept: Sequence[str] = ()) -> Context:
    base = context(root, runner=RecordingRunner())
    return Context(root, "foo", {}, base.run, leavable=Leavable(
        dict.fromkeys(paths, 1024), dict.fromkeys(kept, KeepReason("core has them too", "core")),
        known=True, places={path: relative_inside(root, path) for path in paths}))


def test_no_program_is_started_and_nothing_but_the_files_goes(root: Path) -> None:
    write_file(root, "opt/acme/doc/a", "a")
    os.symlink("/etc/passwd", root / "opt/acme/doc/link")
    (root / "opt/acme/doc/folder").mkdir()
    before = tree(root)
    ctx = leaving(root, [f"/opt/acme/doc/{name}" for name in ("a", "link", "folder", "gone")])
    items = selection.wanted(descriptor(LeaveOut("/opt/acme/doc/*")), ctx)
    checking.check(items, ctx, others={})
    applied = apply_all(items, ctx)
    assert [(one.before, one.changes, to_text(one.outcome)) for one in applied] == [
        ("present", (), "files=4 bytes=4096")]
    assert set(before) - set(tree(root)) == {"opt/acme/doc/a", "opt/acme/doc/link"}
    assert apply_all(items, ctx)[0].before == "absent"
    assert isinstance(ctx.run, RecordingRunner) and ctx.run.argvs == []


def test_a_link_does_not_lead_out_of_the_root(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_text("a")
    (root / "opt").mkdir()
    (root / "opt/acme").symlink_to(outside)
    (root / "opt/other").symlink_to("../../../../../.." + str(outside))
    ctx = leaving(root, ["/opt/acme/a", "/opt/other/a"])
    apply_all(selection.wanted(descriptor(LeaveOut("/opt/*/a")), ctx), ctx)
    assert (outside / "a").read_text() == "a"


def test_a_file_that_is_no_longer_where_it_was_judged_is_not_taken_away(root: Path) -> None:
    ctx = leaving(root, ["/opt/acme/l/passwd"])
    (root / "opt/acme").mkdir(parents=True)
    (root / "opt/acme/l").symlink_to("/etc")
    with pytest.raises(Refused, match="is /etc/passwd, which may be somebody else's file"):
        apply_all(selection.wanted(descriptor(LeaveOut("/opt/acme/l/*")), ctx), ctx)
    assert (root / "etc/passwd").is_file()


def test_packages_whose_files_stay_are_recorded(root: Path) -> None:
    ctx = leaving(root, ["/opt/acme/a"], kept=["/opt/acme/b"])
    (item,) = selection.wanted(descriptor(LeaveOut("/opt/acme/**")), ctx)
    assert item.text == "leave out 1 file, 1.0 KiB: /opt/acme/**"
    assert item.notes == (
        "of /opt/acme/**, 1 file, such as /opt/acme/b, will be there: core has them too",)
    (applied,) = apply_all([item], ctx)
    assert to_text(applied.outcome) == "files=1 bytes=1024 kept=core"
    assert leave_out.kept_packages(applied) == ("core",)


def test_a_glob_that_matches_nothing_is_told(root: Path) -> None:
    (item,) = selection.wanted(descriptor(LeaveOut("/opt/nothing/**")), leaving(root, ["/opt/a/b"]))
    assert item.notes == ("/opt/nothing/** matches no file of the plugin's own packages",)
    (item,) = selection.wanted(descriptor(LeaveOut("/opt/acme/**")), context(root))
    assert (item.text, item.notes) == ("leave out files: /opt/acme/**", ())


@pytest.mark.parametrize(("glob", "matched"), [
    ("/usr/share/doc/**", ["/usr/share/doc/a", "/usr/share/doc/b/c", "/usr/share/doc/b/d/e.txt"]),
    ("/usr/share/doc/*", ["/usr/share/doc/a"]),
    ("/usr/share/doc/*/c", ["/usr/share/doc/b/c"]),
    ("/usr/share/**/*.txt", ["/usr/share/doc/b/d/e.txt", "/usr/share/x.txt"]),
    ("/usr/**/doc/**/e*", ["/usr/share/doc/b/d/e.txt"]),
    ("/usr/share/?.txt", ["/usr/share/x.txt"]),
    ("/usr/share/doc/a/**/b", []),
    ("/usr/share/doc/a/**/a", []),
    ("/usr/**/share/**/**/c", ["/usr/share/doc/b/c"]),
    ("/usr/share/.txt", []),
])
def test_globs_match_components(glob: str, matched: List[str]) -> None:
    paths = ["/usr/share/doc/a", "/usr/share/doc/b/c", "/usr/share/doc/b/d/e.txt",
             "/usr/share/x.txt", "/usr/lib/doc"]
    assert leave_out.matching(glob, paths) == matched


def test_a_glob_of_many_stars_matches_nothing_in_a_long_name() -> None:
    name = "/".join(["", "opt", "acme", *["a" * 250] * 15])
    assert leave_out.matching("/opt/acme" + "/**/" + "*a" * 40 + "*b", [name] * 50) == []
    assert leave_out.matching("/opt/acme" + "/**/*" * 40, [name] * 50) == []


@pytest.mark.parametrize(("glob", "expected"), [
    ("/**", "begins with two folders"), ("/usr/**", "begins with two folders"),
    ("/u*/share/doc/**", "begins with two folders"), ("/usr/share", "begins with two folders"),
    ("/usr/share/do**", "as a whole component"), ("/usr/share/../x/*", "no '..'"),
    ("usr/share/x", "a glob of absolute paths"), ("/usr/share/[a-z]", "a glob of absolute"),
    ("/usr/share/a b", "a glob of absolute"), ("/usr/share/x/", "a glob of absolute"),
])
def test_a_glob_that_could_be_meant_otherwise_is_refused(glob: str, expected: str) -> None:
    text = descriptor_xml("x", settings=[f'<leave-out files="{glob}"/>'])
    with pytest.raises(DescriptorError, match=expected.replace("*", r"\*")):
        parse_descriptor(text.encode(), origin="x")


def test_one_glob_twice_is_refused() -> None:
    with pytest.raises(DescriptorError, match="expected one <leave-out>"):
        parse_descriptor(descriptor_xml("x", settings=[OUT, OUT]).encode(), origin="x")


def test_a_path_with_a_colon_is_told_to_rpm_by_a_folder_if_all_of_that_goes() -> None:
    out = ["/m/man3/A::B.3", "/m/man3/C.3", "/d/x:y/z", "/d/n", "/e/a:b"]
    every = [*out, "/d", "/e/kept", "/bin/x"]
    assert shared_paths(out, every) == ["/d", "/d/n", "/m/man3", "/m/man3/C.3"]
    assert shared_paths(["/a/b"], ["/a/b", "/a/c"]) == ["/a/b"]
    folders = ["/a/x:y", "/a/html/index", "/a/html"]
    assert shared_paths(folders[:2], folders) == ["/a", "/a/html/index"]
    assert shared_paths(folders[:2], [*folders, "/a/empty"]) == ["/a/html/index"]


def test_a_setting_without_an_outcome_keeps_nothing() -> None:
    assert leave_out.kept_packages(Applied("leave-out", "/a/b", "yes", "", ())) == ()
