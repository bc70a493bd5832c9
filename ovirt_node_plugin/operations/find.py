"""Find the bundles that a user names: by path, in the library, in the enabled repositories."""
from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Sequence, Tuple

from ..catalog.catalogs import NO_CATALOGS, Catalogs
from ..errors import BadBundle, Reasons, UnknownPlugin, UsageError
from ..packages.session import Session
from ..plugin.archive import SUFFIXES
from ..plugin.bundle import Bundle, opened
from ..plugin.descriptor import DESCRIPTOR_NAME, recorded_descriptor
from ..plugin.library import Library
from ..plugin.other_operands import SUFFIXES as OTHER_SUFFIXES
from ..registry import store
from ..registry.record import Record
from ..system.rpm_version import compare
from ..system.run import Runner
from . import matching
from .matching import Plugin


def open_named(words: Sequence[str], library: Library, stack: contextlib.ExitStack, *,
               run: Runner) -> Tuple[List[Bundle], List[str]]:
    """Open the bundles that ``words`` name as paths or in the ``library``.

    They stay open until ``stack`` is closed. Returns them, and the words to be searched in
    the metadata of repositories: what is not in the library, and patterns. A word is a path
    if it has a slash, ends like an archive, is a folder with a descriptor, or a
    file that ends like an RPM, an ISO or another operand that is no bundle.

    Raises UsageError and BadBundle, or SeveralReasons for several words.
    """
    bundles: List[Bundle] = []
    rest: List[str] = []
    reasons = Reasons()
    for word in dict.fromkeys(words):
        with reasons.collected():
            if is_path(word):
                bundles.append(stack.enter_context(opened(Path(word), run=run)))
                continue
            folders = _in_library(matching.check_word(word), library)
            for folder in folders:
                if all(bundle.directory != folder for bundle in bundles):
                    bundles.append(stack.enter_context(opened(folder, run=run)))
                    _refuse_other_name(folder.name, bundles[-1])
            if not folders or matching.is_pattern(word):
                rest.append(word)
    reasons.raise_any()
    _refuse_twice(bundles)
    return bundles, rest


def open_paths(words: Sequence[str], stack: contextlib.ExitStack, *,
               run: Runner) -> List[Bundle]:
    """Open the bundles at the paths ``words``; they stay open until ``stack`` is closed."""
    bundles = [stack.enter_context(opened(Path(word), run=run)) for word in dict.fromkeys(words)]
    _refuse_twice(bundles)
    return bundles


def find_in_metadata(words: Iterable[str], session: Session, *,
                     opened_bundles: Sequence[Bundle] = ()) -> List[Bundle]:
    """Return the plugins that ``words`` name from the metadata of the enabled repositories.

    An installed plugin that none of them contains is returned with the descriptor of its
    undo data. Plugins of ``opened_bundles`` are left out. Raises UnknownPlugin for a word
    that names no plugin, not even of ``opened_bundles``, SeveralReasons for several, and
    UsageError for two versions.
    """
    root = session.target.root
    offered, problems = session.metadata_bundles()
    installed = [(record.name, record.version)
                 for record in store.read_registry(root).records.values()]
    given = [_version_of(bundle) for bundle in opened_bundles]
    bundles: Dict[str, Bundle] = {}
    reasons = Reasons()
    for word in words:
        versions = matching.select(word, map(_version_of, offered))
        by_name = newest(bundle for bundle in offered if _version_of(bundle) in versions)
        for name, _ in matching.select(word, installed):
            if name not in by_name:
                by_name[name] = installed_bundle(name, root)
        if not by_name and not matching.select(word, given):
            with reasons.collected():
                raise _unknown(word, session, problems)
        for name, bundle in by_name.items():
            other = bundles.setdefault(name, bundle)
            if _version_of(other) != _version_of(bundle):
                raise _named_twice(other, bundle)
    reasons.raise_any()
    names = {name for name, _ in given}
    return [bundle for name, bundle in bundles.items() if name not in names]


