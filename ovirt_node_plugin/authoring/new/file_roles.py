"""Which file of a package means which setting of a descriptor: one table.

It says what a file is by its place: whether the file takes effect only by a setting, is active
as the package has it, or cannot stay where it is and is carried by the bundle instead. Paths
are relative to a root, with ``lib`` as ``usr/lib``.
"""
from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Iterator, Mapping, Optional, Pattern, Tuple

from ...plugin.vdsm_points import HOOK_POINTS
from ...settings.config_files import folders
from ...settings.placed.placed_files import PLACEMENTS
from ...system.path_sets import MERGED, VDSM_HOOKS

_UNIT = r"[^/]+\.(?:service|socket|timer|path|target|mount|automount|slice)"
_POINTS = "|".join(HOOK_POINTS)


@dataclass(frozen=True)
class FileRole:
    """What the files are whose whole path ``pattern`` matches.

    ``element`` is the setting for them, ``what`` the words for one such file. The groups
    ``name``, ``unit``, ``point`` and ``order`` of the pattern are the values of attributes of
    that name, and ``attributes`` are others. ``content``: the file has to be read to make the
    setting. ``active``: the file takes effect where it is, without the setting. ``movable``: a
    copy in ``files/`` of the bundle can be the source of the setting.
    """

    element: str
    what: str
    pattern: Pattern[str]
    attributes: Mapping[str, str]
    content: bool = False
    active: bool = False
    movable: bool = False


@dataclass(frozen=True)
class FileMeaning:
    """A role, and the values of attributes of its setting that the path has."""

    role: FileRole
    values: Mapping[str, str]


def meaning(path: str) -> Optional[FileMeaning]:
    """Return what the file at ``path``, absolute or relative to a root, is; None if unknown."""
    relative = merged(path)
    for role in roles() if _any_role().fullmatch(relative) else ():
        match = role.pattern.fullmatch(relative)
        if match:
            groups = {name: value for name, value in match.groupdict().items() if value}
            return FileMeaning(role, {**groups, **role.attributes})
    return None


@functools.lru_cache(maxsize=1)
def _any_role() -> Pattern[str]:
    """Return a pattern of all roles together; most files of a package match none of them."""
    return re.compile("|".join(
        f"(?:{re.sub('[(][?]P<[a-z]+>', '(?:', role.pattern.pattern)})" for role in roles()))


def merged(path: str) -> str:
    """Return ``path`` relative to a root in which ``lib`` and its like are links into ``usr``."""
    relative = path.lstrip("/")
    return f"usr/{relative}" if relative.partition("/")[0] in MERGED else relative


@functools.lru_cache(maxsize=1)
def roles() -> Tuple[FileRole, ...]:
    """Return all roles; the first that matches a path counts."""
    return (*_TAKING_EFFECT_BY_SETTING, *_OF_THE_BUNDLE, *_placed(), *_OTHERS, *_config_folders())


def _role(element: str, what: str, pattern: str, *, content: bool = False, active: bool = False,
          movable: bool = False, **attributes: str) -> FileRole:
    return FileRole(element, what, re.compile(pattern), attributes, content=content,
                    active=active, movable=movable)


