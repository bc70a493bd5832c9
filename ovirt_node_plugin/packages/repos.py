"""The repositories of plugins: which they are, their owners, and which a run names."""
from __future__ import annotations

import contextlib
import fnmatch
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Optional, Tuple
from urllib.parse import unquote, urlsplit, urlunsplit

import dnf.conf
import dnf.repo
import libdnf.conf

from ..errors import BadBundle, NodePluginError
from ..plugin import bundle_files
from ..plugin.bundle import Bundle, bundle_of_repo, metadata_files
from ..plugin.descriptor import METADATA_TYPE
from ..plugin.library import repo_ids_in
from ..system.limits import REPOMD_BYTES
from ..system.regular_files import read_regular
from . import command_line
from .dnf_types import DnfBase, DnfConf, DnfRepo, DnfRepos
from .metadata import check_sizes, read_bundle_files, read_metadata

_BUNDLE_PREFIX = "bundle:"


@dataclass(frozen=True)
class RepoState:
    """One repository of a run: whether it is enabled, and the ``reason`` for that.

    ``plugin`` is the name of the plugin that brings it, empty for the system's own.
    """

    id: str
    name: str
    plugin: str
    enabled: bool
    reason: str


def bundle_repo_id(plugin: str) -> str:
    """Return the id of the repository inside a bundle of ``plugin``."""
    return _BUNDLE_PREFIX + plugin


def configured_ids(conf: DnfConf) -> Dict[str, str]:
    """Return every repo id that DNF's configuration ``conf`` defines, with its file.

    A file that cannot be read defines none.
    """
    files: Dict[str, str] = {}
    paths = (path for folder in conf.reposdir for path in sorted(Path(folder).glob("*.repo")))
    for path in (Path(conf.config_file_path), *paths):
        for repo_id in substituted(repo_ids_in(path), conf):
            files.setdefault(repo_id, str(path))
    return files


def substituted(repo_ids: Iterable[str], conf: DnfConf) -> List[str]:
    """Return repo ids as ``.repo`` files define them, with variables replaced as in DNF."""
    return [libdnf.conf.ConfigParser.substitute(repo_id, conf.substitutions)
            for repo_id in repo_ids]


def refuse_redefinition(plugin: str, ids: Iterable[str], existing: Mapping[str, str]) -> None:
    """Raise BadBundle if ``existing`` has one of the bundle's repo ``ids``.

    ``existing`` maps an id to what defines it, for the message.
    """
    for repo_id in ids:
        if repo_id in existing:
            raise BadBundle(
                f"plugin {plugin} defines the repo id {repo_id}, which {existing[repo_id]}"
                " defines already",
                hint="A bundle may not redefine a repository. Ask the plugin's vendor for"
                     " another id, or take the other file away.")


def is_named(repo_id: str, patterns: Iterable[str]) -> bool:
    """Return whether one of ``patterns``, globs as in dnf(8), matches ``repo_id``."""
    return any(fnmatch.fnmatchcase(repo_id, pattern) for pattern in patterns)


def enabled_by_program(repo: DnfRepo) -> bool:
    """Return whether a program that uses DNF as a library enabled ``repo`` itself.

    A ``.repo`` file sets ``enabled`` at the priority of repo configuration,
    ``Repo.enable()`` at that of the running program.
    """
    return bool(repo.enabled) and repo._get_priority("enabled") == dnf.conf.PRIO_RUNTIME


def bundle_in(repo: DnfRepo) -> Optional[Bundle]:
    """Return the plugin whose descriptor is in the metadata of ``repo`` on this machine.

    None if there is no descriptor, or if it is not valid.
    """
    with contextlib.suppress(NodePluginError, OSError):
        path = repo.get_metadata_path(METADATA_TYPE) or _descriptor_file(repo)
        if path:
            return bundle_of_repo(read_metadata(Path(path)), repo_id=repo.id)
    return None


def brought_by(repo: DnfRepo, bundle: Bundle, known: DnfRepos) -> Tuple[str, ...]:
    """Return which repo ids of the descriptor in ``repo`` belong to the plugin.

    The descriptor alone does not decide: it could disable the system's own
    repositories. So one that is ``known`` must be in the same ``.repo`` file, or
    its id must begin with the plugin's name.
    """
    name = bundle.descriptor.name
    return tuple(repo_id for repo_id in bundle.descriptor.repo_ids
                 if re.match(rf"{re.escape(name)}([-_.:]|$)", repo_id)
                 or (repo_id in known and known[repo_id].repofile
                     and known[repo_id].repofile == repo.repofile))


def location(repo: DnfRepo) -> str:
    """Return the URL of ``repo``, or of the list of its mirrors, without a user and password."""
    url = next(filter(None, (*repo.baseurl, repo.metalink, repo.mirrorlist)), "")
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/")


