"""A small handwritten root, and functions that apply and revert settings in it."""
from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Container, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from ovirt_node_plugin.plugin.descriptor import Descriptor, When
from ovirt_node_plugin.plugin.settings import Setting
from ovirt_node_plugin.settings.engine import checking, kinds, selection
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.settings.engine.revert import (
    Revert,
    do_revert,
    finish_revert,
    plan_revert,
    rebuild_all,
)
from ovirt_node_plugin.settings.engine.upgrade import Upgrade, apply_upgrade
from ovirt_node_plugin.settings.kit.model import Context, Wanted
from ovirt_node_plugin.system.entries import Entry, read_entry
from ovirt_node_plugin.system.path_sets import VDSM_HOOKS
from ovirt_node_plugin.system.rpm_version import VersionRange
from ovirt_node_plugin.system.run import Polled, Runner, StrPath, run
from ovirt_node_plugin.undo.changes import Applied, AppliedState
from tests.support.applied import apply_all
from tests.support.kmod import module_bytes

UNITS = "usr/lib/systemd/system"
KERNEL = "5.14.0-427.el9.x86_64"
MODULES = f"usr/lib/modules/{KERNEL}"


def make_root(root: Path) -> Path:
    """Fill ``root`` with a usr-merged tree: units, VDSM's hooks, a shell, a kernel with modules."""
    for folder in ("etc/systemd/system/multi-user.target.wants", UNITS, VDSM_HOOKS,
                   f"{MODULES}/kernel", "etc/modprobe.d", "usr/share", "usr/bin"):
        (root / folder).mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")
    write_file(root, "usr/bin/sh", "\x7fELF")
    (root / "usr/bin/sh").chmod(0o755)
    (root / "lib").symlink_to("usr/lib")
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    for target in ("multi-user.target", "sockets.target"):
        (root / UNITS / target).write_text(f"[Unit]\nDescription={target}\n")
    write_unit(root, "sshd.service")
    (root / "etc/systemd/system/multi-user.target.wants/sshd.service").symlink_to(
        "/usr/lib/systemd/system/sshd.service")
    write_module(root, "core")
    for name in ("order", "builtin", "builtin.modinfo"):
        (root / MODULES / f"modules.{name}").write_text("")
    run(["depmod", "-b", root, KERNEL])
    return root


def make_firewall(root: Path) -> None:
    """Write firewalld's default configuration into a root, with few zones."""
    for folder in ("etc/firewalld", "usr/lib/firewalld"):
        for name in ("helpers", "icmptypes", "ipsets", "policies", "services", "zones"):
            (root / folder / name).mkdir(parents=True)
    (root / "etc/firewalld/firewalld.conf").write_text("# Default\nDefaultZone=public\n")
    for zone in ("block", "drop", "internal", "public", "trusted"):
        target = ' target="ACCEPT"' if zone == "trusted" else ""
        (root / f"usr/lib/firewalld/zones/{zone}.xml").write_text(
            f'<?xml version="1.0" encoding="utf-8"?>\n<zone{target}>\n  <short>{zone}</short>\n'
            '  <service name="ssh"/>\n  <forward/>\n</zone>\n')
    (root / "usr/lib/firewalld/services/ssh.xml").write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n<service>\n  <short>SSH</short>\n'
        '  <port protocol="tcp" port="22"/>\n</service>\n')


def write_unit(root: Path, name: str, *, also: str = "", install: bool = True) -> str:
    """Write a unit for multi-user.target or sockets.target; return its path in the root."""
    kind = name.rpartition(".")[2]
    target = "sockets.target" if kind == "socket" else "multi-user.target"
    text = ("[Socket]\nListenStream=1\n" if kind == "socket"
            else "[Service]\nExecStart=/bin/true\n")
    if install:
        text += f"[Install]\nWantedBy={target}\n" + (f"Also={also}\n" if also else "")
    (root / UNITS / name).write_text(text)
    return f"/{UNITS}/{name}"


def write_module(root: Path, name: str, *, folder: str = "kernel") -> str:
    """Write a kernel module; return its path in the root."""
    path = root / MODULES / folder / f"{name}.ko"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(module_bytes(name, kernel=KERNEL, fields=[f"alias=test:{name}"]))
    return f"/{MODULES}/{folder}/{name}.ko"


def write_file(root: Path, path: str, text: str) -> str:
    """Write a file of a plugin's package; return its path in the root."""
    path = path.lstrip("/")
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    return f"/{path}"


