"""The settings of a descriptor, a dataclass for each element; see node-plugin.xml(5)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Dict, Tuple, Union

if TYPE_CHECKING:  # imported at run time only where XML is read
    from ..system.xml import XmlElement


@dataclass(frozen=True)
class Service:
    """A systemd unit; ``state`` is ``enabled``, ``disabled`` or ``masked``.

    With ``from_scriptlet`` a scriptlet of the packages puts the unit into place.
    """

    name: str
    state: str
    from_scriptlet: bool = False


@dataclass(frozen=True)
class KernelModule:
    """A kernel module to load at boot, give options (empty: none) or blacklist."""

    name: str
    load: bool
    options: str
    blacklist: bool


@dataclass(frozen=True)
class VdsmHook:
    """A hook at a point of VDSM; ``source`` is the absolute path of a file of the plugin."""

    point: str
    order: int
    name: str
    source: str


@dataclass(frozen=True)
class PlacedFile:
    """A file of the plugin that is copied to a drop-in folder.

    ``element`` is the kind of the setting: ``udev-rules``, ``multipath-config``,
    ``tmpfiles``, ``logrotate`` or ``unit-drop-in``; ``source`` is the absolute path of a
    file of the plugin; ``unit`` is empty except for ``unit-drop-in``.
    """

    element: str
    source: str
    name: str
    unit: str = ""


@dataclass(frozen=True)
class ConfigFile:
    """A file of configuration for a drop-in folder; ``source`` as in ``PlacedFile``.

    ``folder`` is the id of the folder in the list of drop-in folders.
    """

    folder: str
    name: str
    source: str


@dataclass(frozen=True)
class KernelArgument:
    """An argument of the kernel command line.

    An empty ``value`` is that of a flag, or any if ``present`` is false: then the argument
    is removed. With ``repeat`` it is added to others of its name, else it replaces them.
    """

    name: str
    value: str
    present: bool
    repeat: bool


@dataclass(frozen=True)
class CaCertificate:
    """Certificates in PEM for the system to trust; ``source`` as in ``PlacedFile``."""

    source: str
    name: str


@dataclass(frozen=True)
class ModuleSigningKey:
    """A certificate of a key that signs kernel modules; ``source`` as in ``PlacedFile``."""

    source: str
    name: str


@dataclass(frozen=True)
class HostsEntry:
    """Names of a host, and its address, for /etc/hosts."""

    address: str
    names: Tuple[str, ...]


@dataclass(frozen=True)
class PersistentPath:
    """An absolute path whose content is kept when the image is replaced."""

    path: str


@dataclass(frozen=True)
class Sysctl:
    """A kernel parameter; ``name`` is written as in sysctl.d(5)."""

    name: str
    value: str


@dataclass(frozen=True)
class Group:
    """A group; with an empty ``gid``, the system chooses one."""

    name: str
    gid: str


@dataclass(frozen=True)
class User:
    """A user; the system chooses empty values, and makes a group of its own for it."""

    name: str
    uid: str
    home: str
    shell: str
    group: str
    groups: Tuple[str, ...]
    gecos: str


@dataclass(frozen=True)
class FirewallPort:
    """A port or range, such as ``100-200``, to open; an empty zone is the default zone."""

    port: str
    protocol: str
    zone: str


@dataclass(frozen=True)
class FirewallService:
    """A service to open; ``ports``, pairs of port and protocol, define it if there are any."""

    name: str
    zone: str
    ports: Tuple[Tuple[str, str], ...]


@dataclass(frozen=True)
class InitramfsDriver:
    """A kernel module to add to the initramfs, and with ``load`` to load there."""

    name: str
    load: bool


@dataclass(frozen=True)
class DracutModule:
    """A dracut module to add to the initramfs."""

    name: str


@dataclass(frozen=True)
class LeaveOut:
    """Files of the plugin's packages to remove; ``files`` is a glob of absolute paths."""

    files: str


@dataclass(frozen=True)
class SelinuxBoolean:
    """A boolean of the SELinux policy; ``value`` is ``on`` or ``off``."""

    name: str
    value: str


@dataclass(frozen=True)
class SelinuxPort:
    """A SELinux type for a port or range, such as ``100-200``."""

    type: str
    port: str
    protocol: str


