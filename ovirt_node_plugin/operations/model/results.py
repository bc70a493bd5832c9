"""What the operations answer: plans, outcomes, tables. Plain data, for any report."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

from ...errors import DisputedFile
from ...packages.session import PackageChange
from ...target import Target

# What is noteworthy of a package, in the order in which it is told.
SETUID, SETGID, CAPABILITIES, DEVICE, WRITABLE, DRIVER, NAMESAKE, DROP_IN, SCRIPTLETS = (
    "setuid", "setgid", "capabilities", "device", "world-writable", "kernel-module", "same-name",
    "drop-in", "scriptlets")

INSTALL, UPGRADE, REPAIR, KEEP, REMOVE = "install", "upgrade", "repair", "keep", "remove"
ON, AGAIN, OFF, STAYS = "on", "again", "off", "stays"


@dataclass(frozen=True)
class PlannedSetting:
    """One setting and what happens to it: it comes ON, is applied AGAIN, goes OFF or STAYS.

    It stays where its plugin drops it and another one has it too.
    ``kind``, ``key`` and ``value`` are as in the record, ``text`` is a line for people.
    """

    action: str
    kind: str
    key: str
    value: str
    text: str


@dataclass(frozen=True)
class FolderCount:
    """How many files of a plugin lie in a folder, which is absolute, and below it."""

    folder: str
    files: int


@dataclass(frozen=True)
class Share:
    """What a plugin has together with others, and stays until the last of them goes.

    ``kind`` is ``package`` or a setting's, ``name`` the NEVRA or the setting's key.
    """

    kind: str
    name: str
    plugins: Tuple[str, ...]


@dataclass(frozen=True)
class Signature:
    """A key, by its id, and the packages that it signed; no id for those without a signature.

    ``owner`` is empty where the root does not have the key yet. ``checked`` says that
    their repositories have signatures checked.
    """

    key: str
    owner: str
    packages: Tuple[str, ...]
    checked: bool


@dataclass(frozen=True)
class Space:
    """Room on the root's filesystem, in bytes: for what comes, by what goes, and free."""

    needed_bytes: int
    freed_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class Notable:
    """One thing about a package that is good to know before it goes in.

    ``kind`` is one of the above; ``path`` absolute, empty for scriptlets; ``detail`` the
    mode and owner of a file, its capabilities as cap_to_text(3) writes them, the name of a
    kernel's own module, the other file of that name, where a drop-in is if links lead
    there, or names of scriptlets such as ``post``.
    """

    package: str
    kind: str
    path: str
    detail: str

    @property
    def text(self) -> str:
        """A line for people."""
        if self.kind == SCRIPTLETS:
            return f"scriptlets that run: {self.detail}"
        if self.kind == DRIVER:
            return f"replaces kernel module {self.detail}: {self.path}"
        what = {CAPABILITIES: "file with capabilities", DROP_IN: "active without a setting",
                DEVICE: "device node", NAMESAKE: "same name as another"}.get(self.kind, self.kind)
        return f"{what}: {self.path}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True)
class PluginAction:
    """What happens to one plugin.

    ``action`` is INSTALL, UPGRADE, REPAIR (its record outlived its packages),
    KEEP (nothing to do) or REMOVE; ``old_version`` is empty for an install;
    ``packages`` are the NEVRAs that it brings or shares, ``files`` what is in those
    that come or go; ``now`` are lines on what is done to the running system.
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


@dataclass(frozen=True)
class Plan:
    """Everything that an operation would do, before it does it.

    ``table`` is the transaction as dnf prints it, empty without packages;
    ``signatures`` are of the packages that come, ``noteworthy`` what of them deserves a
    look, ``disputed_files`` those outside the allowed paths that are let through.
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

    @property
    def changes(self) -> bool:
        """Say if there is anything to do."""
        return any(plugin.action != KEEP for plugin in self.plugins)


@dataclass(frozen=True)
class PluginState:
    """One plugin, installed or offered.

    ``state`` is ``installed``, ``broken`` or ``available``; ``problems`` say why
    it is broken; ``source`` is where it was or would be installed from.
    """

    name: str
    version: str
    vendor: str
    summary: str
    state: str
    source: str
    problems: Tuple[str, ...] = ()


@dataclass(frozen=True)
class PluginInfo:
    """All that is known of one plugin; lines of settings as in a plan.

    ``plan`` is what installing it here would do, ``refused`` why it cannot be; neither
    is there for one that is installed.
    """

    state: PluginState
    description: str
    url: str
    license: str
    installed_at: str
    repos: Tuple[str, ...]
    packages: Tuple[str, ...]
    settings: Tuple[str, ...]
    requires: Tuple[str, ...]
    plan: Optional[Plan] = None
    refused: str = ""


@dataclass(frozen=True)
class Check:
    """What ``verify`` found of one plugin; no problems means that all is true."""

    name: str
    version: str
    problems: Tuple[str, ...]
