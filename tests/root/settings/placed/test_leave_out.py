"""Files of packages that are left out, with the real rpm and dnf."""
from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Union

import pytest

from ovirt_node_plugin.errors import DescriptorError, Refused
from ovirt_node_plugin.packages.unpacking import shared_paths
from ovirt_node_plugin.plugin.descriptor import parse_descriptor
from ovirt_node_plugin.plugin.settings import CaCertificate, LeaveOut
from ovirt_node_plugin.registry.outcomes import to_text
from ovirt_node_plugin.settings.engine import checking, selection
from ovirt_node_plugin.settings.kit.model import Context, KeepReason, Leavable
from ovirt_node_plugin.settings.placed import leave_out
from ovirt_node_plugin.system.paths import relative_inside
from ovirt_node_plugin.undo.changes import Applied
from tests.support import Fixtures
from tests.support.adhoc import RpmRepo, descriptor_xml, write_bundle
from tests.support.applied import apply_all
from tests.support.dnf_runner import NOISE, Dnf, succeeded
from tests.support.settings_root import (
    RecordingRunner,
    context,
    descriptor,
    make_root,
    tree,
    write_file,
)
from tests.support.tree_states import state_differences, tree_state
from tests.support.trust_root import ACME

DOC = "/usr/share/doc/acme"
LEAVE_OUT_DOC = f'<leave-out files="{DOC}/**"/>'
FILES = {f"{DOC}/README": "read me\n" * 100, f"{DOC}/html/index one.html": "x",
         f"{DOC}/100%:a": "percent and colon\n", "/opt/acme/agent": "agent\n"}


class BundleFactory:
    """Creates bundles of plugins, by default with one package."""

    def __init__(self, folder: Path, built: Fixtures) -> None:
        self.folder = folder
        self.built = built

    def plugin(self, name: str, version: str = "1.0", *, settings: Sequence[str] = (LEAVE_OUT_DOC,),
               packages: Optional[Mapping[str, Mapping[str, str]]] = None) -> Path:
        repo = RpmRepo(self.folder / f"{name}-{version}-repo", name, key=self.built.key)
        packages = packages or {name: FILES}
        for package, files in packages.items():
            package, _, package_version = package.partition("=")
            repo.add(package, package_version or version, files=files)
        return write_bundle(
            self.folder / f"{name}-{version}",
            descriptor_xml(name, version, settings=settings, repos=[name],
                           install=[package.partition("=")[0] for package in packages]),
            repo=repo, key=self.built.key)


@pytest.fixture
def factory(tmp_path: Path, built: Fixtures) -> BundleFactory:
    return BundleFactory(tmp_path, built)


def install(dnf: Dnf, root: Path, *words: Union[Path, str]) -> str:
    answer = dnf.plugin(root, "install", *words, "-y", "--trust-keys")
    assert answer.status == 0, answer.text
    return answer.text


def verify(dnf: Dnf, root: Path) -> List[str]:
    return dnf.plugin(root, "verify").out.splitlines()


def rpm(root: Path, *words: str) -> str:
    database = "/usr/share/rpm" if (root / "usr/share/rpm").is_dir() else "/var/lib/rpm"
    completed = subprocess.run(["rpm", "--root", root, "--dbpath", database, *words], check=False,
                               capture_output=True, text=True)
    noise = (*NOISE, "use Alien", "However assuming")  # messages of Debian's rpm
    return completed.stdout + "".join(line for line in completed.stderr.splitlines(keepends=True)
                                      if not any(words in line for words in noise))


def contents_below(root: Path, folder: str) -> Dict[str, bytes]:
    return {f"/{path.relative_to(root)}": path.read_bytes()
            for path in sorted((root / folder.lstrip("/")).rglob("*")) if path.is_file()}


