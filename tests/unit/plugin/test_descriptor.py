"""node-plugin.xml: the parsed values and the messages that refuse it."""
from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import List

import pytest

from ovirt_node_plugin import __version__
from ovirt_node_plugin.errors import BadBundle, DescriptorError, Status
from ovirt_node_plugin.plugin.descriptor import (
    SCHEMA_LINE,
    Install,
    PackageNeed,
    check_tool,
    parse_descriptor,
    read_descriptor,
    without_repos,
)
from ovirt_node_plugin.plugin.settings import KernelModule, Service, VdsmHook
from ovirt_node_plugin.plugin.vdsm_points import HOOK_POINTS
from ovirt_node_plugin.registry.rules import is_plugin_name
from ovirt_node_plugin.system.rpm_version import VersionRange
from tests.support.sample_bundle import DESCRIPTOR, edit_descriptor

pytestmark = pytest.mark.unit


def refusal(text: str) -> str:
    """Return the message, without the hint, that refuses a descriptor."""
    with pytest.raises(DescriptorError) as caught:
        parse_descriptor(text.encode(), origin="x.xml")
    assert caught.value.status == Status.BAD_BUNDLE
    return caught.value.message


def lines(text: str) -> List[str]:
    """Return the error lines of a refused descriptor."""
    return refusal(text).splitlines()


@pytest.mark.parametrize("element", [
    "<repos/>", '<repos xmlns="" />', "<repos></repos >", '<repos>\n<repo id="cim"/>\n</repos>',
    '<repos><!-- </repos> --><repo id="a"></repo><![CDATA[ ]]><repo\nid="b"/></repos>',
    '<repos><repo id="a"/></repos><!-- no <repos> here: ' + "<repos>" * 10_000 + " -->"])
def test_the_repositories_of_a_descriptor_are_left_out(element: str) -> None:
    comment = "<!-- <repos> and <packages> follow -->"
    text = re.sub("<repos>.*</repos>", lambda _: comment + element, DESCRIPTOR, flags=re.DOTALL)
    given = parse_descriptor(text.encode(), origin="x.xml")
    rest = parse_descriptor(without_repos(given.source_xml), origin="x.xml")
    assert rest == replace(given, repo_ids=(), source_xml=rest.source_xml)
    assert comment.encode() in rest.source_xml


@pytest.mark.parametrize("data", [
    SCHEMA_LINE[len("<?xml-model "):-len("?>")], 'href="file:///etc/shadow"',
    'href="http://192.0.2.1/x.rng" schematypens="http://relaxng.org/ns/structure/1.0"',
    'href="/dev/zero"', "<repos></repos>", "<!-- ", "<![CDATA[", "&x; <!DOCTYPE x>", ""])
def test_the_line_for_editors_is_skipped_whatever_it_names(data: str) -> None:
    text = DESCRIPTOR.replace("<node-plugin", f"<?xml-model {data}?>\n<node-plugin", 1)
    given = parse_descriptor(text.encode(), origin="x.xml")
    plain = parse_descriptor(DESCRIPTOR.encode(), origin="x.xml")
    assert given == replace(plain, source_xml=text.encode())
    rest = parse_descriptor(without_repos(given.source_xml), origin="x.xml")
    assert rest == replace(plain, repo_ids=(), source_xml=rest.source_xml)


def test_a_line_for_editors_shifts_no_position() -> None:
    text = DESCRIPTOR.replace("<node-plugin", f"{SCHEMA_LINE}\n<node-plugin", 1)
    assert lines(text.replace("<name>cim", "<name>Cim"))[0].startswith("x.xml:5:3: expected a")


def test_every_value_of_a_descriptor_is_read() -> None:
    parsed = parse_descriptor(DESCRIPTOR.encode(), origin="x.xml")
    assert (parsed.schema_version, parsed.name, parsed.version) == (1, "cim", "1.0")
    assert (parsed.vendor, parsed.license) == ("Example Storage Inc.", "GPL-2.0-or-later")
    assert parsed.summary == "CIM monitoring for oVirt Node"
    assert parsed.description == "Answers CIM requests about the host.\n\nNeeds a user."
    assert parsed.url == "https://example.com/cim?a=1"
    assert (parsed.node_versions, parsed.tool_versions) == (
        VersionRange("4.5.5", "4.6"), VersionRange("0.1"))
    assert parsed.needs == (PackageNeed("vdsm", VersionRange("4.50")),)
    assert parsed.repo_ids == ("cim",)
    assert parsed.installs == (Install("sblim-sfcb", ""), Install("libvirt-cim", "0.6.3-1"))
    assert parsed.excludes == ("sblim-*-debug",)
    assert parsed.settings == (
        Service("sblim-sfcb.service", "enabled"),
        KernelModule("isv_foo", load=True, options="debug=1 mode=fast", blacklist=False),
        KernelModule("other", load=False, options="", blacklist=True),
        VdsmHook("before_vm_start", 50, "storage", "/usr/share/x/a.py"))
    assert parsed.source_xml == DESCRIPTOR.encode()


