"""The rules for descriptors that a RELAX NG schema cannot express."""
from __future__ import annotations

import bisect
import dataclasses
import fnmatch
import posixpath
import re
from typing import Callable, Dict, Hashable, Iterator, List, Optional, Sequence, Tuple

from ..errors import Problem
from ..system.limits import (
    COMMAND_LINE_CHARACTERS,
    DESCRIPTOR_ARGUMENTS,
    DESCRIPTOR_EXCLUDES,
)
from ..system.path_sets import KEPT_BELOW
from ..system.relaxng import problem_at, quoted
from ..system.rpm_version import VersionRange
from ..system.xml import XmlElement
from . import hosts_entries
from .addresses import is_address
from .sysctl_names import dotted
from .vdsm_points import HOOK_POINTS, nearest_point


def problems(root: XmlElement) -> Iterator[Problem]:
    """Yield the violations of these rules in a descriptor, rule by rule.

    The document may violate its schema; missing parts are ignored here. The work of each
    rule grows with the size of the document only.
    """
    for rule in _RULES:
        yield from rule(root)


class _Seen:
    """What a set of settings that may apply together contains, as far as it was read.

    ``outer`` are the settings without a condition, for those of one ``<when>``.
    """

    def __init__(self, outer: Optional[_Seen] = None) -> None:
        self._outer = outer
        self._nodes: Dict[Hashable, XmlElement] = {}
        self._ranges: Dict[str, _PortRanges] = {}

    def find(self, key: Hashable) -> Optional[XmlElement]:
        """Return the element with ``key``, None if there is none."""
        found = self._nodes.get(key)
        return found if found is not None or self._outer is None else self._outer.find(key)

    def add(self, key: Hashable, node: XmlElement) -> Optional[XmlElement]:
        """Return the element that has ``key`` already; if there is none, add ``node``."""
        found = self.find(key)
        if found is None:
            self._nodes[key] = node
        return found

    def overlapping(self, node: XmlElement) -> Optional[XmlElement]:
        """Return an element that shares a port with ``node``, None if there is none."""
        ranges = self._ranges.get(node.get("protocol"))
        found = ranges.find(*_limits(node)) if ranges else None
        return found if found is not None or self._outer is None else (
            self._outer.overlapping(node))

    def add_ports(self, node: XmlElement) -> None:
        """Add an element for which ``overlapping`` returns None."""
        low, high = _limits(node)
        if low <= high:
            self._ranges.setdefault(node.get("protocol"), _PortRanges()).add(low, high, node)


class _PortRanges:
    """Ranges of ports, none of which overlaps another, in ascending order."""

    def __init__(self) -> None:
        self._lows: List[int] = []
        self._ranges: List[Tuple[int, XmlElement]] = []

    def find(self, low: int, high: int) -> Optional[XmlElement]:
        """Return the element of a range that overlaps the one given, or None."""
        place = bisect.bisect_right(self._lows, high) - 1
        if place < 0 or self._ranges[place][0] < low:
            return None
        return self._ranges[place][1]

    def add(self, low: int, high: int, node: XmlElement) -> None:
        place = bisect.bisect_right(self._lows, low)
        self._lows.insert(place, low)
        self._ranges.insert(place, (high, node))


def _bounds(root: XmlElement) -> Iterator[Problem]:
    for requires in root.all("requires"):
        for need in (*requires.all("node"), *requires.all("package")):
            versions = VersionRange(need.get("min"), need.get("max"))
            if versions.is_empty:
                yield problem_at(need, f"expected a min that is not above max {versions.most}, "
                                       f"found min {versions.least}")


def _needs(root: XmlElement) -> Iterator[Problem]:
    for requires in root.all("requires"):
        yield from _once(_Seen(), requires.all("package"), lambda node: node.get("name"),
                         lambda node: f"<package> named {node.get('name')}")


def _repo_ids(root: XmlElement) -> Iterator[Problem]:
    for repos in root.all("repos"):
        yield from _once(_Seen(), repos.all("repo"), lambda node: node.get("id"),
                         lambda node: f"<repo> with id {node.get('id')}")
        for repo in repos.all("repo"):
            if repo.get("id") == "main":
                yield problem_at(repo, "expected the id of a repo, found main, the name of "
                                       "dnf's own section")


def _contents(root: XmlElement) -> Iterator[Problem]:
    packages = root.first("packages")
    if root.tag == "node-plugin" and not (packages and packages.all("install")) and not any(
            settings.children for settings, _ in _together(root)):
        yield problem_at(packages or root, "expected an <install> or a setting, found neither")


