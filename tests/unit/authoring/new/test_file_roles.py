"""Which file of a package means which setting."""
from __future__ import annotations

from typing import Dict

import pytest

from ovirt_node_plugin.authoring.new.file_roles import meaning, roles
from ovirt_node_plugin.authoring.new.suggestions import is_valid, setting

pytestmark = pytest.mark.unit

# Paths, with the element and the attributes that the path has.
MEANINGS: Dict[str, Dict[str, str]] = {
    "/usr/lib/systemd/system/a@.service": {"": "service", "name": "a@.service"},
    "/lib/systemd/system/a.timer": {"": "service", "name": "a.timer"},
    "/etc/systemd/system/a.service": {"": "service", "name": "a.service"},
    "/usr/lib/firewalld/services/a.xml": {"": "firewall-service", "name": "a"},
    "/lib/modules/5.14/extra/a.ko.xz": {"": "kernel-module", "name": "a"},
    "/usr/libexec/vdsm/hooks/before_vm_start/50_a": {
        "": "vdsm-hook", "point": "before_vm_start", "order": "50", "name": "a"},
    "/usr/share/a/after_vm_start/07_a.py": {
        "": "vdsm-hook", "point": "after_vm_start", "order": "07", "name": "a.py"},
    "/usr/share/vdsm-hook-a/before_vm_start.py": {
        "": "vdsm-hook", "point": "before_vm_start", "order": "50", "name": "vdsm-hook-a"},
    "/etc/modprobe.d/a.conf": {"": "kernel-module", "options": ""},
    "/usr/share/selinux/packages/targeted/a.pp.bz2": {"": "selinux-module", "name": "a"},
    "/etc/pki/ca-trust/source/anchors/a.pem": {"": "ca-certificate", "name": "a.pem"},
    "/etc/yum.repos.d/a.repo": {"": "leave-out"},
    "/usr/lib/sysusers.d/a.conf": {"": "user"},
    "/usr/lib/sysctl.d/a.conf": {"": "sysctl"},
    "/usr/lib/modules-load.d/a.conf": {"": "kernel-module", "load": "yes"},
    "/etc/dracut.conf.d/a.conf": {"": "initramfs-driver"},
    "/usr/lib/udev/rules.d/60-a.rules": {"": "udev-rules", "name": "60-a.rules"},
    "/usr/lib/tmpfiles.d/a.conf": {"": "tmpfiles", "name": "a.conf"},
    "/etc/multipath/conf.d/a.conf": {"": "multipath-config", "name": "a.conf"},
    "/etc/logrotate.d/a": {"": "logrotate", "name": "a"},
    "/etc/systemd/system/b.service.d/a.conf": {
        "": "unit-drop-in", "unit": "b.service", "name": "a.conf"},
    "/etc/cron.d/a": {"": "config-file", "folder": "cron", "name": "a"},
    "/etc/ssh/sshd_config.d/a.conf": {"": "config-file", "folder": "sshd", "name": "a.conf"},
    "/etc/tuned/a/tuned.conf": {"": "config-file", "folder": "tuned", "name": "a"},
}


@pytest.mark.parametrize("path", MEANINGS)
def test_the_place_of_a_file_says_which_setting_it_means(path: str) -> None:
    found = meaning(path)
    assert found is not None
    assert {"": found.role.element, **found.values} == MEANINGS[path]


@pytest.mark.parametrize("path", ["/usr/bin/a", "/etc/a.conf", "/usr/lib/systemd/system/a/b.path",
                                  "/usr/share/a/before_vm", "/etc/udev/rules.d/a/b.rules"])
def test_other_files_mean_no_setting(path: str) -> None:
    assert meaning(path) is None


def test_a_file_of_the_bundle_can_be_the_source_where_the_table_says_so() -> None:
    movable = {role.element for role in roles() if role.movable} - {"firewall-service"}
    for path, values in MEANINGS.items():
        found = meaning(path)
        if found is not None and found.role.movable and found.role.element in movable:
            made = setting(found.role.element, {**found.values, "source": "files/a"}, "x")
            assert made.element == values[""] and is_valid([made])


def test_a_setting_that_a_descriptor_cannot_have_becomes_a_remark() -> None:
    for name in ("a b.service", "\x00.service", "é.service"):
        made = setting("service", {"name": name, "state": "enabled"}, "It is odd.", sure=True)
        assert (made.element, made.sure, made.text) == ("", False, "")
        assert made.reason == "It is odd. A <service> cannot have these values."
