"""Conflicts of two plugins are refused before any change, and both are named."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import pytest

from ovirt_node_plugin.errors import Status
from ovirt_node_plugin.operations.plan.arriving import Arrivals
from ovirt_node_plugin.packages.contents import owners_of
from ovirt_node_plugin.packages.headers import Header, PackedFile
from ovirt_node_plugin.packages.session import PackageChange
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.calls import calls_of
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf
from tests.support.full_host import full_host_root
from tests.support.selinux_root import add_policy
from tests.support.settings_root import make_firewall
from tests.support.tree_states import state_differences, tree_state

HOOK = '<vdsm-hook point="after_vm_start" order="50" name="x" source="/opt/{0}/hook"/>'
HOOKS = "/usr/libexec/vdsm/hooks"
PACKAGE_A, PACKAGE_B = "aa-1.0-1.noarch", "bb-1.0-1.noarch"

# per case: the settings of the one plugin and of the other, and a part of the error message
CONFLICTS: Dict[str, Tuple[Sequence[str], Sequence[str], str]] = {
    "hook": ([HOOK.format("aa")], [HOOK.format("bb")], "after_vm_start/50_x"),
    "sysctl": (['<sysctl name="kernel.panic" value="1"/>'],
               ['<sysctl name="kernel.panic" value="2"/>'], "kernel.panic"),
    "user": (['<user name="acme" uid="611"/>'], ['<user name="acme" uid="612"/>'], "acme"),
    "group": (['<group name="acme" gid="611"/>'], ['<group name="acme" gid="612"/>'], "acme"),
    "udev rules": (['<udev-rules source="/opt/aa/hook" name="60-x.rules"/>'],
                   ['<udev-rules source="/opt/bb/hook" name="60-x.rules"/>'], "60-x.rules"),
    "service": (['<service name="sanlock.service" state="enabled"/>'],
                ['<service name="sanlock.service" state="disabled"/>'], "sanlock.service"),
    "kernel argument": (['<kernel-argument name="acme" value="1"/>'],
                        ['<kernel-argument name="acme" value="2"/>'], "acme"),
    "firewall service": (
        ['<firewall-service name="acme"><port port="1" protocol="tcp"/></firewall-service>'],
        ['<firewall-service name="acme"><port port="2" protocol="tcp"/></firewall-service>'],
        "acme"),
}


def plugin(folder: Path, name: str, settings: Sequence[str] = (), **rpm: Any) -> Path:
    """Return a plugin of one package with a file that can be the source of a hook."""
    rpm["files"] = {f"/opt/{name}/hook": f"#!/bin/sh\n# {name}\n", **rpm.get("files", {})}
    return make_plugin(folder, name, settings=settings, **rpm)


def refused_install(dnf: Dnf, root: Path, *bundles: Path) -> Answer:
    """Run an install, assert that it is refused and changes nothing, and return the answer."""
    before = tree_state(root)
    answer = dnf.plugin(root, "install", "-y", UNSIGNED, *bundles)
    assert answer.status == Status.REFUSED, answer.text
    assert state_differences(before, tree_state(root)) == []
    return answer


def install(dnf: Dnf, root: Path, *bundles: Path) -> None:
    answer = dnf.plugin(root, "install", "-y", UNSIGNED, *bundles)
    assert answer.status == 0, answer.text


@pytest.mark.parametrize("case", CONFLICTS)
def test_contradicting_settings_are_refused(node: Path, dnf: Dnf, tmp_path: Path,
                                            case: str) -> None:
    make_firewall(node)
    settings_a, settings_b, message = CONFLICTS[case]
    bundle_a, bundle_b = plugin(tmp_path, "aa", settings_a), plugin(tmp_path, "bb", settings_b)
    together = refused_install(dnf, node, bundle_a, bundle_b)
    install(dnf, node, bundle_a)
    for answer in (together, refused_install(dnf, node, bundle_b)):
        assert "plugin bb wants to" in answer.err and "plugin aa has" in answer.err, answer.err
        assert message in answer.err


@pytest.fixture
def selinux_host(tmp_path: Path, dnf: Dnf) -> Iterator[Path]:
    """A host with a SELinux policy."""
    with full_host_root(tmp_path / "system") as root:
        add_policy(root)
        release = support.quick_rpm("redhat-release", "9.4",
                                    provides=["system-release = 9.4", "/bin/sh"])
        run(["rpm", f"--root={root}", "--define=_dbpath /var/lib/rpm", "--install", release])
        yield root


def test_a_port_with_two_selinux_types_is_refused(selinux_host: Path, dnf: Dnf,
                                                  tmp_path: Path) -> None:
    bundle_a = plugin(tmp_path, "aa",
                      ['<selinux-port type="ssh_port_t" port="80" protocol="tcp"/>'])
    bundle_b = plugin(tmp_path, "bb", [
        '<selinux-port type="acme_port_t" port="70-90" protocol="tcp"/>'])
    answer = dnf.plugin(selinux_host, "install", "-y", UNSIGNED, bundle_a, bundle_b)
    assert answer.status == Status.REFUSED
    assert "plugin bb wants to" in answer.err and "plugin aa has" in answer.err, answer.err
    assert "70-90" in answer.err and "tcp/80" in answer.err


@pytest.mark.parametrize("files", [
    {"/opt/common/data": "bb"}, {"/opt/common/data/": ""}, {"/opt/link/data": "bb"}])
def test_a_file_of_two_plugins_is_refused(node: Path, dnf: Dnf, tmp_path: Path,
                                          files: Dict[str, str]) -> None:
    (node / "opt/link").symlink_to("common")
    bundle_a = plugin(tmp_path, "aa", files={"/opt/common/data": "aa"})
    bundle_b = plugin(tmp_path, "bb", files=files)
    together = refused_install(dnf, node, bundle_a, bundle_b)
    install(dnf, node, bundle_a)
    path = next(iter(files)).rstrip("/")
    for answer in (together, refused_install(dnf, node, bundle_b)):
        # in one run either plugin may be named first
        assert f"package {PACKAGE_A} of plugin aa" in answer.err, answer.err
        assert f"package {PACKAGE_B} of plugin bb" in answer.err
    assert f"{path} in package {PACKAGE_B} of plugin bb: package {PACKAGE_A} of plugin aa" in (
        answer.err)


def test_the_json_answer_lists_every_disputed_file(node: Path, dnf: Dnf, tmp_path: Path) -> None:
    names = [f"/opt/common/{number:02d}" for number in range(14)]
    install(dnf, node, plugin(tmp_path, "aa", files=dict.fromkeys(names, "aa")))
    answer = dnf.plugin(node, "install", "-y", UNSIGNED, "--json", plugin(
        tmp_path, "bb", files=dict.fromkeys(names, "bb")))
    error = answer.json["error"]
    assert error["kind"] == "PathsRefused" and "and 4 more" in error["message"]
    assert [file["path"] for file in error["disputed_files"]] == names
    assert {(file["plugin"], file["package"]) for file in error["disputed_files"]} == {
        ("bb", PACKAGE_B)}


def test_a_file_of_an_image_package_is_refused_and_the_package_named(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    answer = refused_install(dnf, node, plugin(tmp_path, "bb", files={"/bin/busybox": "bb"}))
    assert f"/bin/busybox in package {PACKAGE_B} of plugin bb: package busybox-" in answer.err
    assert "which is no plugin's, has it too" in answer.err


GHOSTS = {"/etc/ld.so.cache": "", "/opt/core/state": "", "/opt/core/folder/": "",
          "/opt/core/deep/below/file": ""}


def add_core_package(root: Path) -> None:
    """Install a core package that has only names, as glibc has /etc/ld.so.cache."""
    rpm = support.quick_rpm("corelib", "1", files=GHOSTS,
                            attributes=dict.fromkeys(GHOSTS, "%ghost"))
    run(["rpm", "--root", root, "--dbpath", "/usr/share/rpm", "--install", "--nodeps", rpm])


def ghosts_of(root: Path) -> List[str]:
    """Return the %ghost paths of all packages in a root."""
    listing = run(["rpm", "--root", root, "--dbpath", "/usr/share/rpm", "-qa",
                   "--queryformat", "[%{FILENAMES} %{FILEFLAGS:fflags}\\n]"])
    lines = [line.rpartition(" ") for line in listing.splitlines()]
    return sorted(path for path, _, flags in lines if "g" in flags)


@pytest.mark.parametrize("form", ["file", "folder", "link", "ghost", "file below", "link above"])
def test_no_package_may_have_a_path_that_a_core_package_only_claims(
        node: Path, dnf: Dnf, tmp_path: Path, form: str) -> None:
    dnf.configure(allowed_paths="off")
    add_core_package(node)
    ghosts = ghosts_of(node)
    assert {path.rstrip("/") for path in GHOSTS} < set(ghosts)
    if form == "file below":
        ghosts.remove("/opt/core/folder")
    paths = {"folder": [f"{path}/" for path in ghosts],
             "file below": [f"{path}/file" for path in ghosts],
             "link above": ["/opt/core/deep/below", "/opt/core"]}.get(form, ghosts)
    made: Dict[str, Any] = ({"links": dict.fromkeys(paths, "/opt/bb/hook")}
                            if form.startswith("link") else {"files": dict.fromkeys(paths, "x")})
    if form == "ghost":
        made["attributes"] = dict.fromkeys(paths, "%ghost")
    before = tree_state(node)
    refused: List[str] = []
    for number, path in enumerate(paths if form == "link above" else [""]):
        chosen = {"links": {path: "/opt/bb/hook"}} if path else made
        answer = dnf.plugin(node, "install", "-y", UNSIGNED, "--json",
                            plugin(tmp_path / str(number), "bb", **chosen))
        assert answer.status == Status.REFUSED, answer.text
        refused += [file["path"] for file in answer.json["error"]["disputed_files"]]
    assert set(refused) == {path.rstrip("/") for path in paths}
    assert state_differences(before, tree_state(node)) == []


def test_a_file_at_the_place_of_the_loaders_cache_is_refused(node: Path, dnf: Dnf,
                                                             tmp_path: Path) -> None:
    add_core_package(node)
    answer = refused_install(dnf, node, plugin(tmp_path, "bb", files={"/etc/ld.so.cache": "bb"}))
    assert "/etc/ld.so.cache in package bb-1.0-1.noarch of plugin bb" in answer.err


def test_a_plugin_does_not_claim_a_file_of_the_image(node: Path, dnf: Dnf,
                                                     tmp_path: Path) -> None:
    dnf.configure(allowed_paths="off")
    answer = refused_install(dnf, node, plugin(
        tmp_path, "bb", files={"/etc/passwd": "", "/bin/busybox": ""},
        attributes={"/etc/passwd": "%ghost", "/bin/busybox": "%ghost"}))
    assert f"/bin/busybox in package {PACKAGE_B} of plugin bb: package busybox-" in answer.err


def test_equal_files_folders_and_links_may_belong_to_two_packages(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    contents: Dict[str, Any] = {
        "files": {"/opt/common/": "", "/opt/common/same": "x", "/var/log/common": "{}"},
        "links": {"/opt/common/link": "same"}, "attributes": {"/var/log/common": "%ghost"}}
    before = tree_state(node)
    bundle_a, bundle_b = plugin(tmp_path, "aa", **contents), plugin(tmp_path, "bb", **contents)
    install(dnf, node, bundle_a)
    install(dnf, node, bundle_b)
    for name in ("aa", "bb"):
        assert dnf.plugin(node, "remove", name, "-y").status == 0
    assert not (node / "opt/common").exists() and not (node / "opt/aa").exists()
    install(dnf, node, bundle_a, bundle_b)
    assert dnf.plugin(node, "remove", "aa", "bb", "-y").status == 0
    assert [path for path in state_differences(before, tree_state(node)) if "/opt" in path] == []


def test_an_upgrade_may_move_a_file_to_another_package(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    install(dnf, node, plugin(tmp_path, "aa", files={"/opt/common/data": "aa"}))
    repo = support.RpmRepo(tmp_path / "new", "aa")
    repo.add("aa", "2.0", requires="aa-data")
    repo.add("aa-data", "2.0", files={"/opt/common/data": "new"})
    install(dnf, node, support.write_bundle(tmp_path / "aa-2", support.descriptor_xml(
        "aa", "2.0", repos=["aa"]), repo=repo))
    assert (node / "opt/common/data").read_text() == "new\n"


@pytest.mark.parametrize("first", ["aa", "bb", ""])
def test_a_hook_of_a_setting_and_of_another_plugins_package_is_refused(
        node: Path, dnf: Dnf, tmp_path: Path, first: str) -> None:
    """rpm does not know the copy that the setting makes and would overwrite it."""
    bundles = {"aa": plugin(tmp_path, "aa", [HOOK.format("aa")]),
               "bb": plugin(tmp_path, "bb", files={f"{HOOKS}/after_vm_start/50_x": "bb"})}
    if first:
        install(dnf, node, bundles.pop(first))
    answer = refused_install(dnf, node, *bundles.values())
    assert "plugin aa" in answer.err and "plugin bb" in answer.err, answer.err
    assert "after_vm_start/50_x" in answer.err and PACKAGE_B in answer.err


def test_a_conflict_is_detected_through_links_of_packages(node: Path, dnf: Dnf,
                                                          tmp_path: Path) -> None:
    repo = support.RpmRepo(tmp_path / "rpms", "bb")
    repo.add("bb", "1.0", links={"/opt/bb/bin": "../../usr/bin"}, requires="bb-files")
    repo.add("bb-files", "1.0", files={"/opt/bb/bin/busybox": "bb"})
    answer = refused_install(dnf, node, support.write_bundle(
        tmp_path / "bb", support.descriptor_xml("bb", repos=["bb"]), repo=repo))
    assert "/opt/bb/bin/busybox in package bb-files-1.0-1.noarch of plugin bb" in answer.err
    assert "package busybox-" in answer.err


def test_comparing_owners_takes_time_linear_in_the_number_of_files(node: Path) -> None:
    """One of the files has the name of a file in each installed package."""
    (node / "opt/aa/0").mkdir(parents=True)
    (node / "opt/aa/0/COPYING").touch()

    def compare(arriving: int, installed: int) -> None:
        files = tuple(PackedFile(f"/opt/aa/{number % 90}/{number or 'COPYING'}", 0o100644,
                                 "root", "root", 1) for number in range(arriving))
        package = PackageChange(
            action="install", name="aa", nevra=PACKAGE_A, repo="r", size_bytes=1,
            download_bytes=1, checksum="", signed=False, files=tuple(file.path for file in files),
            header=Header(PACKAGE_A, "", "", (), files))
        packages: List[Tuple[str, Sequence[str]]] = [
            (f"core{number}", [*(f"/usr/share/core{number}/{name}.py" for name in range(60)),
                               f"/usr/share/licenses/core{number}/COPYING"])
            for number in range(installed)]
        entries = Arrivals([package], node).entries
        assert owners_of({entry.places[0] for entry in entries}, packages, node) == {}

    calls_few = calls_of(lambda: compare(500, 100))
    assert calls_of(lambda: compare(5000, 1000)) < 11 * calls_few
