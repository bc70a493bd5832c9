"""What the refusal of files outside the allowed paths says about where they belong."""
from __future__ import annotations

from pathlib import Path

import pytest

from ovirt_node_plugin.policy import other_places
from ovirt_node_plugin.policy.path_rules import PathPolicy, built_in, read_rules

pytestmark = pytest.mark.unit

RULES = Path("/etc/ovirt-node-plugin/paths.d")
SEE = " See ALLOWED PATHS in dnf-node-plugin(8)."
FREE = f"{SEE} To allow those paths on this machine, write rules into {RULES}."


@pytest.mark.parametrize(("path", "place"), [
    ("/etc/systemd/system/acme.service", "a unit to /usr/lib/systemd/system, enabled by <service>"),
    ("/etc/firewalld/services/acme.xml", "a service of firewalld to /usr/lib/firewalld/services,"
     " opened by <firewall-service>"),
    ("/etc/dracut.conf.d/acme.conf",
     "the configuration of dracut to <initramfs-driver> or <dracut-module>"),
    ("/etc/ssh/sshd_config.d/acme.conf",
     "configuration of such a program to files/ of the bundle, with <config-file>"),
    ("/etc/hosts", "names of hosts to <hosts-entry>"),
    ("/etc/default/grub.d/acme.cfg", "kernel arguments to <kernel-argument>"),
    ("/usr/lib/modules/5.14/acme/x.ko",
     "modules to /usr/lib/modules/KERNEL/extra, loaded by <kernel-module>"),
    ("/usr/local/bin/acme",
     "programs to /opt/VENDOR or /usr/libexec/VENDOR, data to /var/lib/VENDOR"),
])
def test_the_hint_says_where_a_kind_of_file_belongs(path: str, place: str) -> None:
    assert other_places.hint([path], RULES) == f"Ask the vendor to move them: {place}.{FREE}"


def test_the_hint_has_the_lines_that_allow_the_folders_of_a_vendor(tmp_path: Path) -> None:
    paths = ["/usr/openv/netbackup/bin/bpcd", "/usr/openv/lib/x.so", "/nsr/cores/x"]
    text = other_places.hint(paths, tmp_path)
    assert text == (
        f"Ask the vendor to move them to /opt/VENDOR, /usr/libexec/VENDOR and /var/lib/VENDOR.{SEE}"
        f" To allow the vendor's folders on this machine, write into {tmp_path}/site.conf:\n"
        "  allow /nsr\n  allow /usr/openv")
    (tmp_path / "site.conf").write_text(text.partition(":\n")[2])
    policy = PathPolicy([*built_in(kernel_module=False), *read_rules([tmp_path])])
    assert [policy.objection(path.lstrip("/")) for path in paths] == ["", "", ""]


@pytest.mark.parametrize("path", ["/usr/a b/x", "/usr/a#b/x", "/../x", "/usr/../x", "/a\nb/x",
                                  "/boot/x", "/usr/x\x1b[0m/y", "/proc/x", "/lib/x", "/",
                                  "/usr/local/bin/x", "/.autorelabel", "/var/run/x",
                                  "/usr/local/./x", "/etc/fstab/x", "/home/a/x", "/var/tmp/x"])
def test_no_rule_is_suggested_for_system_folders_and_odd_names(path: str) -> None:
    assert "site.conf" not in other_places.hint([path], RULES)
