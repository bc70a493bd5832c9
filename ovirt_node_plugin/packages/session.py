"""One DNF transaction for plugins: mark, solve, download, check, run."""
from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import (
    Any,
    Collection,
    ContextManager,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
)

import dnf
import dnf.callback
import dnf.exceptions
import dnf.lock
import dnf.transaction
import hawkey

from ..errors import Locked, NodePluginError, Refused, RolledBack, UnmetDependency
from ..plugin.bundle import Bundle, bundle_of_repo
from ..plugin.descriptor import Install
from ..system.paths import resolve_inside
from . import core, devices, explain, fetching, repos, unpacking
from .headers import Header, installed_headers, read_header, signers
from .metadata import read_metadata
from .policy import RunPolicy


@dataclass(frozen=True)
class Request:
    """What a transaction is to do.

    ``installs`` are packages to have, ``upgrades`` names to bring to the newest
    version offered, ``erases`` NEVRAs to remove, ``excludes`` globs of names that
    must not be pulled in; ``subject`` names it all for messages.
    """

    subject: str
    installs: Tuple[Install, ...] = ()
    upgrades: Tuple[str, ...] = ()
    erases: Tuple[str, ...] = ()
    excludes: Tuple[str, ...] = ()


@dataclass(frozen=True)
class PackageChange:
    """One package that a transaction installs or removes.

    ``action`` is ``install``, ``upgrade``, ``downgrade`` or ``remove``; ``files``
    are absolute paths; ``checksum`` is ``TYPE:HEX`` of the RPM file, sizes are in
    bytes; ``signed`` says if its repository has signatures checked; ``signer`` is the
    signing key's id and ``header`` the RPM's own, both only once that is fetched.
    """

    action: str
    name: str
    nevra: str
    repo: str
    size_bytes: int
    download_bytes: int
    checksum: str
    signed: bool
    files: Tuple[str, ...] = field(repr=False, default=())
    signer: str = ""
    header: Optional[Header] = field(repr=False, default=None)