@dataclass(frozen=True)
class SelinuxFileContext:
    """A SELinux type for files; ``path`` is a regular expression of absolute paths.

    ``file_type`` limits it to one type of entry, such as directories; empty is any.
    """

    type: str
    path: str
    file_type: str


@dataclass(frozen=True)
class SelinuxModule:
    """A SELinux policy module, .pp, .pp.bz2 or .cil; ``source`` as in ``PlacedFile``."""

    source: str
    name: str


Setting = Union[Sysctl, Group, User, FirewallPort, FirewallService, Service, KernelModule, VdsmHook,
                PlacedFile, ConfigFile, KernelArgument, CaCertificate, ModuleSigningKey,
                HostsEntry, PersistentPath, LeaveOut,
                InitramfsDriver, DracutModule,
                SelinuxBoolean, SelinuxPort, SelinuxFileContext, SelinuxModule]


def read_setting(node: XmlElement) -> Setting:
    """Return the setting of an element that is valid by the schema."""
    return _READERS[node.tag](node)


def _kernel_module(node: XmlElement) -> KernelModule:
    return KernelModule(node.get("name"), load=node.get("load") == "yes",
                        options=node.get("options"), blacklist=node.get("blacklist") == "yes")


def _vdsm_hook(node: XmlElement) -> VdsmHook:
    return VdsmHook(node.get("point"), int(node.get("order")), node.get("name"),
                    node.get("source"))


def _placed_file(node: XmlElement) -> PlacedFile:
    return PlacedFile(node.tag, node.get("source"), node.get("name"), node.get("unit"))


def _kernel_argument(node: XmlElement) -> KernelArgument:
    return KernelArgument(node.get("name"), node.get("value"),
                          present=node.get("state") != "absent",
                          repeat=node.get("repeat") == "yes")


def _user(node: XmlElement) -> User:
    groups = tuple(name for name in node.get("groups").split(",") if name)
    return User(name=node.get("name"), uid=node.get("uid"), home=node.get("home"),
                shell=node.get("shell"), group=node.get("group"), groups=groups,
                gecos=node.get("gecos"))


def _firewall_service(node: XmlElement) -> FirewallService:
    return FirewallService(node.get("name"), node.get("zone"), tuple(
        (port.get("port"), port.get("protocol")) for port in node.all("port")))


_READERS: Dict[str, Callable[[XmlElement], Setting]] = {
    "sysctl": lambda node: Sysctl(node.get("name"), node.get("value")),
    "group": lambda node: Group(node.get("name"), node.get("gid")),
    "user": _user,
    "firewall-port": lambda node: FirewallPort(node.get("port"), node.get("protocol"),
                                               node.get("zone")),
    "firewall-service": _firewall_service,
    "service": lambda node: Service(node.get("name"), node.get("state"),
                                    from_scriptlet=node.get("from") == "scriptlet"),
    "kernel-module": _kernel_module,
    "vdsm-hook": _vdsm_hook,
    "udev-rules": _placed_file,
    "multipath-config": _placed_file,
    "tmpfiles": _placed_file,
    "logrotate": _placed_file,
    "unit-drop-in": _placed_file,
    "config-file": lambda node: ConfigFile(node.get("folder"), node.get("name"),
                                           node.get("source")),
    "kernel-argument": _kernel_argument,
    "ca-certificate": lambda node: CaCertificate(node.get("source"), node.get("name")),
    "module-signing-key": lambda node: ModuleSigningKey(node.get("source"), node.get("name")),
    "hosts-entry": lambda node: HostsEntry(node.get("address"),
                                           tuple(node.get("names").split())),
    "persistent-path": lambda node: PersistentPath(node.get("path")),
    "selinux-boolean": lambda node: SelinuxBoolean(node.get("name"), node.get("value")),
    "selinux-port": lambda node: SelinuxPort(node.get("type"), node.get("port"),
                                             node.get("protocol")),
    "selinux-file-context": lambda node: SelinuxFileContext(
        node.get("type"), node.get("path"), node.get("file-type")),
    "selinux-module": lambda node: SelinuxModule(node.get("source"), node.get("name")),
    "initramfs-driver": lambda node: InitramfsDriver(node.get("name"),
                                                     load=node.get("load") == "yes"),
    "dracut-module": lambda node: DracutModule(node.get("name")),
    "leave-out": lambda node: LeaveOut(node.get("files")),
}
