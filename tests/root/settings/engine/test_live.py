"""What settings do to the running system: the exact commands, their order, and the way back.

The system is a folder here, and every program a recorded one. What it comes to on a
system that runs is in test_live_host.py; loading a kernel module is seen only here.
"""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Container, Dict, List, Sequence, Tuple

import pytest

from ovirt_node_plugin.errors import CommandError, RecordError, Refused
from ovirt_node_plugin.plugin.settings import KernelArgument, KernelModule
from ovirt_node_plugin.registry.outcomes import to_text
from ovirt_node_plugin.settings.boot import command_line
from ovirt_node_plugin.settings.engine import kinds, live, rereading
from ovirt_node_plugin.settings.engine.apply import apply_all
from ovirt_node_plugin.settings.engine.kinds import KINDS
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.settings.engine.revert import do_revert, finish_revert, plan_revert
from ovirt_node_plugin.settings.kit.model import Context, Live
from ovirt_node_plugin.system.entries import Entry
from ovirt_node_plugin.system.path_sets import JOURNAL
from ovirt_node_plugin.system.run import Polled, StrPath
from ovirt_node_plugin.undo import live_log
from ovirt_node_plugin.undo.changes import Applied, Change
from tests.support.settings_root import context, ledger_of, write_file

SERVICE = Applied("service", "foo.service", "enabled", "disabled", ())
OTHER = Applied("service", "bar.service", "disabled", "enabled", ())
MODULE = Applied("kernel-module", "isv_foo:load", "yes", "absent", ())
SYSCTL = Applied("sysctl", "kernel.panic", "5", "unset", ())
TMPFILES = Applied("tmpfiles", "foo.conf", "/usr/share/foo.conf", "absent", ())


@dataclass
class System:
    """A runner that plays a small running system, and notes all but questions."""

    root: Path
    active: List[str] = field(default_factory=list)
    values: Dict[str, str] = field(default_factory=dict)
    fails: Dict[str, str] = field(default_factory=dict)
    done: List[str] = field(default_factory=list)

    def __call__(self, argv: Sequence[StrPath], *, ok: Container[int] = (0,),
                 stdin: bytes = b"", polled: Polled = None) -> str:
        words = list(map(str, argv))
        line, last = " ".join(words), words[-1]
        if words[:2] == ["systemctl", "is-active"]:
            return "active\n" if last in self.active else "inactive\n"
        if words[:2] == ["systemctl", "show"]:
            return "\n\n".join("ActiveState=active\nSubState=running\nResult=success"
                               for _ in words[words.index("--") + 1:])
        if words[:2] == ["sysctl", "--values"]:
            return self.values[last] + "\n" if last in self.values else ""
        self.done.append(line)
        for start, said in self.fails.items():
            if line.startswith(start):
                raise CommandError(said, argv=words, returncode=1, output=said)
        self._play(words, last)
        return ""

    def _play(self, words: Sequence[str], last: str) -> None:
        if words[:2] == ["systemctl", "start"]:
            self.active.append(last)
        elif words[:2] == ["systemctl", "stop"]:
            self.active.remove(last)
        elif words[0] == "sysctl":
            key, _, value = last.partition("=")
            self.values[key] = value
        elif words[0] == "modprobe" and "--remove" in words:
            (self.root / "sys/module" / last).rmdir()
        elif words[0] == "modprobe":
            (self.root / "sys/module" / last).mkdir(parents=True)


@pytest.fixture
def system(tmp_path: Path) -> System:
    """A root with a journal that is open, so that deeds can be kept."""
    (tmp_path / JOURNAL).mkdir(parents=True)
    (tmp_path / "sys/module").mkdir(parents=True)
    return System(tmp_path, values={"kernel.panic": "0"})


def running(system: System, *, is_live: bool = True) -> Context:
    return dataclasses.replace(context(system.root, runner=system), live=is_live)


def switch_on(system: System, *applied: Applied) -> Tuple[Applied, ...]:
    return live.switch_on(applied, running(system), settle_s=0)


