"""The results of operations as plain data: plans, states of plugins, checks."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Optional, Tuple

from ...errors import DisputedFile
from ...packages.session import PackageChange
from ...registry.origin import Origin
from ...registry.trust_level import InstalledTrust
from ...system.differences import PropertyDifference
from ...target import Target

# Kinds of Notable.
SETUID, SETGID, CAPABILITIES, DEVICE, WRITABLE, DRIVER, NAMESAKE, DROP_IN, NOT_UPDATED = (
    "setuid", "setgid", "capabilities", "device", "world-writable", "kernel-module", "same-name",
    "drop-in", "not-updated")
SCRIPTLETS = "scriptlets"
# Kinds of Notable for files that programs read by themselves, beside DROP_IN.
PROTECTED, UNIT, TMPFILES, LIBRARY, SELINUX, ACCESS, COMMAND, BUS_NAME, COCKPIT = (
    "protected", "unit", "tmpfiles", "library", "selinux", "access", "command", "bus-name",
    "cockpit-page")

INSTALL, UPGRADE, REPAIR, KEEP, REMOVE = "install", "upgrade", "repair", "keep", "remove"
# Kinds of Finding: in the record or the undo data, which cannot be repaired, in the inventory, of
# a package that is missing or another build, of a file of a package, of a file that a scriptlet
# made, of a file that its package marks %config or %ghost, and of a file of the registry in /etc
# that is not the image's.
(IN_RECORD, IN_INVENTORY, IN_PACKAGE, IN_FILE, IN_SETTING, IN_SCRIPTLET, IN_CONFIG, IN_GHOST,
 STALE) = ("record", "inventory", "package", "file", "setting", "scriptlet", "config", "ghost",
           "stale")
# What became of a file that ``reconcile`` names.
REWRITTEN, RESTORED, REMOVED, LEFT = "rewritten", "restored", "removed", "left"
ON, AGAIN, OFF, STAYS = "on", "again", "off", "stays"


@dataclass(frozen=True)
class PlannedSetting:
    """One setting and its ``action``: ON, AGAIN (applied again), OFF or STAYS.

    A setting STAYS if its plugin drops it and another plugin has it too. ``kind``, ``key``
    and ``value`` are as in the record, ``text`` is a line for people. ``content`` is the whole
    text of a file of configuration, empty for other kinds and where it is not known yet.
    """

    action: str
    kind: str
    key: str
    value: str
    text: str
    content: str = ""


@dataclass(frozen=True)
class PlannedParameter:
    """A parameter that gets another value; ``text`` is a line for people.

    Both values are empty for a secret, which has the ``digest`` that is recorded, and where there
    is none: ``old_value`` of a new parameter, ``value`` of one that the version does not have.
    """

    name: str
    type: str
    old_value: str
    value: str
    digest: str
    text: str


@dataclass(frozen=True)
class ParameterInfo:
    """A parameter of a plugin, with the recorded value, or the default of the descriptor.

    ``value`` is None for a secret and where there is none; ``given`` is whether a value is
    recorded that is not the default.
    """

    name: str
    type: str
    meaning: str
    expected: str
    required: bool
    value: Optional[str]
    given: bool


@dataclass(frozen=True)
class FolderCount:
    """The number of a plugin's files in and below a folder, which is an absolute path."""

    folder: str
    files: int


@dataclass(frozen=True)
class Share:
    """A package or setting that several plugins have; it stays until the last is removed.

    ``kind`` is ``package`` or the kind of a setting, ``name`` the NEVRA or the setting's
    key; ``plugins`` are the other plugins.
    """

    kind: str
    name: str
    plugins: Tuple[str, ...]


@dataclass(frozen=True)
class Signature:
    """The packages that one key signed, or those without a signature.

    ``key`` is the id of the key, empty without a signature; ``owner`` is empty if the root
    does not have the key yet; ``checked`` is whether the signatures are checked, as the
    packages' repositories say. ``fingerprint`` is the whole one of the key, empty if it is not
    known, and ``offered_owner`` the owner that the key names which a repository offers, if the
    root does not have it: nobody has confirmed that.
    """

    key: str
    owner: str
    packages: Tuple[str, ...]
    checked: bool
    fingerprint: str = ""
    offered_owner: str = ""

    @property
    def key_text(self) -> str:
        """The fingerprint of the key, or its id, and the owner that it names itself."""
        return ", ".join(filter(None, (self.fingerprint or self.key, self.offered_owner)))


