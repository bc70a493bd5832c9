"""firewalld's permanent configuration, changed with the real firewall-offline-cmd."""
from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

import pytest

from ovirt_node_plugin.errors import CommandError, DescriptorError, Drifted, Refused
from ovirt_node_plugin.plugin.descriptor import parse_descriptor
from ovirt_node_plugin.plugin.settings import FirewallPort, FirewallService, Setting
from ovirt_node_plugin.settings.engine import checking, kinds
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.settings.engine.revert import do_revert, plan_revert
from ovirt_node_plugin.settings.engine.upgrade import plan_upgrade
from ovirt_node_plugin.system.run import run
from ovirt_node_plugin.undo.changes import Applied
from tests.support.applied import apply_all
from tests.support.sample_bundle import edit_descriptor
from tests.support.settings_root import (
    RecordingRunner,
    apply_settings,
    context,
    differences,
    make_firewall,
    make_root,
    problem_texts,
    revert_settings,
    tree,
    upgrade_settings,
    wanted_settings,
)

ZONE = "etc/firewalld/zones/public.xml"
CIM = FirewallService("cim", "", (("5988", "tcp"), ("5989", "tcp")))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = make_root(tmp_path / "root")
    make_firewall(root)
    return root


def port(number: str, zone: str = "", protocol: str = "tcp") -> FirewallPort:
    return FirewallPort(number, protocol, zone)


def firewall_cmd(root: Path, *options: str) -> str:
    """Run firewall-offline-cmd on the root and return its output."""
    return run(["firewall-offline-cmd", f"--system-config={root / 'etc/firewalld'}",
                f"--default-config={root / 'usr/lib/firewalld'}", *options]).strip()


def ports_of_cim(root: Path) -> str:
    """Return the ports of the service cim as firewalld prints them."""
    line = firewall_cmd(root, "--info-service=cim").splitlines()[1]
    return line.partition("ports:")[2].strip()


def test_a_port_is_opened_and_closed(root: Path) -> None:
    ctx, before = context(root), tree(root)
    items = wanted_settings(ctx, port("5989"), port("100-200", "internal", "udp"))
    assert [item.text for item in items] == [
        "open firewall port 5989/tcp in zone public",
        "open firewall port 100-200/udp in zone internal"]
    checking.check(items, ctx, others={})
    assert differences(before, tree(root)) == []
    applied = apply_all(items, ctx)
    assert firewall_cmd(root, "--zone=public", "--list-ports") == "5989/tcp"
    assert firewall_cmd(root, "--zone=internal", "--list-ports") == "100-200/udp"
    assert kinds.verify(applied, ctx) == ()
    assert [path.name for path in (root / "etc/firewalld").rglob("*.old")] == []
    assert [setting.before for setting in applied] == ["closed", "closed"]
    after_first = tree(root)
    apply_all(items, ctx)
    assert differences(after_first, tree(root)) == []
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


def test_the_default_zone_is_read_from_the_root(root: Path) -> None:
    conf = root / "etc/firewalld/firewalld.conf"
    conf.write_text(conf.read_text().replace("DefaultZone=public", "DefaultZone=internal"))
    ctx = context(root)
    apply_all(wanted_settings(ctx, port("5989"), CIM), ctx)
    assert firewall_cmd(root, "--zone=internal", "--list-ports") == "5989/tcp"
    assert "cim" in firewall_cmd(root, "--list-services").split()


@pytest.mark.parametrize("order", list(itertools.permutations(["one", "two", "three"])))
def test_ports_of_three_plugins_are_closed_with_each_plugin(
        root: Path, order: Sequence[str]) -> None:
    before = tree(root)
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    ports = {"one": ["1001", "2000-2005"], "two": ["1002"], "three": ["1003", "1001"]}
    for name, numbers in ports.items():
        apply_settings(root, name, applied_by_plugin, *(port(number) for number in numbers))
    for name in order:
        revert_settings(root, name, applied_by_plugin)
        remaining = {f"{number}/tcp" for other in applied_by_plugin for number in ports[other]}
        assert set(firewall_cmd(root, "--zone=public", "--list-ports").split()) == remaining
        for other, applied in applied_by_plugin.items():
            assert kinds.verify(applied, context(root, other)) == ()
    assert differences(before, tree(root)) == []