def test_optional_elements_may_be_absent_and_the_order_is_free() -> None:
    parsed = parse_descriptor(
        b'<node-plugin schema-version="1"><packages><install name="a"/></packages>'
        b"<summary>S <!-- one --> s</summary><version> 1 </version><vendor>V\n v</vendor>"
        b"<name>p</name></node-plugin>", origin="x")
    assert (parsed.name, parsed.version, parsed.vendor, parsed.summary) == ("p", "1", "V v", "S s")
    assert (parsed.description, parsed.url) == ("", "")
    assert not parsed.node_versions and not parsed.tool_versions
    assert (parsed.needs, parsed.repo_ids, parsed.excludes, parsed.settings) == ((), (), (), ())


@pytest.mark.parametrize(("old", "new", "message"), [
    ("<name>cim</name>", "<name>Cim</name>", "x.xml:3:3: expected a plugin name"),
    ("<name>cim</name>", "<name>../cim</name>", "found '../cim'"),
    ("<name>cim</name>", "<name></name>", "in <name>, found nothing"),
    ("<name>cim</name>", "<name>c<b/></name>", "x.xml:3:10: expected no element in <name>, "
                                               "found <b>"),
    ("<name>cim</name>", "", "x.xml:2:1: expected <name> in <node-plugin>, found none"),
    ("<version>", "<name>b</name><version>",
     "x.xml:4:3: expected one <name> in <node-plugin>, found a second"),
    ("<version>1.0", "<version>1.0-1", "expected a version (letters, digits and . _ + ~ ^, "
                                       "no hyphen; at most 64 characters) in <version>, "
                                       "found '1.0-1'"),
    ("Example", "\x9b31mExample", "expected one line of text without control characters"),
    ("https://", "file://", "expected an address that begins with http:// or https://"),
    ("<url>", "<ulr/><url>", "(the nearest is <url>) in <node-plugin>, found <ulr>"),
    ('id="cim"', 'id="-cim"', "expected a repo id"),
    ('id="cim"', "", "x.xml:21:5: expected the attribute id in <repo>"),
    ('<install name="sblim-sfcb"/>', '<install name="a b"/>', "x.xml:24:5: expected a package's "
                                                              "name"),
    ('state="enabled"', 'state="on"',
     "x.xml:29:5: expected 'enabled', 'disabled' or 'masked' as state of <service>, found 'on'"),
    ('state="enabled"', 'stat="enabled"',
     "expected attribute from, name or state (the nearest is state) in <service>, found 'stat'"),
    ('name="sblim-sfcb.service"', 'name="../a.service"', "expected a unit's name"),
    ('name="sblim-sfcb.service"', 'name="sblim-sfcb"', "with its suffix: .service"),
    ('"debug=1 mode=fast"', '"a&#10;install isv_foo /bin/sh"', "expected module options in one "
                                                               "line"),
    ('"debug=1 mode=fast"', r'"a\"', "no backslash"),
    ('order="50"', 'order="5"', "expected two digits, 00 to 99 as order of <vdsm-hook>"),
    ('name="storage"', 'name="a/b"', "expected a hook's name"),
    ('source="/usr', 'source="usr', "expected an absolute path, or files/NAME"),
    ("<settings>", "<settings>text", "x.xml:28:3: expected no text in <settings>, found 'text'"),
    ("<settings>", '<settings><a:b xmlns:a="urn:x"/>', "found <b> of the namespace 'urn:x'"),
    ("node-plugin schema", 'node-plugin xmlns="urn:x" schema', "expected <node-plugin>"),
])
def test_an_error_names_the_position_and_the_expected_and_found_values(
        old: str, new: str, message: str) -> None:
    assert message in refusal(edit_descriptor(old, new))


