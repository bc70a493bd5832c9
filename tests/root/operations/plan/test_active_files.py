"""What files of packages that are read by themselves do, in real plans."""
from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Tuple

import pytest

from ovirt_node_plugin.errors import DisputedFile
from ovirt_node_plugin.operations.model.results import DROP_IN, NAMESAKE
from ovirt_node_plugin.operations.plan import active_content, allowed_paths
from ovirt_node_plugin.operations.plan.active_files import ActiveFiles
from ovirt_node_plugin.operations.plan.active_paths import active_paths
from ovirt_node_plugin.operations.plan.active_units import nobody, unit_effect
from ovirt_node_plugin.operations.plan.arriving import Arrivals
from ovirt_node_plugin.operations.plan.noteworthy import noteworthy
from ovirt_node_plugin.packages.headers import Header, PackedFile
from ovirt_node_plugin.packages.session import PackageChange
from ovirt_node_plugin.report import plan_text
from ovirt_node_plugin.system import read_paths
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf

FILES = {
    "/usr/lib/tmpfiles.d/sly.conf": "w+ /etc/hosts - - - - 10.0.0.1 evil\nd /var/lib/sly\n"
                                    "f /run/udev/rules.d/a.rules - - - - x\nr! /etc/pass*\n"
                                    "w /opt/sly/way/hosts - - - - x\nd /opt/sly/own 0755\n"
                                    "z /opt/sly/run 04755\nC /opt/sly/a 0644 - - - /etc/hosts\n"
                                    "L /opt/sly/l - - - - /etc\nw /opt/sly/l/hosts - - - - y\n",
    "/etc/ld.so.conf.d/sly.conf": "/opt/sly/lib\n",
    "/opt/sly/lib/libshadowed.so.3.1": "x",
    "/etc/systemd/system/sly-own.service": "[Service]\nExecStart=/opt/sly/run\n",
    "/usr/lib/systemd/system/sshd.service.d/sly.conf": "[Service]\nEnvironment=A=b\n",
    "/usr/lib/systemd/system/multi-user.target.wants/sly.service": "x",
    "/var/lib/selinux/targeted/active/modules/400/sly/cil": "x",
    "/usr/share/cockpit/sly/manifest.json": "{}",
    "/usr/share/cockpit/sly/index.html": "x",
    "/usr/share/dbus-1/system-services/org.sly.service":
        "[D-BUS Service]\nName=org.sly\nExec=/opt/sly/bus\nUser=root\n",
    "/usr/share/dbus-1/system.d/org.sly.conf":
        '<policy user="root"><allow own="org.sly"/></policy>',
    "/etc/modprobe.d/sly.conf": "options a b=1\ninstall nfs /opt/sly/run\n",
    "/usr/lib/udev/rules.d/60-sly.rules": 'KERNEL=="sd*", RUN+="/opt/sly/run"\n',
    "/etc/cron.d/sly": "# every hour\n0 * * * * root /opt/sly/run\n",
    "/etc/sudoers.d/sly": "sly ALL=(ALL) NOPASSWD: ALL\n",
    "/etc/profile.d/sly.sh": "export A=b\n",
    "/etc/logrotate.d/sly": "/var/log/sly {\n  postrotate\n    /opt/sly/run\n  endscript\n}\n",
    "/etc/sysctl.d/sly.conf": "kernel.core_pattern = |/opt/sly/run\x1b[2J\n",
    "/etc/environment.d/sly.conf": "A=b\nLD_PRELOAD=/opt/sly/lib/x.so\n",
    "/etc/rsyslog.d/sly.conf": '*.* action(type="omprog" binary="/opt/sly/run")\n',
    "/usr/share/polkit-1/actions/sly.policy": "<allow_any>yes</allow_any>",
    "/usr/lib/sysusers.d/sly.conf": "u sly 0 - /\nu fine - - /\nm sly wheel\n",
    "/usr/lib64/libshadowed.so.3.9": "x",
    "/etc/sysconfig/sshd": "OPTIONS=-o PermitRootLogin=yes\n",
    "/var/lib/vdsm/sly": "x",
    **{f"/etc/rsyslog.d/{number:02}.conf": "x" for number in range(12)},
}
EXPECTED: Dict[Tuple[str, str], List[str]] = {
    ("access", "/etc/sudoers.d/sly"): ["sudo: sly ALL=(ALL) NOPASSWD: ALL"],
    ("unit", "/etc/sysconfig/sshd"): ["options of sshd.service"],
    ("unit", "/etc/systemd/system/sshd.service"): ["masks sshd.service"],
    ("unit", "/usr/lib/systemd/system/sshd.service.d/sly.conf"): ["changes sshd.service"],
    ("unit", "/usr/lib/systemd/system/multi-user.target.wants/sly.service"): [
        "sly.service is started with multi-user.target"],
    ("tmpfiles", "/usr/lib/tmpfiles.d/sly.conf"): [
        "w+ /etc/hosts: 10.0.0.1 evil", "w /opt/sly/way/hosts (that is /etc/hosts): x",
        "w /opt/sly/l/hosts (that is /etc/hosts): y", "f /run/udev/rules.d/a.rules: x",
        "r! /etc/pass*", "z /opt/sly/run mode 04755", "C /opt/sly/a: /etc/hosts"],
    ("library", "/etc/ld.so.conf.d/sly.conf"): [
        "every program searches /opt/sly/lib for libraries, before the system's libshadowed.so.3"],
    ("selinux", "/var/lib/selinux/targeted/active/modules/400/sly/cil"): [
        "in the SELinux policy without a setting"],
    ("library", "/usr/lib64/libshadowed.so.3.9"): [
        "programs can load it instead of /usr/lib64/libshadowed.so.3"],
    ("library", "/etc/environment.d/sly.conf"): [
        "set for each session: LD_PRELOAD=/opt/sly/lib/x.so"],
    ("command", "/etc/rsyslog.d/sly.conf"): [
        'run by rsyslogd: *.* action(type="omprog" binary="/opt/sly/run")'],
    ("access", "/usr/share/polkit-1/actions/sly.policy"): ["polkit: allow_any yes"],
    ("access", "/usr/lib/sysusers.d/sly.conf"): ["account: u sly 0 - /", "account: m sly wheel"],
    ("selinux", ""): ["scriptlet post: semodule -i /opt/sly/sly.pp || :"],
    ("protected", "/var/lib/vdsm/sly"): ["it is another program's own state"],
    ("command", "/etc/cron.d/sly"): ["cron: 0 * * * * root /opt/sly/run"],
    ("command", "/etc/logrotate.d/sly"): ["run by logrotate: postrotate: /opt/sly/run"],
    ("command", "/etc/modprobe.d/sly.conf"): ["run by modprobe: install nfs /opt/sly/run"],
    ("command", "/etc/profile.d/sly.sh"): ["run by each shell that starts"],
    ("command", "/usr/lib/udev/rules.d/60-sly.rules"): ['run by udev: RUN+="/opt/sly/run"'],
    ("bus-name", "/usr/share/dbus-1/system-services/org.sly.service"): [
        "org.sly starts /opt/sly/bus as root"],
    ("bus-name", "/usr/share/dbus-1/system.d/org.sly.conf"): ["policy of the bus: name org.sly"],
    ("cockpit-page", "/usr/share/cockpit/sly"): ["page sly"],
    ("command", "/etc/sysctl.d/sly.conf"): [
        "run by the kernel: kernel.core_pattern = |/opt/sly/run\\x1b[2J"],
}


