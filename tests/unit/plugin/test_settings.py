"""Settings for files, arguments, certificates and paths, and their conditions."""
from __future__ import annotations

import contextlib
import random
from typing import Tuple, Union
from xml.sax.saxutils import quoteattr

import pytest

from ovirt_node_plugin.errors import DescriptorError
from ovirt_node_plugin.plugin.descriptor import When, parse_descriptor
from ovirt_node_plugin.plugin.settings import (
    CaCertificate,
    ConfigFile,
    HostsEntry,
    KernelArgument,
    ModuleSigningKey,
    PersistentPath,
    PlacedFile,
    Service,
    Setting,
)
from ovirt_node_plugin.system.rpm_version import VersionRange

pytestmark = pytest.mark.unit

HEAD = ('<node-plugin schema-version="1"><name>x</name><version>1</version><vendor>V</vendor>'
        '<summary>S</summary><packages><install name="x"/></packages><settings>\n')


def settings(text: str) -> Tuple[Union[Setting, When], ...]:
    """Return the parsed settings of a descriptor."""
    return parse_descriptor(f"{HEAD}{text}\n</settings></node-plugin>".encode(),
                            origin="x.xml").settings


@pytest.mark.parametrize(("text", "expected"), [
    ('<udev-rules source="/opt/a" name="60-a.rules"/>',
     PlacedFile("udev-rules", "/opt/a", "60-a.rules")),
    ('<multipath-config source="/opt/a" name="a.conf"/>',
     PlacedFile("multipath-config", "/opt/a", "a.conf")),
    ('<tmpfiles source="/opt/a" name="a.conf"/>', PlacedFile("tmpfiles", "/opt/a", "a.conf")),
    ('<logrotate source="files/sub/a" name="a"/>', PlacedFile("logrotate", "files/sub/a", "a")),
    ('<logrotate source="/opt/a" name="a"/>', PlacedFile("logrotate", "/opt/a", "a")),
    ('<unit-drop-in unit="a@b.service" source="/opt/a" name="10-a.conf"/>',
     PlacedFile("unit-drop-in", "/opt/a", "10-a.conf", "a@b.service")),
    ('<ca-certificate source="/opt/a.pem" name="a.pem"/>', CaCertificate("/opt/a.pem", "a.pem")),
    ('<config-file folder="sshd" name="10-a.conf" source="files/a"/>',
     ConfigFile("sshd", "10-a.conf", "files/a")),
    ('<module-signing-key source="files/a.der" name="a.der"/>',
     ModuleSigningKey("files/a.der", "a.der")),
    ('<hosts-entry address="2001:db8::1" names="a.example a"/>',
     HostsEntry("2001:db8::1", ("a.example", "a"))),
    ('<persistent-path path="/var/lib/a"/>', PersistentPath("/var/lib/a")),
    ('<kernel-argument name="intel_iommu" value="on"/>',
     KernelArgument("intel_iommu", "on", present=True, repeat=False)),
    ('<kernel-argument name="dyndbg" value="file a.c +p"/>',
     KernelArgument("dyndbg", "file a.c +p", present=True, repeat=False)),
    ('<kernel-argument name="nosmt" state="present"/>',
     KernelArgument("nosmt", "", present=True, repeat=False)),
    ('<kernel-argument name="quiet" state="absent"/>',
     KernelArgument("quiet", "", present=False, repeat=False)),
    ('<kernel-argument name="console" value="ttyS0,115200n8" repeat="yes"/>',
     KernelArgument("console", "ttyS0,115200n8", present=True, repeat=True)),
    ('<when target="node" arch="x86_64 aarch64" node-min="4.5" node-max="4.6" package="libvirt"'
     ' package-min="9" package-max="10"><service name="a.timer" state="enabled"/></when>',
     When("node", ("x86_64", "aarch64"), VersionRange("4.5", "4.6"), "libvirt",
          VersionRange("9", "10"), (Service("a.timer", "enabled"),))),
    ('<service name="a.service" state="enabled" from="scriptlet"/>',
     Service("a.service", "enabled", from_scriptlet=True)),
    *((f'<service name="a.{kind}" state="enabled"/>', Service(f"a.{kind}", "enabled"))
      for kind in ("service", "socket", "timer", "path", "target", "mount", "automount", "slice")),
    ('<when target="host"/>', When("host")),
])
def test_a_setting_is_read(text: str, expected: Union[Setting, When]) -> None:
    assert settings(text) == (expected,)


def test_conditions_keep_their_order_among_settings() -> None:
    items = settings('<service name="z.service" state="enabled"/>'
                     '<when target="node"><persistent-path path="/var/a"/></when>'
                     '<service name="a.service" state="enabled"/>')
    assert [type(item) for item in items] == [Service, When, Service]


@pytest.mark.parametrize("text", [
    '<kernel-argument name="console" value="tty0" repeat="yes"/>'
    '<kernel-argument name="console" value="ttyS0" repeat="yes"/>',
    '<when target="node"><service name="a.service" state="enabled"/></when>'
    '<when target="host"><service name="a.service" state="masked"/></when>',
    '<tmpfiles source="/opt/a" name="a.conf"/><multipath-config source="/opt/b" name="a.conf"/>',
    '<unit-drop-in unit="a.service" source="/opt/a" name="1.conf"/>'
    '<unit-drop-in unit="b.service" source="/opt/a" name="1.conf"/>',
])
def test_settings_without_contradiction_are_accepted(text: str) -> None:
    assert len(settings(text)) == 2