def test_settings_take_effect_in_one_order_and_go_back_in_the_other(system: System) -> None:
    system.active.append("bar.service")
    applied = switch_on(system, SERVICE, OTHER, SYSCTL, MODULE)
    assert system.done == [
        "modprobe -- isv_foo", "sysctl --quiet --write -- kernel.panic=5",
        "systemctl stop -- bar.service", "systemctl start -- foo.service"]
    assert [to_text(one.outcome) for one in applied] == [
        "was=inactive left=active", "was=active left=inactive", "was=0 left=5",
        "was=absent left=loaded"]
    system.done.clear()
    assert live.switch_off(applied, running(system)) == ()
    assert system.done == [
        "systemctl stop -- foo.service", "systemctl reset-failed -- foo.service",
        "sysctl --quiet --write -- kernel.panic=0", "modprobe --remove -- isv_foo"]
    system.done.clear()
    assert live.switch_off(applied, running(system), late=True) == ()
    assert system.done == ["systemctl start -- bar.service"]


def test_the_stages_of_the_kinds_are_in_this_order() -> None:
    order = ["kernel-module", "sysctl", "tmpfiles", "selinux-boolean", "selinux-file-context"]
    kinds_of = {name: KINDS[name] for name in order}
    stages = {name: kind.stage("on") for name, kind in kinds_of.items() if isinstance(kind, Live)}
    assert [stages[name] for name in order] == sorted(set(stages.values()))
    service = KINDS["service"]
    assert isinstance(service, Live)
    assert max(stages.values()) < service.stage("inactive") < service.stage("active")


def test_a_log_of_many_paths_is_read_back(system: System) -> None:
    deed = live_log.Deed("tmpfiles", "a", "x" * (2 << 20))
    live_log.write_deed(system.root, deed)
    assert live_log.read_log(system.root).deeds == (deed,)


def test_what_is_so_already_is_neither_done_nor_undone(system: System) -> None:
    system.active.append("foo.service")
    system.values["kernel.panic"] = "5"
    (system.root / "sys/module/isv_foo").mkdir()
    applied = switch_on(system, SERVICE, OTHER, SYSCTL, MODULE)
    assert live.switch_off(applied, running(system)) == ()
    assert live.switch_off(applied, running(system), late=True) == ()
    assert system.done == []


def test_the_plan_says_what_will_be_done_now(system: System) -> None:
    ctx = running(system)
    wanted = KINDS["kernel-module"].wanted(
        KernelModule("isv-foo", load=True, options="a=1", blacklist=False), ctx)
    assert live.plan_on(wanted, ctx) == ("load kernel module isv_foo now",)
    assert live.plan_on(wanted, running(system, is_live=False)) == ()
    applied = switch_on(system, SERVICE, MODULE)
    assert live.plan_off(applied, ctx) == (
        "stop service foo.service now", "unload kernel module isv_foo now")
    assert live.plan_off(applied, running(system, is_live=False)) == ()


def test_nothing_is_done_in_a_root_that_does_not_run(system: System) -> None:
    ctx = running(system, is_live=False)
    assert live.switch_on([SERVICE, SYSCTL], ctx) == (SERVICE, SYSCTL)
    rereading.read_again(["units", "firewall"], ctx)
    assert system.done == []


def test_a_parameter_that_the_kernel_does_not_have_is_passed_over(system: System) -> None:
    one = dataclasses.replace(SYSCTL, key="net.absent")
    assert switch_on(system, one) == (one,)
    assert system.done == []


def test_values_with_blanks_come_back_from_the_record(system: System) -> None:
    system.values["kernel.panic"] = "4096\t87380   6291456"
    applied = switch_on(system, dataclasses.replace(SYSCTL, value="1 2 3"))
    assert to_text(applied[0].outcome) == "was=4096%2087380%206291456 left=1%202%203"
    live.switch_off(applied, running(system))
    assert system.values["kernel.panic"] == "4096 87380 6291456"


def test_a_module_that_is_in_use_stays_with_a_note(system: System) -> None:
    applied = switch_on(system, MODULE)
    system.fails["modprobe --remove"] = "Module isv_foo is in use."
    assert live.switch_off(applied, running(system)) == (
        "kernel module isv_foo stays until the next boot: Module isv_foo is in use.",)