def index_signature(repo: DnfRepo) -> Optional[Path]:
    """Return the signature of the loaded ``repo``'s index; None unless DNF has to check it."""
    path = Path(repo._repo.getCachedir(), "repodata/repomd.xml.asc")
    return path if repo.repo_gpgcheck and path.is_file() else None


def is_inside_bundle(repo: DnfRepo) -> bool:
    """Return whether ``add_bundle_repo`` added ``repo``; no file defines it."""
    return str(repo.id).startswith(_BUNDLE_PREFIX) and not repo.repofile


def forget_stale(repo: DnfRepo) -> None:
    """Make DNF load the metadata of ``repo`` again if the cache lacks its plugin.

    A DNF run without this plugin downloads only the types of metadata that DNF knows.
    """
    cached = Path(repo._repo.getCachedir(), "repodata")
    locations = [_location(cached / "repomd.xml", kind)
                 for kind in (METADATA_TYPE, bundle_files.METADATA_TYPE)]
    if any(location and not (cached / os.path.basename(location)).is_file()
           for location in locations):
        with contextlib.suppress(OSError):
            (cached / "repomd.xml").unlink()


def add_bundle_repo(base: DnfBase, bundle: Bundle, *, options: object) -> Optional[DnfRepo]:
    """Add the repository inside ``bundle`` to ``base``, enabled; return it.

    None if the bundle has none. Signatures are checked if dnf.conf has ``gpgcheck`` on, or
    the bundle contains keys. ``options`` are the parsed command line of dnf.
    """
    if bundle.repository is None:
        return None
    check_sizes(metadata_files(bundle.repository))
    plugin = bundle.descriptor.name
    repo_id = bundle_repo_id(plugin)
    refuse_redefinition(plugin, [repo_id], dict.fromkeys(base.repos, "this run"))
    repo: DnfRepo = dnf.repo.Repo(repo_id, base.conf)
    repo.name = f"Packages of the plugin {plugin}"
    repo.baseurl = [bundle.repository.as_uri()]
    repo.gpgkey = [key.as_uri() for key in bundle.keys]
    repo._repo.expire()  # the cache may have that of another bundle of this name
    if bundle.keys and not command_line.sets_gpgcheck(options):
        repo.gpgcheck = True
    base.repos.add(repo)
    if options is not None:
        repo._configure_from_options(options)
    repo.enable()
    return repo


def apply_stricter_checks(repo: DnfRepo, conf: DnfConf) -> None:
    """Check the signatures of a bundle's ``repo`` where dnf.conf or its ``.repo`` file says so.

    What the command line says of the repository (--setopt=ID.gpgcheck=0) is left.
    """
    for option in ("gpgcheck", "repo_gpgcheck"):
        if repo._get_priority(option) <= dnf.conf.PRIO_REPOCONFIG and getattr(conf, option):
            setattr(repo, option, True)


def metadata_bundle(repo: DnfRepo) -> Optional[Bundle]:
    """Return the plugin in the metadata of the loaded ``repo``, with its files; None without one.

    Raises BadBundle or OSError if they cannot be read.
    """
    path = repo.get_metadata_path(METADATA_TYPE)
    if not path:
        return None
    files = repo.get_metadata_path(bundle_files.METADATA_TYPE)
    return bundle_of_repo(
        read_metadata(Path(path)), repo_id=repo.id,
        files=read_bundle_files(Path(files), repo_id=repo.id) if files else {})


def _descriptor_file(repo: DnfRepo) -> Optional[Path]:
    """Return the descriptor's file in DNF's cache of ``repo``, or in a local ``repo`` itself."""
    cached = Path(repo._repo.getCachedir(), "repodata")
    location = _location(cached / "repomd.xml", METADATA_TYPE)
    if location and (cached / os.path.basename(location)).is_file():
        return cached / os.path.basename(location)
    for url in repo.baseurl:
        if url.startswith("file://"):
            top = Path(unquote(url[len("file://"):]))
            location = _location(top / "repodata/repomd.xml", METADATA_TYPE)
            if location and ".." not in location.split("/"):
                return top / location.lstrip("/")
    return None


def _location(repomd: Path, kind: str) -> Optional[str]:
    """Return the path of the metadata of a type in the index ``repomd``, relative to the repo.

    Only the text is searched: what this does not find is found when DNF loads the repository.
    """
    try:
        text = read_regular(repomd, max_bytes=REPOMD_BYTES, follow=True).decode(errors="replace")
    except OSError:
        return None
    data = text.partition(f'<data type="{kind}">')[2]
    location = data.partition('<location href="')[2]
    return location.partition('"')[0] or None
