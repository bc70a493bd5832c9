"""The kinds of setting, by name."""
from __future__ import annotations

import enum
from pathlib import Path
from typing import Collection, Iterable, List, Mapping, Sequence, Set, Tuple

from ...undo.changes import Applied
from ..accounts import accounts
from ..boot import command_line, dracut_files, initramfs, kernel_arguments
from ..certificates import ca_certificates, ca_trust, signing_keys
from ..config_files import config_files, library_cache
from ..firewall import firewall
from ..host_names import host_names
from ..kit.model import Context, Derived, Kind, Remarking, Replacing, SettingProblem, Shown, Wanted
from ..modules import kernel_modules, module_index
from ..placed import leave_out, persistent_paths, placed_files, vdsm_hooks
from ..selinux import selinux, selinux_policy
from ..services import services
from ..sysctl import sysctl

DERIVED: Mapping[str, Derived] = {kind.name: kind for kind in (
    command_line.KIND, ca_trust.KIND, library_cache.KIND, selinux_policy.KIND, module_index.KIND,
    initramfs.KIND)}
"""Derived kinds, each after those that it follows from."""
_ALL: Tuple[Kind, ...] = (
    *accounts.KINDS, sysctl.KIND, *firewall.KINDS, services.KIND, kernel_modules.KIND,
    vdsm_hooks.KIND, *placed_files.KINDS, config_files.KIND,
    kernel_arguments.KIND, ca_certificates.KIND, signing_keys.KIND, host_names.KIND,
    persistent_paths.KIND, leave_out.KIND,
    *dracut_files.KINDS, *selinux.KINDS, *DERIVED.values())
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}
"""All kinds. The settings of one element are in this order, and derived kinds come last."""


class Phase(enum.IntEnum):
    """The phases of a change in which settings are applied, in this order.

    ACCOUNTS are users and groups, which the packages need: they are created before the packages
    are installed, and removed after these are removed. DERIVED follow from the others.
    """

    ACCOUNTS = 0
    SETTINGS = 1
    DERIVED = 2


_ACCOUNTS = frozenset(kind.name for kind in accounts.KINDS)


def phase_of(name: str) -> Phase:
    """Return the phase in which settings of this kind are applied."""
    if name in _ACCOUNTS:
        return Phase.ACCOUNTS
    return Phase.DERIVED if is_derived(name) else Phase.SETTINGS


def in_order(settings: Sequence[Wanted]) -> Tuple[Wanted, ...]:
    """Return ``settings`` with derived ones last, each after those that it follows from."""
    kinds = list(DERIVED)
    return tuple(sorted(settings, key=lambda item: (
        kinds.index(item.kind) if item.kind in DERIVED else -1)))


def is_shared(name: str) -> bool:
    """Return whether equal settings of this kind are one state of the system."""
    return name in KINDS and KINDS[name].shared


def is_derived(name: str) -> bool:
    """Return whether settings of this kind are rebuilt instead of being restored."""
    return name in DERIVED


def content(wanted: Wanted, ctx: Context) -> str:
    """Return the whole text that a plan shows of a setting, empty if there is none."""
    kind = KINDS[wanted.kind]
    return kind.content(wanted, ctx) if isinstance(kind, Shown) else ""


def verify(settings: Iterable[Applied], ctx: Context) -> Tuple[SettingProblem, ...]:
    """Return each difference from the applied state."""
    problems: List[SettingProblem] = []
    for applied in settings:
        if applied.kind in KINDS:
            problems.extend(KINDS[applied.kind].verify(applied, ctx))
        else:
            problems.append(SettingProblem(
                f"the setting {applied.kind} {applied.key} is of a kind that this version of the"
                " tool does not know"))
    return tuple(problems)


def remarks(settings: Iterable[Applied], ctx: Context) -> Tuple[str, ...]:
    """Return lines to show after ``settings`` were applied."""
    lines: List[str] = []
    for applied in settings:
        kind = KINDS.get(applied.kind)
        if isinstance(kind, Remarking):
            lines.extend(kind.remarks(applied, ctx))
    return tuple(lines)


def replaced_paths(names: Collection[str], root: Path) -> Tuple[Set[str], Set[str]]:
    """Return the files and the folders, relative to ``root``, that programs of kinds replace.

    Their former content is not in the undo data of the settings.
    """
    kinds = [kind for name, kind in KINDS.items() if name in names and isinstance(kind, Replacing)]
    return ({path for kind in kinds for path in kind.replaced_files(root)},
            {path for kind in kinds for path in kind.replaced_folders()})