def prepare(root: Path, folder: Path) -> Path:
    """Put what is hidden into a root, and return a plugin that does so."""
    (root / "usr/lib64/libshadowed.so.3").write_text("x")
    (root / "etc/hosts").write_text("x")
    (root / "usr/lib/systemd/system/sshd.service").write_text("[Service]\nExecStart=/bin/true\n")
    return make_plugin(folder, "sly", files=FILES, links={"/opt/sly/way": "/etc"},
                       scriptlets={"post": "semodule -i /opt/sly/sly.pp || :"},
                       settings=['<service name="sshd.service" state="masked"/>'])


def check(answer: Answer) -> None:
    assert answer.status == 0, answer.text
    found: Dict[Tuple[str, str], List[str]] = {}
    for item in answer.json["noteworthy"]:
        found.setdefault((item["kind"], item["path"]), []).append(item["detail"])
    for key, details in EXPECTED.items():
        shown = found.get(key, [])
        assert [text[:len(detail)] for text, detail in zip(shown, details)] == details, (key, shown)
        assert len(shown) == len(details)
    kinds = [item["kind"] for item in answer.json["noteworthy"]]
    assert kinds.index("access") < kinds.index("unit") < kinds.index("drop-in")


def test_a_plan_on_a_host_shows_what_hides_in_packages_the_dangerous_first(
        host: Path, dnf: Dnf, tmp_path: Path) -> None:
    bundle = prepare(host, tmp_path)
    check(dnf.plugin(host, "install", bundle, "--dry-run", "--json", UNSIGNED))
    out = dnf.plugin(host, "install", bundle, "--dry-run", UNSIGNED).out
    assert "changes the SELinux policy: scriptlet post: semodule -i /opt/sly/sly.pp" in out
    assert "changes files at boot: /usr/lib/tmpfiles.d/sly.conf (w+ /etc/hosts: 10.0.0.1" in out
    assert "active without a setting: and 2 more, which --json names" in out


