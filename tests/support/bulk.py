"""Many realistic packages, built fast: as RPMs, or as repository metadata without RPMs."""
from __future__ import annotations

import gzip
import hashlib
import random
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator, List, Mapping, Sequence, Tuple
from xml.sax.saxutils import escape

from .rpms import Job, build_spec

# The number of packages for each run of rpmbuild, whose time depends on the files.
_BATCH = 60
_CHANGELOG_ENTRIES = 40
_STEMS = ("access", "audit", "block", "cluster", "console", "cpu", "device", "disk", "event",
          "fabric", "guest", "image", "kernel", "link", "memory", "network", "policy", "random",
          "storage", "trace")
_PARTS = ("libs", "core", "tools")
_WORDS = ("add", "the", "missing", "check", "for", "a", "closed", "handle", "fix", "update",
          "to", "upstream", "release", "drop", "patch", "rebuild", "with", "new", "compiler",
          "resolve", "crash", "when", "device", "goes", "away", "memory", "leak", "in", "parser")


@dataclass(frozen=True)
class Bulk:
    """One package: its name, requirements, provides and files.

    ``files`` maps absolute paths to content; a path that ends in a slash is a
    folder that it owns. ``post`` is the shell of its scriptlet.
    """

    name: str
    version: str
    files: Mapping[str, bytes] = field(repr=False)
    provides: Tuple[str, ...] = ()
    requires: Tuple[str, ...] = ()
    post: str = ""


def bulk(index: int, *, version: str = "1.0") -> Bulk:
    """Return the package number ``index``; equal numbers give equal packages.

    It requires only packages of lower numbers, so that the first N can be installed.
    """
    name = bulk_name(index)
    libraries = tuple(f"lib{name}-{number}.so.1()(64bit)" for number in range(4))
    needed = sorted({(index * 7 + step * 13) % index for step in range(6)} if index else ())
    return Bulk(name, version, dict(_files(index, name)), libraries,
                tuple(f"lib{bulk_name(number)}-{number % 4}.so.1()(64bit)" for number in needed))


def bulk_name(index: int) -> str:
    """Return the name of the package number ``index``."""
    stem, quotient = _STEMS[index % len(_STEMS)], index // len(_STEMS)
    return f"{stem}{quotient // len(_PARTS)}-{_PARTS[quotient % len(_PARTS)]}"


def _files(index: int, name: str) -> Iterator[Tuple[str, bytes]]:
    """Yield some 40 files: as in a Node, a few in /etc and /var, most in /usr."""
    line = f"# of {name}\n".encode()
    if index % 2:  # a Node of 900 packages has some 2,500 files in /etc, in 500 folders
        for number in range(5):
            yield f"/etc/{name}/{number:02d}-{name}.conf", line * (40 + 40 * number)
    if index % 3 == 0:
        yield f"/var/lib/{name}/", b""
        yield f"/var/lib/{name}/state", line
    yield f"/usr/bin/{name}", line * 20
    for number in range(4):
        yield f"/usr/lib64/lib{name}-{number}.so.1", line * 10
    for number in range(2):
        yield f"/usr/share/man/man8/{name}-{number}.8.gz", line
    yield f"/usr/share/{name}/", b""
    for number in range(26):
        yield f"/usr/share/{name}/module{number:02d}.py", line
    yield f"/usr/share/licenses/{name}/COPYING", line


def build_bulk(packages: Sequence[Bulk], into: Path) -> List[Path]:
    """Build packages, many in each run of rpmbuild, into ``into``; return their paths, sorted."""
    batches = [packages[start:start + _BATCH] for start in range(0, len(packages), _BATCH)]
    with ThreadPoolExecutor() as pool:
        built = list(pool.map(lambda batch: _build_batch(batch, into), batches))
    return sorted(rpm for rpms in built for rpm in rpms)


def _build_batch(packages: Sequence[Bulk], into: Path) -> List[Path]:
    with tempfile.TemporaryDirectory(prefix="bulk") as name:
        tree = Path(name, "tree")
        tree.mkdir()
        for package in packages:
            _write_files(package, tree)
        spec = Path(name, "bulk.spec")
        spec.write_text(_spec(packages))
        return build_spec(Job(spec, defines={"tree": str(tree)}), into)


def _write_files(package: Bulk, tree: Path) -> None:
    for path, content in package.files.items():
        target = tree / path.lstrip("/")
        if path.endswith("/"):
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def _spec(packages: Sequence[Bulk]) -> str:
    """Return a spec file with a subpackage for every package."""
    lines = ["Name: bulk", "Version: 1", "Release: 1", "Summary: Not built", "License: MIT",
             "BuildArch: noarch", "%description", "Not built.",
             "%install", "mv %{tree}/* %{buildroot}/", "%changelog"]
    lines += _changelog()
    for package in packages:
        lines += [f"%package -n {package.name}", f"Version: {package.version}",
                  f"Summary: The package {package.name}",
                  *(f"Provides: {one}" for one in package.provides),
                  *(f"Requires: {one}" for one in package.requires),
                  f"%description -n {package.name}", f"The package {package.name}."]
        lines += [f"%post -n {package.name}", package.post] if package.post else []
        lines += [f"%files -n {package.name}", *map(_listed, package.files)]
    return "\n".join(lines) + "\n"


