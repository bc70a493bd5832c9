"""The paths in which packages of plugins may have files: the rules, and runs of the real dnf."""
from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path
from typing import Any, Dict, List, Sequence
from xml.etree import ElementTree

import pytest

from ovirt_node_plugin.errors import Status, UsageError
from ovirt_node_plugin.operations.model.results import Notable
from ovirt_node_plugin.operations.plan import noteworthy
from ovirt_node_plugin.operations.plan.arriving import Arrivals
from ovirt_node_plugin.packages.headers import Header, PackedFile
from ovirt_node_plugin.packages.session import PackageChange
from ovirt_node_plugin.policy.path_rules import PathPolicy, built_in, read_rules
from ovirt_node_plugin.report.plan_text import notable_line
from ovirt_node_plugin.system import path_sets, read_paths
from tests import support
from tests.support import manpages
from tests.support.calls import calls_of
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf
from tests.support.tree_states import state_differences, tree_state

ORDINARY = PathPolicy(built_in(kernel_module=False))
MODULES = PathPolicy(built_in(kernel_module=True))
DENIED = list(read_paths.denied())


# -- the rules

@pytest.mark.parametrize("path", [
    "etc/snmp/snmpd.conf", "etc/sfcb/sfcb.cfg", "etc/pam.d/sfcb", "etc/logrotate.d/acme",
    "etc/sysconfig/snmpd", "etc/multipath/conf.d/acme.conf", "etc/sudoers.d/50_vdsm_hook_acme",
    "etc/modprobe.d/acme.conf", "opt/acme/agent/bin/agent", "usr/bin/snmpget",
    "usr/lib/.build-id/ab/cdef", "usr/lib/systemd/system/acme.service",
    "usr/lib/sysusers.d/acme.conf", "usr/lib/tmpfiles.d/acme.conf",
    "usr/lib/firewalld/services/acme.xml", "usr/lib/udev/rules.d/60-acme.rules",
    "usr/lib/python3.9/site-packages/acme/__init__.py", "usr/lib64/cmpi/libacme.so",
    "usr/libexec/vdsm/hooks/before_vm_start/50_acme", "usr/sbin/snmpd", "lib64/libacme.so",
    "usr/share/acme/data", "usr/share/doc/acme/README", "usr/share/man/man8/acme.8.gz",
    "usr/share/selinux/packages/acme.pp", "var/lib/acme/state", "var/log/acme/log",
    "usr/lib/dracut/modules.d/90acme/module-setup.sh", "usr/lib64/python3.9/site-packages/acme.so",
    "usr/lib/python3.9/site-packages/acme/rpm.py", "etc/pki/acme/key.pem", "usr/lib64/libacme.so.1",
    "etc/systemd/journald.conf.d/acme.conf", "usr/lib64/security/pam_acme.so",
    "usr/lib/python3.9/site-packages/acme-1.0.dist-info/METADATA"])
def test_usual_paths_of_vendors_packages_are_allowed(path: str) -> None:
    assert ORDINARY.objection(path) == "" and MODULES.objection(path) == ""


@pytest.mark.parametrize("path", [
    "boot/vmlinuz", "dev/x", "home/a/.bashrc", "media/x", "mnt/x", "proc/x", "root/.ssh/x",
    "run/systemd/system/x.service", "srv/x", "sys/x", "tmp/x", "x", "usr/local/bin/multipath",
    "usr/x", "usrx/bin/x", "optx", "etc/passwd", "etc/shadow", "etc/sudoers", "etc/fstab",
    "etc/ld.so.preload", "etc/systemd/system/sshd.service", "etc/ssh/sshd_config.d/00.conf",
    "etc/systemd/system/multi-user.target.wants/acme.service", "etc/vdsm/vdsm.conf",
    "usr/lib/systemd/system/multi-user.target.wants/acme.service",
    "usr/lib/systemd/system-generators/acme", "usr/lib/systemd/user-preset/00.preset",
    "usr/lib/kernel/install.d/00.install", "etc/kernel/cmdline", "usr/lib/os-release",
    "etc/dracut.conf.d/x.conf", "usr/lib/python3.9/site-packages/dnf-plugins/x.py",
    "usr/share/ovirt-node-plugin/plugins.d/x/node-plugin.xml", "var/spool/cron/root",
    "etc/systemd/system.control/sshd.service.d/x.conf", "etc/systemd/system.attached/x.service",
    "etc/systemd/system.conf.d/x.conf", "usr/lib64/libdnf/plugins/x.so", "usr/lib64/rpm-plugins/x",
    "usr/lib64/libdnf5/plugins/x.so", "usr/lib/rpm/macros.d/macros.x", "etc/pki/vdsm/keys/x.pem",
    "usr/lib64/python3.9/site-packages/dnf/x.py", "usr/lib64/python3.9/site-packages/rpm.py",
    "usr/lib/python3.9/site-packages/sitecustomize.py", "usr/lib64/python3.9/sitecustomize.so",
    "usr/lib/python3.9/site-packages/usercustomize/__init__.py", "usr/lib64/python3.9/dnf.py",
    "usr/lib/python3.9/site-packages/ovirt_node_plugin/x.py", "usr/lib64/python39.zip",
    "var/tmp/x", "var/imgbased/x", "etc/pki/ca-trust/source/anchors/x.pem"])