@pytest.mark.root
@pytest.mark.main_job
def test_left_out_files_are_not_installed_and_rpm_verify_reports_nothing(
        node: Path, factory: BundleFactory, dnf: Dnf) -> None:
    before = tree_state(node)
    bundle = factory.plugin("acme")
    plan = dnf.plugin(node, "install", bundle, "--assumeno").text
    assert f"leave out 3 files, 820 B: {DOC}/**" in plan
    install(dnf, node, bundle)
    assert contents_below(node, DOC) == {} and (node / "opt/acme/agent").is_file()
    assert verify(dnf, node) == ["acme 1.0: ok"]
    assert rpm(node, "-V", "acme") == ""
    record = (node / "etc/ovirt.plugins.d/acme").read_text()
    assert (f'kind="leave-out" key="{DOC}/**" value="yes" before="absent"'
            ' outcome="files=3 bytes=820"') in record
    (node / "opt/acme/agent").unlink()
    succeeded(dnf.plugin(node, "repair", "-y"))
    assert contents_below(node, DOC) == {} and verify(dnf, node) == ["acme 1.0: ok"]
    removed = dnf.plugin(node, "remove", "acme", "-y")
    assert removed.status == 0 and "remove failed" not in removed.text
    assert [line for line in state_differences(before, tree_state(node))
            if "dnf/modules.d" not in line] == []


@pytest.mark.root
@pytest.mark.main_job
def test_an_upgrade_leaves_out_files_that_the_old_version_had(
        node: Path, factory: BundleFactory, dnf: Dnf) -> None:
    install(dnf, node, factory.plugin("acme", "1.0", settings=()))
    assert len(contents_below(node, DOC)) == 3
    newer = {**FILES, f"{DOC}/NEWS": "news\n"}
    install(dnf, node, factory.plugin("acme", "1.1", packages={"acme": newer}))
    assert contents_below(node, DOC) == {}
    assert verify(dnf, node) == ["acme 1.1: ok"] and rpm(node, "-V", "acme") == ""
    install(dnf, node, factory.plugin("acme", "1.2", packages={"acme": FILES}))
    assert contents_below(node, DOC) == {} and rpm(node, "-V", "acme") == ""
    install(dnf, node, factory.plugin("acme", "1.3", settings=()))
    assert len(contents_below(node, DOC)) == 3
    assert verify(dnf, node) == ["acme 1.3: ok"]


@pytest.mark.root
def test_files_of_a_package_that_stays_are_removed_and_are_not_drift(
        node: Path, factory: BundleFactory, dnf: Dnf) -> None:
    packages = {"acme=7": FILES}
    install(dnf, node, factory.plugin("acme", "1.0", settings=(), packages=packages))
    install(dnf, node, factory.plugin("acme", "1.1", packages=packages))
    assert contents_below(node, DOC) == {}
    assert "missing" in rpm(node, "-V", "acme")  # rpm's database is not changed
    assert verify(dnf, node) == ["acme 1.1: ok"]
    write_file(node, f"{DOC}/README", "again")
    assert verify(dnf, node)[0].startswith("acme 1.1: ")
    assert f"acme 1.1: 1 file to be left out by {DOC}/**: there again, such as {DOC}/README" in (
        verify(dnf, node))


@pytest.mark.root
def test_files_of_another_plugin_stay_unless_it_leaves_them_out_too(
        node: Path, factory: BundleFactory, dnf: Dnf) -> None:
    lib = {"libacme": {f"{DOC}/lib": "lib\n", f"{DOC}/api": "api\n"}}
    bundle_one = factory.plugin("one", packages={**lib, "one": {f"{DOC}/one": ""}})
    bundle_two = factory.plugin("two", packages={**lib, "two": {f"{DOC}/two": ""}},
                                settings=[f'<leave-out files="{DOC}/l*"/>'])
    text = install(dnf, node, bundle_one, bundle_two)
    assert f"of {DOC}/**, 1 file, such as {DOC}/api, will be there: plugin two has them too" in (
        text)
    assert list(contents_below(node, DOC)) == [f"{DOC}/api", f"{DOC}/two"]
    assert verify(dnf, node) == ["one 1.0: ok", "two 1.0: ok"]
    assert dnf.plugin(node, "remove", "one", "-y").status == 0
    assert verify(dnf, node) == ["two 1.0: ok"]
    install(dnf, node, bundle_one)
    assert list(contents_below(node, DOC)) == [f"{DOC}/api", f"{DOC}/two"]
    assert dnf.plugin(node, "remove", "two", "-y").status == 0
    assert verify(dnf, node) == ["one 1.0: ok"]