@dataclass
class RecordingRunner:
    """A runner that records argument lists.

    With ``real`` it also runs them, otherwise it returns ``output``.
    """

    real: Optional[Runner] = None
    output: str = ""
    argvs: List[Tuple[str, ...]] = field(default_factory=list)

    def __call__(self, argv: Sequence[StrPath], *, ok: Container[int] = (0,),
                 stdin: bytes = b"", polled: Polled = None) -> str:
        self.argvs.append(tuple(os.fspath(word) for word in argv))
        return self.real(argv, ok=ok, stdin=stdin) if self.real else self.output


def context(root: Path, plugin: str = "foo", *, files: Sequence[str] = (),
            runner: Runner = run) -> Context:
    """Return a context whose plugin installs the regular ``files``."""
    return Context(root, plugin, dict.fromkeys(files, 0o100644), runner)


def descriptor(*settings: Union[Setting, When]) -> Descriptor:
    """Return a descriptor with these settings and few other values."""
    return Descriptor(
        schema_version=1, name="foo", version="1.0", vendor="V", summary="S", description="",
        url="", license="", node_versions=VersionRange(), tool_versions=VersionRange(), needs=(),
        repo_ids=(), installs=(), excludes=(), settings=tuple(settings), source_xml=b"")


def wanted_settings(ctx: Context, *settings: Setting) -> Tuple[Wanted, ...]:
    """Return the wanted state of a descriptor with these settings."""
    return selection.wanted(descriptor(*settings), ctx)


def problem_texts(applied: Sequence[Applied], ctx: Context) -> Tuple[str, ...]:
    """Return a line for each difference from the applied state."""
    return tuple(problem.text for problem in kinds.verify(applied, ctx))


def ledger_of(applied_by_plugin: Mapping[str, Sequence[Applied]]) -> Ledger:
    """Return a ledger of plugins' settings, without effects."""
    return Ledger({name: AppliedState(tuple(settings)) for name,
                   settings in applied_by_plugin.items()})


def finish(plan: Revert, ledger: Ledger, ctx: Context) -> Tuple[str, ...]:
    """Do what a removal does after the packages are removed; return lines for people."""
    rebuild_all(plan, ledger, ctx)
    return finish_revert(plan, ledger, ctx)


def apply_settings(root: Path, name: str, applied_by_plugin: Dict[str, Tuple[Applied, ...]],
                   *settings: Setting) -> None:
    """Check and apply one plugin's settings, and add them to ``applied_by_plugin``."""
    ctx = context(root, name)
    items = wanted_settings(ctx, *settings)
    checking.check(items, ctx, others=applied_by_plugin)
    applied_by_plugin[name] = apply_all(items, ctx, ledger_of(applied_by_plugin))


def revert_settings(root: Path, name: str,
                    applied_by_plugin: Dict[str, Tuple[Applied, ...]]) -> Revert:
    """Revert one plugin's settings, as an operation without packages does."""
    applied = applied_by_plugin.pop(name)
    ledger = ledger_of(applied_by_plugin)
    plan = plan_revert(applied, ledger, root)
    do_revert(plan, context(root))
    finish(plan, ledger, context(root))
    applied_by_plugin.update({other: state.settings for other, state in ledger.states.items()})
    return plan


def upgrade_settings(
        plan: Upgrade, ctx: Context,
        applied_by_plugin: Optional[Dict[str, Tuple[Applied, ...]]] = None,
        ) -> Tuple[Applied, ...]:
    """Upgrade one plugin's settings, update ``applied_by_plugin``, and return the settings."""
    applied_by_plugin = {} if applied_by_plugin is None else applied_by_plugin
    ledger = ledger_of({**applied_by_plugin, ctx.plugin: plan.kept})
    revert = plan_revert(plan.gone, ledger, ctx.root)
    do_revert(revert, ctx)
    finish(revert, ledger, ctx)
    apply_upgrade(plan, ctx, ledger)
    applied_by_plugin.update({other: state.settings for other, state in ledger.states.items()})
    return applied_by_plugin[ctx.plugin]


def tree(root: Path) -> Mapping[str, Entry]:
    """Return every entry of a tree, with content, mode, owner and attributes."""
    entries: Dict[str, Entry] = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = (Path(folder) / name).relative_to(root).as_posix()
            entry = read_entry(root, path)
            assert entry is not None
            entries[path] = entry
    return entries


def differences(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> List[str]:
    """Return the paths that differ between two trees."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


def changed_paths(applied: Sequence[Applied]) -> List[str]:
    """Return every path that settings changed."""
    return sorted(change.path for setting in applied for change in setting.changes)
