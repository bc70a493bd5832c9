"""What the files of packages mean for a descriptor: settings, active files, files to move."""
from __future__ import annotations

import itertools
import posixpath
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import (
    Callable,
    Dict,
    FrozenSet,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from ...packages.described import DescribedPackage
from ...packages.headers import PackedFile
from ...plugin.bundle_files import FOLDER, MOST_CHARACTERS
from ...policy import other_places
from ...policy.path_rules import PathPolicy, PathRule, built_in
from ...settings.firewall import firewall_files
from ...settings.modules.module_index import module_name
from ...system import read_paths
from ...system.limits import SOURCE_FILE_BYTES, SOURCE_FILES, SOURCE_FILES_BYTES, SUGGESTIONS
from . import (
    file_contents,
    needed_accounts,
    policy_modules,
    scriptlet_words,
    vendor_files,
    vendor_repos,
)
from .file_roles import FileMeaning, meaning, merged
from .suggestions import Outside, Suggestion, distinct, setting
from .vendor_repos import NOTHING, VendorRepos

# Elements of firewalld.service(5) that <firewall-service> cannot have.
_MORE_THAN_PORTS = re.compile(r"<(?:protocol|source-port|module|destination|include|helper)\b")
_STORAGE = re.compile(r"/drivers/(?:ata|block|md|message|nvme|scsi)/")
# Folders below which each has a folder of its own for its state.
_STATES = ("var/lib", "var/opt")
_MOST_OF_A_KIND = 100


@dataclass(frozen=True)
class ActiveFile:
    """A file that takes effect where it is, which a plan lists for review."""

    path: str
    package: str
    what: str


@dataclass(frozen=True)
class Findings:
    """What packages show.

    ``copies`` are the files of the bundle that settings need, ``repos`` the repositories and keys
    that packages have; ``complete`` is whether no suggestion was left out because there are too
    many.
    """

    settings: Tuple[Suggestion, ...] = ()
    active: Tuple[ActiveFile, ...] = ()
    outside: Tuple[Outside, ...] = ()
    copies: Tuple[Tuple[str, bytes], ...] = ()
    repos: VendorRepos = NOTHING
    complete: bool = True


def is_read(path: str) -> bool:
    """Return whether the content of the file at ``path`` is needed to examine its package."""
    found = meaning(path)
    if vendor_repos.is_wanted(path):
        return True
    if found is None:
        return vendor_files.may_be_one(path)
    return found.role.content or found.role.movable and bool(_ORDINARY.objection(merged(path)))


# No setting and no rule of a site allows them.
_RESERVED = tuple(PathRule(path, False, f"/{path} is reserved")
                  for path in read_paths.paths_of(read_paths.RESERVED))
_ORDINARY = PathPolicy([*built_in(kernel_module=False), *_RESERVED])
_ACTIVE = PathPolicy([PathRule(path, False) for path in read_paths.active()])


def examine(packages: Sequence[DescribedPackage],
            beside: Optional[Mapping[str, bytes]] = None) -> Findings:
    """Return what all packages of a plugin show together.

    ``beside`` are contents of .repo files and keys that lie beside them, by their paths.
    """
    files = [(package, file) for package in packages for file in package.header.files]
    modules = any(module_name(merged(file.path)) and file.is_regular for _, file in files)
    policy = PathPolicy([*built_in(kernel_module=modules), *_RESERVED])
    job = _Examination(packages, policy)
    for package, file in files:
        job.examine(package, file)
    job.examine_folders()
    for package in packages:
        job.settings += scriptlet_words.suggestions(package, job.units)
    job.settings += itertools.islice(needed_accounts.suggestions(packages), _MOST_OF_A_KIND)
    every = distinct(job.settings)
    settings = tuple(every[:SUGGESTIONS])
    left_out = {value for each in settings if each.element == "leave-out"
                for _, value in each.attributes}
    return Findings(
        repos=vendor_repos.taken_over({**(beside or {}), **{
            path: content for package in packages for path, content in package.contents.items()
            if vendor_repos.is_wanted(path)}}),
        settings=settings, active=tuple(job.active), copies=tuple(job.copies.items()),
        outside=tuple(replace(each, carried=each.path in left_out) for each in job.outside),
        complete=job.complete and len(every) == len(settings))


class _Examination:
    """Collects what the files of ``packages`` mean; ``policy`` are the allowed paths."""

    def __init__(self, packages: Sequence[DescribedPackage], policy: PathPolicy) -> None:
        self.settings: List[Suggestion] = []
        self.active: List[ActiveFile] = []
        self.outside: List[Outside] = []
        self.copies: Dict[str, bytes] = {}
        self.units = _units(packages)
        self.complete = True
        self._folders: List[Tuple[DescribedPackage, PackedFile, str]] = []
        self._packages = packages
        self._tried: "Counter[str]" = Counter()
        self._policy = policy

    def examine(self, package: DescribedPackage, file: PackedFile) -> None:
        """Examine one file or folder."""
        place = merged(file.path)
        objection = self._policy.objection(place, folder=file.is_folder, claimed=file.ghost)
        if objection and file.is_folder:
            self._folders.append((package, file, objection))
        elif objection:
            self._refused(package, file, objection)
        if objection:
            return
        if file.is_folder:
            self._suggest("persistent-path", _state_folder(file))
            return
        found = meaning(file.path) if file.is_regular and not file.ghost else None
        if _ACTIVE.deciding(place, folder=False) is not None and not file.ghost:
            self.active.append(ActiveFile(file.path, package.name,
                                          found.role.what if found else ""))
        if found is not None:
            self._suggest(found.role.element, _SETTINGS.get(found.role.element, _placed)(
                _Found(package, file, found, self.units)))
        elif file.path in package.contents and file.is_regular:
            self._suggest("", vendor_files.suggestions(package.name, file.path,
                                                       package.contents[file.path]))

    def examine_folders(self) -> None:
        """Add the folders outside the allowed paths that are not above such a file, each once."""
        above_files = {path for outside in self.outside if not outside.carried
                       for path in _above(outside.path)}
        named: Set[str] = set()
        for package, file, objection in self._folders:
            if not {file.path, *_above(file.path)} & named and file.path not in above_files:
                named.add(file.path)
                self._refused(package, file, objection)

    def _refused(self, package: DescribedPackage, file: PackedFile, objection: str) -> None:
        """Add a file outside the allowed paths, and the settings that carry it."""
        found = meaning(file.path) if file.is_regular and not file.ghost else None
        carrying = list(self._carrying(package, file, found)) if (
            found and self._tried[found.role.element] < _MOST_OF_A_KIND) else []
        carried = bool(carrying) and all(each.element for each in carrying)
        if carried and found is not None:
            self._tried[found.role.element] += len(carrying)
            self.settings += carrying
            for each in carrying:
                self.copies.update((name, package.contents[path]) for name, path in each.copies)
        elif found is not None and found.role.element == "service":
            self._suggest("service", _service(_Found(package, file, found, self.units),
                                              moved=True))
        places = other_places.places_of([file.path.lstrip("/"), merged(file.path)])
        home = other_places.home_of(file.path.lstrip("/"))
        place = (f"Move {'; '.join(places)}." if places else
                 "Move it to /opt/VENDOR, /usr/libexec/VENDOR or /var/lib/VENDOR.")
        if home:
            place += f" A site allows it with the rule: allow /{home}"
        self.outside.append(Outside(path=file.path, package=package.name, reason=objection,
                                    place=place, carried=carried))

    def _suggest(self, element: str, suggestions: Iterator[Suggestion]) -> None:
        """Add suggestions, unless there are many of that kind; to make one takes time."""
        for suggestion in suggestions:
            if self._tried[element] >= _MOST_OF_A_KIND:
                self.complete = False
                return
            self._tried[element] += 1
            self.settings.append(suggestion)

    def _has_room(self, name: str, content: bytes) -> bool:
        """Return whether the bundle may have the file ``name`` besides those that it has."""
        size_bytes = sum(map(len, self.copies.values())) + len(content)
        return (len(name) <= MOST_CHARACTERS and len(self.copies) < SOURCE_FILES
                and len(content) <= SOURCE_FILE_BYTES and size_bytes <= SOURCE_FILES_BYTES)

    def _carrying(self, package: DescribedPackage, file: PackedFile,
                  found: FileMeaning) -> Iterator[Suggestion]:
        """Yield the settings with which the bundle works without the file."""
        if found.role.element == "leave-out":
            yield setting("leave-out", {"files": file.path},
                          f"{file.path} is {found.role.what}: the .repo file of the bundle has"
                          " what it may have.", sure=True)
        content = package.contents.get(file.path)
        if content is None:
            return
        settings: List[Suggestion] = []
        because = f"{file.path} is outside the allowed paths: it is left out, and"
        values = {**found.values, "name": _other_name(found.values.get("name", ""))}
        if found.role.element == "firewall-service":
            text = content.decode("utf-8", "replace")
            ports = tuple((str(part).partition("/")[0], part.protocol)
                          for part in firewall_files.ports(text))
            if ports and not _MORE_THAN_PORTS.search(text):
                settings.append(setting(
                    "firewall-service", values,
                    f"{because} the descriptor defines the service.", sure=True, ports=ports))
        elif found.role.element == "initramfs-driver":
            wanted = list(itertools.islice(file_contents.dracut_drivers(content),
                                           _MOST_OF_A_KIND))
            settings += [setting(element, {"name": name}, f"{because} this adds {name} to the"
                                 " initramfs instead.", sure=True) for element, name in wanted]
        elif found.role.movable:
            name = f"{FOLDER}{file.path}"
            if self._has_room(name, content):
                settings.append(setting(
                    found.role.element, {**values, "source": name},
                    f"{because} {name} is a copy of it. No signature covers that copy.", sure=True,
                    copies=((name, file.path),)))
        if settings:
            yield from settings
            yield setting("leave-out", {"files": file.path},
                          f"{file.path} is outside the allowed paths; a setting below replaces"
                          " it.", sure=True)


@dataclass(frozen=True)
class _Found:
    """A file in an allowed path, with its meaning; ``units`` are those of all packages."""

    package: DescribedPackage
    file: PackedFile
    found: FileMeaning
    units: FrozenSet[str]

    @property
    def path(self) -> str:
        return self.file.path

    @property
    def values(self) -> Mapping[str, str]:
        return self.found.values

    @property
    def content(self) -> bytes:
        return self.package.contents.get(self.path, b"")


def _service(one: _Found, *, moved: bool = False) -> Iterator[Suggestion]:
    unit = one.values["name"]
    problem = file_contents.install_problem(unit, one.content, sorted(one.units))
    if problem is None:
        return
    if problem and "@." in unit:
        unit = unit.replace("@.", "@INSTANCE.")
    if moved:
        problem = f"First move {one.path} to /usr/lib/systemd/system."
    for port, protocol in file_contents.listened_ports(one.content):
        yield setting("firewall-port", {"port": port, "protocol": protocol},
                      f"{one.path} listens there. This opens the port to other machines.")
    yield setting("service", {"name": unit, "state": "enabled"},
                  f"{one.path} has a section [Install]. {problem}".strip(), sure=not problem)


def _firewall(one: _Found) -> Iterator[Suggestion]:
    yield setting("firewall-service", {"name": one.values["name"]},
                  f"{one.path} defines it; this opens its ports.", sure=True)


def _module(one: _Found) -> Iterator[Suggestion]:
    if one.values.get("load"):  # a list for modules-load.d
        for name in file_contents.module_names(one.content):
            yield setting("kernel-module", {"name": name, "load": "yes"},
                          f"{one.path} loads it at boot; as a setting, the plan says so.")
        return
    if "options" in one.values:  # a file for modprobe.d
        for values in file_contents.module_options(one.content):
            yield setting("kernel-module", values,
                          f"{one.path} has it for modprobe; as a setting, the plan says so.")
        return
    name = module_name(merged(one.path))
    yield setting("kernel-module", {"name": name, "load": "yes"},
                  f"{one.path}: the kernel loads it by itself for a device that it names. This"
                  " loads it at boot in any case.")
    if _STORAGE.search(one.path):
        yield setting("initramfs-driver", {"name": name},
                      f"{one.path}: this adds it to the initramfs, which a disk of the system"
                      " needs.")


def _hook(one: _Found) -> Iterator[Suggestion]:
    if one.found.role.active:
        return  # a copy would have the same place
    runs, guessed = bool(one.file.mode & 0o111), "order" in one.found.role.attributes
    yield setting("vdsm-hook", {**one.values, "source": one.path},
                  f"{one.path} is named as a hook of VDSM."
                  + (" Choose its order, from 00 to 99." if guessed else "" if runs else
                     " It is not executable in the package."), sure=runs and not guessed)


def _selinux(one: _Found) -> Iterator[Suggestion]:
    loads = any("semodule" in text or "selinux_modules_install" in text
                for text in one.package.scripts.values())
    name = one.values["name"]
    if one.found.role.content:
        name = policy_modules.module_name(one.content)
    if not name:
        yield Suggestion("", reason=f"{one.path} is not a module of the SELinux policy that can be"
                                    " read: <selinux-module> needs one that semodule_package made.")
        return
    yield setting("selinux-module", {"source": one.path, "name": name},
                  f"{one.path} has the module {name}. "
                  + ("A scriptlet of the package loads modules: take that out first." if loads else
                     "This loads it."), sure=not loads)


def _accounts(one: _Found) -> Iterator[Suggestion]:
    for element, values in file_contents.accounts(one.content):
        yield setting(element, values, f"{one.path} creates {element} {values['name']}; as a"
                      " setting, the plan names it, and an account of that name in the root is"
                      " compared with it.")


def _sysctl(one: _Found) -> Iterator[Suggestion]:
    for name, value in file_contents.parameters(one.content):
        yield setting("sysctl", {"name": name, "value": value},
                      f"{one.path} sets it at boot; as a setting, the plan says so.")


def _placed(one: _Found) -> Iterator[Suggestion]:
    if merged(one.path).startswith("usr/"):  # in /etc the copy would have the same place
        yield setting(one.found.role.element, {**one.values, "source": one.path},
                      f"{one.path} is active as it is. As a setting, the plan names it, and the"
                      " root's checker reads it; then move the file to a folder of your own.")


_SETTINGS: Mapping[str, Callable[[_Found], Iterator[Suggestion]]] = {
    "service": _service, "firewall-service": _firewall, "kernel-module": _module,
    "vdsm-hook": _hook, "selinux-module": _selinux, "user": _accounts, "sysctl": _sysctl}


def _state_folder(file: PackedFile) -> Iterator[Suggestion]:
    place = file.path.lstrip("/")
    if posixpath.dirname(place) in _STATES:
        yield setting("persistent-path", {"path": file.path},
                      f"{file.path} is a folder of the package: this keeps what is in it when the"
                      " image is replaced.")


def _above(path: str) -> List[str]:
    """Return the folders above ``path``, without the root."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(2, len(parts))]


def _other_name(name: str) -> str:
    """Return a name for the file of a setting, which may not be where a file is left out."""
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}-plugin{dot}{suffix}" if dot else f"{name}-plugin"


def _units(packages: Sequence[DescribedPackage]) -> FrozenSet[str]:
    return frozenset(found.values["name"] for package in packages for file in package.header.files
                     for found in [meaning(file.path)]
                     if found is not None and found.role.element == "service")