@pytest.mark.root
def test_files_of_the_image_stay(node: Path, factory: BundleFactory, dnf: Dnf) -> None:
    image_file = next(path for path in rpm(node, "-qal").splitlines()
                      if path.startswith("/usr/share/") and (node / path.lstrip("/")).is_file()
                      and not (node / path.lstrip("/")).is_symlink())
    text = (node / image_file.lstrip("/")).read_text()
    write_file(node, "/usr/share/mine/own", "somebody's\n")
    bundle = factory.plugin("acme", packages={"acme": {image_file: text, "/usr/share/mine/x": "",
                                                       "/usr/share/mine/own": "somebody's\n"}},
                            settings=['<leave-out files="/usr/share/**"/>'])
    plan = install(dnf, node, bundle)
    assert "leave out 1 file, 1 B: /usr/share/**" in plan
    assert f"such as {image_file}, will be there: package " in plan
    assert "such as /usr/share/mine/own, will be there: they were there before" in plan
    assert (node / image_file.lstrip("/")).read_text() == text
    assert list(contents_below(node, "/usr/share/mine")) == ["/usr/share/mine/own"]
    assert verify(dnf, node) == ["acme 1.0: ok"]


@pytest.mark.root
def test_a_file_reached_by_a_link_of_another_package_stays(
        node: Path, factory: BundleFactory, dnf: Dnf, tmp_path: Path) -> None:
    """The path leads to another file after the link is installed."""
    write_file(node, "/opt/acme/data/own", "somebody's\n")
    repo = RpmRepo(tmp_path / "repo", "acme", key=factory.built.key)
    repo.add("acme", "1.0", requires="acme-b", links={"/opt/acme/l": "/opt/acme/data"})
    repo.add("acme-b", "1.0", files={"/opt/acme/l/own": "x"})
    bundle = write_bundle(tmp_path / "acme", descriptor_xml(
        "acme", "1.0", settings=['<leave-out files="/opt/acme/l/*"/>'], repos=["acme"],
        install=["acme"]), repo=repo, key=factory.built.key)
    before = tree_state(node)
    answer = dnf.plugin(node, "install", bundle, "-y", "--trust-keys")
    assert (node / "opt/acme/data/own").read_text() == "somebody's\n", answer.text
    assert "such as /opt/acme/l/own, will be there: links that come lead elsewhere" in answer.text
    # rpm fails, as the link is in place of a folder
    assert state_differences(before, tree_state(node)) == []


@pytest.mark.root
def test_a_file_reached_by_a_link_of_a_scriptlet_stays_and_the_install_fails(
        node: Path, factory: BundleFactory, dnf: Dnf, tmp_path: Path) -> None:
    image_file = next(path for path in rpm(node, "-qal").splitlines()
                      if path.startswith("/usr/share/") and (node / path.lstrip("/")).is_file()
                      and not (node / path.lstrip("/")).is_symlink())
    folder, _, name = image_file.rpartition("/")
    repo = RpmRepo(tmp_path / "repo", "acme", key=factory.built.key)
    repo.add("acme", "1.0", files={f"/opt/acme/l/{name}": "x", "/opt/acme/agent": "y"},
             scriptlets={"post": f"rmdir /opt/acme/l; ln -s {folder} /opt/acme/l"})
    bundle = write_bundle(tmp_path / "acme", descriptor_xml(
        "acme", "1.0", settings=['<leave-out files="/opt/acme/l/*"/>'], repos=["acme"],
        install=["acme"]), repo=repo, key=factory.built.key)
    before = tree_state(node)
    answer = dnf.plugin(node, "install", bundle, "-y", "--trust-keys")
    assert answer.status != 0 and "rolled back" in answer.text
    assert f"/opt/acme/l/{name} is {image_file}, which may be somebody else's file" in answer.text
    assert state_differences(before, tree_state(node)) == []