class _Failures(dnf.callback.TransactionProgress):
    """Collects what rpm reports as errors while a transaction runs."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: List[str] = []

    def error(self, message: str) -> None:
        self.messages.append(message)

    def progress(self, *_args: Any) -> None:
        pass


class Session:
    """The DNF side of one ``dnf node-plugin`` run on ``policy.base``."""

    def __init__(self, policy: RunPolicy) -> None:
        self.policy = policy
        self.base = policy.base
        self.target = policy.target

    def fill(self, *, repos: bool = True) -> None:
        """Read the root's rpm database and, with ``repos``, the enabled repositories.

        Raises NodePluginError for a repository that cannot be read.
        """
        conf = self.base.conf
        if hasattr(conf, "optional_metadata_types"):  # since 4.19 DNF leaves file lists out
            conf.optional_metadata_types = [*conf.optional_metadata_types, "filelists"]
        try:
            self.base.fill_sack(load_system_repo="auto", load_available_repos=repos)
        except dnf.exceptions.RepoError as exc:
            raise NodePluginError(str(exc), hint="Check the repository named above.") from exc

    def metadata_bundles(self) -> Tuple[List[Bundle], List[str]]:
        """Return the plugins that enabled repositories carry, and what is wrong with others."""
        found: List[Bundle] = []
        problems: List[str] = []
        for repo_id, path in repos.metadata_descriptors(self.base):
            try:
                bundle = bundle_of_repo(read_metadata(path), repo_id=repo_id)
                own = repos.brought_by(self.base.repos[repo_id], bundle, self.base.repos)
                found.append(replace(bundle, descriptor=replace(
                    bundle.descriptor, repo_ids=own)))
            except (NodePluginError, OSError) as exc:
                problems.append(str(exc))
        return found, problems

    def installed(self) -> Dict[str, str]:
        """Return name and NEVRA of every package installed in the root, by NEVRA."""
        return {str(package): package.name for package in self.base.sack.query().installed()}

    @property
    def arch(self) -> str:
        """The root's base architecture, DNF's $basearch; empty if DNF knows none."""
        return str(self.base.conf.substitutions.get("basearch", ""))

    def files(self, nevra: str) -> Tuple[str, ...]:
        """Return the absolute paths of all files of an installed package."""
        found = self.base.sack.query().installed().filter(nevra_strict=nevra)
        return tuple(path for package in found for path in package.files)

    def names_of(self, nevras: Sequence[str]) -> Dict[str, str]:
        """Return the name of each package, installed or offered, that ``nevras`` name."""
        found = self.base.sack.query(hawkey.IGNORE_EXCLUDES).filter(nevra_strict=list(nevras))
        return {str(package): package.name for package in found}

    def versions_after(self, name: str, packages: Sequence[PackageChange]) -> List[str]:
        """Return the EVRs of the package ``name`` as they are after ``packages`` change."""
        gone = {change.nevra for change in packages if change.action == "remove"}
        come = {change.nevra for change in packages if change.action != "remove"}
        query = self.base.sack.query(hawkey.IGNORE_EXCLUDES).filter(name=name)
        return [package.evr for package in query
                if str(package) in come or (package.reponame == "@System"
                                            and str(package) not in gone)]

    def solve(self, request: Request) -> Tuple[PackageChange, ...]:
        """Find the transaction that ``request`` asks for, and return its packages.

        A core package is neither a candidate nor may it go.

        Raises NeedsNewerImage if a core package is in the way, UnmetDependency
        with DNF's own text for any other reason.
        """
        base, rules = self.base, self.policy.rules
        base.reset(goal=True)
        core.exclude(base, rules)
        core.protect(base, rules)
        try:
            self._resolve(request)
        except dnf.exceptions.Error as exc:
            self.policy.explaining = True
            try:
                raise explain.refusal(
                    base, target=self.target, subject=request.subject, rules=rules,
                    mark=lambda: self._mark(request), problem=str(exc),
                    names=[one.name for one in request.installs],
                    repos_off=self.policy.own_repos_off()) from exc
            finally:
                self.policy.explaining = False
        return self.packages()

    def removable(self, nevras: Iterable[str]) -> Tuple[Tuple[str, ...], Dict[str, str]]:
        """Return which of the installed ``nevras`` can go, and who needs each of the others.

        Nothing but those packages would go: one that some other package needs stays.
        """
        installed = self.base.sack.query().installed()
        wanted = {str(p): p for p in installed if str(p) in set(nevras)}
        kept: Dict[str, str] = {}
        while wanted:
            extra = self._also_removed(wanted)
            needed = {nevra: str(other) for other in extra for nevra in _providers(
                installed, wanted, other)}
            if not needed:
                break
            kept.update(needed)
            for nevra in needed:
                del wanted[nevra]
        return tuple(sorted(wanted)), kept

    def packages(self) -> Tuple[PackageChange, ...]:
        """Return what the solved transaction installs and removes, sorted by name."""
        changes = [_change(self.base, item) for item in self.base.transaction or ()
                   if item.action in _ACTIONS]
        return tuple(sorted(changes, key=lambda change: (change.name, change.action)))

    def attribute(self, wanted: Mapping[str, Sequence[str]], claimed: Collection[str]
                  ) -> Dict[str, Set[str]]:
        """Say which packages each plugin brings or shares, after a solve.

        ``wanted`` maps a plugin to the names it asks for, ``claimed`` are NEVRAs
        that records claim already. The answer maps each plugin to NEVRAs: those
        of its names, and of what they require, as far as they arrive or are
        claimed. What arrives for another reason, a weak dependency, goes to all.
        """
        arriving = [item.pkg for item in self.base.transaction or ()
                    if item.action in dnf.transaction.FORWARD_ACTIONS]
        leaving = {str(item.pkg) for item in self.base.transaction or ()
                   if item.action in dnf.transaction.BACKWARD_ACTIONS}
        pool = {str(p): p for p in self.base.sack.query().installed()
                if str(p) in claimed and str(p) not in leaving}
        pool.update({str(package): package for package in arriving})
        query = self.base.sack.query(hawkey.IGNORE_EXCLUDES).filter(pkg=list(pool.values()))
        shares = {plugin: _closure(query, names) for plugin, names in wanted.items()}
        reached = set().union(*shares.values()) if shares else set()
        loose = {str(package) for package in arriving} - reached
        return {plugin: nevras | loose for plugin, nevras in shares.items()}

    def table(self) -> str:
        """Return the solved transaction as dnf prints it."""
        output = self.base.output
        if output is None or not self.base.transaction:
            return ""
        return str(output.list_transaction(self.base.transaction))

    def fetch(self, packages: Sequence[PackageChange], *,
              download: bool = True) -> Tuple[PackageChange, ...]:
        """Download what the solved transaction installs; return ``packages`` as their RPMs are.

        What a repository says of a package is not what rpm will do: the answer has each
        one's header, and files and signer of that; without ``download`` only of those
        that are on this machine already. Checks no signature.

        Raises NodePluginError if a download fails, or what comes is another package.
        """
        coming = {str(package): package for package in self._coming()}
        if download:
            fetching.download(self.base, list(coming.values()))
        files = {nevra: Path(package.localPkg()) for nevra, package in coming.items()}
        headers = {nevra: read_header(path) for nevra, path in files.items()
                   if download or path.is_file()}
        return tuple(change if change.nevra not in headers or change.action == "remove"
                     else _as_packed(change, headers[change.nevra]) for change in packages)

    def check_signatures(self, *, trust_keys: bool, bundle_repos: Collection[str]) -> None:
        """Check the signatures of what was fetched as their repositories say.

        ``bundle_repos`` are repo ids that a bundle brings; their keys count only
        with ``trust_keys``, or when the administrator says so at the prompt.

        Raises Refused for a signature that does not hold.
        """
        fetching.check_signatures(self.base, self.target, self._coming(),
                                  trust_keys=trust_keys, bundle_repos=bundle_repos)

    def check_unchanged(self, packages: Sequence[PackageChange]) -> None:
        """Raise Refused if an RPM is another one than when ``packages`` were fetched.

        One in a local repository is not copied, and somebody may have been at it while
        the plan was looked at.
        """
        planned = {change.nevra: change.header for change in packages}
        for package in self._coming():
            if read_header(Path(package.localPkg())) != planned.get(str(package)):
                raise Refused(
                    f"the RPM of {package} is not the one that was planned any more",
                    hint="Nothing was changed. Find out who can write to the repository.")

    def as_installed(self, packages: Sequence[PackageChange]) -> Tuple[PackageChange, ...]:
        """Return ``packages`` with the headers of those that go, from the rpm database."""
        headers = self.installed_headers(one.nevra for one in packages if one.action == "remove")
        return tuple(_as_packed(change, headers[change.nevra])
                     if change.nevra in headers else change for change in packages)

    def installed_headers(self, nevras: Iterable[str]) -> Dict[str, Header]:
        """Return the headers of those of ``nevras`` that are installed in the root."""
        return installed_headers(self.target.root, nevras)

    def signers(self) -> Dict[str, str]:
        """Return who the keys are that the root's rpm database has, by key id."""
        return signers(self.target.root)

    def _coming(self) -> List[Any]:
        return [item.pkg for item in self.base.transaction or ()
                if item.action in dnf.transaction.FORWARD_ACTIONS]

    def owners(self, path: str) -> List[str]:
        """Return the NEVRAs of the installed packages that have the absolute ``path``."""
        return [str(package) for package in self.base.sack.query().installed().filter(file=path)]

    def file_lists(self) -> Iterator[Tuple[str, Sequence[str]]]:
        """Yield the NEVRA of each installed package, with the absolute paths of its files."""
        for package in self.base.sack.query().installed():
            yield str(package), package.files

    def files_of(self, name: str) -> Tuple[str, ...]:
        """Return the absolute paths of all files of the installed packages called ``name``."""
        return tuple(path for package in self.base.sack.query().installed().filter(name=name)
                     for path in package.files)

    def run(self, displays: Sequence[Any], *, leave_out: Collection[str] = ()) -> None:
        """Run the solved transaction. Raises RolledBack, for the caller to make true.

        ``leave_out`` are absolute paths of files that rpm is not to unpack.
        """
        failures = _Failures()
        try:
            with unpacking.not_unpacked(self.base, self._shared(leave_out)), self._devices():
                dnf.Base.do_transaction(self.base, [*displays, failures])
        except dnf.exceptions.Error as exc:
            raise RolledBack("\n".join([str(exc), *failures.messages])) from exc
        if failures.messages:
            raise RolledBack("\n".join(dict.fromkeys(failures.messages)))

    def _devices(self) -> ContextManager[None]:
        if self.target.live:
            return contextlib.nullcontext()
        return devices.scriptlet_devices(self.target.root, {
            path for change in self.packages() for path in change.files})

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other DNF processes off the root's rpm database, as its transactions do.

        Raises Locked where DNF is told not to wait for another process.
        """
        lock = dnf.lock.build_rpmdb_lock(self.base.conf.persistdir, self.base.conf.exit_on_lock)
        try:
            lock.__enter__()
        except dnf.exceptions.LockError as exc:
            raise Locked(str(exc), hint="Wait until the other process is done.") from exc
        try:
            yield
        finally:
            # DNF's own transaction, in between, took the same lock and its file away
            with contextlib.suppress(FileNotFoundError):
                lock.__exit__()

    def _shared(self, leave_out: Collection[str]) -> List[str]:
        if not leave_out:
            return []
        root = self.target.root
        every = {path for change in self.packages() for path in change.files
                 if change.action != "remove"
                 or os.path.lexists(resolve_inside(root, path, follow_last=False))}
        return unpacking.shared_paths(leave_out, every)

    def close(self) -> None:
        """Let go of every handle on the root's databases."""
        self.base.close()

    def _resolve(self, request: Request) -> None:
        with _kept(self.base.conf, "clean_requirements_on_remove", False):
            self._mark(request)
            self.base.resolve(allow_erasing=False)

    def _mark(self, request: Request) -> None:
        base = self.base
        if request.excludes:
            unwanted = base.sack.query().available().filter(name__glob=list(request.excludes))
            base.sack.add_excludes(unwanted)
        for install in request.installs:
            found = base.sack.query().filter(name=install.name)
            if install.version:
                key = "evr" if "-" in install.version else "version"
                found = found.filter(**{key: install.version})
            if install.name in request.upgrades:
                found = found.latest()
            if not found:
                raise dnf.exceptions.MarkingError(
                    f"no package {install.name} {install.version}".rstrip() + " is offered")
            selector = dnf.selector.Selector(base.sack)
            selector.set(pkg=found)
            base.goal.install(select=selector, optional=False)
        for name in request.upgrades:
            newer = base.sack.query().filter(name=name).upgrades()
            if newer:
                selector = dnf.selector.Selector(base.sack)
                selector.set(pkg=newer)
                base.goal.upgrade(select=selector)
        for package in base.sack.query().installed():
            if str(package) in request.erases:
                base.goal.erase(package, clean_deps=False)

    def _also_removed(self, wanted: Dict[str, Any]) -> List[Any]:
        """Return the packages that would go with ``wanted``, which are not in it."""
        goal = hawkey.Goal(self.base.sack)
        for package in wanted.values():
            goal.erase(package, clean_deps=False)
        if not goal.run(allow_uninstall=True):
            raise UnmetDependency("\n".join(map(str, goal.problems)))
        return [package for package in goal.list_erasures() if str(package) not in wanted]