def _packages(root: XmlElement) -> Iterator[Problem]:
    for packages in root.all("packages"):
        installs, excludes = packages.all("install"), packages.all("exclude")
        yield from _once(_Seen(), installs, lambda node: node.get("name"),
                         lambda node: f"<install> of {node.get('name')}")
        yield from _once(_Seen(), excludes, lambda node: node.get("name"),
                         lambda node: f"<exclude> of {node.get('name')}")
        if len(excludes) > DESCRIPTOR_EXCLUDES:
            yield problem_at(excludes[DESCRIPTOR_EXCLUDES], "expected at most "
                             f"{DESCRIPTOR_EXCLUDES} <exclude>, found {len(excludes)}")
        for exclude in excludes[:DESCRIPTOR_EXCLUDES]:
            for install in installs:
                if _matches(install.get("name"), exclude.get("name")):
                    yield problem_at(
                        exclude, "expected a package that is not installed as well, found "
                                 f"{exclude.get('name')}, which names {install.get('name')}")


def _matches(name: str, glob: str) -> bool:
    """Return whether a package's name matches; too long ones are errors by the schema."""
    return max(len(name), len(glob)) <= 128 and fnmatch.fnmatchcase(name, glob)


def _services(root: XmlElement) -> Iterator[Problem]:
    for settings, seen in _together(root):
        services = settings.all("service")
        yield from _once(seen, services, lambda node: node.get("name"),
                         lambda node: f"<service> named {node.get('name')}")
        yield from (problem_at(service, 'expected state="enabled" or "disabled" with'
                                        ' from="scriptlet", found state="masked"')
                    for service in services
                    if service.get("from") and service.get("state") == "masked")


def _kernel_modules(root: XmlElement) -> Iterator[Problem]:
    """Check that each module is given load, options or blacklist once, and no opposites."""
    for settings, seen in _together(root):
        yield from _module_actions(seen, settings.all("kernel-module"))


def _module_actions(seen: _Seen, modules: Sequence[XmlElement]) -> Iterator[Problem]:
    opposite = {"load": "blacklist", "blacklist": "load"}
    for module in modules:
        name = module.get("name").replace("-", "_")  # equal for modprobe(8)
        wanted = [action for action in ("load", "blacklist") if module.get(action) == "yes"]
        wanted += ["options"] if "options" in module.attributes else []
        if not wanted:
            yield problem_at(module, 'expected load="yes", options or blacklist="yes" in '
                                     "<kernel-module>, found none of them")
        for action in wanted:
            if seen.add((name, action), module) is not None:
                yield problem_at(module, f"expected one {action} for module "
                                         f"{module.get('name')}, found a second")
            if seen.find((name, opposite.get(action, ""))) is not None:
                yield problem_at(module, f"expected load or blacklist for module "
                                         f"{module.get('name')}, found both")


def _initramfs(root: XmlElement) -> Iterator[Problem]:
    for settings, seen in _together(root):
        for tag in ("initramfs-driver", "dracut-module"):
            yield from _once(seen, settings.all(tag), _initramfs_name,
                             lambda node: f"<{node.tag}> named {node.get('name')}")


def _initramfs_name(node: XmlElement) -> str:
    name = node.get("name")
    return name.replace("-", "_") if node.tag == "initramfs-driver" else name


def _vdsm_hooks(root: XmlElement) -> Iterator[Problem]:
    for settings, seen in _together(root):
        hooks = settings.all("vdsm-hook")
        for hook in hooks:
            point = hook.get("point")
            if point and point not in HOOK_POINTS:
                yield problem_at(hook, f"expected a VDSM hook point, found {quoted(point)}: "
                                       f"{point[:64]} is no VDSM hook point; the nearest is "
                                       f"{nearest_point(point[:64])}")
        yield from _once(seen, hooks, lambda node: (node.get("point"), node.get("order"),
                                                    node.get("name")),
                         lambda node: f"<vdsm-hook> {node.get('order')}_{node.get('name')} at "
                                      f"{node.get('point')}")


def _paths(root: XmlElement) -> Iterator[Problem]:
    """Check the paths in settings of every kind."""
    for settings, _ in _together(root):
        for node in settings.children:
            for name in ("source", "path", "home", "shell"):
                path = node.attributes.get(name, "")
                if path.startswith("/") and not _is_plain(path):
                    yield problem_at(
                        node, "expected an absolute path without '..', '.' or empty parts as "
                              f"{name} of <{node.tag}>, found {quoted(path)}")
            source = node.get("source")
            if source.startswith("files/") and not _is_plain(f"/{source}"):
                yield problem_at(
                    node, "expected the name of a file of the bundle without '..', '.' or empty"
                          f" parts as source of <{node.tag}>, found {quoted(source)}")


