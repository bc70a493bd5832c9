"""Spec files of EL's packages, each of some Debian packages, and their RPMs."""
from __future__ import annotations

import os
import re
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Sequence, Set, Tuple

from ovirt_node_plugin.system.run import run

from ..rpms import Job, build_all
from .debian import DebianPackage
from .names import DROPPED, el_name, parts

_BATCHES = 8  # of a spec each: fewer do not balance, more read rpm's configuration too often
_FIRST = ("setup", "filesystem")
_PROVIDES: Mapping[str, Sequence[str]] = {
    "bash": ("/bin/sh",), "dnf": ("yum",), "glibc": ("rtld(GNU_HASH)",),
    "python3": ("python(abi) = 3.11", "/usr/libexec/platform-python"),
    "setup": ("user(root)", "user(nobody)", "group(root)", "group(disk)", "group(kvm)"),
    "shadow-utils": ("/usr/sbin/useradd", "/usr/sbin/groupadd"), "systemd": ("syslog",)}
# Written when programs run, as the index that depmod makes.
_GHOSTS = re.compile(
    r"/etc/ld\.so\.cache|/usr/lib/modules/[^/]+/modules\.(alias(\.bin)?|builtin\.alias\.bin"
    r"|builtin\.bin|dep(\.bin)?|devname|softdep|symbols(\.bin)?)")
# Files of packages that change in every system.
_CHANGING = re.compile(
    r"/etc/(passwd|group|shadow|gshadow|subuid|subgid|fstab|hosts|machine-id)"
    r"|/etc/selinux/targeted/(policy/.*|contexts/files/file_contexts.*|seusers)"
    r"|/var/lib/selinux/.*")
# What vendors' packages run when they come and go, as EL's guidelines have it.
_ACCOUNTS: Mapping[str, str] = {"zabbix-agent": "zabbix"}
_UNITS: Mapping[str, str] = {
    "monit": "monit.service", "zabbix-agent": "zabbix-agent.service",
    "prometheus-node-exporter": "prometheus-node-exporter.service"}


@dataclass(frozen=True)
class Source:
    """A tree of files, and what is needed to describe them.

    ``users`` and ``groups`` map the ids of the tree's owners to names, ``capabilities``
    absolute paths to what getcap(8) prints.
    """

    root: Path
    users: Mapping[int, str]
    groups: Mapping[int, str]
    capabilities: Mapping[str, str]


@dataclass(frozen=True)
class ElPackage:
    """One package of EL: the Debian packages in it, and its absolute paths."""

    name: str
    made_of: Tuple[DebianPackage, ...]
    paths: Sequence[str] = field(repr=False)


def read_source(root: Path, accounts: Path) -> Source:
    """Return what the tree ``root`` has, with names from the accounts of another tree.

    rpmbuild would take those of this machine.
    """
    capabilities = {}
    for line in run(["getcap", "-r", root / "usr"]).splitlines():
        path, words = line.rsplit(" ", 1)
        capabilities[path[len(str(root)):]] = words
    return Source(root, _names(accounts / "etc/passwd"), _names(accounts / "etc/group"),
                  capabilities)


def _names(table: Path) -> Dict[int, str]:
    rows = [line.split(":") for line in table.read_text().splitlines()]
    return {int(row[2]): row[0] for row in rows}


def el_packages(debian: Mapping[str, DebianPackage],
                owned: Mapping[str, Sequence[str]]) -> List[ElPackage]:
    """Return EL's packages, sorted by name."""
    made_of: Dict[str, List[DebianPackage]] = {}
    for name in sorted(debian):
        if name not in DROPPED:
            made_of.setdefault(el_name(name), []).append(debian[name])
    strays = set(owned) - set(made_of)
    assert not strays, f"paths of packages that no Debian package makes: {strays}"
    return [ElPackage(name, tuple(made_of[name]), owned.get(name, ())) for name in sorted(made_of)]


def build(packages: Sequence[ElPackage], source: Source, work: Path, into: Path) -> None:
    """Build ``packages`` into ``into``, several specs at a time."""
    attributes = work / "fileattrs"
    attributes.mkdir(parents=True)
    rules = Path(run(["rpm", "--eval", "%{_rpmconfigdir}/fileattrs"]).strip())
    for name in ("elf.attr", "script.attr"):  # sonames and interpreters, as on EL
        shutil.copy(rules / name, attributes)
    known = {name: package for package in packages for name in
             (one.name for one in package.made_of)}
    jobs = []
    for number, batch in enumerate(_batches(packages)):
        spec = work / f"batch-{number}.spec"
        spec.write_text("\n".join(_spec(batch, known, source, work)) + "\n", encoding="utf-8")
        jobs.append((Job(spec, buildroot=source.root, defines={
            "_fileattrsdir": str(attributes), "_binary_payload": "w1.zstdio",
            "__check_files": "%{nil}", "__requires_exclude": "^/usr/local/bin/",
            "_binaries_in_noarch_packages_terminate_build": "0",
            # rpmbuild would delete the build root first
            "__spec_install_pre": "%{___build_pre}"}), into))
    build_all(jobs)


def _batches(packages: Sequence[ElPackage]) -> List[List[ElPackage]]:
    """Return the packages in parts of about the same number of paths."""
    batches: List[List[ElPackage]] = [[] for _ in range(_BATCHES)]
    sizes = [0] * _BATCHES
    for package in sorted(packages, key=lambda one: -len(one.paths)):
        least = sizes.index(min(sizes))
        batches[least].append(package)
        sizes[least] += len(package.paths) + 30  # a package is work without any
    return batches


