"""From what a user names to bundles: a path, the library, the enabled repositories."""
from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Sequence, Tuple

from ..errors import BadBundle, UnknownPlugin, UsageError, not_installed
from ..packages.session import Session
from ..plugin.bundle import Bundle, opened
from ..plugin.descriptor import DESCRIPTOR_NAME, parse_descriptor
from ..plugin.library import Library, check_name
from ..registry import store
from ..registry.record import Record
from ..system.rpm_version import compare
from ..system.run import Runner

_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst")


def open_named(words: Sequence[str], library: Library, stack: contextlib.ExitStack, *,
               run: Runner) -> Tuple[List[Bundle], List[str]]:
    """Open the bundles that ``words`` name as paths or in the ``library``.

    They live as long as ``stack``. Returns them, and the names left for the
    metadata of repositories. A path is what has a slash, ends as an archive, or
    is there and holds a descriptor.
    """
    found: List[Bundle] = []
    rest: List[str] = []
    for word in dict.fromkeys(words):
        if _is_path(word):
            found.append(stack.enter_context(opened(Path(word), run=run)))
            continue
        folder = library.find(word)
        if folder is None:
            rest.append(word)
        else:
            found.append(_as_asked(word, stack.enter_context(opened(folder, run=run))))
    _refuse_twice(found)
    return found, rest


def open_paths(words: Sequence[str], stack: contextlib.ExitStack, *,
               run: Runner) -> List[Bundle]:
    """Open the bundles at the paths ``words``; they live as long as ``stack``."""
    found = [stack.enter_context(opened(Path(word), run=run)) for word in dict.fromkeys(words)]
    _refuse_twice(found)
    return found


def find_in_metadata(names: Iterable[str], session: Session) -> List[Bundle]:
    """Return the plugins ``names`` from the metadata of the enabled repositories.

    One that none of them carries, but that is installed, has the descriptor in its undo data.

    Raises UnknownPlugin for any other name.
    """
    offered, problems = session.metadata_bundles()
    by_name = newest(offered)
    known = store.names(session.target.root)
    found: List[Bundle] = []
    for name in names:
        if name in by_name:
            session.policy.wanted.add(name)
            found.append(by_name[name])
        elif name in known:
            found.append(_installed(name, session))
        else:
            raise _unknown(name, session, problems)
    return found


def library_upgrades(names: Sequence[str], session: Session, stack: contextlib.ExitStack, *,
                     run: Runner) -> List[Bundle]:
    """Open the library's bundles that are newer than what is installed.

    ``names`` are the plugins to look at, all that are installed if there are none.
    """
    records = store.read_registry(session.target.root).records
    library = Library(session.policy.config.library)
    found: List[Bundle] = []
    for name in _chosen(names, records, session):
        for entry in library.versions(name):
            if entry.descriptor and compare(entry.descriptor.version, records[name].version) > 0:
                found.append(stack.enter_context(opened(entry.path, run=run)))
    return list(newest(found).values())


def newer(names: Sequence[str], opened_bundles: Sequence[Bundle],
          session: Session) -> List[Bundle]:
    """Return, for each plugin to upgrade, the newest bundle found that is newer."""
    records = store.read_registry(session.target.root).records
    chosen = _chosen(names, records, session)
    candidates = newest([*opened_bundles, *session.metadata_bundles()[0]])
    return [candidates[name] for name in chosen if name in candidates
            and compare(candidates[name].descriptor.version, records[name].version) > 0]


def _installed(name: str, session: Session) -> Bundle:
    root = session.target.root
    record = store.read_record(root, name)
    descriptor = parse_descriptor(store.read_undo_data(root, name).descriptor,
                                  origin=f"the undo data of {name}")
    return Bundle(descriptor=descriptor, directory=None, source=record.source, repo_files=(),
                  repository=None, keys=())


def _chosen(names: Sequence[str], records: Mapping[str, Record],
            session: Session) -> List[str]:
    for name in names:
        check_name(name)
        if name not in records:
            raise not_installed(name, session.target.root,
                                hint=f"To install it: dnf node-plugin install {name}")
    return list(dict.fromkeys(names)) or list(records)


def newest(bundles: Iterable[Bundle]) -> Dict[str, Bundle]:
    """Return the newest bundle of each name; the first one where versions are equal."""
    found: Dict[str, Bundle] = {}
    for bundle in bundles:
        name = bundle.descriptor.name
        if name not in found or compare(bundle.descriptor.version,
                                        found[name].descriptor.version) > 0:
            found[name] = bundle
    return found


def _is_path(word: str) -> bool:
    return ("/" in word or word in (".", "..") or word.endswith(_ARCHIVES)
            or os.path.isfile(os.path.join(word, DESCRIPTOR_NAME)))


def _as_asked(name: str, bundle: Bundle) -> Bundle:
    if bundle.descriptor.name != name:
        raise BadBundle(
            f"{bundle.source} was asked for as {name}, but its descriptor names the plugin"
            f" {bundle.descriptor.name}",
            hint="Rename the folder to the descriptor's name.")
    return bundle


def _refuse_twice(bundles: Sequence[Bundle]) -> None:
    seen: Dict[str, Bundle] = {}
    for bundle in bundles:
        other = seen.setdefault(bundle.descriptor.name, bundle)
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