def _placed_files(root: XmlElement) -> Iterator[Problem]:
    for settings, seen in _together(root):
        for tag in ("udev-rules", "multipath-config", "tmpfiles", "logrotate",
                    "ca-certificate", "module-signing-key"):
            yield from _once(seen, settings.all(tag), lambda node: node.get("name"),
                             lambda node: f"<{node.tag}> named {node.get('name')}")
        yield from _once(seen, settings.all("unit-drop-in"),
                         lambda node: (node.get("unit"), node.get("name")),
                         lambda node: f"<unit-drop-in> {node.get('name')} of {node.get('unit')}")
        yield from _once(seen, settings.all("config-file"),
                         lambda node: (node.get("folder"), node.get("name")),
                         lambda node: f"<config-file> {node.get('folder')}/{node.get('name')}")
        yield from _once(seen, settings.all("persistent-path"), lambda node: node.get("path"),
                         lambda node: f"<persistent-path> {node.get('path')}")


def _hosts_entries(root: XmlElement) -> Iterator[Problem]:
    for settings, seen in _together(root):
        for node in settings.all("hosts-entry"):
            address, names = node.get("address"), node.get("names").split()
            if not is_address(address):
                yield problem_at(node, f"expected an IPv4 or IPv6 address, found {address[:64]}")
            problem = hosts_entries.problem(names)
            if problem:
                yield problem_at(node, problem)
            for name in dict.fromkeys(map(str.lower, names)):
                if seen.add(("hosts-entry", name), node) is not None:
                    yield problem_at(node, f"expected one <hosts-entry> with {name[:64]}, found a"
                                           " second")


# The arguments by which boot loader, initramfs and imgbased find the image.
_OWN_ARGUMENTS = ("root", "rootflags", "rootfstype", "ro", "rw", "init", "rdinit", "initrd",
                  "boot", "BOOT_IMAGE", "img.bootid", "ostree")
# Arguments that name the root hash of dm-verity data (kernel-command-line(7), dm-init.rst)
_VERITY = re.compile(r"(?:\w+\.)*(?:root|usr)hash(?:sig)?|(?:rd\.)?systemd\.verity.*"
                     r"|dm_mod\.create")
# Arguments that start other programs or a root shell; with rd. in front, in the initramfs
# (systemd(1), systemd-run-generator(8), dracut.cmdline(7)).
_STARTING = re.compile(r"(?:rd\.)?(?:systemd\.(?:run(?:_.*)?|unit|wants|debug_shell)|break)")


def _is_of_the_image(name: str) -> bool:
    """Return whether a kernel argument, with ``_`` for ``-``, is the image's own."""
    return name in _OWN_ARGUMENTS or any(
        pattern.fullmatch(name) for pattern in (_VERITY, _STARTING))


def _kernel_arguments(root: XmlElement) -> Iterator[Problem]:
    """Check that no argument is the image's own, and that those of one name agree."""
    for settings, seen in _together(root):
        arguments = settings.all("kernel-argument")
        if len(arguments) > DESCRIPTOR_ARGUMENTS:
            yield problem_at(arguments[DESCRIPTOR_ARGUMENTS], "expected at most "
                             f"{DESCRIPTOR_ARGUMENTS} <kernel-argument>, found {len(arguments)}")
        for node in arguments:
            name = node.get("name").replace("-", "_")  # equal for the kernel
            # readers that ignore quotes take the words of a value for arguments
            for word in (node.get("name"), *node.get("value").split(" ")[1:]):
                if _is_of_the_image(word.partition("=")[0].replace("-", "_")):
                    yield problem_at(node, "expected an argument that is not the image's own, "
                                           f"found {word}")
            if node.get("repeat") == "yes" and (
                    node.get("state") == "absent" or not node.get("value")):
                yield problem_at(node, "expected a value, and no state=\"absent\", beside "
                                       "repeat=\"yes\"")
            first = seen.add(name, node) or node
            many = all(node.get("value") and (argument.get("repeat") == "yes"
                       or argument.get("state") == "absent") for argument in (first, node))
            if first is not node and not many:
                yield problem_at(node, f"expected one <kernel-argument> named "
                                       f"{node.get('name')}, found a second")
        yield from _once(seen, arguments, lambda node: (node.get("name").replace("-", "_"),
                                                        node.get("value")),
                         lambda node: f"<kernel-argument> {node.get('name')}"
                                      f"={node.get('value')}")


