"""Plugin repositories: which they are, and that they are off unless named."""
from __future__ import annotations

import configparser
import fnmatch
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Collection, Dict, Iterable, List, Optional, Sequence, Set, Tuple

import dnf.conf

from ..bundle import Bundle
from ..descriptor import METADATA_TYPE
from ..errors import BadBundle

_BUNDLE_PREFIX = "bundle:"


@dataclass(frozen=True)
class RepoState:
    """One repository in play: its id, its name, whose it is, on or off, and why.

    ``plugin`` is the name of the plugin it belongs to, empty for the system's.
    """

    id: str
    name: str
    plugin: str
    enabled: bool
    reason: str


def bundle_repo_id(plugin: str) -> str:
    """Return the id of the repository that lies inside a bundle of ``plugin``."""
    return _BUNDLE_PREFIX + plugin


def configured_ids(reposdirs: Iterable[str]) -> Dict[str, str]:
    """Return every repo id that the ``.repo`` files of ``reposdirs`` define, with its file."""
    found: Dict[str, str] = {}
    for folder in reposdirs:
        for path in sorted(Path(folder).glob("*.repo")):
            for repo_id in ids_in([path]):
                found.setdefault(repo_id, str(path))
    return found


def ids_in(files: Iterable[Path]) -> List[str]:
    """Return the repo ids that ``.repo`` files define; none for one that cannot be read."""
    found: List[str] = []
    for path in files:
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string(path.read_text(errors="replace"), source=str(path))
        except (configparser.Error, OSError):
            continue  # DNF warns of it, and does not read it either
        found.extend(section for section in parser.sections() if section != "main")
    return found


def refuse_redefinition(plugin: str, ids: Iterable[str], existing: Dict[str, str]) -> None:
    """Raise BadBundle if one of a bundle's repo ``ids`` is in ``existing`` already."""
    for repo_id in ids:
        if repo_id in existing:
            raise BadBundle(
                f"plugin {plugin} defines the repo id {repo_id}, which {existing[repo_id]}"
                " defines already",
                hint="A bundle may not redefine a repository. Ask the plugin's vendor for"
                     " another id, or take the other file away.")


def named_by(options: Any) -> Tuple[str, ...]:
    """Return the patterns that ``--enablerepo``, ``--repo`` and the like gave in this run."""
    found = [repo for repo, operation in getattr(options, "repos_ed", ()) if operation == "enable"]
    found.extend(getattr(options, "repo", None) or ())
    return tuple(dict.fromkeys(found))


def is_named(repo_id: str, patterns: Iterable[str]) -> bool:
    """Say if one of ``patterns`` names ``repo_id``; globs as dnf(8) takes them."""
    return any(fnmatch.fnmatch(repo_id, pattern) for pattern in patterns)


def enabled_by_program(repo: Any) -> bool:
    """Say if a program that uses DNF as a library switched ``repo`` on itself.

    A ``.repo`` file sets ``enabled`` at the priority of repo configuration,
    ``Repo.enable()`` at that of the running program.
    """
    return bool(repo.enabled) and repo._get_priority("enabled") == dnf.conf.PRIO_RUNTIME


def carries_descriptor(repo: Any) -> bool:
    """Say if the metadata of ``repo``, as far as this machine has it, is a plugin's.

    Looks at a local repository itself, and at DNF's cache of any other; never
    at the network.
    """
    places = [Path(repo._repo.getCachedir()) / "repodata/repomd.xml"]
    places += [Path(url[len("file://"):]) / "repodata/repomd.xml"
               for url in repo.baseurl if url.startswith("file://")]
    marker = f'type="{METADATA_TYPE}"'.encode()
    for place in places:
        try:
            if marker in place.read_bytes():
                return True
        except OSError:
            continue
    return False


def add_bundle_repo(base: Any, bundle: Bundle, *, options: Any) -> Optional[str]:
    """Add the repository inside ``bundle`` to ``base``, enabled; return its id.

    None if the bundle has none. Signatures are checked where dnf.conf says
    ``gpgcheck`` or the bundle brings keys. Its cache is the bundle's own folder's
    neighbour, so nothing of it stays in the root.
    """
    if bundle.repository is None:
        return None
    plugin = bundle.descriptor.name
    repo_id = bundle_repo_id(plugin)
    refuse_redefinition(plugin, [repo_id], dict.fromkeys(base.repos, "this run"))
    repo = base.repos.add_new_repo(
        repo_id, base.conf, baseurl=[bundle.repository.as_uri()],
        gpgkey=[key.as_uri() for key in bundle.keys],
        name=f"Packages of the plugin {plugin}", metadata_expire=0)
    if bundle.keys:
        repo.gpgcheck = True
    if options is not None:
        repo._configure_from_options(options)
    repo.enable()
    return repo_id


def metadata_descriptors(base: Any) -> List[Tuple[str, Path]]:
    """Return repo id and descriptor file of each loaded repository that carries one."""
    found: List[Tuple[str, Path]] = []
    for repo in base.repos.iter_enabled():
        path = repo.get_metadata_path(METADATA_TYPE)
        if path:
            found.append((repo.id, Path(path)))
    return found


def switch_off(base: Any, owners: Collection[str], patterns: Sequence[str],
               *, from_program: bool) -> Set[str]:
    """Disable every plugin repository that this run does not name; return their ids.

    ``from_program`` says that DNF runs as a library, where a repository counts
    as named when the program itself enabled it.
    """
    off: Set[str] = set()
    for repo_id in owners:
        repo = base.repos.get(repo_id)
        if repo is None or is_named(repo_id, patterns):
            continue
        if from_program and enabled_by_program(repo):
            continue
        repo.disable()
        off.add(repo_id)
    return off
