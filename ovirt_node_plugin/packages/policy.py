"""The rules of every DNF run, which the hooks of the DNF plugin apply."""
from __future__ import annotations

from pathlib import Path
from typing import Collection, Dict, List, Optional, Sequence, Set, Tuple

from ..config import Config
from ..errors import NodePluginError, UsageError
from ..plugin import bundle_files
from ..plugin.bundle import Bundle
from ..plugin.descriptor import METADATA_TYPE
from ..plugin.library import repo_files, repo_ids_in
from ..plugin.repo_file import repo_ids
from ..policy.core_rules import CoreChange, CoreRules, read_rules
from ..registry import store
from ..system.regular_files import read_regular
from ..system.words import printable
from ..target import Target, identify
from . import command_line, core, refuse, repos, rpmdb, start
from .dnf_types import DnfBase, DnfRepo

_OFF = "plugin repo, not named in this run"
_OFF_NODE = "not named in this run"


class RunPolicy:
    """The rules of one DNF run, applied to its ``dnf.Base``.

    The methods are called in DNF's own order: ``before_repos`` (hook
    pre_config), ``after_repos`` (config), ``after_sack`` (sack), ``after_solve``
    (resolved). ``options`` are the parsed arguments, None where DNF runs as a
    library; ``plugin_run`` tells that the command is ``dnf node-plugin``, which solves
    itself; ``owners`` maps the repo ids of plugins to the plugins' names;
    ``left_out`` is what was excluded; ``requested`` what a program asks to upgrade.
    """

    def __init__(self, base: DnfBase, config: Config, *, options: object, plugin_run: bool) -> None:
        self.base = base
        self.config = config
        self.plugin_run = plugin_run
        self.explaining = False
        self.owners: Dict[str, str] = {}
        self.left_out: List[CoreChange] = []
        self.requested: List[str] = []
        self._options = options
        self._reasons: Dict[str, str] = {}
        self._notes: List[str] = []
        self._rules: Optional[CoreRules] = None
        self._target: Optional[Target] = None
        self._system_ids: Optional[Dict[str, str]] = None
        self._folders: Dict[str, Path] = {}
        self._bundle_ids: Dict[str, Set[str]] = {}
        self._file_ids: Set[str] = set()
        self._recorded: Set[str] = set()

    @property
    def target(self) -> Target:
        """The root of this run."""
        if self._target is None:
            root = Path(self.base.conf.installroot)
            self._target = identify(root, rpmdb=rpmdb.find_own(root) or "")
        return self._target

    @property
    def rules(self) -> CoreRules:
        """The rules of which packages are core in this root."""
        if self._rules is None:
            self._rules = read_rules(self.target, self.config.core_lists, free=self._free())
        return self._rules

    def _free(self) -> Tuple[str, ...]:
        """Return the names that may replace core packages: none if a plugin's repo is enabled."""
        plugins = self.plugin_run or any(repo.id in self.owners
                                         for repo in self.base.repos.iter_enabled())
        return self.config.live_allow if self.target.is_node and not plugins else ()

    @property
    def named(self) -> Tuple[str, ...]:
        """The patterns by which the command line enables repositories."""
        return command_line.named_repos(self._options)

    @property
    def binds_all(self) -> bool:
        """Whether the core policy binds every package, not only those that plugins offer."""
        return self.target.is_node and self.config.bind_all

    def before_repos(self) -> None:
        """Add the ``.repo`` files of the library, and point rpm at the root's database."""
        rpmdb.point_rpm_at(self.target.root)
        start.find_releasever(self.base)
        files: Dict[str, List[Path]] = {}
        for plugin, path in repo_files(self.config.library):
            files.setdefault(plugin, []).append(path)
        for plugin, paths in files.items():
            try:
                self._add_repo_files(plugin, paths[0].parent, paths)
            except NodePluginError as exc:
                self._notes.append(f"{exc.message}. The repositories of that plugin in"
                                   f" {paths[0].parent} are left out.")

    def add_bundle(self, bundle: Bundle) -> None:
        """Add the ``.repo`` files of ``bundle`` to this run.

        They replace those that the library has of the same plugin. To be called before
        DNF reads its repositories. Raises BadBundle for a repo id that exists elsewhere.
        """
        if bundle.directory is not None:
            plugin = bundle.descriptor.name
            self._forget(plugin)
            self._add_repo_files(plugin, bundle.directory, bundle.repo_files)

    def add_repo_file(self, path: Path, folder: Path) -> None:
        """Name the repositories of the administrator's ``.repo`` file ``path`` in this run.

        ``folder`` is an empty folder for a copy of it, as DNF reads whole folders. To be called
        before DNF reads its repositories. Raises UsageError for a file without a repository.
        """
        try:
            data = read_regular(path, max_bytes=start.REPO_FILE_BYTES, follow=True)
        except OSError as exc:
            raise UsageError(f"the .repo file {path} cannot be read: {exc.strerror}") from exc
        copy = folder / "named.repo"
        copy.write_bytes(data)
        conf = self.base.conf
        ids = repos.substituted(repo_ids_in(copy), conf)
        if not ids:
            raise UsageError(f"{path} defines no repository",
                             hint="dnf.conf(5) describes the form of a .repo file.")
        self._system_ids = {**repos.configured_ids(conf), **dict.fromkeys(ids, str(path))}
        self._file_ids.update(ids)
        conf.reposdir = [str(folder), *conf.reposdir]  # of two with one id, DNF uses the first

    def use_recorded_repos(self, repo_ids: Collection[str]) -> None:
        """Take ``repo_ids``, from which installed plugins came, for named in this run.

        To be called before DNF reads its repositories. One that cannot be read is left out.
        """
        self._recorded.update(repo_ids)

    def leave_recorded_repos(self, repo_ids: Collection[str]) -> None:
        """Disable those of ``repo_ids`` that only records name, before the sack is filled."""
        for repo_id in self._recorded.intersection(repo_ids):
            repo = self.base.repos.get(repo_id)
            if repo is not None and not repos.is_named(repo_id, self.named):
                self._disable(repo, _OFF)

    def add_bundle_repo(self, bundle: Bundle, *, optional: bool = False) -> None:
        """Add the repository inside ``bundle``, if there is one, and enable it.

        With ``optional`` the run goes on without it if it cannot be read. To be called
        after DNF has read its repositories.
        """
        repo = repos.add_bundle_repo(self.base, bundle, options=self._options)
        if repo is not None and optional:
            repo.skip_if_unavailable = True

    def after_repos(self) -> None:
        """Disable the plugins' repositories, but for those that this run names.

        A bundle's ``.repo`` file does not switch off checks that dnf.conf demands. Names of
        repositories, which DNF prints, become printable.
        """
        self._claim_owners()
        if not command_line.sets_gpgcheck(self._options):
            for repo in filter(None, map(self.base.repos.get, self.bundle_repos())):
                repos.apply_stricter_checks(repo, self.base.conf)
        self._enable_recorded()
        for repo in list(self.base.repos.iter_enabled()):
            if self._stays_off(repo):
                self._disable(repo, _OFF)
            elif self.plugin_run and self.target.is_node and not self._is_named(repo):
                self._disable(repo, _OFF_NODE)
            else:
                repo.add_metadata_type_to_download(METADATA_TYPE)
                repo.add_metadata_type_to_download(bundle_files.METADATA_TYPE)
                if self.plugin_run and repo.id in (*self.named, *self._file_ids):
                    repo.skip_if_unavailable = False
                if self.plugin_run and not repo.name.isprintable():
                    repo.name = printable(repo.name)
                if repo.id in self.owners and not self.base.conf.cacheonly:
                    repos.forget_stale(repo)

    def after_sack(self, *, transaction: bool) -> None:
        """Exclude what the policy forbids from the solve.

        ``transaction`` tells whether this run may change packages: a query shows all.
        """
        self._claim_owners()
        late = [repo for repo in self.base.repos.iter_enabled() if self._stays_off(repo)]
        if late:
            self._load_without(late)  # which calls this hook again
            return
        if self.plugin_run or not transaction:
            return
        for repo in self.base.repos.iter_enabled():
            self._distrust(repo)
        scope = self._scope()
        if scope is not None and not scope:
            return
        self.left_out = core.exclude(self.base, self.rules, repos=scope)
        if self._options is None and not self.requested:
            self.requested = command_line.recorded_upgrades(self.base)
        note = refuse.left_out_note(self, self._options)
        if note:
            self._notes.append(note)
        # a transaction that removes is refused later with the reason; a solver gives none
        if scope is None and not command_line.removes(self._options):
            core.protect(self.base, self.rules)

    def after_solve(self) -> None:
        """Check the solved transaction, as excludes do not cover everything.

        Raises Refused on a booted node or while an interrupted change waits, and
        NeedsNewerImage for a change of a core package.
        """
        if self.explaining:
            return
        refuse.check(self, options=self._options, scope=self._scope())
        note = refuse.foreign_note(self)
        if note:
            self._notes.append(note)

    def take_notes(self) -> List[str]:
        """Return the notes for the user since the last call."""
        notes, self._notes = self._notes, []
        return notes

    def bundle_repos(self) -> Tuple[str, ...]:
        """Return the ids of the repositories that bundles define; their keys need trust."""
        inside = {repo.id for repo in self.base.repos.values() if repos.is_inside_bundle(repo)}
        return tuple(sorted(inside.union(*self._bundle_ids.values())))

    def own_repos_off(self, plugins: Collection[str]) -> Tuple[str, ...]:
        """Return the ids of the repositories of ``plugins`` that are disabled."""
        return tuple(sorted(repo.id for repo in self.base.repos.values()
                            if self.owners.get(repo.id) in plugins and not repo.enabled))

    def enabled_repos_of(self, plugins: Collection[str]) -> List[str]:
        """Return the ids of the enabled repositories of ``plugins``."""
        return [repo.id for repo in self.base.repos.iter_enabled()
                if self.owners.get(repo.id) in plugins
                or repos.is_inside_bundle(repo) and repo.id in map(repos.bundle_repo_id, plugins)]

    def states(self) -> List[repos.RepoState]:
        """Return every repository of this run, sorted by id, with the reason for its state."""
        return [repos.RepoState(id=repo.id, name=repo.name, plugin=self.owners.get(repo.id, ""),
                                enabled=bool(repo.enabled), reason=self._reason(repo))
                for repo in sorted(self.base.repos.values(), key=lambda repo: repo.id)]

    def _reason(self, repo: DnfRepo) -> str:
        if repo.id in self._reasons:
            return self._reasons[repo.id]
        if repos.is_inside_bundle(repo):
            return "inside the bundle"
        if self._is_named(repo):
            return "named in this run" if repo.enabled else "disabled in this run"
        return "as configured"

    def _scope(self) -> Optional[List[str]]:
        """Return the repo ids whose packages the core policy binds, None for all packages."""
        return None if self.plugin_run or self.binds_all else sorted(self.owners)

    def _add_repo_files(self, plugin: str, folder: Path, files: Sequence[Path]) -> None:
        conf = self.base.conf
        if self._system_ids is None:
            self._system_ids = repos.configured_ids(conf)
        ids = repos.substituted(repo_ids(files), conf)
        repos.refuse_redefinition(plugin, ids, {
            **self._system_ids, **{key: f"plugin {owner}" for key, owner in self.owners.items()}})
        self._bundle_ids[plugin] = {*ids, repos.bundle_repo_id(plugin)}
        self._folders[plugin] = folder
        self.owners.update(dict.fromkeys(ids, plugin))
        if ids:
            conf.reposdir = [*conf.reposdir, str(folder)]

    def _forget(self, plugin: str) -> None:
        """Remove the library's ``.repo`` files of ``plugin`` from this run again."""
        for repo_id in self._bundle_ids.pop(plugin, ()):
            self.owners.pop(repo_id, None)
        folder = str(self._folders.pop(plugin, ""))
        conf = self.base.conf
        conf.reposdir = [repo_folder for repo_folder in conf.reposdir if repo_folder != folder]

    def _claim_owners(self) -> None:
        """Find out which of the repositories belong to a plugin."""
        for repo_id, plugin in store.repo_owners(self.target.root).items():
            self.owners.setdefault(repo_id, plugin)
        folders = {str(folder): plugin for plugin, folder in self._folders.items()}
        for repo in list(self.base.repos.values()):
            plugin = folders.get(str(Path(repo.repofile or "/").parent), "")
            if plugin:
                self.owners.setdefault(repo.id, plugin)
            if not self.owners.get(repo.id) and (
                    repo.get_metadata_path(METADATA_TYPE) or start.carries_descriptor(repo)):
                self._claim_by_descriptor(repo)

    def _claim_by_descriptor(self, repo: DnfRepo) -> None:
        """Note the owner of ``repo`` and of the other repositories that its descriptor names."""
        bundle = repos.bundle_in(repo)
        self.owners[repo.id] = bundle.descriptor.name if bundle else ""
        for repo_id in repos.brought_by(repo, bundle, self.base.repos) if bundle else ():
            self.owners.setdefault(repo_id, self.owners[repo.id])

    def _is_named(self, repo: DnfRepo) -> bool:
        if repo.id in (*self._file_ids, *self._recorded) or repos.is_named(repo.id, self.named):
            return True
        return command_line.is_programmed(self._options) and repos.enabled_by_program(repo)

    def _stays_off(self, repo: DnfRepo) -> bool:
        return (repo.id in self.owners and not repos.is_inside_bundle(repo)
                and not self._is_named(repo))

    def _enable_recorded(self) -> None:
        for repo in filter(None, map(self.base.repos.get, self._recorded)):
            if not repos.is_named(repo.id, self.named):
                repo.enable()
                repo.skip_if_unavailable = True

    def _disable(self, repo: DnfRepo, reason: str) -> None:
        repo.disable()
        self._reasons[repo.id] = reason

    def _distrust(self, repo: DnfRepo) -> None:
        """Remove the keys of a library bundle from ``repo`` if ``-y`` would import them."""
        if repo.id in self.bundle_repos() and repo.gpgkey and self.base.conf.assumeyes:
            self._notes.append(
                f"-y does not import keys of plugins: {', '.join(repo.gpgkey)} of repo {repo.id}"
                " is left out. If packages need it, leave -y out, or import it:"
                f" {rpmdb.import_command(self.target, repo.gpgkey)}")
            repo.gpgkey = []

    def _load_without(self, late: Sequence[DnfRepo]) -> None:
        """Fill the sack again without ``late``, repos of plugins as their metadata shows."""
        for repo in late:
            self._disable(repo, _OFF)
        system = bool(self.base.sack.query().installed())
        self.base.fill_sack(load_system_repo="auto" if system else False)
