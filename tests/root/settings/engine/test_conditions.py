"""Settings under a condition: wanted where it is met, and named where it is not."""
from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Dict, Sequence, Tuple

import pytest

from ovirt_node_plugin.errors import Refused
from ovirt_node_plugin.plugin.descriptor import When
from ovirt_node_plugin.plugin.settings import Service
from ovirt_node_plugin.settings.engine import checking, selection
from ovirt_node_plugin.settings.engine.upgrade import plan_upgrade
from ovirt_node_plugin.settings.kit.model import Context, Facts
from ovirt_node_plugin.system.rpm_version import VersionRange
from tests.support.settings_root import context, descriptor

INSTALLED: Dict[str, Sequence[str]] = {
    "libvirt": ["9.0.0-1.el9"], "kernel": ["5.14.0-1", "5.14.0-9"]}
NODE = Facts("node", "4.5.5", "x86_64", lambda name: INSTALLED.get(name, ()))
HOST = dataclasses.replace(NODE, kind="host", version="9.4")
ANY = When(settings=(Service("a.service", "enabled"),))


def selected(facts: Facts, *items: object) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    """Return the keys of the wanted settings and a line for each setting left out."""
    ctx = dataclasses.replace(context(Path("/nowhere")), facts=facts)
    document = descriptor(*items)  # type: ignore[arg-type]
    return tuple(item.key for item in selection.wanted(document,
                                                       ctx)), selection.left_out(document, ctx)


@pytest.mark.parametrize(("condition", "node", "host"), [
    ({"target": "node"}, "", "on a node"),
    ({"target": "host"}, "on a host", ""),
    ({"archs": ("x86_64", "aarch64")}, "", ""),
    ({"archs": ("aarch64", "s390x")}, "on aarch64 or s390x", "on aarch64 or s390x"),
    ({"node_versions": VersionRange("4.5.5")}, "", "on oVirt Node >= 4.5.5"),
    ({"node_versions": VersionRange("4.5.6")}, "on oVirt Node >= 4.5.6", "on oVirt Node >= 4.5.6"),
    ({"node_versions": VersionRange("", "4.5")}, "on oVirt Node <= 4.5", "on oVirt Node <= 4.5"),
    ({"node_versions": VersionRange("4.4", "4.6")}, "", "on oVirt Node >= 4.4 and <= 4.6"),
    ({"package": "libvirt"}, "", ""),
    ({"package": "nope"}, "with nope", "with nope"),
    ({"package": "libvirt", "package_versions": VersionRange("9")}, "", ""),
    ({"package": "libvirt", "package_versions": VersionRange("10")},
     "with libvirt >= 10", "with libvirt >= 10"),
    ({"package": "libvirt", "package_versions": VersionRange("", "8")},
     "with libvirt <= 8", "with libvirt <= 8"),
    ({"package": "kernel", "package_versions": VersionRange("5.14.0-5")}, "", ""),
    ({"target": "host", "archs": ("s390x",)}, "on a host and on s390x", "on s390x"),
])
def test_a_setting_is_wanted_or_its_unmet_condition_named(condition: Dict[str, object], node: str,
                                                          host: str) -> None:
    conditional = dataclasses.replace(ANY, **condition)  # type: ignore[arg-type]
    for facts, reason in ((NODE, node), (HOST, host)):
        expected = (((), (f"left out: enable service a.service (only {reason})",)) if reason
                    else (("a.service",), ()))
        assert selected(facts, conditional) == expected


def test_unknown_facts_meet_no_condition() -> None:
    for condition in ({"target": "node"}, {"archs": ("x86_64",)},
                      {"node_versions": VersionRange("1")}, {"package": "bash"}):
        conditional = dataclasses.replace(ANY, **condition)
        assert selected(Facts(), conditional)[0] == ()


def test_settings_are_wanted_in_the_order_of_the_document() -> None:
    first, last = Service("z.service", "enabled"), Service("b.service", "enabled")
    keys, left_out = selected(NODE, first, dataclasses.replace(ANY, target="node"), last)
    assert (keys, left_out) == (("z.service", "a.service", "b.service"), ())


def test_contradicting_settings_are_allowed_under_exclusive_conditions() -> None:
    node = dataclasses.replace(ANY, target="node", settings=(Service("a.service", "masked"),))
    host = dataclasses.replace(ANY, target="host")
    assert selected(NODE, node, host) == (
        ("a.service",), ("left out: enable service a.service (only on a host)",))


def test_equal_settings_under_two_met_conditions_are_wanted_once() -> None:
    conditionals = dataclasses.replace(ANY,
                                       target="node"), dataclasses.replace(ANY, archs=("x86_64",))
    assert selected(NODE, *conditionals)[0] == ("a.service",)


def test_contradicting_settings_under_two_met_conditions_are_refused() -> None:
    node = dataclasses.replace(ANY, target="node", settings=(Service("a.service", "masked"),))
    with pytest.raises(Refused, match="to mask service a.service and to enable service a.service"):
        selected(NODE, node, dataclasses.replace(ANY, archs=("x86_64",)))


def test_an_upgrade_undoes_a_setting_whose_condition_is_no_longer_met(tmp_path: Path) -> None:
    ctx = Context(tmp_path, "foo", {}, context(tmp_path).run, NODE)
    document = descriptor(dataclasses.replace(ANY, package="libvirt",
                                              package_versions=VersionRange("", "9.5")))
    old = checking.planned(selection.wanted(document, ctx))
    newer = dataclasses.replace(NODE, versions=lambda name: ["10.0"])
    new = selection.wanted(document, dataclasses.replace(ctx, facts=newer))
    plan = plan_upgrade(old, new, {}, ctx)
    assert ([setting.key for setting in plan.gone], plan.order) == (["a.service"], ())