def _listed(path: str) -> str:
    if path.startswith("/etc/"):
        return f"%config(noreplace) {path}"
    return f"%dir {path}" if path.endswith("/") else path


def _changelog() -> List[str]:
    """Return a changelog of EL's usual length, which determines the size of an rpm database."""
    pick = random.Random(1)
    lines: List[str] = []
    for entry in range(_CHANGELOG_ENTRIES, 0, -1):
        lines.append(f"* Mon Jan 01 2024 Packager <packager@example.com> - 1.0-{entry}")
        lines += [f"- {' '.join(pick.choices(_WORDS, k=12))}" for _ in range(4)]
    return lines


def write_metadata(folder: Path, packages: Sequence[Bulk]) -> Path:
    """Make ``folder`` a repository with metadata of ``packages`` but no RPMs; return it.

    The metadata has the form that createrepo_c writes: primary and filelists.
    """
    (folder / "repodata").mkdir(parents=True)
    count = f'packages="{len(packages)}"'
    primary = "".join([
        '<?xml version="1.0" encoding="UTF-8"?>\n<metadata'
        ' xmlns="http://linux.duke.edu/metadata/common"'
        f' xmlns:rpm="http://linux.duke.edu/metadata/rpm" {count}>\n',
        *map(_primary, packages), "</metadata>\n"])
    filelists = "".join([
        '<?xml version="1.0" encoding="UTF-8"?>\n<filelists'
        f' xmlns="http://linux.duke.edu/metadata/filelists" {count}>\n',
        *map(_filelist, packages), "</filelists>\n"])
    entries = [_add(folder, "primary", primary), _add(folder, "filelists", filelists)]
    (folder / "repodata/repomd.xml").write_text("".join([
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<repomd xmlns="http://linux.duke.edu/metadata/repo">\n<revision>1</revision>\n',
        *entries, "</repomd>\n"]))
    return folder


def _add(folder: Path, kind: str, text: str) -> str:
    """Write one file of metadata and return its entry in repomd.xml."""
    data = text.encode()
    packed = gzip.compress(data, compresslevel=6, mtime=0)
    (folder / f"repodata/{kind}.xml.gz").write_bytes(packed)
    return (f'<data type="{kind}"><checksum type="sha256">{_sha256(packed)}</checksum>'
            f'<open-checksum type="sha256">{_sha256(data)}</open-checksum>'
            f'<location href="repodata/{kind}.xml.gz"/><timestamp>1</timestamp>'
            f"<size>{len(packed)}</size><open-size>{len(data)}</open-size></data>\n")


def _primary(package: Bulk) -> str:
    name, version = package.name, package.version
    provides = "".join(f'<rpm:entry name="{escape(one)}"/>' for one in package.provides)
    provides += f'<rpm:entry name="{name}" flags="EQ" epoch="0" ver="{version}" rel="1"/>'
    requires = "".join(f'<rpm:entry name="{escape(one)}"/>' for one in package.requires)
    # as in createrepo_c, only the files that requirements commonly name
    files = "".join(f"<file>{path}</file>" for path in package.files
                    if path.startswith("/etc/") or "/bin/" in path)
    return (f'<package type="rpm"><name>{name}</name><arch>noarch</arch>'
            f'<version epoch="0" ver="{version}" rel="1"/>'
            f'<checksum type="sha256" pkgid="YES">{_pkgid(package)}</checksum>'
            f"<summary>The package {name}</summary><description>The package {name}, of which"
            " there is more to say in a real repository.</description>"
            "<packager>Packager</packager><url>https://example.com/</url>"
            '<time file="1700000000" build="1700000000"/>'
            '<size package="40000" installed="120000" archive="125000"/>'
            f'<location href="Packages/{name}-{version}-1.noarch.rpm"/><format>'
            "<rpm:license>MIT</rpm:license><rpm:vendor>Example</rpm:vendor>"
            "<rpm:group>Unspecified</rpm:group><rpm:buildhost>localhost</rpm:buildhost>"
            f"<rpm:sourcerpm>bulk-{version}-1.src.rpm</rpm:sourcerpm>"
            '<rpm:header-range start="4504" end="30000"/>'
            f"<rpm:provides>{provides}</rpm:provides><rpm:requires>{requires}</rpm:requires>"
            f"{files}</format></package>\n")


def _filelist(package: Bulk) -> str:
    files = "".join(f'<file type="dir">{path.rstrip("/")}</file>' if path.endswith("/")
                    else f"<file>{path}</file>" for path in package.files)
    return (f'<package pkgid="{_pkgid(package)}" name="{package.name}" arch="noarch">'
            f'<version epoch="0" ver="{package.version}" rel="1"/>{files}</package>\n')


def _pkgid(package: Bulk) -> str:
    return _sha256(f"{package.name}-{package.version}".encode())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