@dataclass(frozen=True)
class Space:
    """Space on the root's filesystem: needed by arriving packages, freed by others, free.

    ``free_bytes`` is None for a root of an image that has no filesystem of its own.
    """

    needed_bytes: int
    freed_bytes: int
    free_bytes: Optional[int]


@dataclass(frozen=True)
class Notable:
    """One item of a package that deserves a review before the installation.

    ``kind`` is a constant above; ``path`` is absolute, empty for what scriptlets do. ``detail``
    depends on the kind: mode and owner of a file, capabilities as cap_to_text(3) writes
    them, the name of a kernel's own module, other files of the same name, what of a file
    takes effect, the resolved path of a drop-in, numbers of files and folders, or names of
    scriptlets such as ``post``. ``package`` is ``plugin NAME`` for a setting.
    """

    package: str
    kind: str
    path: str
    detail: str


@dataclass(frozen=True)
class ReplacedPackage:
    """An installed package of no plugin that a transaction takes away for good.

    ``nevra`` and ``name`` are its own, ``by`` the NEVRA of the package of the same name that
    takes its place and ``repo`` the repository of that, both empty if it is removed or obsoleted.
    """

    nevra: str
    name: str
    by: str = ""
    repo: str = ""


@dataclass(frozen=True)
class KnownKey:
    """The whole fingerprint and the owner of the key with the id ``key``."""

    key: str
    fingerprint: str
    owner: str


@dataclass(frozen=True)
class PluginAction:
    """The changes of one plugin.

    ``action`` is INSTALL, UPGRADE, REPAIR (it is installed, but damaged), KEEP
    (nothing to do) or REMOVE; ``old_version`` is empty for an install; ``packages`` are the
    NEVRAs that it brings or shares; ``files`` are counts of the files in packages that
    arrive or leave; ``now`` are lines about changes of the running system. ``origin`` is
    None for KEEP and REMOVE, and if packages are not fetched; ``old_origin`` is that of the
    installed version if it is another vendor's, else None. ``repairs`` are the problems that
    the command repair is to end; ``next_step`` is the command that repairs a plugin which is
    kept, empty if it has no problem. ``known_keys`` are the keys of both
    origins of which fingerprint and owner are known. ``trust`` is how far the plugin is trusted,
    None for KEEP and REMOVE.
    """

    action: str
    name: str
    version: str
    old_version: str
    vendor: str
    summary: str
    source: str
    packages: Tuple[str, ...] = ()
    settings: Tuple[PlannedSetting, ...] = ()
    now: Tuple[str, ...] = ()
    files: Tuple[FolderCount, ...] = ()
    shares: Tuple[Share, ...] = ()
    notes: Tuple[str, ...] = ()
    origin: Optional[Origin] = None
    old_origin: Optional[Origin] = None
    repairs: Tuple[str, ...] = ()
    next_step: str = ""
    known_keys: Tuple[KnownKey, ...] = ()
    parameters: Tuple[PlannedParameter, ...] = ()
    trust: Optional[InstalledTrust] = None

    @property
    def origin_change(self) -> Tuple[str, ...]:
        """Lines about the origin, if it is another one than that of the installed version."""
        if self.old_origin is None or self.origin is None:
            return ()
        texts = {known.key: f"{known.fingerprint} {known.owner}".rstrip()
                 for known in self.known_keys}
        return (f"{self.name} {self.old_version} is by"
                f" {self.old_origin.text(texts)};",
                f"{self.name} {self.version} is by"
                f" {self.origin.text(texts)}")