@pytest.mark.parametrize(("old", "new", "message"), [
    ('point="before_vm_start"', 'point="before_vm_strat"',
     "x.xml:32:5: expected a VDSM hook point, found 'before_vm_strat': before_vm_strat is no "
     "VDSM hook point; the nearest is before_vm_start"),
    ('point="before_vm_start"', 'point="vm_start"', "the nearest is"),
    ('source="/usr', 'source="/usr/../..', "without '..', '.' or empty parts"),
    ('source="/usr', 'source="//usr', "without '..', '.' or empty parts"),
    ("</settings>", '<service name="sblim-sfcb.service" state="masked"/></settings>',
     "expected one <service> named sblim-sfcb.service, found a second"),
    ("</settings>", '<vdsm-hook point="before_vm_start" order="50" name="storage" '
     'source="/b"/></settings>', "expected one <vdsm-hook> 50_storage at before_vm_start"),
    ("</settings>", '<kernel-module name="x"/></settings>',
     'expected load="yes", options or blacklist="yes" in <kernel-module>, found none'),
    ("</settings>", '<kernel-module name="isv-foo" options="a=1"/></settings>',
     "expected one options for module isv-foo, found a second"),
    ("</settings>", '<kernel-module name="isv_foo" blacklist="yes"/></settings>',
     "expected load or blacklist for module isv_foo, found both"),
    ('<node min="4.5.5" max="4.6"/>', '<node min="4.10" max="4.9"/>',
     "x.xml:18:5: expected a min that is not above max 4.9, found min 4.10"),
    ('<package name="vdsm" min="4.50"/>', '<package name="vdsm" min="2" max="1"/>', "found min 2"),
    ("</requires>", '<package name="vdsm"/></requires>', "expected one <package> named vdsm"),
    ('<repo id="cim"/>', '<repo id="cim"/><repo id="cim"/>', "expected one <repo> with id cim"),
    ('<repo id="cim"/>', '<repo id="main"/>', "found main, the name of dnf's own section"),
    ("</packages>", '<install name="sblim-sfcb"/></packages>', "one <install> of sblim-sfcb"),
    ("</packages>", '<exclude name="sblim-s*"/></packages>', "which names sblim-sfcb"),
])
def test_rules_beyond_the_schema_are_checked(old: str, new: str, message: str) -> None:
    assert message in refusal(edit_descriptor(old, new))


def test_all_errors_are_listed_in_document_order_up_to_ten() -> None:
    errors = lines(edit_descriptor("<name>cim</name>", "<name>C</name>").replace("1.0</v", "1-0</v")
                   .replace("before_vm_start", "befor_vm_start"))
    assert [line.split(":")[1] for line in errors] == ["3", "4", "32"]
    limited = lines(edit_descriptor("<packages>", "<packages>" + "<x/>" * 14))
    assert len(limited) == 11
    assert limited[-1] == "x.xml: and 4 more"


def test_a_newer_schema_version_is_refused_before_unknown_elements() -> None:
    text = edit_descriptor(
        'schema-version="1"', 'schema-version="3"').replace("packages>", "stuff>")
    with pytest.raises(DescriptorError) as caught:
        parse_descriptor(text.encode(), origin="x.xml")
    assert caught.value.message == ("x.xml:2:1: the descriptor is written for schema version 3; "
                                    "this tool knows 1")
    assert "Update ovirt-node-plugin" in caught.value.hint


@pytest.mark.parametrize("version", ["", "x", "0", "1.0", "9" * 5000, "-1"])
def test_a_schema_version_that_is_no_number_is_refused(version: str) -> None:
    message = refusal(edit_descriptor('schema-version="1"', f'schema-version="{version}"'))
    assert message.startswith("x.xml:2:1: expected a schema version from 1 to 1")


def test_a_descriptor_without_schema_version_is_refused() -> None:
    assert refusal(edit_descriptor(' schema-version="1"', "")).endswith("found none")


def test_a_required_newer_tool_is_reported_before_unknown_elements() -> None:
    text = edit_descriptor('tool min="0.1"', 'tool min="99"').replace(
        "<settings>", "<settings><port/>")
    assert refusal(text) == ("x.xml:17:5: the plugin needs ovirt-node-plugin 99 or newer; "
                             f"this is {__version__}")


def test_the_required_tool_version_is_compared_with_this_version() -> None:
    newer = parse_descriptor(
        edit_descriptor('tool min="0.1"', 'tool min="99"').encode(), origin="x")
    with pytest.raises(BadBundle, match="needs ovirt-node-plugin 99 or newer"):
        check_tool(newer)
    check_tool(newer, version="99.1")
    check_tool(parse_descriptor(DESCRIPTOR.encode(), origin="x"))


