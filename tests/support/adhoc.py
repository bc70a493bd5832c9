"""RPMs, repositories and bundles that a test defines."""
from __future__ import annotations

import base64
import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Union

from .cache import cached
from .keys import SigningKey
from .rpms import SPECS, Job, build_spec, make_repo, repo_file

Names = Union[str, Sequence[str]]  # one relation such as "core >= 2.0", or several


def quick_rpm(name: str, version: str, release: str = "1", *, requires: Names = (),
              provides: Names = (), obsoletes: Names = (), conflicts: Names = (),
              files: Optional[Mapping[str, Union[str, bytes]]] = None,
              links: Optional[Mapping[str, str]] = None,
              attributes: Optional[Mapping[str, str]] = None,
              scriptlets: Optional[Mapping[str, str]] = None,
              arch: str = "noarch", epoch: Optional[int] = None) -> Path:
    """Return an RPM file with the given properties; it is built once and then reused.

    ``files`` maps absolute paths to their text or bytes; a path that ends in a slash is a
    folder that the package owns. ``links`` maps paths to where symbolic links there
    lead, ``attributes`` paths to what the spec says before them, such as ``%ghost``,
    ``%attr(4755,root,root)``, or for a device node ``%dev(c, 1, 3)``. ``scriptlets`` maps the
    names of spec sections such as ``pre`` to shell. The file
    belongs to the cache: copy it before changing it.
    """
    head = {"Name": [name], "Version": [version], "Release": [release],
            "Summary": [f"The package {name}"], "License": ["MIT"],
            "Epoch": [] if epoch is None else [str(epoch)],
            "BuildArch": ["noarch"] if arch == "noarch" else [],
            "Requires": _several(requires), "Provides": _several(provides),
            "Obsoletes": _several(obsoletes), "Conflicts": _several(conflicts)}
    lines = [f"{tag}: {value}" for tag, values in head.items() for value in values]
    lines += ["%description", f"The package {name}.", "%install"]
    for path, text in (files or {}).items():
        lines += _install_lines(path, text)
    for path, target in (links or {}).items():
        lines += [f"install -d '%{{buildroot}}{path.rpartition('/')[0]}'",
                  f"ln -s '{target}' '%{{buildroot}}{path}'"]
    for section, shell in (scriptlets or {}).items():
        lines += [f"%{section}", shell.replace("%", "%%")]
    lines += ["%files", *(f'{(attributes or {}).get(path, "")} '
                          f'{"%dir " * path.endswith("/")}"{path}"'.strip()
                          for path in dict.fromkeys(
                              (*(files or {}), *(links or {}), *(attributes or {}))))]
    return _cached_rpm("\n".join(lines) + "\n", target="" if arch == "noarch" else arch)


def _install_lines(path: str, content: Union[str, bytes]) -> List[str]:
    """Return the shell lines that create one file or folder in the build root."""
    if path.endswith("/"):
        return [f"install -d '%{{buildroot}}{path}'"]
    if isinstance(content, bytes):
        return [f"install -d '%{{buildroot}}{path.rpartition('/')[0]}'",
                f"base64 --decode > '%{{buildroot}}{path}' <<'END OF FILE'",
                base64.b64encode(content).decode(), "END OF FILE"]
    return [f"install -D -m 0644 /dev/stdin '%{{buildroot}}{path}' <<'END OF FILE'",
            content.replace("%", "%%").rstrip("\n"), "END OF FILE"]


def _several(names: Names) -> List[str]:
    return [names] if isinstance(names, str) else list(names)


def _cached_rpm(spec: str, *, target: str) -> Path:
    """Return the RPM of a spec's text, from the cache if it was built before."""
    def build(folder: Path, final: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="quick") as name:
            path = Path(name, "quick.spec")
            path.write_text(spec)
            build_spec(Job(path, target=target), folder)

    content = hashlib.sha256(spec.encode() + target.encode() + (SPECS / "macros").read_bytes())
    (rpm,) = cached(f"quick/{content.hexdigest()[:16]}", build).iterdir()
    return rpm


