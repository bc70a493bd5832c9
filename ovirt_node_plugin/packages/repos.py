"""Plugin repositories: which they are, whose, and which of them a run names."""
from __future__ import annotations

import contextlib
import fnmatch
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple
from urllib.parse import unquote

import dnf.conf
import dnf.repo
import libdnf.conf

from ..errors import BadBundle, NodePluginError
from ..plugin.bundle import Bundle, bundle_of_repo
from ..plugin.descriptor import METADATA_TYPE
from ..plugin.library import repo_ids_in
from ..system.regular_files import read_regular
from .metadata import read_metadata

_BUNDLE_PREFIX = "bundle:"
_INDEX_BYTES = 16 << 20  # of a repomd.xml


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


def configured_ids(conf: Any) -> Dict[str, str]:
    """Return every repo id that DNF's configuration ``conf`` defines, with its file."""
    found = dict.fromkeys(ids_in([conf.config_file_path], conf), conf.config_file_path)
    for folder in conf.reposdir:
        for path in sorted(Path(folder).glob("*.repo")):
            for repo_id in ids_in([path], conf):
                found.setdefault(repo_id, str(path))
    return found


def ids_in(files: Iterable[os.PathLike[str] | str], conf: Any) -> List[str]:
    """Return the repo ids that ``.repo`` files define; none for one that cannot be read.

    Variables in them are replaced as DNF does it.
    """
    return [libdnf.conf.ConfigParser.substitute(repo_id, conf.substitutions)
            for path in files for repo_id in repo_ids_in(Path(path))]


def refuse_redefinition(plugin: str, ids: Iterable[str], existing: Mapping[str, str]) -> None:
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
    return any(fnmatch.fnmatchcase(repo_id, pattern) for pattern in patterns)


def enabled_by_program(repo: Any) -> bool:
    """Say if a program that uses DNF as a library switched ``repo`` on itself.

    A ``.repo`` file sets ``enabled`` at the priority of repo configuration,
    ``Repo.enable()`` at that of the running program.
    """
    return bool(repo.enabled) and repo._get_priority("enabled") == dnf.conf.PRIO_RUNTIME


def bundle_in(repo: Any) -> Optional[Bundle]:
    """Return the plugin whose descriptor the metadata of ``repo`` carries, as this machine has it.

    None if there is none at hand, or if it cannot be used.
    """
    with contextlib.suppress(NodePluginError, OSError):
        path = repo.get_metadata_path(METADATA_TYPE) or _descriptor_file(repo)
        if path:
            return bundle_of_repo(read_metadata(Path(path)), repo_id=repo.id)
    return None


def brought_by(repo: Any, bundle: Bundle, known: Mapping[str, Any]) -> Tuple[str, ...]:
    """Return which of the repo ids in the descriptor that ``repo`` carries are the plugin's.

    The descriptor alone cannot say: it would switch off the system's own
    repositories. So one that is ``known`` must lie in the same ``.repo`` file, or
    begin with the plugin's name.
    """
    name = bundle.descriptor.name
    return tuple(repo_id for repo_id in bundle.descriptor.repo_ids
                 if re.match(rf"{re.escape(name)}([-_.:]|$)", repo_id)
                 or (repo_id in known and known[repo_id].repofile
                     and known[repo_id].repofile == repo.repofile))


def is_inside_bundle(repo: Any) -> bool:
    """Say if ``repo`` is one that ``add_bundle_repo`` added, which no file defines."""
    return str(repo.id).startswith(_BUNDLE_PREFIX) and not repo.repofile


def forget_stale(repo: Any) -> None:
    """Have the metadata of ``repo`` loaded anew if it was loaded without its descriptor.

    So it was by a DNF without this plugin, which takes the types that it knows.
    """
    cached = Path(repo._repo.getCachedir(), "repodata")
    location = _location(cached / "repomd.xml")
    if location and not (cached / os.path.basename(location)).is_file():
        with contextlib.suppress(OSError):
            (cached / "repomd.xml").unlink()


def add_bundle_repo(base: Any, bundle: Bundle, *, options: Any) -> Optional[str]:
    """Add the repository inside ``bundle`` to ``base``, enabled; return its id.

    None if the bundle has none. Signatures are checked where dnf.conf says
    ``gpgcheck`` or the bundle brings keys.
    """
    if bundle.repository is None:
        return None
    plugin = bundle.descriptor.name
    repo_id = bundle_repo_id(plugin)
    refuse_redefinition(plugin, [repo_id], dict.fromkeys(base.repos, "this run"))
    repo = dnf.repo.Repo(repo_id, base.conf)
    repo.name = f"Packages of the plugin {plugin}"
    repo.baseurl = [bundle.repository.as_uri()]
    repo.gpgkey = [key.as_uri() for key in bundle.keys]
    repo._repo.expire()  # whatever the cache has of the bundle that was there a moment ago
    if bundle.keys and getattr(options, "gpgcheck", None) is None:  # --nogpgcheck: False
        repo.gpgcheck = True
    base.repos.add(repo)
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


def _descriptor_file(repo: Any) -> Optional[Path]:
    """Return the descriptor's file in DNF's cache of ``repo``, or in a local ``repo`` itself."""
    cached = Path(repo._repo.getCachedir(), "repodata")
    location = _location(cached / "repomd.xml")
    if location and (cached / os.path.basename(location)).is_file():
        return cached / os.path.basename(location)
    for url in repo.baseurl:
        if url.startswith("file://"):
            top = Path(unquote(url[len("file://"):]))
            location = _location(top / "repodata/repomd.xml")
            if location and ".." not in location.split("/"):
                return top / location.lstrip("/")
    return None


def _location(repomd: Path) -> Optional[str]:
    """Return where the index ``repomd`` says that the descriptor lies, relative to the repo.

    A search by text: a repository that hides it from this is found when it is loaded.
    """
    try:
        text = read_regular(repomd, max_bytes=_INDEX_BYTES, follow=True).decode(errors="replace")
    except OSError:
        return None
    found = re.search(rf'<data type="{METADATA_TYPE}">.*?<location href="([^"]+)"', text, re.DOTALL)
    return found.group(1) if found else None