@pytest.mark.parametrize(("text", "message"), [
    ('<service name="a.service" state="masked" from="scriptlet"/>',
     """expected state="enabled" or "disabled" with from="scriptlet", found state="masked\""""),
    ('<service name="a.service" state="enabled" from="package"/>', "expected 'scriptlet' as from"),
    ('<udev-rules source="/opt/a" name="60-a"/>', "a file name that ends in .rules"),
    ('<udev-rules source="/opt/a" name="../a.rules"/>', "a file name that ends in .rules"),
    ('<udev-rules source="/opt/a" name=".rules"/>', "a file name that ends in .rules"),
    ('<multipath-config source="/opt/a" name="a"/>', "a file name that ends in .conf"),
    ('<logrotate source="/opt/a" name="a.rpmsave"/>', "a file name (letters, digits, _ and -"),
    ('<unit-drop-in source="/opt/a" name="a.conf"/>', "expected the attribute unit"),
    ('<unit-drop-in unit="a/../b.service" source="/opt/a" name="a.conf"/>', "a unit's name"),
    ('<ca-certificate source="/opt/a" name="a.key"/>', "ends in .pem or .crt"),
    ('<tmpfiles source="opt/a" name="a.conf"/>', "an absolute path, or files/NAME"),
    ('<tmpfiles source="/opt/../etc/shadow" name="a.conf"/>',
     "x.xml:2:1: expected an absolute path without '..', '.' or empty parts as source"),
    ('<tmpfiles source="/a" name="a.conf"/><tmpfiles source="/b" name="a.conf"/>',
     "expected one <tmpfiles> named a.conf, found a second"),
    ('<tmpfiles source="/a" name="a.conf"/><when target="node">'
     '<tmpfiles source="/b" name="a.conf"/></when>', "one <tmpfiles> named a.conf"),
    ('<config-file folder="sshd" name="../a" source="/a"/>', "expected a file name (letters"),
    ('<config-file folder="a/b" name="a" source="/a"/>', "expected the id of a drop-in folder"),
    ('<config-file folder="a" name="a" source="/a"/><config-file folder="a" name="a" source="/b"/>',
     "expected one <config-file> a/a, found a second"),
    ('<module-signing-key source="/a" name="a.pem"/>', "ends in .der"),
    ('<module-signing-key source="/a" name="a.der"/><module-signing-key source="/b" name="a.der"/>',
     "expected one <module-signing-key> named a.der, found a second"),
    ('<hosts-entry address="1.2.3" names="a"/>', "expected an IPv4 or IPv6 address, found 1.2.3"),
    ('<hosts-entry address="::1::" names="a"/>', "expected an IPv4 or IPv6 address, found ::1::"),
    ('<hosts-entry address="fe80::1%eth0" names="a"/>', "expected an IPv4 or IPv6 address"),
    ('<hosts-entry address="192.0.2.1" names=""/>', "expected names of a host"),
    ('<hosts-entry address="192.0.2.1" names="a_b"/>', "expected names of a host"),
    ('<hosts-entry address="192.0.2.1" names="a..b"/>', "expected names of hosts, found a..b"),
    ('<hosts-entry address="192.0.2.1" names="-a"/>', "expected names of hosts, found -a"),
    ('<hosts-entry address="192.0.2.1" names="a 192.0.2.2"/>', "found the address 192.0.2.2"),
    *((f'<hosts-entry address="192.0.2.1" names="a {name}"/>', "is each host's own")
      for name in ("LocalHost", "localhost.localdomain", "a.localhost", "localhost6",
                   "ip6-loopback")),
    ('<hosts-entry address="192.0.2.1" names="a A"/>', "expected each name once"),
    ('<hosts-entry address="192.0.2.1" names="a"/><when target="node">'
     '<hosts-entry address="192.0.2.2" names="b A"/></when>',
     "expected one <hosts-entry> with a, found a second"),
    ('<persistent-path path="/var/a b"/>', "expected an absolute path (letters"),
    ('<persistent-path path="/var/*"/>', "expected an absolute path (letters"),
    ('<persistent-path path="/var/../usr"/>', "without '..'"),
    ('<persistent-path path="/usr/lib/acme"/>', "expected a path of the plugin's own"),
    ('<persistent-path path="/var"/>', "expected a path of the plugin's own"),
    ('<kernel-argument name="a=b"/>', "a kernel argument's name"),
    ('<kernel-argument name="a" value=" b"/>', "a kernel argument's value"),
    ('<kernel-argument name="a" value="b "/>', "a kernel argument's value"),
    ('<kernel-argument name="a" value="b  c"/>', "a kernel argument's value"),
    ('<kernel-argument name="a" value="b&#9;c"/>', "a kernel argument's value"),
    ('<kernel-argument name="a" value="b&#10;c"/>', "a kernel argument's value"),
    ('<kernel-argument name="a" value="b root=c"/>', "not the image's own, found root=c"),
    ('<kernel-argument name="a" value="b rd.break d"/>', "not the image's own, found rd.break"),
    ('<kernel-argument name="a" value="b&quot;"/>', "a kernel argument's value"),
    ('<kernel-argument name="a" value="$b"/>', "a kernel argument's value"),
    ('<kernel-argument name="root" value="/dev/sda"/>', "not the image's own, found root"),
    ('<kernel-argument name="BOOT-IMAGE" value="/a"/>', "not the image's own, found BOOT-IMAGE"),
    ('<kernel-argument name="systemd.run-success-action" value="a"/>', "not the image's own"),
    ('<kernel-argument name="rd.systemd.unit" value="a.target"/>', "not the image's own"),
    *((f'<kernel-argument name="{name}" value="ab"/>', f"not the image's own, found {name}")
      for name in ("roothash", "usrhash", "verity.usrhash", "roothashsig", "rd.systemd.verity",
                   "systemd.verity_root_options", "dm-mod.create")),
    ('<kernel-argument name="roothash" state="absent"/>', "not the image's own, found roothash"),
    ('<kernel-argument name="a" value="1"/><kernel-argument name="a" value="2"/>',
     "expected one <kernel-argument> named a, found a second"),
    ('<kernel-argument name="a-b" value="1"/><kernel-argument name="a_b" state="absent"/>',
     "expected one <kernel-argument> named a_b, found a second"),
    ('<kernel-argument name="a" value="1" repeat="yes"/>'
     '<kernel-argument name="a" value="1" state="absent"/>', "<kernel-argument> a=1"),
    ('<kernel-argument name="a" repeat="yes"/>', "expected a value"),
    (f'<kernel-argument name="a" value="{"x" * 1000}"/><kernel-argument name="b"/>'
     f'<when target="node"><kernel-argument name="c" value="{"x" * 1000}"/></when>'
     f'<kernel-argument name="d" value="{"x" * 1000}"/>'
     f'<kernel-argument name="e" state="absent" value="{"x" * 1000}"/>'
     f'<kernel-argument name="f" value="{"x" * 39}"/>',
     "expected at most 2047 characters of <kernel-argument> together, found 2049"),
    ("<when/>", "x.xml:2:1: expected a condition in <when>, found none"),
    ('<when target="vm"/>', "expected 'node' or 'host' as target of <when>"),
    ('<when arch="x86_64,aarch64"/>', "names of architectures"),
    ('<when target="host" node-min="4.5"/>', 'no bound of the Node beside target="host"'),
    ('<when node-min="4.6" node-max="4.5"/>', "a node-min that is not above node-max 4.5"),
    ('<when package="a" package-min="2" package-max="1"/>', "package-max 1, found 2"),
    ('<when target="node" package-min="2"/>', "the attribute package beside its bounds"),
    ('<when target="node"><when target="host"/></when>', "found <when>"),
])
def test_an_invalid_setting_is_reported_with_its_position(text: str, message: str) -> None:
    with pytest.raises(DescriptorError) as caught:
        settings(text)
    assert message in caught.value.message
    assert all(line.startswith("x.xml:2:") for line in caught.value.message.splitlines())