def test_paths_that_change_the_system_without_a_setting_are_denied(path: str) -> None:
    assert ORDINARY.objection(path) and MODULES.objection(path)


@pytest.mark.parametrize("path", [
    "usr/lib/modules/5.14.0-70.el9.x86_64/extra/foo/foo.ko.xz", "lib/modules/5.14/updates/a.ko",
    "usr/lib/modules/5.14/weak-updates/a.ko", "usr/lib/modules/5.14/veritas/vx/a.ko",
    "etc/depmod.d/foo.conf", "usr/lib/depmod.d/foo.conf"])
def test_kernel_module_paths_are_allowed_only_for_plugins_with_kernel_modules(path: str) -> None:
    assert MODULES.objection(path) == ""
    assert ORDINARY.objection(path) == "only plugins with kernel modules have files there"


@pytest.mark.parametrize("path", [
    "usr/lib/modules/5.14/modules.dep", "usr/lib/modules/5.14/vmlinuz",
    "usr/lib/modules/extra/x", "usr/lib/modules/5.14/extra", "usr/lib/modules/5.14/build/x",
    "usr/lib/modules/5.14/source/x", "usr/lib/modules/5.14/vdso/x.so",
    "usr/lib/modules/5.14/modules.d/x"])
def test_other_files_of_a_kernel_are_denied(path: str) -> None:
    assert MODULES.objection(path)


def test_firmware_needs_no_kernel_module_but_its_folder_stays_one() -> None:
    assert ORDINARY.objection("usr/lib/firmware/acme.bin") == ""
    assert ORDINARY.objection("lib/firmware/updates/acme.bin") == ""
    assert ORDINARY.objection("usr/lib/firmware").endswith("only a folder may be there")


def test_parents_of_allowed_paths_are_allowed_only_as_folders() -> None:
    for path in (".", "usr", "var", "usr/lib/modules", "usr/lib/modules/5.14"):
        assert MODULES.objection(path, folder=True) == ""
        assert MODULES.objection(path)
    for path in ("boot", "home", "usr/local", "etc/systemd/system"):
        assert MODULES.objection(path, folder=True)
    assert ORDINARY.objection("usr/lib/modules/5.14", folder=True)


def test_claimed_paths_and_folders_in_run_are_allowed() -> None:
    assert ORDINARY.objection("run/acme", folder=True) == ""
    assert ORDINARY.objection("run/acme/acme.pid", claimed=True) == ""
    assert ORDINARY.objection("etc/passwd", claimed=True) and ORDINARY.objection("run/acme.pid")


def test_every_denied_path_is_below_an_allowed_one_and_has_a_reason() -> None:
    for reason, path in DENIED:
        name = path.replace("lib*", "lib64").replace("*", "x")
        assert ORDINARY.objection(name) == ORDINARY.objection(f"{name}/y") == reason
        assert any(name.startswith(f"{allowed}/") for allowed in path_sets.ALLOWED)


@pytest.mark.parametrize("path", [path for _, path in DENIED])
def test_the_target_of_a_denied_symbolic_link_is_denied(path: str, tmp_path: Path) -> None:
    plain = path.partition("*")[0].rpartition("/")[0] if "*" in path else path
    link = tmp_path / plain
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to("/opt/place")
    below = path[len(plain):].replace("lib*", "lib64").replace("*", "x")
    policy = PathPolicy(built_in(kernel_module=False), root=tmp_path)
    assert policy.objection(f"opt/place{below}/file") == ORDINARY.objection(
        plain + below + "/file")
    assert policy.objection(f"opt/place{below}/file")