def _command_line_length(root: XmlElement) -> Iterator[Problem]:
    """Check that the arguments that apply together fit into the kernel's command line."""
    for settings, _ in _together(root):
        arguments = [node for node in settings.all("kernel-argument")
                     if node.get("state") != "absent"]
        length = len(" ".join(f"{node.get('name')}={node.get('value')}".rstrip("=")
                              for node in arguments))
        length += 2 * sum(" " in node.get("value") for node in arguments)  # for the quotes
        if length > COMMAND_LINE_CHARACTERS:
            yield problem_at(arguments[0], f"expected at most {COMMAND_LINE_CHARACTERS} characters"
                             f" of <kernel-argument> together, found {length}")


def _persistent_paths(root: XmlElement) -> Iterator[Problem]:
    """Check that no path would keep a part of the old image in the new one."""
    for settings, _ in _together(root):
        for node in settings.all("persistent-path"):
            parts = node.get("path").split("/")[1:]
            if parts and (parts[0] not in KEPT_BELOW or len(parts) < 2):
                yield problem_at(
                    node, "expected a path of the plugin's own, such as /var/lib/NAME, "
                          f"/etc/NAME or /opt/NAME, found {quoted(node.get('path'))}")


def _leave_outs(root: XmlElement) -> Iterator[Problem]:
    """Check that each glob begins with two folders, and ``**`` is a whole component."""
    for settings, seen in _together(root):
        leave_outs = settings.all("leave-out")
        for node in leave_outs:
            glob = node.get("files")
            parts = glob.split("/")[1:]
            if not _is_plain(glob) or any("**" in part and part != "**" for part in parts):
                yield problem_at(node, "expected ** as a whole component, and no '..', '.' or "
                                       f"empty parts, found {quoted(glob)}")
            elif len(parts) < 3 or any(set("*?") & set(part) for part in parts[:2]):
                yield problem_at(node, "expected a glob that begins with two folders, such as "
                                       f"/usr/share/doc/NAME/**, found {quoted(glob)}")
        yield from _once(seen, leave_outs, lambda node: node.get("files"),
                         lambda node: f"<leave-out> of {node.get('files')}")


def _sysctls(root: XmlElement) -> Iterator[Problem]:
    for settings, seen in _together(root):
        yield from _once(seen, settings.all("sysctl"), lambda node: dotted(node.get("name")),
                         lambda node: f"<sysctl> named {dotted(node.get('name'))}")


_NO_IDS = ("65534", "65535", "4294967295")  # nobody, and "no id" (systemd: UIDs and GIDs)


def _accounts(root: XmlElement) -> Iterator[Problem]:
    for settings, seen in _together(root):
        for tag, number in (("user", "uid"), ("group", "gid")):
            nodes = settings.all(tag)
            yield from _once(seen, nodes, lambda node: node.get("name"),
                             lambda node: f"<{node.tag}> named {node.get('name')}")
            for node in nodes:
                if node.get(number) in _NO_IDS or int(_digits(node.get(number))) > 2**32 - 2:
                    yield problem_at(node, f"expected a {number} that an account may have, "
                                           f"found {node.get(number)}")


def _firewall(root: XmlElement) -> Iterator[Problem]:
    for settings, seen in _together(root):
        ports, services = settings.all("firewall-port"), settings.all("firewall-service")
        defined = [node for node in services if node.all("port")]
        yield from _port_numbers((*ports, *(port for service in defined
                                            for port in service.all("port"))))
        yield from _once(seen, ports, lambda node: (node.get("zone"), *_port(node)),
                         lambda node: f"<firewall-port> {'/'.join(_port(node))}")
        yield from _once(seen, services, lambda node: (node.get("zone"), node.get("name")),
                         lambda node: f"<firewall-service> named {node.get('name')}")
        yield from _once(seen, defined, lambda node: node.get("name"),
                         lambda node: f"definition of {node.get('name')}")
        for service in defined:
            yield from _once(_Seen(), service.all("port"), _port,
                             lambda node: f"<port> {'/'.join(_port(node))}")


