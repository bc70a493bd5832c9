"""The rules that bind every DNF run, as the hooks of the DNF plugin apply them."""
from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

import dnf.transaction

from .. import journal, registry
from ..bundle import Bundle
from ..config import Config
from ..descriptor import METADATA_TYPE
from ..errors import NodePluginError, Refused
from ..library import repo_files
from ..target import Target, find_rpmdb, identify
from . import core, explain, repos, rpmdb


class Policy:
    """What this DNF run may do, for one ``dnf.Base``.

    The methods are called in DNF's own order: ``before_repos`` (hook
    pre_config), ``after_repos`` (config), ``after_sack`` (sack), ``after_solve``
    (resolved). ``options`` are the parsed arguments, None where DNF runs as a
    library. ``plugin_run`` says that the command is ``dnf node-plugin``, which
    does the solve's part itself.
    """

    def __init__(self, base: Any, config: Config, *, options: Any, plugin_run: bool) -> None:
        self.base = base
        self.config = config
        self.plugin_run = plugin_run
        self.explaining = False
        self.owners: Dict[str, str] = {}
        self._options = options
        self._reasons: Dict[str, str] = {}
        self._notes: List[str] = []
        self._rules: Optional[core.CoreRules] = None
        self._target: Optional[Target] = None
        self._system_ids: Dict[str, str] = {}
        self._bundle_ids: Set[str] = set()

    @property
    def target(self) -> Target:
        """The root of this run and what it is."""
        if self._target is None:
            root = Path(self.base.conf.installroot)
            self._target = identify(root, rpmdb=find_rpmdb(root) or "")
        return self._target

    @property
    def rules(self) -> core.CoreRules:
        """What is core in this root."""
        if self._rules is None:
            root = self.target.root
            folders = [*self.config.core_lists]
            if not self.target.live:
                folders += [root / str(folder).lstrip("/") for folder in self.config.core_lists]
            self._rules = core.CoreRules(
                core.read_patterns(folders), registry.claims(root), self.target.is_node)
        return self._rules

    @property
    def named(self) -> Tuple[str, ...]:
        """The repository patterns that this run names."""
        return repos.named_by(self._options)

    def before_repos(self) -> None:
        """Let the ``.repo`` files of the library take part, and find the right database."""
        rpmdb.point_rpm_at(self.target.root)
        rpmdb.find_releasever(self.base)
        self._system_ids = repos.configured_ids(self.base.conf.reposdir)
        for plugin, path in repo_files(self.config.library):
            try:
                self._add_repo_folder(plugin, path.parent, [path])
            except NodePluginError as exc:
                self._notes.append(str(exc))

    def add_bundle(self, bundle: Bundle) -> None:
        """Let the ``.repo`` files of ``bundle`` take part in this run.

        To be called before DNF reads its repositories. Raises BadBundle for a
        repo id that exists elsewhere.
        """
        if bundle.directory is not None:
            self._add_repo_folder(bundle.descriptor.name, bundle.directory, bundle.repo_files)

    def after_repos(self) -> None:
        """Switch plugin repositories off, but for those that this run names."""
        base = self.base
        self._claim_owners()
        off = repos.switch_off(base, self.owners, self.named, from_program=self._options is None)
        for repo_id in off:
            self._reasons[repo_id] = "plugin repo, not named in this run"
        if self.plugin_run and self.target.is_node:
            for repo in base.repos.iter_enabled():
                if not repos.is_named(repo.id, self.named):
                    repo.disable()
                    self._reasons[repo.id] = "not named in this run; a node takes no other"
        for repo in base.repos.iter_enabled():
            repo.add_metadata_type_to_download(METADATA_TYPE)

    def after_sack(self, *, transaction: bool) -> None:
        """Take out of the solve what a policy forbids.

        ``transaction`` says that this run may change packages; a query shows
        everything that is there.
        """
        self._drop_unmasked()
        if self.plugin_run or not transaction:
            return
        scope = self._scope()
        if scope is not None and not scope:
            return
        core.exclude(self.base, self.rules, repos=scope)
        if scope is None:
            core.protect(self.base, self.rules)

    def after_solve(self) -> None:
        """Check the solved transaction once more, whatever excludes were in force.

        Raises Refused on a booted node or while an interrupted change waits, and
        NeedsNewerImage for a change of a core package.
        """
        if self.explaining or not self.base.transaction:
            return
        self._refuse_pending()
        self._refuse_live()
        scope = self._scope()
        found = core.changes(self.base, self.rules, repos=scope)
        if found:
            raise explain.needs_newer("This transaction", self.target, found,
                                      [change.text() for change in found])

    def take_notes(self) -> List[str]:
        """Return lines for people that have come up, each once."""
        notes, self._notes = self._notes, []
        return notes

    def bundle_repos(self) -> Tuple[str, ...]:
        """Return the ids of the repositories that bundles define, whose keys need trust."""
        return tuple(sorted(self._bundle_ids))

    def states(self) -> List[repos.RepoState]:
        """Return every repository in play, sorted by id, with the reason for its state."""
        found = []
        for repo in sorted(self.base.repos.values(), key=lambda item: str(item.id)):
            if repo.id in self._reasons:
                reason = self._reasons[repo.id]
            elif repos.is_named(repo.id, self.named):
                reason = "named in this run"
            elif repo.id in self._bundle_ids:
                reason = "inside the bundle"
            else:
                reason = "as configured"
            found.append(repos.RepoState(repo.id, repo.name, self.owners.get(repo.id, ""),
                                         bool(repo.enabled), reason))
        return found

    def _scope(self) -> Optional[List[str]]:
        """Return the repo ids whose packages the core policy binds; None: all that there is."""
        if self.plugin_run:
            return None
        if self.target.is_node and self.config.bind_all:
            return None
        return sorted(self.owners)

    def _add_repo_folder(self, plugin: str, folder: Path, files: Sequence[Path]) -> None:
        ids = repos.ids_in(files)
        known = {**self._system_ids,
                 **{key: f"plugin {owner}" for key, owner in self.owners.items()
                    if owner != plugin}}
        repos.refuse_redefinition(plugin, ids, known)
        self._bundle_ids.update([*ids, repos.bundle_repo_id(plugin)])
        for key in ids:
            self.owners[key] = plugin
        if ids and str(folder) not in self.base.conf.reposdir:
            self.base.conf.reposdir = [*self.base.conf.reposdir, str(folder)]

    def _claim_owners(self) -> None:
        """Find out which of the repositories read belong to a plugin."""
        for repo_id, plugin in registry.repo_owners(self.target.root).items():
            self.owners.setdefault(repo_id, plugin)
        for repo in self.base.repos.iter_enabled():
            if repo.id not in self.owners and repos.carries_descriptor(repo):
                self.owners[repo.id] = ""

    def _drop_unmasked(self) -> None:
        """Take out a repository that only its metadata, loaded just now, shows to be a plugin's."""
        for repo_id, _ in repos.metadata_descriptors(self.base):
            if repo_id in self.owners:
                continue
            self.owners[repo_id] = ""
            repo = self.base.repos[repo_id]
            if repos.is_named(repo_id, self.named) or (
                    self._options is None and repos.enabled_by_program(repo)):
                continue
            self.base.sack.add_excludes(self.base.sack.query().filter(reponame=repo_id))
            repo.disable()
            self._reasons[repo_id] = "plugin repo, not named in this run"

    def _refuse_pending(self) -> None:
        if journal.pending(self.target.root) and not self.plugin_run:
            raise Refused(
                f"a change of plugins in {self.target.root} was interrupted and waits",
                hint="Run: dnf node-plugin verify" + self._where() + ". It finishes or undoes"
                     " that change first.")

    def _refuse_live(self) -> None:
        if not (self.target.live and self.target.is_node) or self.config.live:
            return
        names = {item.pkg.name for item in self.base.transaction
                 if item.action in dnf.transaction.FORWARD_ACTIONS}
        gone = {item.pkg.name for item in self.base.transaction
                if item.action in dnf.transaction.BACKWARD_ACTIONS}
        if all(any(fnmatch.fnmatchcase(name, glob) for glob in self.config.live_allow)
               for name in names | gone):
            return
        raise live_refusal(self.target)

    def _where(self) -> str:
        return "" if self.target.live else f" --installroot={self.target.root}"


def live_refusal(target: Target) -> Refused:
    """Return the refusal to change a booted node, with the way to do it offline."""
    return Refused(
        f"this is a booted {target.name}; its packages are not changed while it runs,"
        " since the next image upgrade would lose them.",
        hint="Put the plugin into the image: unpack it, for example in /mnt/node, run"
             " dnf node-plugin install NAME --installroot=/mnt/node, and deploy that image."
             " Or set live = yes in /etc/dnf/plugins/node-plugin.conf.")