def test_a_plan_on_a_node_shows_what_a_rule_of_the_site_lets_through(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    bundle = prepare(node, tmp_path)
    (dnf.path_rules / "ours.conf").write_text("".join(
        f"allow {path}\n" for path in (*FILES, "/opt/sly/way")))
    check(dnf.plugin(node, "install", bundle, "--dry-run", "--json", UNSIGNED))


@pytest.mark.parametrize(("place", "link", "effect"), [
    ("etc/systemd/system/sshd.service", "/dev/null", "masks sshd.service of package ssh"),
    ("etc/systemd/system/sshd.service", "../../../dev/null", "masks sshd.service of package ssh"),
    ("etc/systemd/system/sshd.service", "",
     "is read instead of /usr/lib/systemd/system/sshd.service of package ssh"),
    ("usr/lib/systemd/system/sshd.service.d/a.conf", "", "changes sshd.service of package ssh"),
    ("usr/lib/systemd/system/sshd.service.d/a.conf", "/dev/null",
     "takes away a drop-in of sshd.service of package ssh"),
    ("usr/lib/systemd/system/service.d/a.conf", "", "changes every service"),
    ("usr/lib/systemd/system/vdsm-.service.d/a.conf", "", "changes every unit vdsm-*.service"),
    ("usr/lib/systemd/system/gone.service.d/a.conf", "",
     "changes gone.service, which is not there yet"),
    ("usr/lib/systemd/system/get@x.service.d/a.conf", "", "changes get@x.service of package ssh"),
    ("usr/lib/systemd/system/b.service", "sshd.service",
     "is another name of sshd.service of package ssh"),
    ("usr/lib/systemd/system/basic.target.wants/a.service", "../a.service",
     "a.service is started with basic.target, which is not there yet"),
    ("usr/lib/systemd/system/own.service.d/a.conf", "", None),
    ("usr/lib/systemd/system/b.service", "own.service", None),
    ("usr/lib/systemd/system/new.service", "", None)])
def test_changes_of_units_name_the_unit_and_its_package(
        tmp_path: Path, place: str, link: str, effect: str) -> None:
    folder = tmp_path / "usr/lib/systemd/system"
    folder.mkdir(parents=True)
    for name in ("sshd.service", "get@.service"):
        (folder / name).write_text("")
    assert unit_effect(place, link, {"own.service"}, tmp_path, lambda _: "package ssh") == effect


# Of the list, what only configures programs: a file there runs nothing and gives no rights.
PLAIN = (
    "etc/systemd/user", "etc/xdg/systemd", "usr/lib/systemd/user", "usr/local/lib/systemd",
    "etc/systemd/*.conf", "etc/systemd/*.conf.d", "usr/lib/systemd/*.conf",
    "usr/lib/systemd/*.conf.d", "etc/systemd/dnssd", "etc/systemd/nspawn",
    "usr/lib/systemd/dnssd", "usr/lib/systemd/network", "etc/portables", "usr/lib/portables",
    "var/lib/portables", "etc/udev", "usr/lib/udev", "usr/local/lib/udev", "etc/sysconfig/kdump",
    "etc/modules-load.d", "usr/lib/modules-load.d", "usr/local/lib/modules-load.d",
    "usr/local/share/dbus-1", "usr/share/dbus-1", "usr/share/polkit-1", "etc/gssproxy",
    "etc/pki/consumer", "etc/pki/entitlement", "etc/pki/product", "etc/pki/product-default",
    "etc/pki/rpm-gpg", "etc/rhsm", "etc/inputrc", "usr/local/lib*/python*/site-packages",
    "etc/NetworkManager", "usr/lib*/NetworkManager", "etc/chrony.conf", "etc/chrony.d",
    "etc/libvirt", "etc/qemu", "etc/qemu-kvm", "etc/cni", "etc/containers", "etc/multipath",
    "etc/multipath.conf", "etc/lvm", "etc/iscsi", "etc/nvme", "etc/udisks2", "etc/target",
    "etc/sanlock", "etc/cockpit", "etc/anaconda", "usr/share/anaconda",
    "usr/lib/tuned/recommend.d", "usr/share/user-tmpfiles.d", "etc/otopi.conf.d",
    "etc/ovirt-host-deploy.conf.d", "etc/ovirt-hosted-engine", "etc/ovirt-hosted-engine-ha",
    "etc/ovirt-imageio")


def arriving(*paths: str, root: Path, ghost: bool = False) -> Arrivals:
    files = tuple(PackedFile(path, 0o100644, "root", "root", 1, ghost=ghost) for path in paths)
    header = Header("a-1-1.noarch", "", "", (), files)
    return Arrivals([PackageChange("install", "a", header.nevra, "r", 1, 1, "", False, paths,
                                   header=header)], root)


def test_a_file_in_each_place_of_the_list_is_named_with_what_it_can_do(tmp_path: Path) -> None:
    places = {f"/{glob.replace('lib*', 'lib64').replace('*', 'x')}": glob
              for glob in read_paths.active()}
    (tmp_path / "etc").mkdir()
    found = {item.path: item for item in noteworthy(arriving(*places, root=tmp_path))
             if item.kind != NAMESAKE}
    below = {item.path.rpartition("/")[0]: item for item in noteworthy(arriving(
        *(f"{place}/x.conf" for place in places), root=tmp_path)) if item.kind != NAMESAKE}
    pages = {place for place in places if place.endswith("/cockpit")}  # named by page
    assert [place for place in places if place not in found or place not in below] == sorted(
        place for place in pages if place not in below)
    assert {places[place] for place in places.keys() - pages
            if DROP_IN == found[place].kind and DROP_IN == below[place].kind} <= set(PLAIN)


def test_many_harmless_files_never_hide_a_dangerous_one(tmp_path: Path) -> None:
    paths = [*(f"/etc/chrony.d/{number:03}.conf" for number in range(500)), "/etc/sudoers.d/zz",
             "/usr/lib/systemd/system-generators/zz"]
    lines = [line.strip() for line in plan_text.reviewed(
        noteworthy(arriving(*paths, root=tmp_path)))]
    assert lines[1].startswith("changes who may do what: /etc/sudoers.d/zz")
    assert lines[2].startswith("runs without a setting: /usr/lib/systemd/system-generators/zz")
    assert lines[-1] == "active without a setting: and 490 more, which --json names"


def test_many_harmless_lines_never_hide_a_dangerous_one(tmp_path: Path) -> None:
    text = "kernel.pid_max = 1\n" * 5000 + "kernel.modprobe = /opt/x\n"
    assert active_content.sysctl_programs(text) == ["kernel.modprobe = /opt/x"]
    assert active_content.udev_programs('ACTION=="add"\n' * 5000 + 'RUN+="/opt/x"') == [
        'RUN+="/opt/x"']


@pytest.mark.parametrize(("path", "hidden"), [
    ("etc/udev/rules.d/60-a.rules", "usr/lib/udev/rules.d/60-a.rules"),
    ("usr/local/lib/tmpfiles.d/a.conf", "usr/lib/tmpfiles.d/a.conf"),
    ("etc/systemd/journald.conf.d/a.conf", "usr/lib/systemd/journald.conf.d/a.conf"),
    ("etc/modprobe.d/a.conf", "usr/lib/modprobe.d/a.conf"),
    ("etc/sysctl.d/a.conf", "usr/lib/sysctl.d/a.conf")])
def test_a_drop_in_that_hides_one_of_the_system_names_it(
        tmp_path: Path, path: str, hidden: str) -> None:
    (tmp_path / hidden).parent.mkdir(parents=True)
    (tmp_path / hidden).write_text("")
    assert [item.detail for item in noteworthy(arriving(f"/{path}", root=tmp_path))
            if item.kind == NAMESAKE] == [f"/{hidden}"]


def test_a_name_without_content_in_a_place_of_the_list_is_named(tmp_path: Path) -> None:
    found = noteworthy(arriving("/etc/sudoers.d/a", "/opt/a", root=tmp_path, ghost=True))
    assert [(item.kind, item.path) for item in found] == [("drop-in", "/etc/sudoers.d/a")]


@pytest.mark.parametrize(("reader", "text", "found"), [
    (active_content.polkit_rights, "<allow_active>auth_admin</allow_active>", []),
    (active_content.polkit_rights, '<annotate key="org.freedesktop.policykit.exec.path">/opt/x<',
     ["runs /opt/x"]),
    (active_content.account_rights, "u a 0:0\nu b 10\ng wheel 10\nu root 5\nu c -:root\n",
     ["u a 0:0", "u root 5", "u c -:root"]),
    (active_content.loading_variables, "A=b\nexport LD_AUDIT=x\nPATH=/x\nPATHS=x\n",
     ["export LD_AUDIT=x", "PATH=/x"]),
    (active_content.modprobe_commands, "options a b\nalias x y\ninstall \\\n a /opt/x\n",
     ["alias x y", "install   a /opt/x"]),
    (active_content.mail_programs, "root: admin\na: |/opt/x\n", ["a: |/opt/x"]),
    (active_content.key_values("script"), "[main]\nscript=/opt/x\ndescription=y\n",
     ["script=/opt/x"])])
def test_only_lines_that_run_or_allow_something_are_named(
        reader: active_content.Reader, text: str, found: List[str]) -> None:
    assert reader(text) == found


def test_denied_and_active_files_outside_the_allowed_paths_are_never_behind_a_number() -> None:
    harmless = [DisputedFile(plugin="p", package="a", path=f"/srv/{number}",
                             reason="it is outside the allowed paths") for number in range(40)]
    active = [DisputedFile(plugin="p", package="a", path=path, reason=reason) for path, reason in [
        *((f"/etc/ssh/{number}", "access is decided by the administrator") for number in range(12)),
        ("/root/.ssh/authorized_keys", "it is outside the allowed paths")]]
    lines = allowed_paths.listed([*harmless, *active])
    assert len(lines) == 24 and lines[-1] == "and 30 more, which --json names"
    assert all(file.path in line for file, line in zip(active, lines))


@pytest.mark.parametrize("place", ["etc/tmpfiles.d/x.conf", "etc/ld.so.conf.d/x.conf"])
@pytest.mark.parametrize(("text", "most"), [
    ("w /a\n" * 100_000, 1), ("w " + "/a" * 500_000, 0), ("/a" * 500_000, 0),
    ("".join(f"L /a{number} - - - - /a{number + 1}\n" for number in range(9000)), 9001)])
def test_hostile_paths_are_read_in_bounded_time(
        tmp_path: Path, place: str, text: str, most: int) -> None:
    arrivals = arriving("/opt/a", root=tmp_path)
    files = ActiveFiles(arrivals, active_paths(tmp_path, arrivals.links), {}, (), nobody)
    assert len(list(files.of_text("plugin a", f"/{place}", text))) <= max(most, 2)


@pytest.mark.parametrize("reader", {
    content.reader.__qualname__: content.reader
    for content in active_content.CONTENTS if content.reader}.values())
@pytest.mark.parametrize("text", [
    "\0" * 100_000, "\x1b[2J" * 200_000, "a b\n" * 100_000, "x" * 1_000_000, '"' * 1_000_000,
    'RUN+="' * 100_000, "own=" * 250_000, "install " * 100_000, "IMPORT{program}" * 60_000,
    "=" * 1_000_000, " " * 1_000_000])
def test_hostile_content_is_read(reader: active_content.Reader, text: str) -> None:
    assert isinstance(reader(text), list)
