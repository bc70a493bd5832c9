"""The packages that a bundle brings, looked at without a root and without privileges."""
from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

import dnf
import dnf.conf
import dnf.exceptions
import hawkey

from ..errors import BadBundle, BadRepository, NodePluginError
from ..plugin.bundle import is_inside, metadata_files
from ..plugin.descriptor import Install
from ..system.rpm_database import find_rpmdb
from ..system.trees import walk
from . import dependencies, stale, start
from .dnf_types import DnfBase, DnfGoal, DnfPackage, DnfQuery
from .headers import read_header
from .metadata import check_sizes
from .not_offered import MissingPackage, asked_for, installable, reasons_of
from .offers import checksum_of
from .repos import bundle_repo_id
from .session import PackageChange

_BASE = "base"


@dataclass(frozen=True)
class Packed:
    """A package of a bundle: the RPM file, relative to ``repo/``, and what it is.

    ``change`` is the package as one that is installed; it is None if the RPM cannot be used, for
    the reason ``problem``.
    """

    location: str
    nevra: str
    license: str
    change: Optional[PackageChange]
    problem: Optional[NodePluginError] = None


class BundlePackages:
    """The repository in a bundle's folder ``repo/``, and perhaps a base that it is for."""

    def __init__(self, base: DnfBase, plugin: str, folder: Path) -> None:
        self._base, self._folder = base, folder
        self._id = bundle_repo_id(plugin)

    def missing(self, installs: Sequence[Install]) -> Tuple[Dict[str, str], str]:
        """Return why packages of ``installs`` are not offered, by name, and what helps."""
        wanted = [MissingPackage(install.name, f"{install.name} {install.version}".rstrip())
                  for install in installs if not self._offered(install)]
        reasons, commands = reasons_of(self._base, wanted, [self._base.repos[self._id]])
        return {each.name: reasons[each.text] for each in wanted}, "; ".join(commands)

    def versions(self, name: str) -> List[str]:
        """Return the EVRs of the package ``name`` that the bundle or the base has."""
        return [package.evr for package in self._base.sack.query().filter(name=name)]

    def versions_after(self, name: str) -> List[str]:
        """Return the EVRs of the package ``name`` that a root of the base has after an install."""
        query = self._base.sack.query().filter(name=name)
        own = query.filter(reponame=self._id)
        return [package.evr for package in (own if len(own) else query.installed())]

    def arch(self) -> str:
        """Return the architecture of the installed packages, empty without any."""
        archs = [package.arch for package in self._base.sack.query().installed()
                 if package.arch != "noarch"]
        return max(set(archs), key=archs.count, default="")

    def _offered(self, install: Install) -> bool:
        return len(asked_for(self._base, self._base.sack.query().available(), install)) > 0

    def needed(self, installs: Sequence[Install], excludes: Sequence[str]) -> List[DnfPackage]:
        """Return the packages of the bundle that ``installs`` name, and that these require.

        Of several versions it is the newest that ``installs`` allow.
        """
        own = installable(self._base, self._own())
        for install in installs:
            others = own.filter(name=install.name).difference(
                asked_for(self._base, own, install))
            own = own.difference(others)
        own = own.latest()
        if excludes:
            own = own.difference(own.filter(name__glob=list(excludes)))
        nevras = dependencies.closure(own, [install.name for install in installs])
        return sorted(package for package in own if str(package) in nevras)

    def unmet(self, packages: Sequence[DnfPackage]) -> Dict[str, List[str]]:
        """Return what each of ``packages`` requires and nothing provides, by NEVRA."""
        query = self._base.sack.query()
        unmet: Dict[str, List[str]] = {}
        for package in packages:
            missing = sorted({str(need) for need in package.requires
                              if not str(need).startswith(("(", "rpmlib("))
                              and not query.filter(provides=need)
                              and not (str(need).startswith("/")
                                       and query.filter(file=str(need)))})
            if missing:
                unmet[str(package)] = missing
        return unmet

    def solved(self, installs: Sequence[Install]) -> Tuple[List[str], List[str]]:
        """Return why the packages cannot be installed into the base, and what they change there.

        The second are the NEVRAs of installed packages that would be replaced or removed.
        """
        goal: DnfGoal = hawkey.Goal(self._base.sack)
        for install in installs:
            selector = dnf.selector.Selector(self._base.sack)
            selector.set(pkg=asked_for(
                self._base, self._base.sack.query().available(), install))
            goal.install(select=selector, optional=False)
        if not goal.run(allow_uninstall=True):
            return [str(problem) for problems in goal.problem_rules() for problem in problems], []
        arriving = {package.name for package in (*goal.list_upgrades(), *goal.list_downgrades())}
        return [], sorted({*(str(package) for package in self._base.sack.query().installed()
                             if package.name in arriving),
                           *map(str, goal.list_erasures()), *map(str, goal.list_obsoleted())})

    def packed(self, packages: Sequence[DnfPackage]) -> List[Packed]:
        """Return ``packages`` with the headers of their RPM files."""
        return [self._packed(package) for package in packages]

    def absent(self) -> List[Tuple[str, str]]:
        """Return the NEVRA and the location of each package whose RPM is not there."""
        return [(str(package), package.location) for package in sorted(self._own())
                if is_inside(package.location)
                and not os.path.isfile(self._folder / package.location)]

    def unlisted(self) -> List[str]:
        """Return the RPM files in ``repo/`` that its metadata do not name, sorted."""
        listed = {os.path.normpath(package.location) for package in self._own()}
        return sorted(name for entry in walk(self._folder) if entry.name.endswith(".rpm")
                      for name in [os.path.relpath(entry.path, self._folder)]
                      if name not in listed)

    def _own(self) -> DnfQuery:
        return self._base.sack.query(hawkey.IGNORE_EXCLUDES).available().filter(reponame=self._id)

    def _packed(self, package: DnfPackage) -> Packed:
        location, nevra = package.location, str(package)
        try:
            if not nevra.isprintable():
                raise BadBundle(f"the package {nevra!a} has a name with control characters")
            if package.baseurl or not is_inside(location):
                raise BadBundle(f"the metadata name {nevra} at a place outside of repo/")
            difference = stale.difference(package)
            if difference:
                raise BadBundle(f"it is not the RPM that the metadata describe: it {difference}",
                                hint="Run createrepo_c --update repo.", code="repository/stale")
            header = read_header(self._folder / location)
            if header.nevra != nevra:
                raise BadBundle(f"the metadata say {nevra}, but the RPM is {header.nevra}")
        except NodePluginError as exc:
            return Packed(location=location, nevra=nevra, license="", change=None, problem=exc)
        change = PackageChange(
            action="install", name=package.name, nevra=nevra, repo=package.reponame,
            size_bytes=package.installsize, download_bytes=package.downloadsize,
            checksum=checksum_of(package), signed=False,
            files=tuple(file.path for file in header.files), signer=header.signer, header=header)
        return Packed(location=location, nevra=nevra, license=package.license or "",
                      change=change)


