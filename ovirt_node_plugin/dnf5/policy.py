"""The rules of every DNF run, as far as DNF 5's actions plugin can keep them.

What is core and how a refusal is worded are the same as in DNF 4. What differs: core
packages are not kept out of the solve, but the solved transaction is refused; which package
asked for a change of a core package is not known; and the library defines no repositories.
"""
from __future__ import annotations

import configparser
import contextlib
import fnmatch
import glob
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from ..config import Config, read_config
from ..errors import Refused
from ..plugin.descriptor import METADATA_TYPE
from ..plugin.library import repo_files, repo_ids_in
from ..policy import refusals
from ..policy.core_rules import CoreChange, CoreRules, read_rules
from ..registry import store
from ..system.limits import REPOMD_BYTES
from ..system.regular_files import read_regular
from ..target import Target, identify
from .conversation import Conversation, Dnf5Package, Item

CONFIG = Path("/etc/dnf/plugins/node-plugin.conf")
# The plugins' repositories of this run, from the first hook to the later ones.
_OWNED = "node_plugin_repos"
_ACTIONS = {"U": "upgrade", "D": "downgrade", "R": "reinstall"}


def read_options(path: Path = CONFIG) -> Optional[Config]:
    """Return the configuration, None where ``enabled`` is off.

    Raises UsageError for a value that is not one of an option's.
    """
    parser = configparser.RawConfigParser(strict=False)
    parser.read(path, encoding="utf-8")
    options = dict(parser["main"]) if parser.has_section("main") else {}
    if options.get("enabled", "1").strip().lower() in ("0", "no", "false", "off"):
        return None
    return read_config(options)


def switch_off(talk: Conversation, config: Config) -> None:
    """Hook repos_configured: switch the repositories of plugins off.

    DNF 5 applies --enablerepo and --repo later, and so switches on again what they name.
    """
    root = _root(talk)
    enabled = _on(talk)
    owned = {*store.repo_owners(root), *_library_ids(config)}
    owned |= _with_descriptor(talk, [repo for repo in enabled if repo not in owned])
    for repo in sorted(owned.intersection(enabled)):
        talk.set_option(f"{repo}.enabled", "0")
    talk.set_variable(_OWNED, ",".join(sorted(owned)))


def check(talk: Conversation, config: Config) -> None:
    """Hooks goal_resolved and pre_transaction: refuse what a rule forbids.

    Raises Refused or NeedsNewerImage.
    """
    items = talk.transaction()
    if not any(item.arrives or item.leaves for item in items):
        return
    root = _root(talk)
    run = Run(identify(root), config, tuple(items), _owned(talk, items))
    refusals.refuse_pending(run.target)
    run.refuse_live()
    if not run.binds_all and not run.owned:
        return
    if run.binds_all:
        refusals.refuse_claimed(run.target, run.rules.claims.intersection(
            str(item.package) for item in items if item.leaves))
    core_changes = changes(items, run.rules, installed=talk.installed,
                           repos=None if run.binds_all else run.owned)
    if core_changes:
        raise refusals.needs_newer(
            "This transaction", run.target, core_changes,
            [change.text() for change in core_changes],
            hint=refusals.builders_hint(core_changes) if run.binds_all else "")


@dataclass(frozen=True)
class Run:
    """One solved transaction: the root, the rules, and the repositories that are plugins'."""

    target: Target
    config: Config
    items: Tuple[Item, ...]
    owned: Set[str]

    @property
    def binds_all(self) -> bool:
        """Return whether every package is bound by the core policy, not only plugins'."""
        return self.target.is_node and self.config.bind_all

    @property
    def rules(self) -> CoreRules:
        """What is core in this root."""
        plugins = any(item.arrives and item.package.repo in self.owned for item in self.items)
        free = self.config.live_allow if self.target.is_node and not plugins else ()
        return read_rules(self.target, self.config.core_lists, free=free)

    def refuse_live(self) -> None:
        """Raise Refused on a booted node, but for packages that ``live_allow`` names.

        What they obsolete may go too: where all that arrives is allowed, nothing else
        can be the cause.
        """
        if self.target.is_node:
            refusals.refuse_deployed(self.target, live_allowed=self.config.live)
        if not (self.target.booted and self.target.is_node) or self.config.live:
            return
        changed = [item.package.name for item in self.items
                   if item.arrives or item.action == "E"]
        if not all(any(fnmatch.fnmatchcase(name, allowed) for allowed in self.config.live_allow)
                   for name in changed):
            raise refusals.live_refusal(self.target)