def test_verify_says_that_a_module_was_unloaded(system: System) -> None:
    (applied,) = switch_on(system, MODULE)
    assert kinds.verify([applied], running(system)) == ()
    (system.root / "sys/module/isv_foo").rmdir()
    assert kinds.verify([applied], running(system)) == ("kernel module isv_foo is not loaded",)
    assert kinds.verify([applied], running(system, is_live=False)) == ()


def test_a_failure_leaves_what_was_done_to_be_undone(system: System) -> None:
    system.active.append("bar.service")
    system.fails["systemctl start"] = "Job failed."
    with pytest.raises(CommandError):
        switch_on(system, SERVICE, OTHER, SYSCTL, MODULE)
    rereading.read_again(["firewall"], running(system))
    system.fails.clear()
    system.done.clear()
    assert live.backwards(system.root, system).log == live_log.NOTHING  # it does not run
    back = live.Backwards(running(system), live_log.read_log(system.root))
    assert back.before() == ()
    assert system.done == ["systemctl reset-failed -- foo.service",
                           "modprobe --remove -- isv_foo"]
    system.done.clear()
    system.fails["systemctl daemon-reload"] = "no bus"
    assert back.after() == ("reload systemd's units failed: no bus",)
    assert system.done == [
        "systemctl daemon-reload", "firewall-cmd --state", "firewall-cmd --reload",
        "systemctl start -- bar.service", "sysctl --quiet --write -- kernel.panic=0"]


def test_a_deed_is_kept_before_it_is_done(system: System) -> None:
    system.fails["sysctl"] = "no"
    with pytest.raises(CommandError):
        switch_on(system, SYSCTL)
    assert live_log.read_log(system.root).deeds == (
        live_log.Deed("sysctl", "kernel.panic", "0"),)


def test_a_last_line_that_is_cut_off_is_passed_over_and_damage_is_not(system: System) -> None:
    assert live_log.read_log(system.root) == live_log.NOTHING
    live_log.write_again(system.root, ["units"])
    path = system.root / JOURNAL / "live"
    path.write_text(path.read_text() + '{"kind": "serv')
    assert live_log.read_log(system.root).again == frozenset({"units"})
    path.write_text("[]\n")
    with pytest.raises(RecordError, match="cannot be read"):
        live_log.read_log(system.root)


def test_what_to_read_again_follows_from_the_paths(system: System) -> None:
    assert rereading.to_read_again(["/usr/lib/systemd/system/x.service", "etc/udev/rules.d/1.rules",
                                     "/opt/x"], system.root) == {"units", "udev"}
    assert rereading.to_read_again(
        ["etc/firewalld/zones/public.xml", "etc/multipath/conf.d/x.conf"],
        system.root) == {"firewall", "multipath"}
    system.active.append("multipathd.service")
    write_file(system.root, "run/udev/control", "")
    rereading.read_again(["multipath", "udev", "firewall", "units"], running(system))
    assert system.done == [
        "systemctl daemon-reload", "udevadm control --reload", "firewall-cmd --state",
        "firewall-cmd --reload", "systemctl reload -- multipathd.service"]


def test_a_firewall_that_does_not_run_is_not_reloaded(system: System) -> None:
    system.fails["firewall-cmd --state"] = "not running"
    rereading.read_again(["firewall", "multipath", "udev"], running(system))
    assert system.done == ["firewall-cmd --state"]


@pytest.mark.parametrize(("state", "said"), [
    ("ActiveState=failed\nSubState=failed\nResult=exit-code", "exit-code"),
    ("ActiveState=activating\nSubState=auto-restart\nResult=signal", "signal"),
])
def test_a_service_that_fails_right_after_its_start_is_refused(
        system: System, state: str, said: str) -> None:
    def runner(argv: Sequence[StrPath], *, ok: Container[int] = (0,),
               stdin: bytes = b"", polled: Polled = None) -> str:
        return state if "show" in argv else system(argv, ok=ok, stdin=stdin)
    ctx = dataclasses.replace(running(system), run=runner)
    with pytest.raises(Refused, match=f"foo.service was started and failed at once .{said}"):
        live.switch_on([SERVICE], ctx, settle_s=0)