def _selinux(root: XmlElement) -> Iterator[Problem]:
    for settings, seen in _together(root):
        for tag in ("selinux-boolean", "selinux-module"):
            yield from _once(seen, settings.all(tag), lambda node: node.get("name"),
                             lambda node: f"<{node.tag}> named {node.get('name')}")
        ports, contexts = settings.all("selinux-port"), settings.all("selinux-file-context")
        yield from _port_numbers(ports)
        yield from _once(seen, ports, _port, lambda node: f"<selinux-port> {'/'.join(_port(node))}")
        for node in ports:
            other = seen.overlapping(node)
            if other is None:
                seen.add_ports(node)
            elif _port(node) != _port(other):
                yield problem_at(node, f"expected ports that are not those of "
                                       f"{'/'.join(_port(other))}, found "
                                       f"{'/'.join(_port(node))}")
        yield from _once(seen, contexts, lambda node: (node.get("path"), node.get("file-type")),
                         lambda node: f"<selinux-file-context> {node.get('path')}")
        for node in contexts:
            if not _is_expression(node.get("path")):
                yield problem_at(node, "expected a regular expression, without | but in "
                                       f"parentheses, found {quoted(node.get('path'))}")
        for node in settings.all("selinux-module"):
            # semodule uses the name of such a file as the module's name
            if node.get("source").endswith(".cil") and posixpath.basename(
                    node.get("source")) != f"{node.get('name')}.cil":
                yield problem_at(node, "expected the name of the file without .cil as the "
                                       f"module's name, found {node.get('name')}")


def _is_expression(text: str) -> bool:
    if len(text) > 500:
        return True  # an error by the schema
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError):
        return False
    plain = re.sub(r"\\.|\[[^]]*\]", "", text)
    while re.search(r"\([^()]*\)", plain):
        plain = re.sub(r"\([^()]*\)", "", plain)
    return "|" not in plain


def _limits(node: XmlElement) -> Tuple[int, int]:
    """Return the lowest and the highest port of an element; 0 for what is no number."""
    low, _, high = node.get("port").partition("-")
    return int(_digits(low)), int(_digits(high or low))


def _port_numbers(ports: Sequence[XmlElement]) -> Iterator[Problem]:
    for node in ports:
        low, _, high = node.get("port").partition("-")
        if int(_digits(high)) > 65535 or int(_digits(low)) > 65535 or (
                high and int(_digits(low)) >= int(_digits(high))):
            yield problem_at(node, "expected a port from 1 to 65535, or two of them, the "
                                   f"lower one first, found {node.get('port')}")


def _port(node: XmlElement) -> Tuple[str, str]:
    return node.get("port"), node.get("protocol")


def _digits(text: str) -> str:
    return text if re.fullmatch("[0-9]{1,10}", text) else "0"


def _conditions(root: XmlElement) -> Iterator[Problem]:
    for settings in root.all("settings"):
        for when in settings.all("when"):
            if not when.attributes:
                yield problem_at(when, "expected a condition in <when>, found none")
            if when.get("target") == "host" and (when.get("node-min") or when.get("node-max")):
                yield problem_at(when, "expected no bound of the Node beside target=\"host\"")
            for subject in ("node", "package"):
                versions = VersionRange(when.get(f"{subject}-min"), when.get(f"{subject}-max"))
                if versions.is_empty:
                    yield problem_at(when, f"expected a {subject}-min that is not above "
                                           f"{subject}-max {versions.most}, found {versions.least}")
            if not when.get("package") and (when.get("package-min") or when.get("package-max")):
                yield problem_at(when, "expected the attribute package beside its bounds, "
                                       "found none")


def _together(root: XmlElement) -> Iterator[Tuple[XmlElement, _Seen]]:
    """Yield sets of settings, each as one <settings>, with what may apply together with it.

    First come the settings without a condition, then those of each ``<when>``, which apply
    together with the first. The settings of two conditions, which may exclude one another,
    are compared at installation.
    """
    for settings in root.all("settings"):
        seen = _Seen()
        yield dataclasses.replace(settings, children=tuple(
            node for node in settings.children if node.tag != "when")), seen
        for when in settings.all("when"):
            yield dataclasses.replace(settings, children=when.children), _Seen(seen)


def _is_plain(path: str) -> bool:
    return posixpath.normpath(path) == path and not path.startswith("//")


def _once(seen: _Seen, nodes: Sequence[XmlElement], key: Callable[[XmlElement], Hashable],
          words: Callable[[XmlElement], str]) -> Iterator[Problem]:
    for node in nodes:
        if seen.add((node.tag, key(node)), node) is not None:
            yield problem_at(node, f"expected one {words(node)}, found a second")


_RULES = (_bounds, _needs, _repo_ids, _contents, _packages, _services, _kernel_modules, _initramfs,
          _vdsm_hooks, _paths, _placed_files, _hosts_entries, _kernel_arguments,
          _command_line_length, _persistent_paths, _leave_outs, _sysctls, _accounts, _firewall,
          _selinux, _conditions)
