"""One DNF transaction for plugins: mark packages, solve, download, check, run."""
from __future__ import annotations

import contextlib
import itertools
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import (
    Collection,
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
import dnf.exceptions
import dnf.lock
import dnf.transaction
import hawkey

from ..errors import Locked, NodePluginError, Refused
from ..isolation.sealed import refuse_impossible
from ..plugin.bundle import Bundle
from ..policy.key_trust import KeyTrust
from ..system.openpgp import PublicKey
from ..system.paths import resolve_inside
from ..system.progress import PACKAGES, Progress, Silent
from . import (
    claims,
    core,
    dependencies,
    explain,
    fetching,
    keys,
    offers,
    outcome,
    repos,
    running,
    saving,
    sealed_transaction,
    solved,
    unpacking,
    unreachable,
)
from .displays import ChangedPackages, Downloads
from .dnf_types import DnfBase, DnfDisplay, DnfTransactionItem
from .headers import Header, installed_headers, read_header, signers
from .policy import RunPolicy
from .request import Request, mark, outdated
from .scriptlet_runs import ScriptletReport, States


@dataclass(frozen=True)
class PackageChange:
    """One package that a transaction installs or removes.

    ``action`` is ``install``, ``upgrade``, ``downgrade`` or ``remove``; ``files``
    are absolute paths; ``checksum`` is ``TYPE:HEX`` of the RPM file, sizes are in
    bytes; ``signed`` tells whether signatures of its repository are checked; ``signer`` is
    the id of the signing key and ``header`` that of the RPM, both only once that is fetched.
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

    @property
    def arrives(self) -> bool:
        """Whether the transaction installs the package."""
        return self.action != "remove"


class Session:
    """The DNF side of one ``dnf node-plugin`` run on ``policy.base``.

    Its steps are reported to ``progress``; without one, DNF shows its own.
    """

    def __init__(self, policy: RunPolicy, progress: Optional[Progress] = None) -> None:
        self.policy = policy
        self.progress: Progress = progress or Silent()
        self._reported = progress
        self.target = policy.target
        self._base: DnfBase = policy.base

    def fill(self, *, repos: bool = True) -> None:
        """Load the root's rpm database and, with ``repos``, the enabled repositories.

        A second call replaces what was loaded. Without ``repos``, DNF disables them all; they
        are enabled again for such a call.

        Raises NodePluginError for a repository that cannot be read.
        """
        conf = self._base.conf
        if hasattr(conf, "optional_metadata_types"):  # since 4.19 DNF leaves file lists out
            conf.optional_metadata_types = [*conf.optional_metadata_types, "filelists"]
        enabled = list(self._base.repos.iter_enabled())
        with unreachable.named_repositories(self._base), \
                self.progress.step("metadata", "Reading the metadata of packages") as advance:
            for repo in enabled if self._reported else ():
                repo.set_progress_bar(Downloads(advance))
            self._base.fill_sack(load_system_repo="auto", load_available_repos=repos)
        for repo in enabled if not repos else ():
            repo.enable()

    def enabled_repos(self) -> List[str]:
        """Return the ids of the enabled repositories, sorted."""
        return sorted(repo.id for repo in self._base.repos.iter_enabled())

    def metadata_bundles(self) -> Tuple[List[Bundle], List[str]]:
        """Return the plugins in the metadata of enabled repositories, and the problems there."""
        bundles: List[Bundle] = []
        problems: List[str] = []
        for repo in self._base.repos.iter_enabled():
            try:
                bundle = repos.metadata_bundle(repo)
                if bundle is not None:
                    bundles.append(replace(bundle, descriptor=replace(
                        bundle.descriptor,
                        repo_ids=repos.brought_by(repo, bundle, self._base.repos))))
            except (NodePluginError, OSError) as exc:
                problems.append(str(exc))
        return bundles, problems

    def installed(self) -> Dict[str, str]:
        """Return the name of every package installed in the root, by NEVRA."""
        return {str(package): package.name for package in self._base.sack.query().installed()}

    @property
    def arch(self) -> str:
        """The root's base architecture, DNF's $basearch; empty if DNF knows none."""
        return str(self._base.conf.substitutions.get("basearch", ""))

    def files(self, nevra: str) -> Tuple[str, ...]:
        """Return the absolute paths of all files of an installed package."""
        packages = self._base.sack.query().installed().filter(nevra_strict=nevra)
        return tuple(path for package in packages for path in package.files)

    def names_of(self, nevras: Sequence[str]) -> Dict[str, str]:
        """Return the names of the packages ``nevras``, installed or offered, by NEVRA."""
        query = self._base.sack.query(hawkey.IGNORE_EXCLUDES)
        return {str(package): package.name
                for package in query.filter(nevra_strict=list(nevras))}

    def versions_after(self, name: str, packages: Sequence[PackageChange]) -> List[str]:
        """Return the EVRs of the package ``name`` after the changes ``packages``."""
        leaving = {change.nevra for change in packages if not change.arrives}
        arriving = {change.nevra for change in packages if change.arrives}
        query = self._base.sack.query(hawkey.IGNORE_EXCLUDES).filter(name=name)
        return [package.evr for package in query
                if str(package) in arriving or (package.reponame == "@System"
                                                and str(package) not in leaving)]

    def solve(self, request: Request) -> Tuple[PackageChange, ...]:
        """Solve the transaction that ``request`` asks for, and return its packages.

        Core packages and those of other plugins are no candidates and may not be removed.

        Raises NeedsNewerImage if a core package would have to change, UnmetDependency
        with DNF's own text for any other reason, and Refused if a package of another plugin
        would have to change, and for a package whose name DNF cannot print, as it prints
        names while it downloads and installs.
        """
        base, rules = self._base, self.policy.rules
        try:
            try:
                self._resolve(request, best=True)
            except dnf.exceptions.DepsolveError:
                self._resolve(request, best=False)
        except dnf.exceptions.Error as exc:
            if isinstance(exc.__cause__, NodePluginError):  # a refusal of the hooks
                raise exc.__cause__ from None
            self.policy.explaining = True
            try:
                raise explain.refusal(
                    base, target=self.target, subject=request.subject, rules=rules,
                    mark=lambda: self._mark(request), problem=str(exc),
                    names=[install.name for install in request.installs],
                    repos_on=self.policy.enabled_repos_of(request.plugins),
                    repos_off=self.policy.own_repos_off(request.plugins),
                    claimed=request.claims) from exc
            finally:
                self.policy.explaining = False
        refused = explain.claims_refusal(base, request.subject, request.claims)
        if refused is not None:
            raise refused
        packages = self.packages()
        _refuse_unprintable(packages)
        return packages

    def forget_excludes(self) -> None:
        """Forget the excludes of former solves; those of dnf.conf are applied again.

        Only for the reasons of a failure: excludes of other plugins of DNF are forgotten too.
        """
        self._base.sack.reset_excludes()
        self._base._setup_excludes_includes()

    def removable(self, nevras: Iterable[str]) -> Tuple[Tuple[str, ...], Dict[str, str]]:
        """Return which of the installed ``nevras`` can go; see ``dependencies.removable``."""
        return dependencies.removable(self._base, nevras)

    def packages(self) -> Tuple[PackageChange, ...]:
        """Return what the solved transaction installs and removes, sorted by name."""
        changes = [_change(self._base, item) for item in self._base.transaction or ()
                   if item.action in _ACTIONS]
        return tuple(sorted(changes, key=lambda change: (change.name, change.action)))

    def attribute(self, wanted: Mapping[str, Sequence[str]], claimed: Collection[str]
                  ) -> Dict[str, Set[str]]:
        """Return the packages of each plugin; see ``dependencies.attribute``."""
        return dependencies.attribute(self._base, wanted, claimed)

    def table(self) -> str:
        """Return the solved transaction as dnf prints it."""
        output = self._base.output
        if output is None or not self._base.transaction:
            return ""
        return str(output.list_transaction(self._base.transaction))

    def fetch(self, packages: Sequence[PackageChange], *,
              download: bool = True) -> Tuple[PackageChange, ...]:
        """Download what the solved transaction installs; return ``packages`` with headers.

        rpm goes by the header of an RPM, not by the metadata of its repository. So the
        result has the headers, and files and signers from them; without ``download`` only
        for packages that are on this machine already. Checks no signature.

        Raises NodePluginError if a download fails, or gives another package, and BadBundle for
        a package that a bundle's repository names outside of the bundle.
        """
        arriving = {str(package): package for package in solved.arriving(self._base)}
        fetching.check_locations(self._base, list(arriving.values()))
        if download:
            fetching.download(self._base, list(arriving.values()), self._reported)
        files = {nevra: Path(package.localPkg()) for nevra, package in arriving.items()}
        headers = {nevra: read_header(path) for nevra, path in files.items()
                   if download or path.is_file()}
        return tuple(change if change.nevra not in headers or not change.arrives
                     else _as_packed(change, headers[change.nevra]) for change in packages)

    def rpm_files(self) -> Dict[str, Path]:
        """Return the RPM files of arriving packages that are on this machine, by NEVRA."""
        files = {str(package): Path(package.localPkg()) for package in solved.arriving(self._base)}
        return {nevra: path for nevra, path in files.items() if path.is_file()}

    def check_signatures(self, *, trust: KeyTrust, bundle_repos: Collection[str]) -> None:
        """Check the signatures of what was fetched, as its repositories say.

        ``bundle_repos`` are repo ids that a bundle brings; their keys count only
        as ``trust`` says, or when the administrator says so at the prompt.

        Raises Refused for a signature that does not hold.
        """
        fetching.check_signatures(self._base, self.target, solved.arriving(self._base),
                                  trust=trust, bundle_repos=bundle_repos)

    def check_certain_signatures(self) -> None:
        """Raise Refused for signatures of fetched packages that no key can make hold."""
        fetching.check_certain(self._base, self.target, solved.arriving(self._base))

    def save_packages(self, nevras: Sequence[str], folder: Path, keys: Path) -> List[str]:
        """Copy packages and the keys of their repositories; see ``saving.save_packages``."""
        return saving.save_packages(self._base, nevras, folder, keys)

    def check_unchanged(self, packages: Sequence[PackageChange]) -> None:
        """Raise Refused if an RPM changed after ``packages`` were fetched.

        An RPM in a local repository is not copied, and may be replaced while the user
        reads the plan.
        """
        planned = {change.nevra: change.header for change in packages if change.arrives}
        for package in solved.arriving(self._base):
            if read_header(Path(package.localPkg())) != planned.get(str(package)):
                raise Refused(
                    f"the RPM of {package} is not the one that was planned any more",
                    hint="Nothing was changed. Find out who can write to the repository.")

    def as_installed(self, packages: Sequence[PackageChange]) -> Tuple[PackageChange, ...]:
        """Return ``packages`` with headers from the rpm database for those that leave."""
        headers = self.installed_headers(
            change.nevra for change in packages if not change.arrives)
        return tuple(_as_packed(change, headers[change.nevra])
                     if change.nevra in headers else change for change in packages)

    def installed_headers(self, nevras: Iterable[str]) -> Dict[str, Header]:
        """Return the headers of those of ``nevras`` that are installed in the root."""
        return installed_headers(self.target.root, nevras)

    def signers(self) -> Dict[str, str]:
        """Return the owners of the keys in the root's rpm database, by key id."""
        return signers(self.target.root)

    def keys_of_root(self) -> Mapping[str, PublicKey]:
        """Return the keys in the root's rpm database, by id."""
        return keys.by_id(keys.of_root(self.target.root))

    def key_text(self, key_id: str) -> str:
        """Return fingerprint and owner of a key in the root, or only the id of another key."""
        key = self.keys_of_root().get(key_id)
        return key.text if key is not None else key_id

    def known_keys(self, repo_ids: Collection[str], *, network: bool) -> List[PublicKey]:
        """Return the keys in the root's rpm database, then those that repositories offer.

        Keys of the network are only read with ``network``.
        """
        chosen = filter(None, map(self._base.repos.get, sorted(repo_ids)))
        offers = keys.offered(chosen, network=network)
        return [*keys.of_root(self.target.root), *itertools.chain.from_iterable(offers.values())]

    def key_files(self, repo_ids: Collection[str], *, network: bool) -> List[bytes]:
        """Return the keys in the root, and those that repositories offer; see ``keys.files``."""
        chosen = filter(None, map(self._base.repos.get, sorted(repo_ids)))
        return keys.files(self.target.root, chosen, network=network)

    def owners(self, path: str) -> List[str]:
        """Return the NEVRAs of the installed packages that contain the absolute ``path``."""
        return [str(package) for package in self._base.sack.query().installed().filter(file=path)]

    def offered(self, nevras: Collection[str]) -> Set[str]:
        """Return those of the packages ``nevras`` that the enabled repositories offer."""
        query = self._base.sack.query(hawkey.IGNORE_EXCLUDES).available()
        return {str(package) for package in query.filter(nevra_strict=list(nevras))}

    def file_lists(self) -> Iterator[Tuple[str, Sequence[str]]]:
        """Yield the NEVRA of each installed package, with the absolute paths of its files."""
        for package in self._base.sack.query().installed():
            yield str(package), package.files

    def core_packages(self) -> Set[str]:
        """Return the NEVRAs of the installed core packages."""
        return {str(package) for package in self._base.sack.query().installed()
                if self.policy.rules.is_core(package)}

    def repo_location(self, repo_id: str) -> str:
        """Return the URL of a repository, or of the list of its mirrors, without a password."""
        repo = self._base.repos.get(repo_id)
        return repos.location(repo) if repo is not None else ""

    def index_signature(self, repo_id: str) -> Optional[Path]:
        """Return the signature of a repository's index; see ``repos.index_signature``."""
        repo = self._base.repos.get(repo_id)
        return repos.index_signature(repo) if repo is not None else None

    def offers_installed(self, nevra: str, checksum: str, repo_ids: Collection[str]) -> bool:
        """Return whether a repository offers an installed package; see ``offers``."""
        return offers.offers_installed(self._base, self.target.root, nevra, checksum=checksum,
                                       repo_ids=repo_ids)

    def files_of(self, name: str) -> Tuple[str, ...]:
        """Return the absolute paths of all files of the installed packages called ``name``."""
        return tuple(path for package in self._base.sack.query().installed().filter(name=name)
                     for path in package.files)

    def run(self, displays: Sequence[DnfDisplay], *, states: States,
            leave_out: Collection[str] = (), skip_scriptlets: bool = False) -> ScriptletReport:
        """Run the solved transaction; return what scriptlets did.

        ``leave_out`` are absolute paths of files that rpm is not to unpack; the others as in
        ``running.RunOptions``. Raises RolledBack if it fails, or if the rpm database is not as
        planned then; the caller then rolls back.
        """
        root, packages = self.target.root, self.packages()
        before = outcome.installed(root)
        name, text = (("install", "Installing packages") if any(
            change.arrives for change in packages) else ("remove", "Removing packages"))
        with self.progress.step(name, text, total=lambda: len(packages),
                                unit=PACKAGES) as advance:
            report = running.run(self._base, running.RunOptions(
                target=self.target, sealed=self.sealed, leave_out=self._shared(leave_out),
                files={path for change in packages for path in change.files},
                skip_scriptlets=skip_scriptlets, states=states),
                [*displays, ChangedPackages(advance)])
        outcome.refuse_other(outcome.differences(
            before, outcome.installed(root),
            arriving=[change.nevra for change in packages if change.arrives],
            leaving=[change.nevra for change in packages if not change.arrives]))
        return report

    @property
    def sealed(self) -> bool:
        """Whether programs of the root are isolated from this machine in this run."""
        return self.policy.config.isolation and not self.target.live

    def refuse_unsealed(self) -> None:
        """Raise Refused if programs of the root should be isolated and cannot be."""
        if self.sealed:
            sealed_transaction.refuse_state_outside(
                str(self.target.root), self._base.conf.persistdir)
            refuse_impossible(sealed_transaction.view_of(str(self.target.root)))

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold DNF's lock of the root's rpm database, as its transactions do.

        Raises Locked where DNF is told not to wait for another process.
        """
        lock = dnf.lock.build_rpmdb_lock(self._base.conf.persistdir, self._base.conf.exit_on_lock)
        try:
            lock.__enter__()
        except dnf.exceptions.LockError as exc:
            raise Locked(str(exc), hint="Wait until the other process is done.") from exc
        try:
            yield
        finally:
            # a transaction of DNF in between took the same lock and removed its file
            with contextlib.suppress(FileNotFoundError):
                lock.__exit__()

    def _shared(self, leave_out: Collection[str]) -> List[str]:
        if not leave_out:
            return []
        root = self.target.root
        every = {path for change in self.packages() for path in change.files
                 if change.arrives
                 or os.path.lexists(resolve_inside(root, path, follow_last=False))}
        return unpacking.shared_paths(leave_out, every)

    def close(self) -> None:
        """Close all files of the root's databases."""
        self._base.close()

    def _resolve(self, request: Request, *, best: bool) -> None:
        """Solve with the newest version of each package, or without ``best`` one that fits."""
        base, rules = self._base, self.policy.rules
        base.reset(goal=True)
        core.exclude(base, rules)
        core.protect(base, rules)
        claims.exclude(base, request.claims, asked={
            *request.upgrades, *(install.name for install in request.installs)})
        claims.protect(base, request.claims)
        with dependencies.solver_options(base.conf, best=best):
            self._mark(request)
            base.resolve(allow_erasing=False)

    def _mark(self, request: Request) -> None:
        enabled = self.policy.enabled_repos_of(request.plugins)
        unknown = not enabled and self.policy.own_repos_off(request.plugins)
        mark(self._base, request, outdated(
            self._base, request, enabled, core=self.core_packages() if unknown else ()))


_ACTIONS = {
    dnf.transaction.PKG_INSTALL: "install", dnf.transaction.PKG_UPGRADE: "upgrade",
    dnf.transaction.PKG_DOWNGRADE: "downgrade", dnf.transaction.PKG_REINSTALL: "install",
    dnf.transaction.PKG_REMOVE: "remove", dnf.transaction.PKG_UPGRADED: "remove",
    dnf.transaction.PKG_DOWNGRADED: "remove", dnf.transaction.PKG_OBSOLETED: "remove",
    dnf.transaction.PKG_REINSTALLED: "remove",
}


def _change(base: DnfBase, item: DnfTransactionItem) -> PackageChange:
    package = item.pkg
    arriving = item.action in dnf.transaction.FORWARD_ACTIONS
    repo = base.repos.get(package.reponame)
    return PackageChange(
        action=_ACTIONS[item.action], name=package.name, nevra=str(package),
        repo=package.reponame, size_bytes=package.installsize,
        download_bytes=package.downloadsize if arriving else 0,
        checksum=offers.checksum_of(package) if arriving else "",
        signed=bool(repo is not None and repo.gpgcheck), files=tuple(package.files))


def _refuse_unprintable(packages: Sequence[PackageChange]) -> None:
    for change in packages:
        if not change.nevra.isprintable():
            raise Refused(f"the repository {change.repo} has the package {change.nevra!a}, a name"
                          " with control characters", hint="Do not install it; ask its vendor.")


def _as_packed(change: PackageChange, header: Header) -> PackageChange:
    """Return ``change`` with what the RPM's own header says."""
    if header.nevra != change.nevra:
        raise NodePluginError(
            f"the repository {change.repo} says {change.nevra}, and brings {header.nevra}",
            hint="Do not install it; ask its vendor.")
    return replace(change, header=header, signer=header.signer,
                   files=tuple(file.path for file in header.files))


__all__ = ["PackageChange", "Session"]