_ACTIONS = {
    dnf.transaction.PKG_INSTALL: "install", dnf.transaction.PKG_UPGRADE: "upgrade",
    dnf.transaction.PKG_DOWNGRADE: "downgrade", dnf.transaction.PKG_REINSTALL: "install",
    dnf.transaction.PKG_REMOVE: "remove", dnf.transaction.PKG_UPGRADED: "remove",
    dnf.transaction.PKG_DOWNGRADED: "remove", dnf.transaction.PKG_OBSOLETED: "remove",
    dnf.transaction.PKG_REINSTALLED: "remove",
}


def _change(base: Any, item: Any) -> PackageChange:
    package = item.pkg
    arriving = item.action in dnf.transaction.FORWARD_ACTIONS
    repo = base.repos.get(package.reponame)
    checksum = package.chksum if arriving else None
    return PackageChange(
        action=_ACTIONS[item.action], name=package.name, nevra=str(package),
        repo=package.reponame, size_bytes=package.installsize,
        download_bytes=package.downloadsize if arriving else 0,
        checksum=f"{hawkey.chksum_name(checksum[0])}:{checksum[1].hex()}" if checksum else "",
        signed=bool(repo is not None and repo.gpgcheck), files=tuple(package.files))


def _as_packed(change: PackageChange, header: Header) -> PackageChange:
    if header.nevra != change.nevra:
        raise NodePluginError(
            f"the repository {change.repo} says {change.nevra}, and brings {header.nevra}",
            hint="Do not install it; ask its vendor.")
    return replace(change, header=header, signer=header.signer,
                   files=tuple(file.path for file in header.files))