def library_upgrades(names: Sequence[str], session: Session, stack: contextlib.ExitStack, *,
                     run: Runner, catalogs: Catalogs = NO_CATALOGS) -> List[Bundle]:
    """Open the library's bundles that are newer than the installed versions.

    ``names`` limits them to these plugins. What ``catalogs`` withdraw is left out.
    """
    records = store.read_registry(session.target.root).records
    library = Library(session.policy.config.library)
    return list(newest(
        stack.enter_context(opened(entry.path, run=run))
        for name in _chosen(names, records, session) for entry in library.versions(name)
        if entry.descriptor and compare(entry.descriptor.version, records[name].version) > 0
        and not catalogs.withdraws(name, entry.descriptor.version)
    ).values())


def newer(names: Sequence[str], opened_bundles: Sequence[Bundle],
          session: Session, catalogs: Catalogs = NO_CATALOGS) -> List[Bundle]:
    """Return, for each plugin to upgrade, the newest bundle that is newer than its version.

    What ``catalogs`` withdraw is left out.
    """
    records = store.read_registry(session.target.root).records
    chosen = _chosen(names, records, session)
    candidates = newest(bundle for bundle in (*opened_bundles, *session.metadata_bundles()[0])
                        if not catalogs.withdraws(*_version_of(bundle)))
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
    descriptor = recorded_descriptor(store.read_undo_data(root, name))
    return Bundle(descriptor=descriptor, directory=None,
                  source=store.read_record(root, name).source, repo_files=(),
                  repository=None, keys=())


def _chosen(words: Sequence[str], records: Mapping[str, Record],
            session: Session) -> List[str]:
    """Return the installed plugins that ``words`` name by names or globs, all without words."""
    for word in words:
        if "=" in word:
            raise UsageError(f"upgrade takes names, and no version: {word}",
                             hint=f"To upgrade to it: dnf node-plugin install {word}")
    names = matching.installed(words, session.target.root, hint="To install a plugin:"
                               " dnf node-plugin install NAME") if words else records
    return [name for name in names if name in records]


def _in_library(word: str, library: Library) -> List[Path]:
    """Return the folders of the library's bundles that ``word`` names, the newest of each name."""
    if not matching.is_pattern(word):
        folder = library.find(word)
        if folder is not None:
            return [folder]
    places: Dict[Plugin, Path] = {}
    for name in library.names():
        for entry in library.versions(name) if matching.may_name(word, name) else ():
            if entry.descriptor is not None:
                places.setdefault((name, entry.descriptor.version), entry.path)
    best: Dict[str, str] = {}
    for name, version in matching.select(word, places):
        if name not in best or compare(version, best[name]) > 0:
            best[name] = version
    return [places[plugin] for plugin in best.items()]


def _version_of(bundle: Bundle) -> Plugin:
    return bundle.descriptor.name, bundle.descriptor.version


def is_path(word: str) -> bool:
    """Return whether a word of the command line is a path, and not a name.

    It need not be that of a bundle: an RPM is a path too.
    """
    return ("/" in word or word in (".", "..") or word.endswith(tuple(SUFFIXES))
            or os.path.isfile(os.path.join(word, DESCRIPTOR_NAME))
            or word.lower().endswith(OTHER_SUFFIXES) and os.path.isfile(word))


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
            raise _named_twice(other, bundle)


def _named_twice(first: Bundle, second: Bundle) -> UsageError:
    return UsageError(
        f"plugin {second.descriptor.name} is named twice: {first.source} and {second.source}",
        hint="Name each plugin once.")


def _unknown(name: str, session: Session, problems: Sequence[str]) -> UnknownPlugin:
    enabled = session.enabled_repos()
    where = ("the metadata of the enabled repositories (" + ", ".join(enabled) + ")" if enabled
             else "any repository, since none is enabled in this run")
    text = f"there is no plugin {name}: not a path, not in the library, not in {where}"
    if os.path.isdir(name):
        problems = [*problems, f"The folder {name} here is no bundle: it has no {DESCRIPTOR_NAME}."]
    elif os.path.isfile(name):
        problems = [*problems, f"There is a file of that name here; its path is ./{name}"]
    return UnknownPlugin("\n".join([text, *problems]),
                         hint="Give the path of its bundle, or name its repository with"
                              " --enablerepo=ID.")