@pytest.mark.parametrize(("text", "message"), [
    ('<?xml version="1.0"?>\n<!DOCTYPE x [<!ENTITY a "b">]>\n<x>&a;</x>',
     "expected no DOCTYPE, found <!DOCTYPE x>"),
    ('<!DOCTYPE x SYSTEM "http://example.com/x.dtd"><x/>', "expected no DOCTYPE"),
    ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>', "no DOCTYPE"),
    ("<x>&undefined;</x>", "x.xml:1:4: expected well-formed XML, found: undefined entity"),
    ('<?xml-stylesheet href="http://example.com/x.xsl"?><x/>',
     "x.xml:1:1: expected no processing instruction, found <?xml-stylesheet?>"),
    ("<node-plugin><?run this?></node-plugin>", "x.xml:1:14: expected no processing"),
    ('<x><?xml-model href="x.rng"?></x>', "x.xml:1:4: expected no processing"),
    ('<x/><?xml-model href="x.rng"?>', "x.xml:1:5: expected no processing"),
    ('<?xml-model href="x.rng"?>\n<?xml-model href="x.rng"?><x/>',
     "x.xml:2:1: expected no processing instruction, found <?xml-model?>"),
    ('<?xml-model ' + "x" * (1 << 20) + "?><x/>", "expected at most 1048576 bytes"),
    ("<a>" * 40 + "</a>" * 40, "x.xml:1:97: expected at most 32 levels of elements"),
    ("<a>" * 100000, "expected at most 32 levels"),
    ("<a>" + " " * (1 << 20) + "</a>", "expected at most 1048576 bytes"),
    ('<?xml version="1.0" encoding="ISO-8859-1"?><x/>', "the encoding UTF-8, found ISO-8859-1"),
    ("<a>\n<b></a>", "x.xml:2:6: expected well-formed XML, found: mismatched tag"),
    ("<a:b/>", "expected well-formed XML, found: unbound prefix"),
    ("", "expected well-formed XML, found: no element found"),
    ("plain text", "x.xml:1:1: expected well-formed XML"),
    ("<a>\x01</a>", "expected well-formed XML"),
])
def test_hostile_xml_is_refused_with_its_position(text: str, message: str) -> None:
    assert message in refusal(text)


def test_xinclude_is_an_unknown_element_and_loads_nothing() -> None:
    include = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/passwd"/>'
    message = refusal(edit_descriptor("<name>cim", f"<name>{include}cim"))
    assert "found <include> of the namespace" in message
    assert "root:" not in message


@pytest.mark.parametrize("data", [
    DESCRIPTOR.replace("Example", "Ex\xe4mple").encode("latin-1"),
    DESCRIPTOR.encode("utf-16"),
    DESCRIPTOR.replace("UTF-8", "UTF-16").encode("utf-16"),
])
def test_another_encoding_is_refused(data: bytes) -> None:
    with pytest.raises(DescriptorError, match=r"x\.xml:\d+:\d+: expected UTF-8, found the byte"):
        parse_descriptor(data, origin="x.xml")


def test_columns_count_characters_before_them() -> None:
    errors = lines(edit_descriptor("<vendor>", "<vendor>Ä</vendor><vendor>"))
    assert errors == ["x.xml:5:21: expected one <vendor> in <node-plugin>, found a second"]


def test_an_error_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "node-plugin.xml"
    path.write_text("<x/>", encoding="utf-8")
    with pytest.raises(DescriptorError) as caught:
        read_descriptor(path)
    assert caught.value.message == f"{path}:1:1: expected <node-plugin>, found <x>"


def test_a_path_that_is_no_file_is_refused_without_blocking(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, message in (("fifo", "not a regular file"),
                          (".", "not a regular file|Is a directory"),
                          ("none", "cannot be read: No such file")):
        with pytest.raises(DescriptorError, match=message):
            read_descriptor(tmp_path / name)


def test_the_hook_points_are_those_of_vdsm() -> None:
    assert len(HOOK_POINTS) == len(set(HOOK_POINTS)) == 58
    assert {"before_vm_start", "after_vm_destroy", "before_get_caps", "after_memory_hotplug",
            "after_update_device_fail", "after_disk_prepare", "before_vdsm_start",
            "after_vdsm_stop", "after_hostdev_list_by_caps"} < set(HOOK_POINTS)
    assert "before_disk_prepare" not in HOOK_POINTS
    for point in HOOK_POINTS:
        parse_descriptor(edit_descriptor("before_vm_start", point).encode(), origin="x")


@pytest.mark.parametrize("name", ["a", "0a", "a.b_c+d-e", "a" * 64])
def test_names_that_the_schema_allows_are_plugin_names(name: str) -> None:
    assert is_plugin_name(name)
    assert parse_descriptor(edit_descriptor(">cim<", f">{name}<").encode(), origin="x").name == name


@pytest.mark.parametrize("name", ["", ".a", "-a", "A", "a/b", "..", "a b", "a" * 65, "ä", "a\n"])
def test_names_that_are_unsafe_as_file_names_are_refused(name: str) -> None:
    assert not is_plugin_name(name)


def test_importing_the_dataclasses_imports_no_xml_library() -> None:
    code = ("import sys; import ovirt_node_plugin.plugin.library; "
            "print({'lxml', 'rpm', 'tarfile', 'dnf'} & {m.split('.')[0] for m in sys.modules})")
    completed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True,
                               text=True)
    assert completed.stdout.strip() == "set()"
