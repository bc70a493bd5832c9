"""Every plugin of ``specs/plugins`` in its three forms: folder, tar, repository."""
from __future__ import annotations

import gzip
import lzma
import os
import shutil
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Sequence, Tuple
from xml.etree import ElementTree

from ovirt_node_plugin.system.run import run

from .keys import SigningKey
from .rpms import SPECS, Job, make_repo, repo_file

DESCRIPTOR = "node-plugin.xml"
TAR_FORMS = ("tar", "tar.gz", "tar.xz", "tar.zst")

UNSIGNED = ("unsigned",)

# Packages that a plugin's repository has besides those of its own spec files.
_ALSO = {"needs-libvirt": "libvirt", "share-a": "libshare", "share-b": "libshare"}


@dataclass(frozen=True)
class Source:
    """A plugin's folder in the sources and what its descriptor says of it."""

    folder: Path
    name: str
    version: str
    repo_ids: Tuple[str, ...]

    @property
    def label(self) -> str:
        """Name and version, as files of the result are called."""
        return f"{self.name}-{self.version}"

    def repo_name(self, repo_id: str) -> str:
        """Return what the folder of one of its repositories is called."""
        return f"{repo_id}-{self.version}"


def sources() -> List[Source]:
    """Return every plugin, sorted by name and version."""
    found = []
    for folder in sorted((SPECS / "plugins").iterdir()):
        tree = ElementTree.parse(folder / DESCRIPTOR)
        found.append(Source(folder, tree.findtext("name", ""), tree.findtext("version", ""),
                            tuple(repo.get("id", "") for repo in tree.iterfind("repos/repo"))))
    return found


def plugin_jobs(into: Path) -> List[Tuple[Job, Path]]:
    """Return what to build, and where: a folder a spec, below a folder a plugin."""
    jobs = [(Job(spec), into / source.label / spec.stem)
            for source in sources() for spec in sorted(source.folder.glob("*.spec"))]
    return jobs + [(Job(spec), into / "shared" / spec.stem)
                   for spec in sorted((SPECS / "shared").glob("*.spec"))]


def share(rpms: Sequence[Path], into: Path, name: str) -> None:
    """Put copies of packages beside those that ``plugin_jobs`` builds for several plugins."""
    folder = into / "shared" / name
    folder.mkdir(parents=True)
    for rpm in rpms:
        shutil.copy2(rpm, folder)


def built(into: Path, plugin: str, package: str) -> List[Path]:
    """Return the files of one package name that were built for one plugin."""
    return sorted(into.glob(f"{plugin}-*/*/{package}-[0-9]*.rpm"))


def sign_plugins(into: Path, key: SigningKey) -> None:
    """Sign all that ``plugin_jobs`` built, but for the plugins that are to lack it.

    Before any copy is made: a package that two plugins bring is one file.
    """
    unsigned = {source.label for source in sources() if source.name in UNSIGNED}
    key.sign([rpm for rpm in sorted(into.glob("*/*/*.rpm"))
              if rpm.relative_to(into).parts[0] not in unsigned])


def write_plugins(built: Path, out: Path, *, final: Path, key: SigningKey) -> None:
    """Write ``plugins/`` (folders and tars) and ``repos/`` into ``out``.

    ``final`` is where ``out`` will be, for the URLs in ``.repo`` files; ``key`` is
    named there by the path that it has then.
    """
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        list(pool.map(lambda source: _write_plugin(source, built, out, final=final, key=key),
                      sources()))


def _write_plugin(source: Source, built: Path, out: Path, *, final: Path,
                  key: SigningKey) -> None:
    descriptor = source.folder / DESCRIPTOR
    bundle = out / "plugins" / source.label
    bundle.mkdir(parents=True)
    shutil.copy2(descriptor, bundle)
    final_key = SigningKey(final / "keys" / key.path.name, key.fingerprint, key.home)
    first = source.repo_ids[0]
    for repo_id, rpms in _rpms_by_repo(source, built).items():
        name = source.repo_name(repo_id)
        make_repo(out / "repos" / name, rpms, descriptor=descriptor if repo_id == first else None)
        text = repo_file(repo_id, f"file://{final}/repos/{name}", key=final_key)
        (bundle / f"{repo_id}.repo").write_text(text)
        (out / "repos" / source.repo_name(first) / f"{repo_id}.repo").write_text(text)
        if repo_id == first:
            make_repo(bundle / "repo", rpms)
    (bundle / "keys").mkdir()
    shutil.copy2(key.path, bundle / "keys")
    for form in TAR_FORMS:
        write_tar(bundle, bundle.with_name(f"{source.label}.{form}"))


def _rpms_by_repo(source: Source, built: Path) -> Dict[str, List[Path]]:
    """Return the packages of each repo id, the first repo first.

    Where a plugin has several repos, a spec file that is called as one of them
    goes there; all the rest is the first one's.
    """
    found: Dict[str, List[Path]] = {repo_id: [] for repo_id in source.repo_ids}
    for folder in sorted((built / source.label).iterdir()):
        repo_id = folder.name if folder.name in found else source.repo_ids[0]
        found[repo_id] += sorted(folder.glob("*.rpm"))
    if source.name in _ALSO:
        found[source.repo_ids[0]] += sorted((built / "shared" / _ALSO[source.name]).glob("*.rpm"))
    return found


def write_tar(bundle: Path, target: Path) -> None:
    """Pack a bundle's folder; the end of ``target`` says how it is compressed.

    A plain ``.tar`` is flat, the others have the bundle's folder at the top: both
    are bundles.
    """
    flat = target.suffix == ".tar"
    top = bundle if flat else bundle.parent
    plain = target if flat else target.with_suffix(".plain")
    paths = sorted(bundle.rglob("*"))
    with tarfile.open(str(plain), "w") as archive:
        for path in paths if flat else [bundle, *paths]:
            archive.add(str(path), arcname=path.relative_to(top).as_posix(), recursive=False)
    if flat:
        return
    if target.suffix == ".gz":
        target.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
    elif target.suffix == ".xz":
        target.write_bytes(lzma.compress(plain.read_bytes()))
    else:  # Python's own library has no zstd before 3.14
        run(["zstd", "--quiet", plain, "-o", target])
    plain.unlink()