@contextlib.contextmanager
def opened(plugin: str, repository: Path, *, repos: Sequence[Path] = (),
           root: Optional[Path] = None) -> Iterator[BundlePackages]:
    """Yield the packages in a bundle's ``repository``.

    ``repos``, folders of repositories, and what is installed in ``root`` are the base that the
    plugin is for.

    Raises BadRepository for metadata that cannot be read, BadBundle for ones that are too large.
    """
    with loaded(plugin, repository, repos=[folder.absolute().as_uri() for folder in repos],
                root=root) as base:
        yield BundlePackages(base, plugin, repository)


@contextlib.contextmanager
def loaded(plugin: str, repository: Path, *, repos: Sequence[str],
           root: Optional[Path]) -> Iterator[DnfBase]:
    """Yield a base of DNF with a bundle's ``repository``, and ``repos`` by their URLs.

    It has the installed packages of ``root``, and nothing of this machine. Raises as ``opened``.
    """
    check_sizes(metadata_files(repository))
    with tempfile.TemporaryDirectory(prefix="node-plugin-") as work, \
            dnf.Base(_conf(Path(work), root)) as base:
        base.repos.add_new_repo(bundle_repo_id(plugin), base.conf,
                                baseurl=[repository.absolute().as_uri()], gpgcheck=False)
        for number, url in enumerate(repos):
            base.repos.add_new_repo(f"{_BASE}-{number}", base.conf, baseurl=[url],
                                    gpgcheck=False)
        try:
            base.fill_sack(load_system_repo=root is not None)
        except (dnf.exceptions.Error, OSError) as exc:
            raise BadRepository(f"the metadata of repo/ or of the base cannot be read: {exc}",
                                hint="Run createrepo_c again.") from exc
        yield base


def _conf(work: Path, root: Optional[Path]) -> dnf.conf.Conf:
    """Return a configuration that reads nothing of this machine."""
    conf = dnf.conf.Conf()
    for name in ("cachedir", "persistdir", "logdir"):
        (work / name).mkdir()
        setattr(conf, name, str(work / name))
    conf.installroot = str(root or work)
    conf.reposdir, conf.pluginpath, conf.varsdir = [], [], []
    conf.excludepkgs, conf.skip_if_unavailable = [], False
    conf.substitutions["releasever"] = "none"
    if hasattr(conf, "optional_metadata_types"):
        conf.optional_metadata_types = ["filelists"]
    if root is not None:
        database = find_rpmdb(root)
        if database is not None:
            start.use_database(database)
    return conf