def test_the_target_of_an_allowed_symbolic_link_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "srv/big").mkdir(parents=True)
    (tmp_path / "opt").symlink_to("srv/big")
    (tmp_path / "usr").mkdir()
    (tmp_path / "usr/src").symlink_to("../etc/ssh")
    policy = PathPolicy(built_in(kernel_module=False), root=tmp_path)
    assert policy.objection("srv/big/acme/x") == policy.objection("srv/big", folder=True) == ""
    assert policy.objection("srv/x") and ORDINARY.objection("srv/big/acme/x")
    # a link does not allow a path that another rule of the same length denies
    assert policy.objection("etc/ssh/sshd_config")


def test_the_administrators_rules_override_rules_of_equal_length(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text(
        "# ours\nallow /srv/acme\nallow /lib/systemd/system/multi-user.target.wants # so\n"
        "deny /opt\n\nallow /opt/acme/\nallow /home/*/acme\nallow /etc/systemd/system\n")
    policy = PathPolicy([*built_in(kernel_module=False),
                         *read_rules([tmp_path, tmp_path / "none"])])
    for path in ("srv/acme", "srv/acme/x", "opt/acme/x", "home/bob/acme/x", "etc/systemd/system/x",
                 "usr/lib/systemd/system/multi-user.target.wants/x"):
        assert policy.objection(path) == "", path
    for path in ("srv/acmex", "srv", "home/bob/x", "home/acme", "etc/systemd/x-preset/y"):
        assert policy.objection(path), path
    assert policy.objection("opt/other") == f"{tmp_path / 'a.conf'}:4 denies it"


@pytest.mark.parametrize("line", ["allow", "allow opt", "permit /opt", "allow /opt/../etc",
                                  "allow /", "deny /opt//x", "/opt"])
def test_an_invalid_rule_is_an_error_with_file_and_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.conf").write_text(f"\n{line}\n")
    with pytest.raises(UsageError, match=re.escape(f"a.conf:2: '{line}' is not a rule")):
        read_rules([tmp_path])


def test_an_unreadable_file_of_rules_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_bytes(b"\xff\n")
    with pytest.raises(UsageError, match="cannot be read"):
        read_rules([tmp_path])


def test_the_manual_lists_all_rules() -> None:
    text = manpages.prose(manpages.section(manpages.PAGES[0], "ALLOWED PATHS"))
    paths = set(re.findall(r"/[\w./*-]*[\w*]", text))
    assert {f"/{path}" for path in (
        *path_sets.ALLOWED, *path_sets.KERNEL_MODULE, *path_sets.KERNEL_OWN,
        *(path for _, path in DENIED))
            } - paths == set()
    assert {f"/{path}" for path in read_paths.active()} - paths == set()


# -- where files will be installed

def file(path: str, mode: int = 0o100644, **attributes: Any) -> PackedFile:
    return PackedFile(path, mode, "root", "root", 1, **attributes)


def package_with(nevra: str, *files: PackedFile, scriptlets: Sequence[str] = ()) -> PackageChange:
    return PackageChange(
        "install", nevra, nevra, "r", 1, 1, "", False, tuple(file.path for file in files),
        header=Header(nevra, "", "", tuple(scriptlets), tuple(files)))


def places_by_path(root: Path, *packages: PackageChange) -> Dict[str, Sequence[str]]:
    return {entry.path: entry.places for entry in Arrivals(packages, root).entries}


def test_symbolic_links_of_the_root_and_of_packages_are_followed(tmp_path: Path) -> None:
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt/old").symlink_to("/boot")
    paths = places_by_path(
        tmp_path, package_with("b", file("/opt/a/link/grub.cfg"), file("/opt/a/two/x")),
        package_with("a", file("/opt/a/link", 0o120777, link="/boot"), file("/lib/x"),
                     file("/opt/a/two", 0o120777, link="link/deep"), file("/opt/old/x"),
                     file("/opt//a///y"), file("/opt/../etc/x"), file("/opt/a/loop/x"),
                     file("/opt/a/loop", 0o120777, link="loop")))
    assert paths == {
        "/lib/x": ("usr/lib/x",), "/opt/old/x": ("boot/x",), "/opt//a///y": ("opt/a/y",),
        "/opt/../etc/x": (), "/opt/a/link": ("opt/a/link",), "/opt/a/two": ("opt/a/two",),
        "/opt/a/link/grub.cfg": ("opt/a/link/grub.cfg", "boot/grub.cfg"),
        "/opt/a/two/x": ("opt/a/two/x", "boot/deep/x"), "/opt/a/loop": ("opt/a/loop",),
        "/opt/a/loop/x": ()}


def test_files_that_are_left_out_are_no_entries_and_their_links_lead_nowhere(
        tmp_path: Path) -> None:
    arrivals = Arrivals([package_with(
        "a", file("/opt/a/link", 0o120777, link="/boot"), file("/opt/a/link/x"), file("/opt/a/y"))],
        tmp_path).without({"/opt/a/link", "/opt/a/y"})
    assert [(entry.path, entry.places) for entry in arrivals.entries] == [
        ("/opt/a/link/x", ("opt/a/link/x",))]
    assert dict(arrivals.links) == {}


def test_checking_paths_takes_time_linear_in_the_number_of_files(tmp_path: Path) -> None:
    def check(files: int) -> None:
        package = package_with("a",
                               *(file(f"/opt/a/{number % 90}/{number}") for number in range(files)),
                               file("/opt/a/x", 0o120777, link="y"))
        assert not any(ORDINARY.objection(place) for entry in Arrivals([package], tmp_path).entries
                       for place in entry.places)

    calls_few, calls_many = calls_of(lambda: check(500)), calls_of(lambda: check(5000))
    assert calls_many < 11 * calls_few
    assert calls_many < 5000 * 150  # some 66 for each file


# -- what is noteworthy

def notable(packages: Sequence[PackageChange], root: Path) -> Sequence[Notable]:
    return noteworthy.noteworthy(Arrivals(packages, root))


def test_special_modes_devices_drop_ins_and_scriptlets_are_noteworthy(tmp_path: Path) -> None:
    notables = notable([package_with(
        "a", file("/usr/bin/a", 0o104755), file("/usr/bin/b", 0o102711), file("/usr/bin/c"),
        file("/usr/bin/d", capabilities="cap_net_admin=ep"), file("/opt/a/null", 0o020666),
        file("/opt/a/open", 0o100666), file("/opt/a/tmp", 0o041777), file("/opt/a/all", 0o040777),
        file("/opt/a/l", 0o120777, link="x"), file("/etc/sysctl.d/a.conf"),
        file("/lib/udev/rules.d/a.rules"), file("/etc/cron.daily/a"), file("/etc/a/a.conf"),
        file("/usr/libexec/vdsm/hooks/before_vm_start/50_a"), file("/etc/udev", 0o040755),
        scriptlets=("post", "preun"))], tmp_path)
    assert [(item.kind, item.path, item.detail) for item in notables] == [
        ("setuid", "/usr/bin/a", "mode 4755, root:root"),
        ("setgid", "/usr/bin/b", "mode 2711, root:root"),
        ("capabilities", "/usr/bin/d", "cap_net_admin=ep"),
        ("device", "/opt/a/null", "mode 0666, root:root"),
        ("world-writable", "/opt/a/all", "mode 0777, root:root"),
        ("world-writable", "/opt/a/null", "mode 0666, root:root"),
        ("world-writable", "/opt/a/open", "mode 0666, root:root"),
        ("command", "/etc/cron.daily/a", "run by cron"),
        ("command", "/etc/sysctl.d/a.conf", "run by the kernel: its content is not known yet"),
        ("command", "/lib/udev/rules.d/a.rules", "run by udev: its content is not known yet"),
        ("command", "/usr/libexec/vdsm/hooks/before_vm_start/50_a", "run by VDSM"),
        ("scriptlets", "", "post, preun")]


def test_drop_ins_reached_by_links_of_another_package_are_noteworthy(tmp_path: Path) -> None:
    (tmp_path / "etc/udev").mkdir(parents=True)
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt/old").symlink_to("/etc/udev")
    notables = notable([
        package_with("b", file("/opt/evil/s/evil"), file("/opt/old/rules.d/x")),
        package_with("a", file("/opt/evil/s", 0o120777, link="/etc/sudoers.d"))], tmp_path)
    assert list(map(notable_line, notables)) == [
        "changes who may do what: /opt/evil/s/evil (that is /etc/sudoers.d/evil; sudo: its content "
        "is not known yet)",
        "runs without a setting: /opt/old/rules.d/x (that is /etc/udev/rules.d/x; run by udev: "
        "its content is not known yet)"]


@pytest.mark.parametrize("path, kind", [
    ("/etc/environment", "library"), ("/etc/anacrontab", "command"),
    ("/etc/kdump/pre.d/x", "command"), ("/usr/share/vdsm/x.py", "command"),
    ("/usr/lib64/security/pam_x.so", "library"),
    ("/usr/lib64/python3.9/site-packages/x.pth", "command"),
    ("/usr/lib/systemd/system.conf.d/x.conf", "drop-in"),
    ("/etc/systemd/logind.conf.d/x.conf", "drop-in")])
def test_allowed_files_that_are_active_without_a_setting_are_noteworthy(
        path: str, kind: str) -> None:
    assert ORDINARY.objection(path[1:]) == ""
    notables = notable([package_with("a", file(path))], Path("/nowhere"))
    assert [item.kind for item in notables] == [kind]


def test_programs_and_python_modules_with_the_name_of_another_are_noteworthy(
        tmp_path: Path) -> None:
    (tmp_path / "usr/lib/python3.9/site-packages/yaml").mkdir(parents=True)
    (tmp_path / "usr/sbin").mkdir()
    (tmp_path / "usr/local").mkdir()
    (tmp_path / "usr/local/bin").symlink_to("../bin")
    for name in ("sbin/ip", "lib/python3.9/site-packages/yaml/__init__.py", "lib/python3.9/os.py"):
        (tmp_path / "usr" / name).write_text("")
    notables = notable([package_with(
        "a", file("/usr/bin/ip"), file("/usr/bin/acme"), file("/usr/sbin/ip"),
        file("/usr/lib64/python3.9/site-packages/yaml.cpython-39-x86_64-linux-gnu.so"),
        file("/usr/lib64/python3.9/site-packages/acme/os.py"))], tmp_path)
    assert list(map(notable_line, notables)) == [
        "same name as another: "
        "/usr/lib64/python3.9/site-packages/yaml.cpython-39-x86_64-linux-gnu.so"
        " (/usr/lib/python3.9/site-packages/yaml/__init__.py)"]
    notables = notable([package_with("a", file("/usr/bin/ip"))], tmp_path)
    assert list(map(notable_line, notables)) == ["same name as another: /usr/bin/ip (/usr/sbin/ip)"]


def test_firmware_that_hides_that_of_the_system_is_noteworthy(tmp_path: Path) -> None:
    (tmp_path / "usr/lib/firmware/intel").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    for name in ("intel/ice.pkg.xz", "other.bin.xz"):
        (tmp_path / "usr/lib/firmware" / name).touch()
    notables = notable([package_with("a", *(file(f"/lib/firmware/{name}") for name in (
        "updates/intel/ice.pkg", "intel/ice.pkg", "updates/5.14.0-1.el9/intel/ice.pkg.zst",
        "intel/new.pkg", "updates/xother.bin")))], tmp_path)
    assert list(map(notable_line, notables)) == [
        f"same name as another: /lib/firmware/{name} (/usr/lib/firmware/intel/ice.pkg.xz)"
        for name in ("intel/ice.pkg", "updates/5.14.0-1.el9/intel/ice.pkg.zst",
                     "updates/intel/ice.pkg")]


def test_kernel_modules_with_the_name_of_one_of_the_kernel_are_noteworthy(tmp_path: Path) -> None:
    kernel = tmp_path / "usr/lib/modules/5.14"
    kernel.mkdir(parents=True)
    (kernel / "modules.order").write_text("kernel/fs/xfs/xfs.ko\nkernel/md/dm-mod.ko\n")
    (kernel / "modules.dep").write_text("extra/acme.ko.xz: kernel/md/dm-mod.ko.xz\n")
    notables = notable([package_with("a", *(
        file(f"/lib/modules/5.14/{name}") for name in (
            "extra/xfs.ko.xz", "updates/dm_mod.ko", "extra/acme.ko.xz", "extra/xfs.txt",
            "kernel/fs/xfs/xfs.ko", "kernel/fs/acme.ko")))],
        tmp_path)
    assert list(map(notable_line, notables)) == [
        "replaces kernel module xfs: /lib/modules/5.14/extra/xfs.ko.xz",
        "replaces kernel module xfs: /lib/modules/5.14/kernel/fs/xfs/xfs.ko",
        "replaces kernel module dm_mod: /lib/modules/5.14/updates/dm_mod.ko"]


# -- by the real dnf

def install(dnf: Dnf, root: Path, bundle: Path, *words: str) -> Answer:
    return dnf.plugin(root, "install", bundle, "-y", UNSIGNED, *words)


def plugin_with_denied_files(folder: Path) -> Path:
    """Return a plugin with twelve files in paths that are not allowed."""
    return make_plugin(folder, "wild", files={
        "/opt/wild/fine": "x", **{f"/boot/wild/{number:02d}": "x" for number in range(11)},
        "/etc/systemd/system/wild.service": "[Service]\nExecStart=/bin/true\n"})


def test_a_node_refuses_denied_files_before_any_change(node: Path, dnf: Dnf,
                                                       tmp_path: Path) -> None:
    before = tree_state(node)
    answer = install(dnf, node, plugin_with_denied_files(tmp_path), "--json")
    assert answer.status == Status.REFUSED
    error = answer.json["error"]
    assert error["kind"] == "PathsRefused" and "ALLOWED PATHS" in error["hint"]
    assert error["message"].startswith("plugin wild brings files outside the allowed paths:")
    assert error["message"].count("/boot/wild/") == 10 and "and 1 more" in error["message"]
    assert [file["path"] for file in error["disputed_files"]] == [
        *(f"/boot/wild/{number:02d}" for number in range(11)), "/etc/systemd/system/wild.service"]
    assert error["disputed_files"][0] == {
        "plugin": "wild", "package": "wild-1.0-1.noarch", "path": "/boot/wild/00",
        "reason": "it is outside the allowed paths"}
    assert "settings" in error["disputed_files"][-1]["reason"]
    assert state_differences(before, tree_state(node)) == []


def test_a_host_warns_of_denied_files_and_installs(host: Path, dnf: Dnf, tmp_path: Path) -> None:
    bundle = plugin_with_denied_files(tmp_path)
    plan = dnf.plugin(host, "install", bundle, "--dry-run")
    assert "outside the allowed paths: /boot/wild/00 in package wild-1.0-1.noarch" in plan.out
    assert "and 1 more, which --json names" in plan.out
    answer = install(dnf, host, bundle, "--json")
    assert answer.status == 0 and len(answer.json["disputed_files"]) == 12
    assert (host / "boot/wild/00").exists()


def test_the_configuration_enforces_warns_or_ignores_denied_files(
        node: Path, host: Path, dnf: Dnf, tmp_path: Path) -> None:
    bundle = plugin_with_denied_files(tmp_path)
    dnf.configure(allowed_paths="enforce")
    assert dnf.plugin(host, "install", bundle, "--dry-run").status == Status.REFUSED
    dnf.configure(allowed_paths="warn")
    assert "outside the allowed paths" in dnf.plugin(node, "install", bundle, "--dry-run").out
    dnf.configure(allowed_paths="off")
    plan = dnf.plugin(node, "install", bundle, "--dry-run", "--json")
    assert plan.status == 0 and plan.json["disputed_files"] == plan.json["notes"][1:] == []
    dnf.configure()
    (dnf.path_rules / "ours.conf").write_text("allow /boot/wild\nallow /etc/systemd/system\n")
    assert dnf.plugin(node, "install", bundle, "--dry-run").status == 0
    (dnf.path_rules / "ours.conf").write_text("allow everything\n")
    assert dnf.plugin(node, "install", bundle, "--dry-run").status == Status.USAGE


def test_reserved_paths_are_denied_whatever_the_configuration_allows(
        host: Path, dnf: Dnf, tmp_path: Path) -> None:
    dnf.configure(allowed_paths="off")
    answer = install(dnf, host, make_plugin(tmp_path, "sly", files={
        "/etc/ovirt-node-plugin/paths.d/sly.conf": "allow /boot\n",
        "/etc/yum.repos.d/sly.repo": "", "/opt/sly/x": ""}), "--json")
    assert answer.status == Status.REFUSED
    assert [file["path"] for file in answer.json["error"]["disputed_files"]] == [
        "/etc/ovirt-node-plugin/paths.d/sly.conf", "/etc/yum.repos.d/sly.repo"]


def test_a_scriptlet_that_writes_path_rules_is_rolled_back(
        host: Path, dnf: Dnf, tmp_path: Path) -> None:
    before = tree_state(host)
    answer = install(dnf, host, make_plugin(tmp_path, "sly", requires="busybox", scriptlets={
        "post": "mkdir -p /etc/ovirt-node-plugin/paths.d;"
                " echo 'allow /boot' > /etc/ovirt-node-plugin/paths.d/sly.conf"}))
    assert answer.status == Status.ROLLED_BACK and "/etc/ovirt-node-plugin" in answer.err
    assert state_differences(before, tree_state(host)) == []


def test_a_kernel_module_or_its_setting_allows_kernel_module_paths(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    kernel = next((node / "usr/lib/modules").iterdir()).name
    firmware = make_plugin(tmp_path, "firmware", files={"/lib/firmware/acme.bin": "x"})
    plan = dnf.plugin(node, "install", firmware, UNSIGNED, "--dry-run")
    assert plan.status == 0, plan.text
    order = {"/usr/lib/depmod.d/acme.conf": "x"}
    answer = install(dnf, node, make_plugin(tmp_path, "order", files=order))
    assert answer.status == Status.REFUSED and "only plugins with kernel modules" in answer.err
    driver = make_plugin(tmp_path, "driver", files={
        **order, f"/lib/modules/{kernel}/acme/acme.ko": "no real one"})
    assert dnf.plugin(node, "install", driver, UNSIGNED, "--dry-run").status == 0
    by_setting = make_plugin(tmp_path, "loader", files=order, settings=[
        '<kernel-module name="dm_multipath" load="yes"/>'])
    plan = dnf.plugin(node, "install", by_setting, UNSIGNED, "--dry-run")
    assert plan.status == 0, plan.text


def test_files_that_resemble_kernel_modules_do_not_allow_their_paths(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    kernel = next((node / "usr/lib/modules").iterdir()).name
    order = {"/usr/lib/depmod.d/acme.conf": "x"}
    link = make_plugin(tmp_path, "link", files=order, links={
        f"/lib/modules/{kernel}/extra/acme.ko": "/usr/lib/depmod.d/acme.conf"})
    odd = make_plugin(tmp_path, "odd", files={
        **order, f"/lib/modules/{kernel}/extra/acme.ko.txt": "x"})
    blacklist = make_plugin(tmp_path, "blacklist", files=order, settings=[
        '<kernel-module name="nothing" blacklist="yes"/>'])
    for bundle in (link, odd, blacklist):
        plan = dnf.plugin(node, "install", bundle, UNSIGNED, "--dry-run")
        assert plan.status == Status.REFUSED, plan.text
        assert "only plugins with kernel modules" in plan.err


def test_a_plugin_in_its_own_folders_goes_in_by_the_lines_of_the_message_and_leaves_no_trace(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    before = tree_state(node)
    bundle = make_plugin(tmp_path, "netbackup", files={
        "/usr/openv/netbackup/bin/bpcd": "x", "/nsr/res/nsrladb/x": "x", "/nsr/logs/": "",
        "/usr/local/ibm/gsk8_64/lib64/libgsk8ssl_64.so": "x", "/var/VRTSat/x": "x"})
    refused = install(dnf, node, bundle)
    assert refused.status == Status.REFUSED, refused.text
    said = re.search(r"write into (\S+):\n((?:  .*\n)+)", refused.err)
    assert said is not None, refused.err
    Path(said[1]).write_text(said[2])
    assert said[2].split() == ["allow", "/nsr", "allow", "/usr/local/ibm", "allow", "/usr/openv",
                               "allow", "/var/VRTSat"]
    assert install(dnf, node, bundle).status == 0
    assert dnf.plugin(node, "verify").status == 0
    assert dnf.plugin(node, "remove", "-y", "netbackup").status == 0
    assert state_differences(before, tree_state(node)) == []


@pytest.mark.parametrize("name", ["agent", "cim", "isv-module-foo", "snmp", "storage",
                                  "tworepos", "vdsm-hook-nested", "unsigned"])
def test_every_ordinary_plugin_has_only_allowed_paths(built: support.Fixtures, node: Path, dnf: Dnf,
                                                      name: str) -> None:
    plan = dnf.plugin(node, "install", built.bundle(name), "--dry-run",
                      *(["--enablerepo=tworepos*"] if name == "tworepos" else []))
    assert plan.status == 0, plan.text


def test_files_reached_by_a_link_to_a_denied_folder_are_refused(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    (node / "opt/legacy").symlink_to("/boot")
    answer = install(dnf, node, make_plugin(tmp_path, "one", files={"/opt/legacy/x": "x"}))
    assert answer.status == Status.REFUSED
    assert "/opt/legacy/x in package one-1.0-1.noarch of plugin one: that is /boot/x;" in answer.err
    repo = support.RpmRepo(tmp_path / "two.repo", "two")
    repo.add("two", "1.0", links={"/opt/two/lib": "/etc/ssh"}, requires="two-files")
    repo.add("two-files", "1.0", files={"/opt/two/lib/sshd_config.d/x.conf": "x"})
    bundle = support.write_bundle(tmp_path / "two", support.descriptor_xml(
        "two", repos=["two"]), repo=repo)
    answer = install(dnf, node, bundle)
    assert answer.status == Status.REFUSED and "that is /etc/ssh/sshd_config.d/x.conf" in answer.err


def test_a_path_with_parent_references_in_a_header_is_refused(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    repo = support.RpmRepo(tmp_path / "rpms", "climber")
    rpm = repo.add("climber", "1.0", files={"/opt/abcdefgh/evil.conf": "x"})
    rpm.write_bytes(rpm.read_bytes().replace(b"/opt/abcdefgh/", b"/opt/../rooot/"))
    bundle = support.write_bundle(tmp_path / "climber", support.descriptor_xml(
        "climber", repos=["climber"]), repo=repo)
    before = tree_state(node)
    answer = install(dnf, node, bundle)
    assert answer.status == Status.REFUSED
    assert "/opt/../rooot/evil.conf in package climber-1.0-1.noarch: it leads out of" in answer.err
    assert state_differences(before, tree_state(node)) == []


def test_paths_are_read_from_headers_and_not_from_metadata(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "liar", files={"/boot/liar/evil": "x"})
    rewrite_metadata(bundle / "repo", b"/boot/liar", b"/opt/xliar")
    answer = install(dnf, node, bundle)
    assert answer.status == Status.REFUSED and "/boot/liar/evil" in answer.err, answer.text


def test_the_plan_shows_noteworthy_files_and_scriptlets(node: Path, dnf: Dnf,
                                                        tmp_path: Path) -> None:
    bundle = make_plugin(
        tmp_path, "bold", files={"/opt/bold/su": "x", "/opt/bold/net": "x", "/opt/bold/fine": "x",
                                 "/etc/sysctl.d/bold.conf": "# none"},
        attributes={"/opt/bold/su": "%attr(4755,root,root)",
                    "/opt/bold/net": "%caps(cap_net_raw=ep)"},
        requires="busybox", scriptlets={"post": "echo x > /opt/bold/made"})
    plan = dnf.plugin(node, "install", bundle, "--dry-run")
    for line in ("Review bold-1.0-1.noarch:", "setuid: /opt/bold/su (mode 4755, root:root)",
                 "file with capabilities: /opt/bold/net (cap_net_raw=ep)",
                 "active without a setting: /etc/sysctl.d/bold.conf", "scriptlets that run: post",
                 "Changes made by scriptlets are reported after the transaction."):
        assert line in plan.out, plan.text
    notables = dnf.plugin(node, "install", bundle, "--dry-run", "--json").json["noteworthy"]
    assert {"package": "bold-1.0-1.noarch", "kind": "setuid", "path": "/opt/bold/su",
            "detail": "mode 4755, root:root"} in notables
    assert [item["kind"] for item in notables] == ["setuid", "capabilities", "drop-in",
                                                   "scriptlets"]


def rewrite_metadata(repo: Path, old: bytes, new: bytes) -> None:
    """Replace text in a repository's lists of packages and files, and correct the checksums."""
    index = repo / "repodata/repomd.xml"
    ns = "{http://linux.duke.edu/metadata/repo}"
    ElementTree.register_namespace("", ns[1:-1])
    tree = ElementTree.parse(index)
    data: List[ElementTree.Element] = tree.getroot().findall(f"{ns}data")
    for entry in data:
        location = entry.find(f"{ns}location")
        assert location is not None
        path = repo / str(location.get("href"))
        if entry.get("type") not in ("primary", "filelists"):
            tree.getroot().remove(entry)
            continue
        text = gzip.decompress(path.read_bytes()).replace(old, new)
        packed = gzip.compress(text, mtime=0)
        path.write_bytes(packed)
        for name, value in (("checksum", hashlib.sha256(packed).hexdigest()),
                            ("open-checksum", hashlib.sha256(text).hexdigest()),
                            ("size", str(len(packed))), ("open-size", str(len(text)))):
            element = entry.find(f"{ns}{name}")
            assert element is not None
            element.text = value
    tree.write(index)
