"""Find the bundles that a user names: by path, in the library, in the enabled repositories."""
from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Sequence, Tuple

from ..errors import BadBundle, UnknownPlugin, UsageError, not_installed
from ..packages.session import Session
from ..plugin.archive import SUFFIXES
from ..plugin.bundle import Bundle, opened
from ..plugin.descriptor import DESCRIPTOR_NAME, parse_descriptor
from ..plugin.library import Library, check_name
from ..registry import store
from ..registry.record import Record
from ..system.rpm_version import compare
from ..system.run import Runner


def open_named(words: Sequence[str], library: Library, stack: contextlib.ExitStack, *,
               run: Runner) -> Tuple[List[Bundle], List[str]]:
    """Open the bundles that ``words`` name as paths or in the ``library``.

    They stay open until ``stack`` is closed. Returns them, and the names to be searched in
    the metadata of repositories. A word is a path if it has a slash, ends like an archive,
    or is a folder with a descriptor.
    """
    bundles: List[Bundle] = []
    rest: List[str] = []
    for word in dict.fromkeys(words):
        if is_path(word):
            bundles.append(stack.enter_context(opened(Path(word), run=run)))
            continue
        folder = library.find(word)
        if folder is None:
            rest.append(word)
        else:
            bundles.append(stack.enter_context(opened(folder, run=run)))
            _refuse_other_name(word, bundles[-1])
    _refuse_twice(bundles)
    return bundles, rest


def open_paths(words: Sequence[str], stack: contextlib.ExitStack, *,
               run: Runner) -> List[Bundle]:
    """Open the bundles at the paths ``words``; they stay open until ``stack`` is closed."""
    bundles = [stack.enter_context(opened(Path(word), run=run)) for word in dict.fromkeys(words)]
    _refuse_twice(bundles)
    return bundles


def find_in_metadata(names: Iterable[str], session: Session) -> List[Bundle]:
    """Return the plugins ``names`` from the metadata of the enabled repositories.

    An installed plugin that none of them contains is returned with the descriptor of its
    undo data. Raises UnknownPlugin for any other name.
    """
    root = session.target.root
    offered, problems = session.metadata_bundles()
    by_name = newest(offered)
    installed = store.names(root)
    bundles: List[Bundle] = []
    for name in names:
        if name not in by_name and name not in installed:
            raise _unknown(name, session, problems)
        bundles.append(by_name[name] if name in by_name else installed_bundle(name, root))
    return bundles


def library_upgrades(names: Sequence[str], session: Session, stack: contextlib.ExitStack, *,
                     run: Runner) -> List[Bundle]:
    """Open the library's bundles that are newer than the installed versions.

    ``names`` limits them to these plugins.
    """
    records = store.read_registry(session.target.root).records
    library = Library(session.policy.config.library)
    return list(newest(
        stack.enter_context(opened(entry.path, run=run))
        for name in _chosen(names, records, session) for entry in library.versions(name)
        if entry.descriptor and compare(entry.descriptor.version, records[name].version) > 0
    ).values())


def newer(names: Sequence[str], opened_bundles: Sequence[Bundle],
          session: Session) -> List[Bundle]:
    """Return, for each plugin to upgrade, the newest bundle that is newer than its version."""
    records = store.read_registry(session.target.root).records
    chosen = _chosen(names, records, session)
    candidates = newest([*opened_bundles, *session.metadata_bundles()[0]])
    return [candidates[name] for name in chosen if name in candidates
            and compare(candidates[name].descriptor.version, records[name].version) > 0]


def newest(bundles: Iterable[Bundle]) -> Dict[str, Bundle]:
    """Return the newest bundle of each plugin; of equal versions the first."""
    by_name: Dict[str, Bundle] = {}
    for bundle in bundles:
        other = by_name.setdefault(bundle.descriptor.name, bundle)
        if compare(bundle.descriptor.version, other.descriptor.version) > 0:
            by_name[bundle.descriptor.name] = bundle
    return by_name


def installed_bundle(name: str, root: Path) -> Bundle:
    """Return the installed plugin ``name``, with the descriptor of its undo data."""
    descriptor = parse_descriptor(store.read_undo_data(root, name).descriptor,
                                  origin=f"the undo data of {name}")
    return Bundle(descriptor=descriptor, directory=None,
                  source=store.read_record(root, name).source, repo_files=(),
                  repository=None, keys=())


def _chosen(names: Sequence[str], records: Mapping[str, Record],
            session: Session) -> List[str]:
    for name in names:
        check_name(name)
        if name not in records:
            raise not_installed(name, session.target.root,
                                hint=f"To install it: dnf node-plugin install {name}")
    return list(dict.fromkeys(names)) or list(records)


def is_path(word: str) -> bool:
    """Return whether a word of the command line is the path of a bundle, and not a name."""
    return ("/" in word or word in (".", "..") or word.endswith(tuple(SUFFIXES))
            or os.path.isfile(os.path.join(word, DESCRIPTOR_NAME)))


def _refuse_other_name(name: str, bundle: Bundle) -> None:
    if bundle.descriptor.name != name:
        raise BadBundle(
            f"{bundle.source} was asked for as {name}, but its descriptor names the plugin"
            f" {bundle.descriptor.name}",
            hint="Rename the folder to the descriptor's name.")


def _refuse_twice(bundles: Sequence[Bundle]) -> None:
    by_name: Dict[str, Bundle] = {}
    for bundle in bundles:
        other = by_name.setdefault(bundle.descriptor.name, bundle)
        if other is not bundle:
            raise UsageError(
                f"plugin {bundle.descriptor.name} is named twice: {other.source} and"
                f" {bundle.source}", hint="Name each plugin once.")


def _unknown(name: str, session: Session, problems: Sequence[str]) -> UnknownPlugin:
    enabled = session.enabled_repos()
    where = ("the metadata of the enabled repositories (" + ", ".join(enabled) + ")" if enabled
             else "any repository, since none is enabled in this run")
    text = f"there is no plugin {name}: not a path, not in the library, not in {where}"
    return UnknownPlugin("\n".join([text, *problems]),
                         hint="Give the path of its bundle, or name its repository with"
                              " --enablerepo=ID.")
