"""The settings of a descriptor, one dataclass for each element."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Dict, Tuple, Union

if TYPE_CHECKING:  # what reads XML is imported only where XML is read
    from ..system.xml import XmlElement


@dataclass(frozen=True)
class Service:
    """A systemd unit that is to be ``enabled``, ``disabled`` or ``masked``."""

    name: str
    state: str


@dataclass(frozen=True)
class KernelModule:
    """A kernel module: loaded at boot, given options (empty: none), blacklisted."""

    name: str
    load: bool
    options: str
    blacklist: bool


@dataclass(frozen=True)
class VdsmHook:
    """A hook at a point of VDSM; ``source`` is absolute, among the plugin's files."""

    point: str
    order: int
    name: str
    source: str


@dataclass(frozen=True)
class PlacedFile:
    """A file of the plugin that is copied to a drop-in folder.

    ``element`` says which, and is the setting's kind: ``udev-rules``,
    ``multipath-config``, ``tmpfiles``, ``logrotate`` or ``unit-drop-in``; ``source`` is
    absolute, among the plugin's files; ``unit`` is empty for all but a drop-in.
    """

    element: str
    source: str
    name: str
    unit: str = ""


@dataclass(frozen=True)
class KernelArgument:
    """An argument of the kernel's command line; an empty ``value`` is a flag's, or any.

    ``present`` false: it must not be there. ``repeat``: it stands beside others of its
    name, instead of in their place.
    """

    name: str
    value: str
    present: bool
    repeat: bool


@dataclass(frozen=True)
class CaCertificate:
    """Certificates in PEM that the system is to trust; ``source`` as in PlacedFile."""

    source: str
    name: str


@dataclass(frozen=True)
class PersistentPath:
    """A path, absolute, whose content is to outlive a replacement of the image."""

    path: str


@dataclass(frozen=True)
class Sysctl:
    """A kernel parameter; its parts are separated as in sysctl.d(5)."""

    name: str
    value: str


@dataclass(frozen=True)
class Group:
    """A group of accounts; an empty ``gid`` leaves the number to the system."""

    name: str
    gid: str


@dataclass(frozen=True)
class User:
    """An account; what is empty is left to the system, ``group`` is one of its own then."""

    name: str
    uid: str
    home: str
    shell: str
    group: str
    groups: Tuple[str, ...]
    gecos: str


@dataclass(frozen=True)
class FirewallPort:
    """A port, or a range like ``100-200``, that is open; an empty zone is the default one."""

    port: str
    protocol: str
    zone: str


@dataclass(frozen=True)
class FirewallService:
    """A service that is open; with ``ports``, pairs of port and protocol, it is defined too."""

    name: str
    zone: str
    ports: Tuple[Tuple[str, str], ...]


@dataclass(frozen=True)
class InitramfsDriver:
    """A kernel module that the initramfs has to have; ``load``: it loads it too."""

    name: str
    load: bool


@dataclass(frozen=True)
class DracutModule:
    """A module of dracut that the initramfs has to be made with."""

    name: str


@dataclass(frozen=True)
class LeaveOut:
    """Files of the plugin's own packages, by a glob of absolute paths, that are not to stay."""

    files: str


@dataclass(frozen=True)
class SelinuxBoolean:
    """A boolean of the SELinux policy that is to be ``on`` or ``off``."""

    name: str
    value: str


@dataclass(frozen=True)
class SelinuxPort:
    """A port, or a range like ``100-200``, that is to have a SELinux type."""

    type: str
    port: str
    protocol: str


@dataclass(frozen=True)
class SelinuxFileContext:
    """Files, by a regular expression of absolute paths, that are to have a SELinux type.

    ``file_type`` limits it to directories and so on; empty is any.
    """

    type: str
    path: str
    file_type: str


@dataclass(frozen=True)
class SelinuxModule:
    """A policy module, .pp, .pp.bz2 or .cil; ``source`` as in PlacedFile."""

    source: str
    name: str


Setting = Union[Sysctl, Group, User, FirewallPort, FirewallService, Service, KernelModule, VdsmHook,
                PlacedFile, KernelArgument, CaCertificate, PersistentPath, LeaveOut,
                InitramfsDriver, DracutModule,
                SelinuxBoolean, SelinuxPort, SelinuxFileContext, SelinuxModule]


def read_setting(node: XmlElement) -> Setting:
    """Return the setting of an element that the schema has found valid."""
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
    "service": lambda node: Service(node.get("name"), node.get("state")),
    "kernel-module": _kernel_module,
    "vdsm-hook": _vdsm_hook,
    "udev-rules": _placed_file,
    "multipath-config": _placed_file,
    "tmpfiles": _placed_file,
    "logrotate": _placed_file,
    "unit-drop-in": _placed_file,
    "kernel-argument": _kernel_argument,
    "ca-certificate": lambda node: CaCertificate(node.get("source"), node.get("name")),
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
