"""The fixtures have their documented content: roots, signed packages, three forms of plugins."""
from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import tarfile
import time
from pathlib import Path
from typing import Container, Dict, Iterator, Sequence, Set

import pytest

from ovirt_node_plugin.errors import CommandError
from ovirt_node_plugin.system.paths import resolve_inside
from ovirt_node_plugin.system.run import Polled, StrPath, run
from tests.support import (
    FixtureError,
    Fixtures,
    Job,
    RpmRepo,
    build_spec,
    descriptor_xml,
    keys,
    make_key,
    node_build,
    plugins,
    quick_rpm,
    write_bundle,
)
from tests.support.cache import cache_root, cached

LABELS = [source.label for source in plugins.sources()]


def os_release(root: Path) -> Dict[str, str]:
    lines = resolve_inside(root, "/etc/os-release").read_text().splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


def installed(root: Path, database: str) -> Dict[str, str]:
    """Return the version of each package of a root."""
    lines = run(["rpm", "--root", root, "--dbpath", database, "--query", "--all",
                 "--queryformat", "%{NAME} %{VERSION}\n"]).splitlines()
    return dict(line.split() for line in lines)


def test_os_release_of_a_node_is_behind_links_inside_the_root(node: Path) -> None:
    assert (node / "etc/os-release").is_symlink() and (node / "usr/lib/os-release").is_symlink()
    where = resolve_inside(node, "/etc/os-release")
    assert where.relative_to(node).as_posix() == "usr/lib/os.release.d/ovirt-release-host-node"
    assert os_release(node)["VARIANT_ID"] == "ovirt-node"
    assert os_release(node)["VARIANT"] == "oVirt Node 4.5.5"
    assert "4.5.5" in (node / "usr/share/imgbase/build/meta/nvr").read_text()


def test_a_shell_runs_in_a_node_root(node: Path) -> None:
    assert run(["chroot", node, "/bin/sh", "-c", "echo ok"]) == "ok\n"


def test_scriptlets_of_the_image_created_its_users(node: Path) -> None:
    assert "uid=36(vdsm) gid=36(kvm)" in run(["chroot", node, "/usr/bin/id", "vdsm"])


def test_every_step_names_its_part_of_the_real_build() -> None:
    names = node_build.steps()
    assert len(set(names)) == len(names)
    assert [name.partition(": ")[2] for name in names if name.startswith("imgbased, ")] == [
        "factorize_paths", "empty_machineid", "relocate_rpm_and_yum_dbs",
        "disable_and_clean_yum_repos", "check_etc_symlinks", "clean_ifcfgs_and_nmcons",
        "clean_network_configs", "remove_iscsi_initiator_iqn", "handle_bls_system",
        "post_argparse, --set-nvr"]


def test_a_node_has_the_state_of_a_real_build(node: Path) -> None:
    assert os.readlink(node / "var/lib/dnf") == "../..//usr/share/dnf"
    assert (node / "usr/share/dnf").is_dir() and not any((node / "usr/share/dnf").iterdir())
    pristine = node / "usr/share/factory"
    assert (pristine / "var/lib/rpm/rpmdb.sqlite").is_file()
    assert (pristine / "var/lib/dnf").is_dir() and not (pristine / "var/lib/dnf").is_symlink()
    assert (pristine / "etc/machine-id").read_text() and (node / "etc/machine-id").read_text() == ""
    for name in ("etc/hostname", "etc/resolv.conf", "etc/iscsi/initiatorname.iscsi"):
        assert (pristine / name).is_file() and not (node / name).exists()
    for folder in ("boot/loader/entries", "etc/NetworkManager/system-connections"):
        assert not any((node / folder).iterdir())
    assert (node / "usr/share/imgbase/build/meta/nvr").read_text() == (
        "ovirt-node-ng-4.5.5-0.20231130.0")
    assert os.getxattr(node / "etc/shadow", "security.selinux") == (
        b"system_u:object_r:shadow_t:s0\0")
    assert not [path for path in (node / "usr/share/doc").rglob("*") if path.is_file()]


def test_only_ovirt_repositories_of_a_node_are_enabled(node: Path) -> None:
    text = {path.name: path.read_text() for path in (node / "etc/yum.repos.d").iterdir()}
    assert text["ovirt-4.5.repo"].startswith("# imgbased: set-enabled\n[")
    assert "enabled = 1" in text["ovirt-4.5.repo"] and "includepkgs = ovirt-" in (
        text["ovirt-4.5.repo"])
    assert "enabled = 0" in text["centos.repo"] and "enabled = 1" not in text["centos.repo"]


