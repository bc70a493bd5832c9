"""Kernel parameters in files of sysctl.d(5)."""
from __future__ import annotations

from pathlib import Path
from typing import Dict, Tuple

import pytest

from ovirt_node_plugin.errors import DescriptorError, Drifted, Refused
from ovirt_node_plugin.plugin.descriptor import parse_descriptor
from ovirt_node_plugin.plugin.settings import Sysctl
from ovirt_node_plugin.plugin.sysctl_names import dotted
from ovirt_node_plugin.settings.engine import checking, kinds
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.settings.engine.revert import do_revert, plan_revert
from ovirt_node_plugin.settings.engine.upgrade import plan_upgrade
from ovirt_node_plugin.settings.kit.model import Context, Wanted
from ovirt_node_plugin.settings.sysctl.sysctl import KIND
from ovirt_node_plugin.undo.changes import Applied
from tests.support.applied import apply_all
from tests.support.sample_bundle import edit_descriptor
from tests.support.settings_root import (
    RecordingRunner,
    changed_paths,
    context,
    differences,
    ledger_of,
    make_root,
    problem_texts,
    revert_settings,
    tree,
    upgrade_settings,
    write_file,
)

KEY = "net.ipv4.ip_local_reserved_ports"
FILE = f"etc/sysctl.d/node-plugin-{KEY}.conf"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path / "root")


def sysctl(ctx: Context, value: str = "54321", name: str = KEY) -> Wanted:
    return KIND.wanted(Sysctl(name, value), ctx)[0]


def test_a_parameter_is_written_to_a_file_and_removed(root: Path) -> None:
    runner = RecordingRunner()
    ctx, before = context(root, runner=runner), tree(root)
    item = sysctl(ctx)
    checking.check([item], ctx, others={})
    assert tree(root) == before
    applied = apply_all([item], ctx)
    assert (root / FILE).read_text().splitlines()[-1] == f"{KEY} = 54321"
    assert (item.text, applied[0].before) == (f"set sysctl {KEY} to 54321", "unset")
    assert kinds.verify(applied, ctx) == ()
    assert changed_paths(apply_all([item], ctx)) == []
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []
    assert runner.argvs == []  # no program is started


@pytest.mark.parametrize(("files", "text"), [
    ({"usr/lib/sysctl.d/50-a.conf": f"{KEY} = 1\n"}, " (now 1 by /usr/lib/sysctl.d/50-a.conf)"),
    ({"usr/lib/sysctl.d/50-a.conf": f"{KEY} = 1\n", "etc/sysctl.d/50-a.conf": "x = 1\n"}, ""),
    ({"usr/lib/sysctl.d/50-a.conf": f"{KEY} = 1\n", "run/sysctl.d/40-a.conf": f"{KEY}=2\n"},
     " (now 1 by /usr/lib/sysctl.d/50-a.conf)"),
    ({"usr/local/lib/sysctl.d/a.conf": "-net/ipv4/ip_local_reserved_ports =  1,2  \n"},
     " (now 1,2 by /usr/local/lib/sysctl.d/a.conf)"),
    ({"usr/lib/sysctl.d/z.conf": "net.ipv4.*_ports = 7\n"},
     " (now 7 by /usr/lib/sysctl.d/z.conf)"),
    ({"usr/lib/sysctl.d/a.conf": f"# {KEY} = 1\n; {KEY} = 2\nnet.*.ip_x = 3\nnet.* = 4\n",
      "usr/lib/sysctl.d/a.txt": f"{KEY} = 5\n"}, ""),
])
def test_the_plan_shows_the_value_from_other_files(root: Path, files: dict[str, str],
                                                   text: str) -> None:
    for path, content in files.items():
        write_file(root, path, content)
    item = sysctl(context(root))
    assert (item.text, item.notes) == (f"set sysctl {KEY} to 54321{text}", ())


@pytest.mark.parametrize(("path", "time"), [
    ("etc/sysctl.d/zz.conf", "later"), ("usr/lib/sysctl.d/zz.conf", "later"),
    ("etc/sysctl.conf", "last by sysctl --system")])
def test_a_file_that_is_read_later_is_named_in_plan_and_verify(
        root: Path, path: str, time: str) -> None:
    write_file(root, path, f"{KEY} = 9\n")
    ctx = context(root)
    plan = plan_upgrade((), [sysctl(ctx)], {}, ctx)
    text = f"/{path} is read {time} and sets it to 9"
    assert plan.notes == (f"sysctl {KEY} will not be 54321: {text}",)
    applied = upgrade_settings(plan, ctx)
    assert problem_texts(applied, ctx) == (f"sysctl {KEY} is not 54321: {text}",)