@pytest.mark.parametrize("order", list(itertools.permutations(["wide", "one", "part"])))
def test_overlapping_port_ranges_of_plugins_are_kept_apart(
        root: Path, order: Sequence[str]) -> None:
    before = tree(root)
    ports = {"wide": "5900-6923", "one": "5989", "part": "6900-7000"}
    for first in (order, order[::-1]):
        applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
        for name in first:
            apply_settings(root, name, applied_by_plugin, port(ports[name]))
        for name in order:
            revert_settings(root, name, applied_by_plugin)
            for other, applied in applied_by_plugin.items():
                assert kinds.verify(applied, context(root, other)) == ()
        assert differences(before, tree(root)) == []


def test_closing_a_port_writes_the_file_that_firewalld_writes(root: Path) -> None:
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    for name, number in (("one", "1001"), ("two", "1002"), ("three", "1003")):
        apply_settings(root, name, applied_by_plugin, port(number), FirewallService(
            f"s-{name}", "", ((number, "udp"),)))
    copy = root.with_name("copy")
    shutil.copytree(root, copy, symlinks=True)
    firewall_cmd(copy, "--zone=public", "--remove-port=1002/tcp")
    firewall_cmd(copy, "--zone=public", "--remove-service-from-zone=s-two")
    revert_settings(root, "two", applied_by_plugin)
    assert (root / ZONE).read_bytes() == (copy / ZONE).read_bytes()


def test_ports_opened_by_the_root_stay_open(root: Path) -> None:
    firewall_cmd(root, "--zone=public", "--add-port=5000-5999/tcp", "--add-port=7001/tcp")
    (root / f"{ZONE}.old").write_text("somebody's\n")
    before = tree(root)
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    apply_settings(root, "one", applied_by_plugin, port("5989"), port("7000-7002"))
    assert [setting.before for setting in applied_by_plugin["one"]] == ["open", "closed"]
    assert set(firewall_cmd(root, "--zone=public", "--list-ports").split()) == {
        "5000-5999/tcp", "7000/tcp", "7001/tcp", "7002/tcp"}
    apply_settings(root, "two", applied_by_plugin, port("8000"))
    revert_settings(root, "one", applied_by_plugin)
    assert set(firewall_cmd(root, "--zone=public", "--list-ports").split()) == {
        "5000-5999/tcp", "7001/tcp", "8000/tcp"}
    revert_settings(root, "two", applied_by_plugin)
    assert differences(before, tree(root)) == []


def test_a_new_service_is_defined_opened_and_removed(root: Path) -> None:
    ctx, before = context(root), tree(root)
    items = wanted_settings(ctx, FirewallService("cim", "internal", ()), CIM)
    assert [item.text for item in items] == [
        "define firewall service cim (5988/tcp, 5989/tcp)",
        "open firewall service cim in zone internal", "open firewall service cim in zone public"]
    checking.check(items, ctx, others={})
    applied = apply_all(items, ctx)
    assert ports_of_cim(root) == "5988/tcp 5989/tcp"
    for zone in ("public", "internal"):
        assert "cim" in firewall_cmd(root, f"--zone={zone}", "--list-services").split()
    assert firewall_cmd(root, "--check-config") in ("", "success")
    assert kinds.verify(applied, ctx) == ()
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


@pytest.mark.parametrize("first", ["one", "two"])
def test_a_service_stays_defined_for_the_other_plugin_that_opens_it(
        root: Path, first: str) -> None:
    before = tree(root)
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    apply_settings(root, "one", applied_by_plugin, CIM)
    apply_settings(root, "two", applied_by_plugin, FirewallService("cim", "internal", ()))
    revert_settings(root, first, applied_by_plugin)
    (name, applied), = applied_by_plugin.items()
    assert kinds.verify(applied, context(root)) == ()
    assert firewall_cmd(root, "--check-config") in ("", "success")
    revert_settings(root, name, applied_by_plugin)
    assert differences(before, tree(root)) == []


def test_an_upgrade_changes_the_ports_of_a_service(root: Path) -> None:
    ctx, before = context(root), tree(root)
    old = apply_all(wanted_settings(ctx, port("77"), CIM), ctx)
    new = FirewallService("cim", "", (("5989", "tcp"), ("5990", "udp")))
    plan = plan_upgrade(old, wanted_settings(ctx, port("78"), new, port("77")), {}, ctx)
    applied = upgrade_settings(plan, ctx)
    assert ports_of_cim(root) == "5989/tcp 5990/udp"
    assert kinds.verify(applied, ctx) == ()
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