@pytest.mark.root
def test_files_of_packages_that_a_host_had_before_stay(host: Path, factory: BundleFactory,
                                                       dnf: Dnf) -> None:
    for version in ("1.0", "2.0"):
        RpmRepo(factory.folder / f"own-{version}").add("own", version, files={
            f"{DOC}/own": version, f"{DOC}/own-{version}": ""})
    rpm(host, "-i", "--nosignature", "--noplugins", *map(str, sorted(
        (factory.folder / "own-1.0").glob("*.rpm"))))
    install(dnf, host, factory.plugin("acme", packages={
        "acme": {f"{DOC}/acme": ""},
        "own=2.0": {f"{DOC}/own": "2.0", f"{DOC}/own-2.0": ""}}), "--allow-replace=own")
    assert list(contents_below(host, DOC)) == [f"{DOC}/own", f"{DOC}/own-2.0"]
    assert verify(dnf, host) == ["acme 1.0: ok"]


@pytest.mark.root
def test_netsharedpath_of_the_machines_configuration_still_applies(
        node: Path, factory: BundleFactory, dnf: Dnf, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".rpmmacros").write_text("%_netsharedpath /opt/acme/share%%d:/sys\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    install(dnf, node, factory.plugin("acme", packages={"acme": {
        **FILES, "/opt/acme/share%d/x": "", "/opt/acme/y": ""}}))
    assert list(contents_below(node, "/opt/acme")) == ["/opt/acme/agent", "/opt/acme/y"]
    assert contents_below(node, DOC) == {}


@pytest.mark.root
def test_leaving_out_a_file_that_another_setting_needs_is_refused(
        node: Path, factory: BundleFactory, dnf: Dnf) -> None:
    bundle = factory.plugin("acme", settings=[
        LEAVE_OUT_DOC,
        f'<vdsm-hook point="before_vm_start" order="50" name="x" source="{DOC}/README"/>'])
    refused = dnf.plugin(node, "install", bundle, "-y", "--trust-keys")
    assert refused.status == 6 and f"{DOC}/README" in refused.text


@pytest.mark.root
def test_a_failed_upgrade_restores_the_removed_files(node: Path, factory: BundleFactory,
                                                     dnf: Dnf) -> None:
    packages = {"acme=7": FILES}
    install(dnf, node, factory.plugin("acme", "1.0", settings=(), packages=packages))
    before = tree_state(node)
    broken = factory.plugin("acme", "1.1", packages=packages, settings=[
        LEAVE_OUT_DOC, '<persistent-path path="/var/lib/nowhere"/>'])
    failed = dnf.plugin(node, "install", broken, "-y", "--trust-keys")
    assert failed.status != 0 and "rolled back" in failed.text
    assert state_differences(before, tree_state(node)) == []


@pytest.mark.root
def test_a_repair_after_an_image_replacement_leaves_out_the_files(
        node: Path, factory: BundleFactory, dnf: Dnf) -> None:
    bundle = factory.plugin("acme")
    install(dnf, node, bundle)
    rpm(node, "-e", "acme")
    assert verify(dnf, node)[0] == "acme 1.0: package acme-1.0-1.noarch is not installed"
    install(dnf, node, bundle)
    assert contents_below(node, DOC) == {} and verify(dnf, node) == ["acme 1.0: ok"]


@pytest.mark.root
def test_files_that_are_left_out_are_not_judged(node: Path, factory: BundleFactory,
                                                dnf: Dnf) -> None:
    """Among them is what a driver disk has, a reserved file, and a link with a file behind it."""
    outside = {"/etc/dracut.conf.d/acme.conf": "add_drivers+=acme\n",
               "/etc/yum.repos.d/acme.repo": "", "/srv/acme/data": "x"}
    globs = [f'<leave-out files="{glob}"/>' for glob in
             ("/etc/dracut.conf.d/*", "/etc/yum.repos.d/acme.repo", "/srv/acme/**",
              "/etc/sysctl.d/*")]
    packages = {"acme": {**FILES, **outside, "/etc/sysctl.d/acme.conf": "a = 1\n"}}
    bundle = factory.plugin("acme", packages=packages, settings=globs)
    answer = dnf.plugin(node, "install", bundle, "-y", "--trust-keys", "--json")
    assert answer.status == 0, answer.text
    assert answer.json["noteworthy"] == answer.json["disputed_files"] == []
    assert [path for path in outside if (node / path.lstrip("/")).exists()] == []
    assert verify(dnf, node) == ["acme 1.0: ok"]
    conditional = ['<when target="host">', *globs, "</when>"]
    for version, settings in (("1.1", globs[1:]), ("1.2", conditional)):
        newer = factory.plugin("acme", version, packages=packages, settings=settings)
        refused = dnf.plugin(node, "install", newer, "-y", "--trust-keys")
        assert refused.status == 6, refused.text
        assert "/etc/dracut.conf.d/acme.conf in package acme-" in refused.err