def changes(items: Sequence[Item], rules: CoreRules, *,
            installed: Callable[[], Iterable[Dnf5Package]],
            repos: Optional[Set[str]]) -> List[CoreChange]:
    """Return what a transaction would do to core packages, sorted.

    ``installed`` returns the packages in the root. ``repos`` limits this to transactions
    in which packages from those repository ids arrive, None to none: which of its packages
    requires which is not known here.
    """
    arriving = {item.package.name: item for item in items if item.arrives}
    bound = [item for item in arriving.values() if repos is None or item.package.repo in repos]
    if repos is not None and not bound:
        return []
    freed = any(rules.is_free(name) for name in arriving)
    core_changes = [_left(item, arriving.get(item.package.name)) for item in items
                    if item.leaves and rules.is_core(item.package)
                    and not (freed and item.action == "O" and item.package.name not in arriving)]
    seen = {change.name for change in core_changes}
    core = {package.name for package in installed() if rules.is_core(package)} if bound else set()
    core_changes.extend(
        CoreChange(action="install", name=item.package.name, has="",
                   offers=_evr_name(item.package), nevra=item.package.nevra,
                   repo=item.package.repo)
        for item in bound if item.package.name not in seen
        and (rules.named(item.package.name) or item.package.name in core))
    return sorted(core_changes, key=lambda change: (change.name, change.nevra))


def _left(item: Item, new: Optional[Item]) -> CoreChange:
    package = item.package
    if new is None:
        action = "obsolete" if item.action == "O" else "remove"
        return CoreChange(action=action, name=package.name, has=_evr_name(package), offers="",
                          nevra=package.nevra, repo="")
    return CoreChange(action=_ACTIONS.get(new.action, "replace"), name=package.name,
                      has=_evr_name(package), offers=_evr_name(new.package),
                      nevra=new.package.nevra, repo=new.package.repo)


def _evr_name(package: Dnf5Package) -> str:
    return f"{package.name}-{package.evr}"


def _owned(talk: Conversation, items: Iterable[Item]) -> Set[str]:
    """Return the repositories that are plugins'.

    Raises Refused for one whose metadata had not been loaded when they were switched off,
    so that it was on without being named.
    """
    owned = set(filter(None, talk.variable(_OWNED).split(",")))
    used = {item.package.repo for item in items if item.arrives} - owned
    late = sorted(_with_descriptor(talk, sorted(used.intersection(_on(talk)))))
    if late:
        names = ", ".join(late)
        raise Refused(
            f"repo {names} belongs to a plugin, as its metadata shows, which was loaded only now",
            hint=f"Run the command again: {names} is off from now on, unless --enablerepo or"
                 " --repo names it.")
    return owned


def _root(talk: Conversation) -> Path:
    return Path(talk.options("installroot")["installroot"])


def _on(talk: Conversation) -> List[str]:
    """Return the ids of the repositories that are enabled."""
    return [key[:-len(".enabled")] for key, value in talk.options("*.enabled").items()
            if value.lower() in ("1", "true", "yes")]


def _with_descriptor(talk: Conversation, repos: Sequence[str]) -> Set[str]:
    """Return which of ``repos`` carry a plugin's descriptor, as far as this machine has them.

    Looks into DNF's cache, and at a local repository itself; never at the network.
    """
    if not repos:
        return set()
    cache = talk.options("cachedir")["cachedir"]
    urls = talk.options("*.baseurl")
    mark = f'type="{METADATA_TYPE}"'.encode()
    return {repo for repo in repos
            if any(mark in _content(Path(place, "repodata/repomd.xml"))
                   for place in _places(repo, cache, urls))}


def _places(repo: str, cache: str, urls: Mapping[str, str]) -> List[str]:
    """Return the folders that may hold a repository's metadata."""
    # as libdnf5 names them: the id and 16 digits of a checksum
    cached = glob.glob(os.path.join(glob.escape(cache), glob.escape(repo) + "-" + "[0-9a-f]" * 16))
    local = urls.get(f"{repo}.baseurl", "").replace(",", " ").split()
    return cached + [url[len("file://"):] for url in local if url.startswith("file://")]


def _content(path: Path) -> bytes:
    with contextlib.suppress(OSError):
        return read_regular(path, max_bytes=REPOMD_BYTES, follow=True)
    return b""


def _library_ids(config: Config) -> Set[str]:
    """Return the repo ids that the ``.repo`` files of the library's bundles define."""
    return {repo_id for _, path in repo_files(config.library) for repo_id in repo_ids_in(path)}