def _providers(installed: Any, wanted: Dict[str, Any], other: Any) -> List[str]:
    """Return which of ``wanted`` the package ``other`` requires."""
    mine = installed.filter(pkg=list(wanted.values()))
    found = mine.filter(provides=other.requires) if other.requires else []
    named = [str(package) for package in found]
    for need in map(str, other.requires):
        if need.startswith("/"):
            named.extend(str(package) for package in mine.filter(file=need))
    return named


def _closure(query: Any, names: Sequence[str]) -> Set[str]:
    """Return the NEVRAs in ``query`` that ``names`` and their requirements reach."""
    todo = list(query.filter(name=list(names))) if names else []
    found = {str(package): package for package in todo}
    while todo:
        requires = todo.pop().requires
        reached = list(query.filter(provides=requires)) if requires else []
        for need in map(str, requires):
            if need.startswith("/"):
                reached.extend(query.filter(file=need))
        for package in reached:
            if str(package) not in found:
                found[str(package)] = package
                todo.append(package)
    return set(found)


@contextlib.contextmanager
def _kept(conf: Any, name: str, value: Any) -> Iterator[None]:
    """Set an option of DNF's configuration for the time of a ``with``."""
    before = getattr(conf, name)
    setattr(conf, name, value)
    try:
        yield
    finally:
        setattr(conf, name, before)


__all__ = ["PackageChange", "Request", "Session"]