def test_the_state_before_goes_to_the_plugin_that_stays(system: System) -> None:
    """Each has files of its own for one module, which is loaded once for both."""
    (one,) = switch_on(system, MODULE)
    (two,) = switch_on(system, MODULE)
    assert [to_text(applied.outcome) for applied in (one, two)] == [
        "was=absent left=loaded", "was=loaded left=loaded"]
    ledger = ledger_of({"two": [two]})
    assert plan_revert([one], ledger, system.root).live == ()
    assert to_text(ledger.state("two").settings[0].outcome) == "was=absent left=loaded"
    ledger = ledger_of({"one": [one]})
    assert plan_revert([two], ledger, system.root).live == ()
    assert ledger.state("one").settings == (one,)
    assert plan_revert([one, two], Ledger(), system.root).live == (one, two)


def test_what_was_switched_on_offline_is_stopped_as_the_boot_started_it(system: System) -> None:
    change = Change("etc/x", None, Entry("link", 0o777, 0, 0, "", b"y", ()))
    applied = [dataclasses.replace(one, changes=(change,)) for one in (SERVICE, MODULE)]
    system.active.append("foo.service")
    (system.root / "sys/module/isv_foo").mkdir()
    live.switch_off([*applied, SYSCTL], running(system))
    assert system.done == ["systemctl stop -- foo.service",
                           "systemctl reset-failed -- foo.service",
                           "modprobe --remove -- isv_foo"]


def test_tmpfiles_are_created_and_empty_ones_taken_away(system: System) -> None:
    write_file(system.root, "etc/tmpfiles.d/foo.conf",
               "# c\nd /run/foo/in 0755\nf /run/foo/file\nf /run/foo/data\n"
               "L /run/foo/link - - - - x\nd! /run/boot\nd /run/%b\nr /run/gone\nd /sys\n")
    (applied,) = switch_on(system, TMPFILES)
    assert system.done == ["systemd-tmpfiles --create /etc/tmpfiles.d/foo.conf"]
    assert to_text(applied.outcome).startswith(
        "was=/run,/run/foo,/run/foo/in,/run/foo/file,/run/foo/data,/run/foo/link left=")
    (system.root / "run/foo/in").mkdir(parents=True)
    (system.root / "run/foo/file").touch()
    (system.root / "run/foo/data").write_text("mine")
    (system.root / "run/foo/link").symlink_to("x")
    notes = live.switch_off([applied], running(system))
    assert sorted(path.name for path in (system.root / "run/foo").iterdir()) == ["data"]
    assert notes[0] == f"{system.root}/run/foo/data is left: it is not empty"


def test_on_a_running_host_grubby_is_told_about_kernel_arguments(system: System) -> None:
    entry = "boot/loader/entries/a.conf"
    text = "options root=/dev/sda1 quiet\n"
    write_file(system.root, entry, text)
    write_file(system.root, "usr/sbin/grubby", "")
    ctx = running(system)
    items = [wanted for item in (
        KernelArgument("iommu", "on", present=True, repeat=False),
        KernelArgument("console", "ttyS0", present=True, repeat=True),
        KernelArgument("quiet", "", present=False, repeat=False))
        for wanted in KINDS["kernel-argument"].wanted(item, ctx)]
    applied = apply_all([*items, *command_line.KIND.implied(items, ctx)], ctx)
    assert system.done == ["grubby --update-kernel=ALL --args=iommu=on --remove-args=quiet"]
    apply_all(command_line.KIND.implied(items, ctx), ctx)
    assert len(system.done) == 1  # a second time changes nothing
    assert "iommu=on" in (system.root / entry).read_text()
    revert = plan_revert(applied, Ledger(), system.root)
    do_revert(revert, ctx)
    finish_revert(revert, Ledger(), ctx)
    assert system.done[1:] == ["grubby --update-kernel=ALL --remove-args=iommu=on console=ttyS0"]
    assert (system.root / entry).read_text() == text