def test_a_kernel_argument_has_the_characters_that_every_boot_loader_passes_on() -> None:
    accepted = ""
    for character in map(chr, [*range(0x20, 0x7F), 0x85, 0xA0, 0xE9, 0x2028]):
        value = quoteattr(f"a{character}b")
        with contextlib.suppress(DescriptorError):
            (item,) = settings(f'<kernel-argument name="a" value={value}/>')
            assert item == KernelArgument("a", f"a{character}b", present=True, repeat=False)
            accepted += character
    assert accepted == "".join(
        chr(code) for code in range(0x20, 0x7F) if chr(code) not in "\"$'\\`")


@pytest.mark.parametrize("element", [
    "udev-rules", "multipath-config", "tmpfiles", "logrotate", "unit-drop-in", "ca-certificate",
    "persistent-path", "kernel-argument", "when"])
def test_missing_attributes_are_reported_as_errors(element: str) -> None:
    with pytest.raises(DescriptorError, match=f"in <{element}>"):
        settings(f"<{element}/>")


@pytest.mark.parametrize("seed", range(20))
def test_settings_and_conditions_may_have_any_order(seed: int) -> None:
    parts = ['<sysctl name="a.b" value="1"/>', '<group name="a"/>',
             '<sysctl name="a.c" value="1"/>',
             '<when target="node"><group name="b"/><sysctl name="d.e" value="1"/></when>',
             '<when target="host"><sysctl name="d.e" value="2"/></when>',
             '<service name="a.service" state="enabled"/>', '<group name="c"/>']
    random.Random(seed).shuffle(parts)
    assert len(settings("".join(parts))) == len(parts)


def test_a_path_with_bidirectional_control_characters_is_refused() -> None:
    with pytest.raises(DescriptorError, match="an absolute path"):
        settings('<udev-rules source="/opt/\u202ea" name="a.rules"/>')