class RpmRepo:
    """A repository that a test fills, package by package.

    ``folder`` is made if it is missing; ``repo_id`` is what ``.repo`` files call
    it; ``key`` signs each package that is added.
    """

    def __init__(self, folder: Path, repo_id: str = "test", *,
                 key: Optional[SigningKey] = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.repo_id = repo_id
        self.key = key
        self._stale = True

    def add(self, name: str, version: str, release: str = "1", *, requires: Names = (),
            provides: Names = (), obsoletes: Names = (), conflicts: Names = (),
            files: Optional[Mapping[str, Union[str, bytes]]] = None,
            links: Optional[Mapping[str, str]] = None,
            attributes: Optional[Mapping[str, str]] = None,
            scriptlets: Optional[Mapping[str, str]] = None,
            arch: str = "noarch", epoch: Optional[int] = None) -> Path:
        """Add a package like that of ``quick_rpm`` and return its path in the repository."""
        return self.add_file(quick_rpm(
            name, version, release, requires=requires, provides=provides, obsoletes=obsoletes,
            conflicts=conflicts, files=files, links=links, attributes=attributes,
            scriptlets=scriptlets, arch=arch, epoch=epoch))

    def add_file(self, rpm: Path) -> Path:
        """Add a copy of an RPM file and return its path in the repository."""
        target = Path(shutil.copy2(rpm, self.folder / rpm.name))
        if self.key is not None:
            self.key.sign([target])
        self._stale = True
        return target

    def finish(self, *, descriptor: Optional[Path] = None) -> Path:
        """Write the metadata, with ``descriptor`` if it is given; return the folder."""
        self._stale = False
        return make_repo(self.folder, descriptor=descriptor)

    @property
    def url(self) -> str:
        """The base URL; outdated metadata are rewritten first."""
        if self._stale:
            self.finish()
        return f"file://{self.folder}"

    def repo_file(self, *, enabled: bool = True) -> str:
        """Return the text of a ``.repo`` file; packages are checked if there is a key."""
        return repo_file(self.repo_id, self.url, key=self.key, enabled=enabled,
                         gpgcheck=self.key is not None)


def write_bundle(folder: Path, descriptor: str, *, repo: Optional[RpmRepo] = None,
                 repo_files: Optional[Mapping[str, str]] = None,
                 key: Optional[SigningKey] = None) -> Path:
    """Write a bundle into ``folder``, which must not exist, and return it.

    ``descriptor`` is the text of its node-plugin.xml; ``repo`` becomes its own
    repository and its ``.repo`` file; ``repo_files`` maps names of further
    ``.repo`` files to their text; ``key`` goes into ``keys/``.
    """
    folder.mkdir(parents=True)
    (folder / "node-plugin.xml").write_text(descriptor)
    texts: Dict[str, str] = dict(repo_files or {})
    if repo is not None:
        texts.setdefault(f"{repo.repo_id}.repo", repo.repo_file())
        make_repo(folder / "repo", sorted(repo.folder.glob("*.rpm")))
    for name, text in texts.items():
        (folder / name).write_text(text)
    if key is not None:
        (folder / "keys").mkdir()
        shutil.copy2(key.path, folder / "keys")
    return folder


def descriptor_xml(
        name: str, version: str = "1.0", *, install: Sequence[str] = (), repos: Sequence[str] = (),
        requires: Sequence[str] = (), settings: Sequence[str] = ()) -> str:
    """Return the text of a descriptor.

    ``install`` are package names (none: the plugin's own name), ``repos`` repo
    ids; ``requires`` and ``settings`` are XML elements as text, such as
    ``<node min="4.5.5"/>``.
    """
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<node-plugin schema-version="1">',
             f"  <name>{name}</name>", f"  <version>{version}</version>",
             "  <vendor>Test</vendor>", f"  <summary>The plugin {name}</summary>"]
    lines += _element("requires", requires)
    lines += _element("repos", [f'<repo id="{item}"/>' for item in repos])
    lines += _element("packages", [f'<install name="{item}"/>' for item in install or (name,)])
    lines += _element("settings", settings)
    return "\n".join([*lines, "</node-plugin>", ""])


def _element(name: str, children: Sequence[str]) -> List[str]:
    return [f"  <{name}>", *(f"    {child}" for child in children),
            f"  </{name}>"] if children else []