def test_the_rpm_database_of_a_node_is_behind_a_relative_link(node: Path) -> None:
    assert os.readlink(node / "var/lib/rpm") == "../../usr/share/rpm"
    packages = installed(node, "/usr/share/rpm")
    assert packages == installed(node, "/var/lib/rpm")
    assert {"ovirt-release-host-node", "vdsm", "libvirt", "kernel-core", "glibc"} <= set(packages)
    assert packages["libvirt"] == "9.0.0"


def test_a_node_differs_from_its_packages_only_by_the_steps_of_the_build(
        built: Fixtures, node: Path, tmp_path: Path) -> None:
    lines = run(["rpm", "--root", node, "--dbpath", "/usr/share/rpm", "--verify", "--all"],
                ok=(0, 1)).splitlines()
    assert {line.split()[-1] for line in lines} == {
        "/etc/machine-id", "/usr/lib/os-release",
        *(f"/etc/yum.repos.d/{path.name}" for path in (node / "etc/yum.repos.d").iterdir())}
    host = built.host_root(tmp_path / "host")
    assert run(["rpm", "--root", host, "--dbpath", "/var/lib/rpm", "--verify", "--all"]) == ""


def test_the_next_version_of_the_image_has_newer_core_packages(
        built: Fixtures, tmp_path: Path) -> None:
    newer = installed(built.node_root(tmp_path / "newer", "4.5.6"), "/usr/share/rpm")
    assert newer["libvirt"] == "10.0.0" and newer["ovirt-release-host-node"] == "4.5.6"


def test_a_host_is_no_node_and_has_its_own_repository(built: Fixtures, tmp_path: Path) -> None:
    host = built.host_root(tmp_path / "host")
    assert "VARIANT_ID" not in os_release(host)
    assert installed(host, "/var/lib/rpm")["libvirt"] == "9.0.0"
    assert not (host / "var/lib/rpm").is_symlink()
    assert f"baseurl=file://{built.host_repo}\n" in (host / "etc/yum.repos.d/base.repo").read_text()
    offered = {rpm.name.rsplit(".", 2)[0] for rpm in built.host_repo.glob("*.rpm")}
    assert {"libvirt-10.0.0-1", "net-snmp-libs-5.9.1-11.el9"} <= offered


def test_depmod_finds_the_dependencies_of_modules_in_a_root(node: Path) -> None:
    (modules,) = (node / "lib/modules").iterdir()
    (modules / "modules.dep").unlink()
    run(["depmod", "--basedir", node, modules.name])
    assert ("kernel/drivers/md/dm-multipath.ko.xz: kernel/drivers/md/dm-mod.ko.xz\n"
            in (modules / "modules.dep").read_text())


def test_systemctl_enables_a_unit_of_a_root(node: Path) -> None:
    assert run(["systemctl", f"--root={node}", "is-enabled", "vdsmd.service"]) == "enabled\n"
    run(["systemctl", f"--root={node}", "enable", "sanlock.service"])
    assert (node / "etc/systemd/system/multi-user.target.wants/sanlock.service").is_symlink()


@pytest.mark.parametrize("label", LABELS)
def test_every_plugin_exists_in_three_forms(built: Fixtures, label: str) -> None:
    name, _, version = label.rpartition("-")
    folder = built.bundle(name, version)
    wanted = {"node-plugin.xml", f"{name}.repo", "repo/repodata/repomd.xml", "keys"}
    assert all((folder / one).exists() for one in wanted)
    for form in ("tar", "tar.gz", "tar.xz"):
        with tarfile.open(built.bundle(name, version, form)) as archive:
            top = "" if form == "tar" else f"{label}/"
            assert {top + one for one in wanted} <= set(archive.getnames())
    run(["zstd", "--quiet", "--test", built.bundle(name, version, "tar.zst")])
    repo = built.repo(name, version)
    assert 'type="node-plugin"' in (repo / "repodata/repomd.xml").read_text()
    assert f"baseurl=file://{repo}\n" in (repo / f"{name}.repo").read_text()


def test_packages_of_plugins_are_signed_except_the_unsigned_ones(
        built: Fixtures, tmp_path: Path) -> None:
    database = tmp_path / "db"
    run(["rpmkeys", "--dbpath", database, "--import", built.key.path])
    for label in LABELS:
        name, _, version = label.rpartition("-")
        for rpm in (built.bundle(name, version) / "repo").glob("*.rpm"):
            said = run(["rpmkeys", "--dbpath", database, "--checksig", rpm])
            wanted = "digests OK" if name == "unsigned" else "digests signatures OK"
            assert said.endswith(f": {wanted}\n")


def test_a_package_of_two_plugins_is_one_file(built: Fixtures) -> None:
    one, other = (next((built.bundle(name) / "repo").glob("libshare-*.rpm")).read_bytes()
                  for name in ("share-a", "share-b"))
    assert one == other