def test_two_definitions_of_one_service_are_refused_naming_both_plugins(root: Path) -> None:
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    apply_settings(root, "one", applied_by_plugin, CIM)
    with pytest.raises(Refused, match=r"plugin two wants to define firewall service cim"
                                      r" \(1/tcp\), but plugin one has firewall-definition cim"):
        apply_settings(root, "two", applied_by_plugin, FirewallService("cim", "", (("1", "tcp"),)))
    apply_settings(root, "three", applied_by_plugin, CIM)


@pytest.mark.parametrize(("setting", "message"), [
    (port("5989", "nope"), "firewalld refuses it: INVALID_ZONE: .*nope"),
    (port("99999"), "firewalld refuses it: INVALID_PORT: 99999"),
    (port("1", "", "foo"), "firewalld refuses it: INVALID_PROTOCOL: 'foo'"),
    (FirewallService("nope", "", ()), "firewalld refuses it: INVALID_SERVICE: .*nope"),
    (FirewallService("ssh", "nope", ()), "firewalld refuses it: INVALID_ZONE"),
    (FirewallService("new", "", (("99999", "tcp"),)), "firewalld refuses it: INVALID_PORT"),
    (FirewallService("ssh", "", (("1", "tcp"),)), "the root has a service of that name already"),
])
def test_settings_that_firewalld_refuses_are_refused_with_its_message(
        root: Path, setting: Setting, message: str) -> None:
    ctx, before = context(root), tree(root)
    with pytest.raises(Refused, match=message):
        checking.check(wanted_settings(ctx, setting), ctx, others={})
    assert differences(before, tree(root)) == []


def test_a_service_of_the_plugins_packages_is_accepted(root: Path) -> None:
    ctx = context(root, files=["/usr/lib/firewalld/services/acme.xml"])
    checking.check(wanted_settings(ctx, FirewallService("acme", "", ())), ctx, others={})


@pytest.mark.parametrize("folder", ["etc/firewalld", "usr/lib/firewalld"])
@pytest.mark.parametrize("setting", [port("1"), CIM])
def test_a_root_without_firewalld_is_refused(root: Path, folder: str, setting: Setting) -> None:
    shutil.rmtree(root / folder)
    ctx, before = context(root), tree(root)
    for step in (lambda: checking.check(wanted_settings(ctx, setting), ctx, others={}),
                 lambda: apply_all(wanted_settings(ctx, setting), ctx)):
        with pytest.raises(Refused, match=f"the root has no firewalld: /{folder} is not there"):
            step()
    assert differences(before, tree(root)) == []


def test_ports_opened_later_stay_open(root: Path) -> None:
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    apply_settings(root, "one", applied_by_plugin, port("1001"))
    firewall_cmd(root, "--zone=public", "--add-port=4444/tcp")
    revert_settings(root, "one", applied_by_plugin)
    assert firewall_cmd(root, "--zone=public", "--list-ports") == "4444/tcp"


def test_a_port_replaced_by_a_range_is_drift(root: Path) -> None:
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    apply_settings(root, "one", applied_by_plugin, port("1001"))
    zone = (root / ZONE).read_text()
    (root / ZONE).write_text(zone.replace('port="1001"', 'port="1000-1100"'))
    with pytest.raises(Drifted) as caught:
        plan_revert(applied_by_plugin["one"], Ledger(), root)
    assert caught.value.paths == (ZONE,)


def test_ports_in_rich_rules_and_comments_do_not_count_as_open(root: Path) -> None:
    firewall_cmd(root, "--zone=public", '--add-rich-rule=rule family="ipv4" port port="1001"'
                                   ' protocol="tcp" reject')
    text = (root / ZONE).read_text().replace(
        "</zone>", '  <!-- <port port="1001" protocol="tcp"/> -->\n</zone>')
    (root / ZONE).write_text(text)
    before = tree(root)
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    apply_settings(root, "one", applied_by_plugin, port("1001"))
    assert firewall_cmd(root, "--zone=public", "--list-ports") == "1001/tcp"
    apply_settings(root, "two", applied_by_plugin, port("1002"))
    revert_settings(root, "one", applied_by_plugin)
    assert firewall_cmd(root, "--zone=public", "--list-ports") == "1002/tcp"
    assert "reject" in firewall_cmd(root, "--zone=public", "--list-rich-rules")
    revert_settings(root, "two", applied_by_plugin)
    assert differences(before, tree(root)) == []