@dataclass(frozen=True)
class Unrepaired:
    """A plugin that is not repaired, or not completely, and the reasons."""

    name: str
    version: str
    reasons: Tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Everything that an operation would do.

    ``table`` is the transaction as dnf prints it, empty without packages; ``signatures``
    and ``noteworthy`` are about arriving packages; ``disputed_files`` are the files outside
    the allowed paths that are only reported. ``replaced`` are packages of the system that a
    removal does not bring back. ``unrepaired`` are plugins of the command repair.
    """

    operation: str
    target: Target
    plugins: Tuple[PluginAction, ...]
    packages: Tuple[PackageChange, ...]
    table: str = ""
    notes: Tuple[str, ...] = ()
    signatures: Tuple[Signature, ...] = ()
    space: Optional[Space] = None
    noteworthy: Tuple[Notable, ...] = ()
    disputed_files: Tuple[DisputedFile, ...] = ()
    replaced: Tuple[ReplacedPackage, ...] = ()
    unrepaired: Tuple[Unrepaired, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return any(plugin.action != KEEP for plugin in self.plugins)


@dataclass(frozen=True)
class PluginState:
    """One plugin, installed or offered.

    ``state`` is ``installed``, ``broken`` or ``available``; ``problems`` are the reasons
    for ``broken``; ``source`` is where it was or would be installed from; ``origin`` is None
    unless it is installed. ``installed_at`` and ``trust``, a constant of ``registry.rules``, are
    empty unless a record tells them, and ``installed_trust`` is None then. ``upgrades`` is the
    installed version if an available one is newer, else empty. ``catalog_status`` is what the
    catalogs of the site say of this version, ``unlisted`` if they do not list it, empty without
    catalogs; ``catalog_note`` is their note.
    """

    name: str
    version: str
    vendor: str
    summary: str
    state: str
    source: str
    problems: Tuple[str, ...] = ()
    origin: Optional[Origin] = None
    installed_at: str = ""
    trust: str = ""
    upgrades: str = ""
    catalog_status: str = ""
    catalog_note: str = ""
    installed_trust: Optional[InstalledTrust] = None


@dataclass(frozen=True)
class PluginInfo:
    """Everything that is known of one plugin; ``settings`` are lines for people.

    ``shares`` are the packages and settings that other plugins have too.

    For a plugin that is not installed, ``plan`` is what installing it here would do, or
    ``refused`` the reason why it cannot be installed, with ``refused_status``, the exit status
    of ``install``.
    """

    state: PluginState
    description: str
    url: str
    license: str
    repos: Tuple[str, ...]
    packages: Tuple[str, ...]
    settings: Tuple[str, ...]
    requires: Tuple[str, ...]
    shares: Tuple[Share, ...] = ()
    plan: Optional[Plan] = None
    refused: str = ""
    refused_status: int = 0
    parameters: Tuple[ParameterInfo, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One difference of a root from the record of a plugin, which ``text`` describes.

    ``kind`` is one of the constants above. ``path`` is absolute and ``package`` a NEVRA; both
    are empty if the difference is in none, or in several. ``differences`` are what was and what
    is, as far as both are known.
    """

    kind: str
    text: str
    path: str = ""
    package: str = ""
    differences: Tuple[PropertyDifference, ...] = ()

    @property
    def is_damage(self) -> bool:
        """Whether this is a problem, and not a change that the package leaves to others."""
        return self.kind not in (IN_CONFIG, IN_GHOST)


@dataclass(frozen=True)
class RecordCorrection:
    """One file in /etc that was of another image than the root.

    ``action`` is REWRITTEN, RESTORED or REMOVED, or LEFT for a file that nobody may remove but
    an administrator; ``path`` is absolute, ``reason`` is a clause for people.
    """

    plugin: str
    action: str
    path: str
    reason: str


@dataclass(frozen=True)
class Check:
    """The result of ``verify`` for one plugin; ``problems`` is empty if all is as recorded.

    ``problems`` are the texts of the findings that are damage, ``notes`` those of the others.
    """

    name: str
    version: str
    problems: Tuple[str, ...]
    notes: Tuple[str, ...] = ()
    findings: Tuple[Finding, ...] = ()

    @property
    def is_repairable(self) -> bool:
        """Whether there are problems for a repair, and record and undo data can be read."""
        return (any(each.is_damage and each.kind != STALE for each in self.findings)
                and all(each.kind != IN_RECORD for each in self.findings))

    @property
    def is_stale(self) -> bool:
        """Whether a file of the plugin in /etc is not that of the image."""
        return any(each.kind == STALE for each in self.findings)

    @classmethod
    def of(cls, name: str, version: str, findings: Iterable[Finding]) -> Check:
        """Return the check of a plugin with all its ``findings``."""
        findings = tuple(findings)
        return cls(name=name, version=version, findings=findings,
                   problems=tuple(each.text for each in findings if each.is_damage),
                   notes=tuple(each.text for each in findings if not each.is_damage))