def _spec(batch: Sequence[ElPackage], known: Mapping[str, ElPackage], source: Source,
          work: Path) -> Iterator[str]:
    yield from ("Name: full-node", "Version: 1", "Release: 1", "Summary: Nothing of its own",
                "License: several", "%description", "Only its subpackages have files.", "%install")
    for package in batch:
        yield from _header(package, known, source)
        yield from _scriptlets(package.name)
        lines = list(_file_lines(package, source))
        if lines:
            listing = work / f"{package.name}.files"
            listing.write_text("\n".join(lines) + "\n", encoding="utf-8")
            yield f"%files -n {package.name} -f {listing}"
        else:
            yield f"%files -n {package.name}"


def _header(package: ElPackage, known: Mapping[str, ElPackage], source: Source) -> Iterator[str]:
    name = package.name
    first = next((one for part in parts(name) for one in package.made_of if one.name == part),
                 package.made_of[0])
    epoch, version, release = _evr(first.version)
    yield from (f"%package -n {name}", f"Version: {version}", f"Release: {release}",
                f"Summary: {name} of EL, from {first.name} of Debian")
    if epoch:
        yield f"Epoch: {epoch}"
    if name in _FIRST:  # all others need them: nothing in them may need another
        yield "AutoReq: no"
    if all(one.arch == "all" for one in package.made_of):
        yield "BuildArch: noarch"
    for other in sorted(_requires(package, known)) if name not in _FIRST else ():
        yield f"Requires: {other}"
    if name != "setup":  # which has the accounts of files' owners
        yield "Requires(pre): setup"
    if name not in _FIRST:
        yield "Requires: filesystem"
    provides = {path for one in package.made_of for path in one.programs}
    for text in sorted(provides.union(_PROVIDES.get(name, ()))):
        yield f"Provides: {text}"
    if name == "kernel-core":
        yield from _kernel_lines(source.root)
    if name in _ACCOUNTS:
        yield "Requires(pre): shadow-utils"
    yield from (f"%description -n {name}", f"{first.name} of Debian.")


def _kernel_lines(root: Path) -> Iterator[str]:
    """Yield what a kernel provides: its uname, without the dashes that no version may have."""
    (modules,) = (root / "usr/lib/modules").iterdir()
    version, _, rest = modules.name.partition("-")
    uname = f"{version}-{rest.replace('-', '.')}"
    for name in ("kernel", "kernel-core", "kernel-modules", "kernel-modules-core"):
        yield f"Provides: {name}-uname-r = {uname}"
    yield "Provides: kernel-modules kernel-modules-core installonlypkg(kernel)"
    yield "Requires(pre): kmod dracut"


def _evr(version: str) -> Tuple[str, str, str]:
    """Return epoch, version and release of EL's package for a version of Debian's."""
    epoch, _, rest = version.rpartition(":")
    upstream, _, revision = rest.rpartition("-")
    if not upstream:
        upstream, revision = rest, "0"
    plain = [re.sub(r"[^\w.+~^]", "_", text) for text in (upstream, revision)]
    return epoch, plain[0], f"{plain[1]}.el9"


def _requires(package: ElPackage, known: Mapping[str, ElPackage]) -> Set[str]:
    """Return the other packages it needs; libraries are found in its files."""
    names = {name for one in package.made_of for name in one.needs
             if name in known and not name.startswith("lib")}
    return {known[name].name for name in names} - {package.name}


def _scriptlets(name: str) -> Iterator[str]:
    if name in _ACCOUNTS:
        user = _ACCOUNTS[name]
        yield from (
            f"%pre -n {name}",
            f"getent group {user} >/dev/null || groupadd -r {user}",
            f"getent passwd {user} >/dev/null || \\",
            f"    useradd -r -g {user} -d / -s /usr/sbin/nologin -c '{name}' {user}", "exit 0")
    if name in _UNITS:
        yield from (f"%post -n {name}", f"%fixture_units_installed {_UNITS[name]}",
                    f"%preun -n {name}", f"%fixture_units_removed {_UNITS[name]}")


def _file_lines(package: ElPackage, source: Source) -> Iterator[str]:
    """Yield the lines of the package's list of files; what is not a file, link or folder is not."""
    for path in package.paths:
        info = os.lstat(f"{source.root}{path}")
        quoted = '"' + path.replace("%", "%%").replace("[", "[[]") + '"'
        attributes = (f"%attr({stat.S_IMODE(info.st_mode):04o},{source.users[info.st_uid]},"
                      f"{source.groups[info.st_gid]})")
        ghost = "%ghost " if _GHOSTS.fullmatch(path) else ""
        if stat.S_ISLNK(info.st_mode):
            yield f"{ghost}{quoted}"
        elif stat.S_ISDIR(info.st_mode):
            yield f"{attributes} %dir {quoted}"
        elif stat.S_ISREG(info.st_mode):
            changing = _CHANGING.fullmatch(path) is not None
            config = not ghost and (changing or path.startswith("/etc/"))
            yield " ".join(word for word in (
                attributes, ghost.strip(), "%config(noreplace)" if config else "",
                "%verify(not md5 size mtime)" if changing else "",
                f"%caps({source.capabilities[path]})" if path in source.capabilities else "",
                quoted) if word)