@pytest.mark.root
def test_files_that_match_and_stay_are_judged(node: Path, factory: BundleFactory,
                                              dnf: Dnf) -> None:
    """Another plugin has the first; rpm cannot skip the second, whose name has a colon."""
    conf = "/etc/dracut.conf.d/lib.conf"
    globs = ['<leave-out files="/etc/dracut.conf.d/*"/>']
    one = factory.plugin("one", settings=globs, packages={"lib": {conf: ""}, "one": {}})
    two = factory.plugin("two", settings=(), packages={"lib": {conf: ""}, "two": {}})
    refused = dnf.plugin(node, "install", one, two, "--dry-run", "--trust-keys")
    assert refused.status == 6 and f"{conf} in package lib-1.0-1.noarch" in refused.err
    colon = factory.plugin("three", settings=globs, packages={"three": {
        "/etc/dracut.conf.d/a:b": "", f"{DOC}/x": ""}})
    refused = dnf.plugin(node, "install", colon, "--dry-run", "--trust-keys")
    assert refused.status == 6 and "/etc/dracut.conf.d/a:b in package" in refused.err


@pytest.mark.root
def test_a_file_in_place_of_a_folder_that_arrives_is_not_left_out(
        node: Path, factory: BundleFactory, dnf: Dnf) -> None:
    """rpm would leave out everything below its path."""
    bundle = factory.plugin("acme", settings=['<leave-out files="/opt/acme/*"/>'], packages={
        "acme": {"/opt/acme/x": ""}, "acme-data": {"/opt/acme/x/y": ""}})
    plan = dnf.plugin(node, "install", bundle, "--dry-run", "--trust-keys", "--json")
    assert "package acme-data has them too" in plan.text, plan.text


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path / "root")


def leave_out_context(root: Path, paths: Sequence[str], kept: Sequence[str] = ()) -> Context:
    base_context = context(root, runner=RecordingRunner())
    return Context(root, "foo", {}, base_context.run, leavable=Leavable(
        dict.fromkeys(paths, 1024), dict.fromkeys(kept, KeepReason("core has them too", "core")),
        known=True, places={path: relative_inside(root, path) for path in paths}))


def test_only_files_and_links_are_removed_and_no_program_is_started(root: Path) -> None:
    write_file(root, "opt/acme/doc/a", "a")
    os.symlink("/etc/passwd", root / "opt/acme/doc/link")
    (root / "opt/acme/doc/folder").mkdir()
    before = tree(root)
    ctx = leave_out_context(root,
                            [f"/opt/acme/doc/{name}" for name in ("a", "link", "folder", "gone")])
    items = selection.wanted(descriptor(LeaveOut("/opt/acme/doc/*")), ctx)
    checking.check(items, ctx, others={})
    applied = apply_all(items, ctx)
    assert [(setting.before, setting.changes, to_text(setting.outcome)) for setting in applied] == [
        ("present", (), "files=4 bytes=4096")]
    assert set(before) - set(tree(root)) == {"opt/acme/doc/a", "opt/acme/doc/link"}
    assert apply_all(items, ctx)[0].before == "absent"
    assert isinstance(ctx.run, RecordingRunner) and ctx.run.argvs == []