def test_verify_reports_closed_ports_and_missing_services(root: Path) -> None:
    ctx = context(root)
    applied = apply_all(wanted_settings(ctx, port("1001-1003"), CIM), ctx)
    (root / ZONE).unlink()
    (root / "etc/firewalld/services/cim.xml").unlink()
    assert problem_texts(applied, ctx) == (
        "firewall port 1001-1003/tcp is not open in zone public",
        "firewall service cim is not defined", "firewall service cim is not open in zone public")


def test_firewall_offline_cmd_is_started_with_exactly_these_arguments(root: Path) -> None:
    runner = RecordingRunner(real=run)
    ctx = context(root, runner=runner)
    apply_all(wanted_settings(ctx, port("5989"), CIM), ctx)
    config = ("firewall-offline-cmd", f"--system-config={root}/etc/firewalld",
              f"--default-config={root}/usr/lib/firewalld")
    assert runner.argvs == [
        (*config, "--zone=public", "--add-port=5989/tcp"), (*config, "--new-service=cim"),
        (*config, "--service=cim", "--add-port=5988/tcp", "--add-port=5989/tcp"),
        (*config, "--zone=public", "--add-service=cim")]


def test_a_missing_firewall_offline_cmd_is_an_error(root: Path,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    ctx = context(root)
    with pytest.raises(CommandError, match="firewall-offline-cmd cannot be started"):
        checking.check(wanted_settings(ctx, port("1")), ctx, others={})


@pytest.mark.parametrize("name", [
    "etc/firewalld", "etc/firewalld/zones", ZONE, "usr/lib/firewalld",
    "etc/firewalld/services/strange.xml"])
def test_a_symbolic_link_out_of_the_root_is_refused(root: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    if (root / name).exists():
        os.rename(root / name, outside)
    else:
        outside.mkdir()
    (root / name).symlink_to(outside)
    ctx, before = context(root), sorted(outside.rglob("*"))
    items = wanted_settings(ctx, port("1"))
    for step in (lambda: checking.check(items, ctx, others={}),
                 lambda: apply_all(items, ctx)):
        with pytest.raises(Refused, match="leads elsewhere|no firewalld"):
            step()
    assert before == sorted(outside.rglob("*"))


def test_a_fifo_in_the_configuration_is_refused(root: Path) -> None:
    os.mkfifo(root / "etc/firewalld/zones/x.xml")
    ctx = context(root)
    with pytest.raises(Refused, match="is not a regular file"):
        checking.check(wanted_settings(ctx, port("1")), ctx, others={})


INVALID_ELEMENTS: List[Tuple[str, str]] = [
    ('<firewall-port port="0" protocol="tcp"/>', "expected a port from 1 to 65535"),
    ('<firewall-port port="70000" protocol="tcp"/>', "expected a port from 1 to 65535"),
    ('<firewall-port port="9-8" protocol="tcp"/>', "the lower one first, found 9-8"),
    ('<firewall-port port="ssh" protocol="tcp"/>', "expected a port from 1 to 65535"),
    ('<firewall-port port="1" protocol="icmp"/>', "expected 'tcp', 'udp', 'sctp' or 'dccp'"),
    ('<firewall-port port="1" protocol="tcp" zone="a b"/>', "the name of a firewall zone"),
    ('<firewall-port port="1" protocol="tcp"/><firewall-port port="1" protocol="tcp"/>',
     "expected one <firewall-port> 1/tcp, found a second"),
    ('<firewall-service name="../x"/>', "the name of a firewall service"),
    ('<firewall-service name="x"><port port="1" protocol="tcp"/><port port="1" protocol="tcp"/>'
     "</firewall-service>", "expected one <port> 1/tcp, found a second"),
    ('<firewall-service name="x"><port port="1-70000" protocol="tcp"/></firewall-service>',
     "found 1-70000"),
]


@pytest.mark.parametrize(("element", "message"), INVALID_ELEMENTS)
def test_invalid_firewall_settings_in_a_descriptor_are_refused(element: str, message: str) -> None:
    with pytest.raises(DescriptorError, match=message):
        parse_descriptor(edit_descriptor("<settings>", f"<settings>{element}").encode(), origin="x")


def test_firewall_settings_are_read_from_a_descriptor() -> None:
    text = edit_descriptor(
        "<settings>", '<settings><firewall-port port="5989" protocol="tcp" zone=""/>'
        '<firewall-service name="cim" zone="public"><port port="1-2" protocol="udp"/>'
        "</firewall-service>")
    assert parse_descriptor(text.encode(), origin="x").settings[:2] == (
        port("5989"), FirewallService("cim", "public", (("1-2", "udp"),)))