def test_a_second_repository_of_a_plugin_has_its_own_packages(built: Fixtures) -> None:
    (own,) = built.repo("tworepos").glob("*.rpm")
    (extra,) = built.repo("tworepos", repo_id="tworepos-extra").glob("*.rpm")
    assert own.name == "tworepos-agent-1.0-1.noarch.rpm"
    assert extra.name == "tworepos-runtime-3.2-1.noarch.rpm"
    assert sorted(path.name for path in built.bundle("tworepos").glob("*.repo")) == [
        "tworepos-extra.repo", "tworepos.repo"]


def test_an_unknown_plugin_is_named(built: Fixtures) -> None:
    with pytest.raises(FixtureError, match="no fixture plugin nonesuch"):
        built.bundle("nonesuch")


def test_a_package_defined_by_a_test_has_the_given_tags() -> None:
    rpm = quick_rpm("made-up", "1.0", "3", epoch=2, requires=["core >= 2.0", "other"],
                    obsoletes="old < 1", scriptlets={"post": "echo 100%"},
                    files={"/opt/made-up/": "", "/opt/made-up/rate": "100 %\n"})
    query = ["rpm", "--nosignature", "--query", "--package", str(rpm), "--queryformat"]
    assert run([*query, "%{NEVRA}"]) == "made-up-2:1.0-3.noarch"
    assert run([*query, "[%{REQUIRENEVRS}\n]"]).splitlines()[:2] == ["/bin/sh", "core >= 2.0"]
    assert run([*query, "%{OBSOLETENEVRS} %{POSTIN}"]) == "old < 1 echo 100%"
    assert run([*query, "[%{FILENAMES} %{FILESIZES}|]"]).endswith("|/opt/made-up/rate 6|")


def test_a_repository_defined_by_a_test_contains_the_added_packages(
        built: Fixtures, tmp_path: Path) -> None:
    repo = RpmRepo(tmp_path / "repo", "made-up", key=built.key)
    repo.add("agent", "1.0", requires="core >= 2.0")
    bundle = write_bundle(tmp_path / "bundle", descriptor_xml("made-up", install=["agent"]),
                          repo=repo, key=built.key)
    assert repo.url == f"file://{repo.folder}"
    assert (bundle / "repo/agent-1.0-1.noarch.rpm").exists()
    assert "gpgcheck=1" in (bundle / "made-up.repo").read_text()
    assert "fixtures" in (bundle / "keys/RPM-GPG-KEY-fixtures").name


def test_making_a_key_leaves_no_agent_running(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    homes: Set[str] = set()

    def recording_run(argv: Sequence[StrPath], *, ok: Container[int] = (0,),
                      stdin: bytes = b"", polled: Polled = None) -> str:
        words = [os.fspath(word) for word in argv]
        homes.update(words[words.index("--homedir") + 1] for _ in words if "--homedir" in words)
        return run(argv, ok=ok, stdin=stdin)

    monkeypatch.setattr(keys, "run", recording_run)
    key = make_key(tmp_path / ("longer than the address of a socket " * 4))
    key.sign([Path(shutil.copy2(quick_rpm("lone", "1"), tmp_path))])
    assert len(homes) == 2 and not any(Path(home).exists() for home in homes)
    until = time.monotonic() + 60  # an agent ends shortly after it was told to
    while any(home.encode() in line for line in command_lines() for home in homes):
        assert time.monotonic() < until
        time.sleep(0.1)


def command_lines() -> Iterator[bytes]:
    """Yield the command line of every process."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # the process has ended
            yield path.read_bytes()


def test_a_failed_build_shows_the_output_of_rpmbuild(tmp_path: Path) -> None:
    (tmp_path / "bad.spec").write_text("Name: bad\n")
    with pytest.raises(CommandError, match="rpmbuild"):
        build_spec(Job(tmp_path / "bad.spec"), tmp_path / "out")


def test_two_processes_build_a_folder_of_the_cache_only_once(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fork = multiprocessing.get_context("fork")
    both = [fork.Process(target=cached, args=("slow", _build_slowly)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert len(list((cache_root() / "slow").iterdir())) == 1


def _build_slowly(folder: Path, final: Path) -> None:
    time.sleep(0.2)
    (folder / f"built by {os.getpid()}").touch()


def test_a_failed_build_leaves_nothing_in_the_cache(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def fail(folder: Path, final: Path) -> None:
        (folder / "half").touch()
        raise FixtureError("no room")

    with pytest.raises(FixtureError):
        cached("broken", fail)
    assert [path.name for path in cache_root().iterdir()] == ["broken.lock"]