def test_symbolic_links_out_of_the_root_are_not_followed(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_text("a")
    (root / "opt").mkdir()
    (root / "opt/acme").symlink_to(outside)
    (root / "opt/other").symlink_to("../../../../../.." + str(outside))
    ctx = leave_out_context(root, ["/opt/acme/a", "/opt/other/a"])
    apply_all(selection.wanted(descriptor(LeaveOut("/opt/*/a")), ctx), ctx)
    assert (outside / "a").read_text() == "a"


def test_a_file_that_a_link_moved_since_the_plan_is_refused(root: Path) -> None:
    ctx = leave_out_context(root, ["/opt/acme/l/passwd"])
    (root / "opt/acme").mkdir(parents=True)
    (root / "opt/acme/l").symlink_to("/etc")
    with pytest.raises(Refused, match="is /etc/passwd, which may be somebody else's file"):
        apply_all(selection.wanted(descriptor(LeaveOut("/opt/acme/l/*")), ctx), ctx)
    assert (root / "etc/passwd").is_file()


def test_packages_whose_files_stay_are_recorded(root: Path) -> None:
    ctx = leave_out_context(root, ["/opt/acme/a"], kept=["/opt/acme/b"])
    (item,) = selection.wanted(descriptor(LeaveOut("/opt/acme/**")), ctx)
    assert item.text == "leave out 1 file, 1.0 KiB: /opt/acme/**"
    assert item.notes == (
        "of /opt/acme/**, 1 file, such as /opt/acme/b, will be there: core has them too",)
    (applied,) = apply_all([item], ctx)
    assert to_text(applied.outcome) == "files=1 bytes=1024 kept=core"
    assert leave_out.kept_packages(applied) == ("core",)


def test_a_setting_in_place_of_a_left_out_file_is_refused(root: Path) -> None:
    path = "/etc/pki/ca-trust/source/anchors/acme.pem"
    ctx = replace(leave_out_context(root, [path]), bundle_files={"files/a.pem": ACME.encode()})
    items = selection.wanted(descriptor(LeaveOut(path), CaCertificate("files/a.pem", "acme.pem")),
                             ctx)
    with pytest.raises(Refused, match=f"the plugin leaves out {path} of its own packages"):
        checking.check(items, ctx, others={})


def test_the_plan_notes_a_glob_that_matches_nothing(root: Path) -> None:
    (item,) = selection.wanted(descriptor(LeaveOut("/opt/nothing/**")),
                               leave_out_context(root, ["/opt/a/b"]))
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


def test_a_glob_of_many_stars_is_matched_against_a_long_path() -> None:
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
def test_invalid_globs_in_a_descriptor_are_refused(glob: str, expected: str) -> None:
    text = descriptor_xml("x", settings=[f'<leave-out files="{glob}"/>'])
    with pytest.raises(DescriptorError, match=expected.replace("*", r"\*")):
        parse_descriptor(text.encode(), origin="x")


def test_the_same_glob_twice_is_refused() -> None:
    with pytest.raises(DescriptorError, match="expected one <leave-out>"):
        parse_descriptor(descriptor_xml("x", settings=[LEAVE_OUT_DOC, LEAVE_OUT_DOC]).encode(),
                         origin="x")


def test_paths_with_a_colon_are_passed_to_rpm_as_folders_if_all_files_are_left_out() -> None:
    left_out = ["/m/man3/A::B.3", "/m/man3/C.3", "/d/x:y/z", "/d/n", "/e/a:b"]
    all_paths = [*left_out, "/d", "/e/kept", "/bin/x"]
    assert shared_paths(left_out, all_paths) == ["/d", "/d/n", "/m/man3", "/m/man3/C.3"]
    assert shared_paths(["/a/b"], ["/a/b", "/a/c"]) == ["/a/b"]
    folders = ["/a/x:y", "/a/html/index", "/a/html"]
    assert shared_paths(folders[:2], folders) == ["/a", "/a/html/index"]
    assert shared_paths(folders[:2], [*folders, "/a/empty"]) == ["/a/html/index"]


def test_a_setting_without_an_outcome_has_no_kept_packages() -> None:
    assert leave_out.kept_packages(Applied("leave-out", "/a/b", "yes", "", ())) == ()