_TAKING_EFFECT_BY_SETTING = (
    _role("service", "a unit of systemd", f"usr/lib/systemd/system/(?P<name>{_UNIT})",
          content=True),
    _role("service", "a unit of systemd", f"etc/systemd/system/(?P<name>{_UNIT})",
          content=True),
    _role("firewall-service", "a service of firewalld",
          r"usr/lib/firewalld/services/(?P<name>[^/]+)\.xml"),
    _role("firewall-service", "a service of firewalld",
          r"etc/firewalld/services/(?P<name>[^/]+)\.xml", content=True, movable=True),
    _role("kernel-module", "a kernel module",
          r"usr/lib/modules/[^/]+/(?:.+/)?(?P<name>[^/]+)\.ko(?:\.(?:gz|xz|zst))?"),
    _role("vdsm-hook", "a hook of VDSM",
          rf"{VDSM_HOOKS}/(?P<point>{_POINTS})/(?P<order>[0-9][0-9])_(?P<name>[^/]+)",
          active=True),
    _role("vdsm-hook", "a hook of VDSM",
          rf".+/(?P<point>{_POINTS})/(?P<order>[0-9][0-9])_(?P<name>[^/]+)"),
    # as hooks are named in VDSM's own source; their order is not in the name
    _role("vdsm-hook", "a hook of VDSM",
          rf".+/(?P<name>[^/]+)/(?P<point>{_POINTS})(?:\.(?:py|sh))?", order="50"),
    _role("selinux-module", "a module of the SELinux policy",
          r"usr/share/selinux/packages/(?:.+/)?(?P<name>[^/]+)\.cil"),
    _role("selinux-module", "a module of the SELinux policy",
          r"(?:usr/share|usr/libexec|opt)/.+/(?P<name>[^/]+)\.pp(?:\.bz2)?", content=True),
    _role("ca-certificate", "a certificate that the system is to trust",
          r"(?:etc/pki/ca-trust/source|usr/share/pki/ca-trust-source)/anchors/"
          r"(?P<name>[^/]+\.(?:pem|crt))", movable=True),
)
# What the bundle has itself, so that only a file in a package has to be left out.
_OF_THE_BUNDLE = (
    _role("leave-out", "a repository of dnf",
          r"etc/(?:yum|distro)\.repos\.d/[^/]+\.repo"),
)
# The folders beside that of the setting itself in which packages have such files.
_OF_PACKAGES: Mapping[str, str] = {
    "udev-rules": "usr/lib/udev/rules.d", "tmpfiles": "usr/lib/tmpfiles.d",
    "unit-drop-in": "usr/lib/systemd/system/{unit}.d"}
_OTHERS = (
    _role("user", "accounts for systemd-sysusers", r"(?:usr/lib|etc)/sysusers\.d/[^/]+\.conf",
          content=True, active=True),
    _role("sysctl", "kernel parameters", r"(?:usr/lib|etc)/sysctl\.d/[^/]+\.conf", content=True,
          active=True),
    _role("kernel-module", "kernel modules to load at boot",
          r"(?:usr/lib|etc)/modules-load\.d/[^/]+\.conf", content=True, active=True, load="yes"),
    _role("kernel-module", "options of kernel modules", r"(?:usr/lib|etc)/modprobe\.d/[^/]+\.conf",
          content=True, active=True, options=""),
    _role("initramfs-driver", "configuration of dracut",
          r"(?:etc|usr/lib/dracut)/dracut\.conf\.d/[^/]+\.conf", content=True),
)


def _placed() -> Iterator[FileRole]:
    """Yield the roles of the settings that copy a file to a drop-in folder."""
    for placement in PLACEMENTS:
        folders_of = [placement.folder, *filter(None, [_OF_PACKAGES.get(placement.kind)])]
        for folder in folders_of:
            place = re.escape(folder).replace(re.escape("{unit}"), f"(?P<unit>{_UNIT})")
            # of these, only drop-ins in /etc are outside the allowed paths
            outside = folder.startswith("etc/systemd")
            yield _role(placement.kind, placement.description, f"{place}/(?P<name>[^/]+)",
                        active=not outside, movable=True)


def _config_folders() -> Iterator[FileRole]:
    """Yield the roles of the drop-in folders for <config-file>."""
    for folder in folders.built_in():
        for path in folder.paths:
            name, below, rest = folder.file.partition("{name}")
            yield _role("config-file", folder.title,
                        f"{re.escape(path.lstrip('/'))}/{re.escape(name)}"
                        f"(?P<name>{folder.names.pattern.replace('.+', '[^/]+')})"
                        f"{re.escape(rest)}", active=True, movable=True, folder=folder.id)