def test_two_values_of_one_parameter_are_refused_and_both_plugins_named(root: Path) -> None:
    context_one, context_two = context(root, "one"), context(root, "two")
    applied_by_plugin = {"one": apply_all([sysctl(context_one)], context_one)}
    with pytest.raises(Refused, match=f"plugin two wants to set sysctl {KEY} to 1.*, but plugin"
                                      f" one has sysctl {KEY} \\(54321\\)"):
        checking.check([sysctl(context_two, "1", "net/ipv4/ip_local_reserved_ports")], context_two,
                       others=applied_by_plugin)


@pytest.mark.parametrize("first", ["one", "two"])
def test_a_value_of_two_plugins_stays_until_the_last_is_removed(root: Path, first: str) -> None:
    before = tree(root)
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    for name in ("one", "two"):
        ctx = context(root, name)
        checking.check([sysctl(ctx)], ctx, others=applied_by_plugin)
        applied_by_plugin[name] = apply_all([sysctl(ctx)], ctx, ledger_of(applied_by_plugin))
    revert_settings(root, first, applied_by_plugin)
    (name, applied), = applied_by_plugin.items()
    assert kinds.verify(applied, context(root)) == ()
    assert applied[0].before == "unset"
    revert_settings(root, name, applied_by_plugin)
    assert differences(before, tree(root)) == []


def test_an_existing_file_of_that_name_is_refused(root: Path) -> None:
    write_file(root, FILE, "mine\n")
    ctx = context(root)
    with pytest.raises(Refused, match="is there already and not a plugin's"):
        checking.check([sysctl(ctx)], ctx, others={})


def test_a_file_changed_by_hand_is_reported_and_is_drift(root: Path) -> None:
    ctx = context(root)
    applied = apply_all([sysctl(ctx)], ctx)
    (root / FILE).write_text(f"{KEY} = 2\n")
    assert problem_texts(applied, ctx) == (f"/{FILE} was changed",)
    with pytest.raises(Drifted):
        plan_revert(applied, Ledger(), root)
    (root / FILE).unlink()
    assert problem_texts(applied, ctx) == (f"/{FILE} is missing",)


def test_a_dot_in_an_interface_name_is_written_as_in_sysctl_d(root: Path) -> None:
    assert dotted("net/ipv4/conf/eth0.1/rp_filter") == "net.ipv4.conf.eth0/1.rp_filter"
    assert dotted("net.ipv4.conf.eth0/1.rp_filter") == "net.ipv4.conf.eth0/1.rp_filter"
    ctx = context(root)
    apply_all([sysctl(ctx, "0", "net/ipv4/conf/eth0.1/rp_filter")], ctx)
    assert [path.name for path in (root / "etc/sysctl.d").iterdir()] == [
        "node-plugin-net.ipv4.conf.eth0,1.rp_filter.conf"]


@pytest.mark.parametrize(("name", "value", "message"), [
    ("net.ipv4.*.x", "1", "expected a kernel parameter's name"),
    ("../x", "1", "expected a kernel parameter's name"),
    ("net..x", "1", "expected a kernel parameter's name"),
    ("-net.x", "1", "expected a kernel parameter's name"),
    ("net.x", "", "expected a kernel parameter's value"),
    ("net.x", "\u00e4", "expected a kernel parameter's value"),
    ("kernel/panic", "1", "expected one <sysctl> named kernel.panic, found a second"),
])
def test_invalid_parameters_in_a_descriptor_are_refused(name: str, value: str,
                                                        message: str) -> None:
    text = edit_descriptor("<settings>", f'<settings><sysctl name="kernel.panic" value="1"/>'
                           f'<sysctl name="{name}" value="{value}"/>')
    with pytest.raises(DescriptorError, match=message):
        parse_descriptor(text.encode(), origin="x.xml")


def test_parameters_are_read_from_a_descriptor() -> None:
    text = edit_descriptor("<settings>",
                           '<settings><sysctl name="kernel.panic" value=" 4096  1 "/>')
    assert parse_descriptor(text.encode(), origin="x").settings[0] == Sysctl(
        "kernel.panic", "4096 1")
