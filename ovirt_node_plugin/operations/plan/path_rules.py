"""The allowed paths: where packages of plugins may have files, as rules.

A rule allows or denies a path and all that is below it; ``*`` in it stands for
characters within one component. Of the rules that fit a path the longest one decides,
of equally long ones the administrator's; where none fits, the path is not allowed.

They are no wall against a vendor who means ill: a scriptlet can write anywhere. They
hold what a plugin is: files of its own, which take effect by settings.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Pattern, Sequence, Tuple

from ...errors import UsageError
from ...system.paths import is_inside_any, real_places
from ...system.regular_files import read_regular

# Where the packages of any plugin may have files.
ALLOWED = (
    "etc", "opt",
    "usr/bin", "usr/include", "usr/lib", "usr/lib64", "usr/libexec", "usr/sbin", "usr/share",
    "usr/src",
    "var/cache", "var/lib", "var/log", "var/opt", "var/spool",
)

# Besides, of a plugin that brings kernel modules or has settings of some.
KERNEL_MODULE = (
    "etc/depmod.d", "usr/lib/depmod.d", "usr/lib/firmware",
    "usr/lib/modules/*/extra", "usr/lib/modules/*/kernel", "usr/lib/modules/*/updates",
    "usr/lib/modules/*/weak-updates",
)

_BY_SETTING = "what is switched on is for the descriptor's settings to say"
_ACCOUNTS = "accounts are for the descriptor's settings to say"
_BOOT = "it changes how the system boots; the descriptor has settings for that"
_FOR_MODULES = "only plugins with kernel modules have files there"
_IDENTITY = "it says what the system is"
_NETWORK = "VDSM sets up the network"
_OWN = "it belongs to this tool"
_PACKAGES = "it takes effect in dnf or rpm themselves"
_PROGRAM = "it takes effect in every run of other programs"
_SECRETS = "who gets in is for the administrator to say"
_STATE = "it is another program's own state"

# What of the allowed paths is not, and why. Files of core packages need no rule: two
# packages cannot have one file. Drop-in folders that the system reads by itself, such
# as sysctl.d or sudoers.d, are open, as ordinary packages have files there; a plan names
# those (operations/noteworthy.py).
DENIED: Tuple[Tuple[str, str], ...] = (
    ("etc/crypttab", _BOOT),
    ("etc/default/grub", _BOOT),
    ("etc/default/grub.d", _BOOT),
    ("etc/depmod.d", _FOR_MODULES),
    ("etc/dracut.conf.d", _BOOT),
    ("etc/firewalld", _BY_SETTING),
    ("etc/fstab", _BOOT),
    ("etc/group", _ACCOUNTS),
    ("etc/grub.d", _BOOT),
    ("etc/gshadow", _ACCOUNTS),
    ("etc/hostname", _IDENTITY),
    ("etc/kernel", _BOOT),
    ("etc/ld.so.preload", _PROGRAM),
    ("etc/machine-id", _IDENTITY),
    ("etc/NetworkManager/system-connections", _NETWORK),
    ("etc/os-release", _IDENTITY),
    ("etc/passwd", _ACCOUNTS),
    ("etc/pki/ca-trust", _BY_SETTING),
    ("etc/pki/libvirt", _SECRETS),
    ("etc/pki/vdsm", _SECRETS),
    ("etc/rpm", _PACKAGES),
    ("etc/selinux", _BY_SETTING),
    ("etc/shadow", _ACCOUNTS),
    ("etc/ssh", _SECRETS),
    ("etc/subgid", _ACCOUNTS),
    ("etc/subuid", _ACCOUNTS),
    ("etc/sudoers", _SECRETS),
    ("etc/sysconfig/network-scripts", _NETWORK),
    ("etc/systemd/*.attached", _BY_SETTING),
    ("etc/systemd/*.control", _BY_SETTING),
    ("etc/systemd/*-generators", _BOOT),
    ("etc/systemd/*-preset", _BY_SETTING),
    ("etc/systemd/network", _NETWORK),
    ("etc/systemd/system", _BY_SETTING),
    ("etc/systemd/system.conf.d", _BOOT),
    ("etc/systemd/user.conf.d", _BOOT),
    ("etc/vdsm", _STATE),
    ("usr/lib*/libdnf*", _PACKAGES),
    ("usr/lib*/python*.zip", _PROGRAM),
    ("usr/lib*/python*/*/dnf*", _PACKAGES),
    ("usr/lib*/python*/*/hawkey*", _PACKAGES),
    ("usr/lib*/python*/*/libdnf*", _PACKAGES),
    ("usr/lib*/python*/*/ovirt_node_plugin*", _OWN),
    ("usr/lib*/python*/*/rpm*", _PACKAGES),
    ("usr/lib*/python*/*/sitecustomize*", _PROGRAM),
    ("usr/lib*/python*/*/usercustomize*", _PROGRAM),
    ("usr/lib*/python*/dnf*", _PACKAGES),
    ("usr/lib*/python*/hawkey*", _PACKAGES),
    ("usr/lib*/python*/libdnf*", _PACKAGES),
    ("usr/lib*/python*/ovirt_node_plugin*", _OWN),
    ("usr/lib*/python*/rpm*", _PACKAGES),
    ("usr/lib*/python*/sitecustomize*", _PROGRAM),
    ("usr/lib*/python*/usercustomize*", _PROGRAM),
    ("usr/lib*/rpm", _PACKAGES),
    ("usr/lib*/rpm-plugins", _PACKAGES),
    ("usr/lib/bootupd", _BOOT),
    ("usr/lib/depmod.d", _FOR_MODULES),
    ("usr/lib/dracut/dracut.conf.d", _BOOT),
    ("usr/lib/firmware", _FOR_MODULES),
    ("usr/lib/kernel", _BOOT),
    ("usr/lib/modules", _FOR_MODULES),
    ("usr/lib/NetworkManager/system-connections", _NETWORK),
    ("usr/lib/os-release", _IDENTITY),
    ("usr/lib/os.release.d", _IDENTITY),
    ("usr/lib/ostree-boot", _BOOT),
    ("usr/lib/sysimage", _STATE),
    ("usr/lib/systemd/*-generators", _BOOT),
    ("usr/lib/systemd/*-preset", _BY_SETTING),
    ("usr/lib/systemd/system/*.requires", _BY_SETTING),
    ("usr/lib/systemd/system/*.upholds", _BY_SETTING),
    ("usr/lib/systemd/system/*.wants", _BY_SETTING),
    ("usr/share/dnf*", _PACKAGES),
    ("usr/share/factory", _STATE),  # imgbased's pristine etc and var
    ("usr/share/imgbase", _STATE),
    ("usr/share/ovirt-node-plugin", _OWN),
    ("usr/share/pki/ca-trust-source", _BY_SETTING),
    ("usr/share/rpm", _STATE),  # where Node has its rpm database
    ("var/lib/dnf", _STATE),
    ("var/lib/rpm", _STATE),
    ("var/lib/systemd", _STATE),
    ("var/lib/vdsm", _STATE),
    ("var/spool/at", _BY_SETTING),
    ("var/spool/cron", _BY_SETTING),
)

# A tmpfs of the running system: folders and names that packages only claim do nothing.
_NAMES_ONLY = ("run", "var/run", "var/lock")
_NOT_ALLOWED = "it is outside the allowed paths"
# In every system since EL7 these are links into usr.
_MERGED = ("bin", "lib", "lib64", "sbin")


@dataclass(frozen=True)
class PathRule:
    """One rule: ``path`` is relative to the root; ``reason`` says why it is denied."""

    path: str
    allow: bool
    reason: str = ""

    @property
    def parts(self) -> Tuple[str, ...]:
        """The components."""
        return tuple(self.path.split("/"))


def built_in(*, kernel_module: bool) -> List[PathRule]:
    """Return the rules that hold for an ordinary plugin, or one with kernel modules."""
    return [*(PathRule(path, True) for path in ALLOWED),
            *(PathRule(path, False, reason) for path, reason in DENIED),
            *(PathRule(path, True) for path in (KERNEL_MODULE if kernel_module else ()))]


class PathPolicy:
    """Says of paths if a plugin may have them; of equally long ``rules`` the last decides.

    A rule also holds for the place to which links of ``root`` lead from its path, with the
    length of the path as it is written: a rule for ``var/lib/dnf`` holds for
    ``usr/share/dnf`` where the first is a link to the second.
    """

    def __init__(self, rules: Sequence[PathRule], *, root: Optional[Path] = None) -> None:
        self._ranks = {id(rule): (len(rule.parts), number) for number, rule in enumerate(rules)}
        self._plain: Dict[Tuple[str, ...], List[PathRule]] = {}
        self._globs: List[Tuple[Pattern[str], PathRule]] = []
        self._allowed: List[List[Pattern[str]]] = []
        for rule in rules:
            for path in [rule.path] if root is None else _real_globs(root, rule.path):
                parts = path.split("/")
                if "*" in path:
                    self._globs.append((_pattern(path), rule))
                else:
                    self._plain.setdefault(tuple(parts), []).append(rule)
                if rule.allow:
                    self._allowed.append([_pattern(part) for part in parts])

    def objection(self, path: str, *, folder: bool = False, claimed: bool = False) -> str:
        """Return why ``path`` is not for a plugin's package; empty if it is.

        ``path`` is relative to the root, links resolved. ``folder``: it is one, or may be;
        those on the way to what is allowed are as well. ``claimed``: only the name is the
        package's, such as that of a log.
        """
        if path.partition("/")[0] in _MERGED:
            path = f"usr/{path}"
        if (folder or claimed) and is_inside_any(path, _NAMES_ONLY):
            return ""
        rule = self._deciding(path)
        if rule is not None and rule.allow:
            return ""
        if folder and self._leads_on(path):
            return ""
        return rule.reason if rule is not None else _NOT_ALLOWED

    def _deciding(self, path: str) -> Optional[PathRule]:
        parts = tuple(path.split("/"))
        prefixes = (parts[:count] for count in range(len(parts), 0, -1))
        found = [rule for pattern, rule in self._globs if pattern.match(path)]
        found += [rule for prefix in prefixes for rule in self._plain.get(prefix, ())]
        return max(found, key=lambda rule: self._ranks[id(rule)], default=None)

    def _leads_on(self, path: str) -> bool:
        """Say if ``path`` is on the way to something that is allowed."""
        parts = path.split("/") if path != "." else []
        return any(len(allowed) > len(parts) and all(
            pattern.match(part) for pattern, part in zip(allowed, parts))
            for allowed in self._allowed)


def read_rules(folders: Iterable[Path]) -> List[PathRule]:
    """Return the administrator's rules, of all ``*.conf`` files in ``folders``.

    A line is ``allow PATH`` or ``deny PATH``, ``#`` starts a comment.

    Raises UsageError for a file that cannot be read and a line that is no rule.
    """
    found: List[PathRule] = []
    for path in [path for folder in folders for path in sorted(folder.glob("*.conf"))]:
        try:
            lines = read_regular(path, follow=True).decode().splitlines()
        except (OSError, UnicodeDecodeError) as exc:
            raise UsageError(f"the rules for paths {path} cannot be read: {exc}",
                             hint="Make it a readable text file, or take it away.") from exc
        for number, line in enumerate(lines, start=1):
            text = line.partition("#")[0].strip()
            if text:
                found.append(_rule(text, f"{path}:{number}"))
    return found


def _rule(text: str, where: str) -> PathRule:
    word, _, path = text.partition(" ")
    path = path.strip()
    parts = path.strip("/").split("/")
    if word not in ("allow", "deny") or not path.startswith("/") or {"", ".", ".."} & set(parts):
        raise UsageError(f"{where}: {text!r} is no rule for paths",
                         hint="Write allow or deny and an absolute path, such as allow /srv/acme.")
    if parts[0] in _MERGED:
        parts.insert(0, "usr")
    return PathRule("/".join(parts), word == "allow", f"{where} denies it")


def _real_globs(root: Path, glob: str) -> List[str]:
    """Return ``glob`` and, if other, the place to which links in its plain part lead."""
    plain, star, rest = glob.partition("*")
    folder, slash, start = plain.rpartition("/") if star else (plain, "", "")
    return [f"{place}{slash}{start}{star}{rest}" for place in real_places(root, [folder])]


def _pattern(glob: str) -> Pattern[str]:
    """Return what matches a path that ``glob`` names or that is below it."""
    return re.compile("[^/]*".join(map(re.escape, glob.split("*"))) + r"(?:/|\Z)", re.DOTALL)
