"""What files of packages that are read by themselves do, in real plans."""
from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Tuple

import pytest

from ovirt_node_plugin.errors import DisputedFile
from ovirt_node_plugin.operations.plan import active_content, allowed_paths
from ovirt_node_plugin.operations.plan.active_units import unit_effect
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf

FILES = {
    "/usr/lib/tmpfiles.d/sly.conf": "w+ /etc/hosts - - - - 10.0.0.1 evil\nd /var/lib/sly\n"
                                    "f /run/udev/rules.d/a.rules - - - - x\nr! /etc/pass*\n",
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
    "/var/lib/vdsm/sly": "x",
    **{f"/etc/rsyslog.d/{number:02}.conf": "x" for number in range(12)},
}
EXPECTED: Dict[Tuple[str, str], List[str]] = {
    ("access", "/etc/sudoers.d/sly"): ["sudo: sly ALL=(ALL) NOPASSWD: ALL"],
    ("unit", "/etc/systemd/system/sshd.service"): ["masks sshd.service"],
    ("unit", "/usr/lib/systemd/system/sshd.service.d/sly.conf"): ["changes sshd.service"],
    ("unit", "/usr/lib/systemd/system/multi-user.target.wants/sly.service"): [
        "sly.service is started with multi-user.target"],
    ("tmpfiles", "/usr/lib/tmpfiles.d/sly.conf"): [
        "w+ /etc/hosts: 10.0.0.1 evil", "f /run/udev/rules.d/a.rules: x", "r! /etc/pass*"],
    ("library", "/etc/ld.so.conf.d/sly.conf"): [
        "every program searches /opt/sly/lib for libraries, before the system's libshadowed.so.3"],
    ("selinux", "/var/lib/selinux/targeted/active/modules/400/sly/cil"): [
        "in the SELinux policy without a setting"],
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
    ("drop-in", "/etc/sysctl.d/sly.conf"): ["kernel.core_pattern = |/opt/sly/run\\x1b[2J"],
}


def test_a_plan_on_a_host_shows_what_hides_in_packages_the_dangerous_first(
        host: Path, dnf: Dnf, tmp_path: Path) -> None:
    (host / "usr/lib64/libshadowed.so.3").write_text("x")
    (host / "etc/hosts").write_text("x")
    (host / "usr/lib/systemd/system/sshd.service").write_text("[Service]\nExecStart=/bin/true\n")
    bundle = make_plugin(tmp_path, "sly", files=FILES,
                         settings=['<service name="sshd.service" state="masked"/>'])
    answer = dnf.plugin(host, "install", bundle, "--dry-run", "--json", UNSIGNED)
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
    out = dnf.plugin(host, "install", bundle, "--dry-run", UNSIGNED).out
    assert "changes files at boot: /usr/lib/tmpfiles.d/sly.conf (w+ /etc/hosts: 10.0.0.1" in out
    assert "active without a setting: and 2 more, which --json names" in out


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


def test_denied_and_active_files_outside_the_allowed_paths_are_never_behind_a_number() -> None:
    harmless = [DisputedFile(plugin="p", package="a", path=f"/srv/{number}",
                             reason="it is outside the allowed paths") for number in range(40)]
    active = [DisputedFile(plugin="p", package="a", path=path, reason=reason) for path, reason in [
        *((f"/etc/ssh/{number}", "access is decided by the administrator") for number in range(12)),
        ("/root/.ssh/authorized_keys", "it is outside the allowed paths")]]
    lines = allowed_paths.listed([*harmless, *active])
    assert len(lines) == 24 and lines[-1] == "and 30 more, which --json names"
    assert all(file.path in line for file, line in zip(active, lines))


@pytest.mark.parametrize("reader", [
    content.reader for content in active_content.CONTENTS if content.reader])
@pytest.mark.parametrize("text", [
    "\0" * 100_000, "\x1b[2J" * 200_000, "a b\n" * 100_000, "x" * 1_000_000, '"' * 1_000_000,
    'RUN+="' * 100_000, "own=" * 250_000, "install " * 100_000, "IMPORT{program}" * 60_000,
    "=" * 1_000_000, " " * 1_000_000])
def test_hostile_content_is_read(reader: active_content.Reader, text: str) -> None:
    assert isinstance(reader(text), list)
