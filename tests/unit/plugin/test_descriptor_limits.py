"""Descriptors are read with work that grows with their size only, and up to a limit."""
from __future__ import annotations

from typing import Callable, Dict

import pytest

from ovirt_node_plugin.errors import DescriptorError
from ovirt_node_plugin.plugin.descriptor import parse_descriptor
from ovirt_node_plugin.system import limits
from tests.support.growth import calls_by_size, is_linear

pytestmark = pytest.mark.unit

Part = Callable[[int], str]

SETTINGS: Dict[str, Part] = {
    "services": lambda i: f'<service name="a{i}.service" state="enabled"/>',
    "modules": lambda i: f'<kernel-module name="m{i}" load="yes"/>',
    "hooks": lambda i: f'<vdsm-hook point="before_vm_start" order="50" name="h{i}" source="/a"/>',
    "rules": lambda i: f'<udev-rules source="/a" name="{i}.rules"/>',
    "drop-ins": lambda i: f'<unit-drop-in unit="a.service" source="/a" name="{i}.conf"/>',
    "arguments": lambda i: f'<kernel-argument name="a" value="{i}" repeat="yes"/>',
    "paths": lambda i: f'<persistent-path path="/opt/a{i}"/>',
    "globs": lambda i: f'<leave-out files="/usr/share/{i}/**"/>',
    "sysctls": lambda i: f'<sysctl name="vm.a{i}" value="1"/>',
    "users": lambda i: f'<user name="u{i}"/>',
    "ports": lambda i: f'<firewall-port port="{i + 1}" protocol="tcp"/>',
    "definitions": lambda i: f'<firewall-service name="s{i}">'
                             '<port port="1" protocol="tcp"/></firewall-service>',
    "booleans": lambda i: f'<selinux-boolean name="b{i}" value="on"/>',
    "selinux ports": lambda i: f'<selinux-port type="t" port="{i + 1}" protocol="tcp"/>',
    "contexts": lambda i: f'<selinux-file-context type="t" path="/opt/a{i}(/.*)?"/>',
    "conditions": lambda i: f'<when target="node"><sysctl name="vm.b{i}" value="1"/></when>',
    "settings beside conditions": lambda i: (
        f'<sysctl name="vm.a{i}" value="1"/><selinux-port type="t" port="{i + 1}" protocol="tcp"/>'
        '<when target="node"><sysctl name="vm.b" value="1"/>'
        '<selinux-port type="t" port="60000" protocol="tcp"/></when>'),
    "the same again": lambda i: '<service name="a.service" state="enabled"/>',
    "ports that overlap": lambda i: f'<selinux-port type="t" port="1-{i + 2}" protocol="tcp"/>',
    "unknown elements": lambda i: f"<e{i}/>",
    "unknown attributes": lambda i: f'<service a{i}=""/>',
    "unknown hook points": lambda i: f'<vdsm-hook point="before_x{i}" order="50" name="a"'
                                     ' source="/a"/>',
}


def document(*, settings: str = "", packages: str = '<install name="a"/>',
             requires: str = "") -> bytes:
    return ('<node-plugin schema-version="1"><name>a</name><version>1</version><vendor>v</vendor>'
            f"<summary>s</summary><requires>{requires}</requires><packages>{packages}</packages>"
            f"<settings>{settings}</settings></node-plugin>").encode()


def read(data: bytes) -> str:
    """Return the error of a descriptor, empty if it is valid."""
    try:
        parse_descriptor(data, origin="d")
    except DescriptorError as exc:
        return str(exc)
    return ""


@pytest.mark.parametrize("name", SETTINGS)
def test_work_grows_with_the_number_of_settings_only(name: str) -> None:
    costs = calls_by_size(
        lambda size: read(document(settings="".join(map(SETTINGS[name], range(size))))),
        (60, 120, 240, 480))
    assert is_linear(costs), costs


@pytest.mark.parametrize("element", [
    '<exclude name="b{}*"/>', '<install name="b{}"/>',
    '<exclude name="b{}*"/><install name="c{}"/>'])
def test_work_grows_with_the_number_of_packages_only(element: str) -> None:
    costs = calls_by_size(lambda size: read(document(packages='<install name="a"/>' + "".join(
        element.format(i, i) for i in range(size)))), (400, 800, 1600))
    assert is_linear(costs), costs


def test_three_thousand_selinux_ports_are_read() -> None:
    ports = "".join(map(SETTINGS["selinux ports"], range(3000)))
    assert len(parse_descriptor(document(settings=ports), origin="d").settings) == 3000


def test_more_items_than_the_limit_are_refused() -> None:
    most = limits.DESCRIPTOR_ITEMS
    assert read(document(settings="<when/>" * most)) == (
        f"d:1:{document(settings='<when/>' * most).index(b'<when/>') + 1 + 7 * (most - 11)}: "
        f"expected at most {most} elements and attributes, found more")


@pytest.mark.parametrize("attributes", [
    "".join(f' a{i}=""' for i in range(100_000)),
    "".join(f' xmlns:a{i}="b"' for i in range(60_000))], ids=["attributes", "namespaces"])
def test_attributes_and_namespaces_count(attributes: str) -> None:
    assert "expected at most 20000 elements and attributes" in read(
        document(settings=f"<when{attributes}/>"))


def test_more_excludes_than_the_limit_are_refused() -> None:
    excludes = "".join(f'<exclude name="b{i}"/>' for i in range(limits.DESCRIPTOR_EXCLUDES + 1))
    assert "expected at most 100 <exclude>, found 101" in read(
        document(packages='<install name="a"/>' + excludes))


def test_more_kernel_arguments_than_the_limit_are_refused() -> None:
    arguments = "".join(f'<kernel-argument name="a{i}"/>' for i in range(101))
    assert "expected at most 100 <kernel-argument>, found 101" in read(
        document(settings=arguments))


def test_ranges_that_overlap_are_found_in_any_order() -> None:
    for first, second in (("1-9", "5"), ("5", "1-9"), ("1-5", "5-9"), ("5-9", "1-5")):
        ports = "".join(f'<selinux-port type="t" port="{port}" protocol="tcp"/>'
                        for port in ("100-200", first, "300", second))
        assert f"expected ports that are not those of {first}/tcp, found {second}/tcp" in read(
            document(settings=ports))


def test_a_port_in_a_condition_overlaps_one_outside_of_it() -> None:
    ports = [f'<selinux-port type="t" port="{port}" protocol="tcp"/>' for port in ("1-9", "5")]
    assert "are not those of 1-9/tcp, found 5/tcp" in read(
        document(settings=f'{ports[0]}<when target="node">{ports[1]}</when>'))
    whens = "".join(f'<when target="{kind}">{port}</when>'
                    for kind, port in zip(("node", "host"), ports))
    assert read(document(settings=whens)) == ""


def test_an_expression_that_is_too_long_is_not_compiled() -> None:
    path = "/opt/a" + "(" * 500_000
    assert read(document(settings=f'<selinux-file-context type="t" path="{path}"/>')).startswith(
        "d:1:176: expected a regular expression of absolute paths")
