"""RPMs from rpmbuild and repositories from createrepo_c."""
from __future__ import annotations

import functools
import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, List, Mapping, Optional, Sequence, Tuple

from ovirt_node_plugin.errors import NodePluginError
from ovirt_node_plugin.system.run import run

from .keys import SigningKey

HERE = Path(__file__).parent
SPECS = HERE / "specs"


class FixtureError(NodePluginError):
    """Something that the fixtures are made from, or by, is missing."""


@dataclass(frozen=True)
class Job:
    """One run of rpmbuild: a spec file and the macros it is built with.

    ``macro_files`` are read after those that every spec gets; ``defines`` are
    names and values; ``target`` is an architecture other than the machine's.
    ``buildroot`` is a tree whose files are packed, in place of what the spec installs.
    """

    spec: Path
    macro_files: Sequence[Path] = ()
    defines: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    buildroot: Optional[Path] = None


def build_spec(job: Job, into: Path) -> List[Path]:
    """Build the packages of one spec into ``into`` and return their paths, sorted.

    The machine's own rpm database is neither read nor written.

    Raises CommandError with rpmbuild's words if the build fails.
    """
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rpmbuild") as name:
        top = Path(name)
        (top / "BUILD").mkdir()
        # rpm 4.20 forgets what --load brought when it comes to a noarch package.
        loads = [f"%{{load:{macros}}}\n" for macros in (SPECS / "macros", *job.macro_files)]
        spec = top / job.spec.name
        spec.write_text("".join([*loads, job.spec.read_text()]))
        run([*_rpmbuild(top, job), str(spec)])
        built = [Path(shutil.move(str(rpm), into / rpm.name)) for rpm in top.glob("RPMS/*/*.rpm")]
    return sorted(built)


def _rpmbuild(top: Path, job: Job) -> List[str]:
    """Return the argument list, without the spec, for a build that stays below ``top``."""
    defines = {
        "_topdir": str(top), "_dbpath": f"{top}/db", "_tmppath": str(top),
        # A folder without rules, so that no file is searched for dependencies.
        "_fileattrsdir": str(SPECS / "fileattrs"),
        "busybox": str(busybox()), "make_module": f"{sys.executable} {HERE / 'kmod.py'}",
        "foreign_plugins": str(HERE / "foreign_plugins"),
        **job.defines}
    argv = ["rpmbuild", "-bb", "--nodeps", "--noclean"]
    argv += [f"--target={job.target}"] if job.target else []
    argv += [f"--buildroot={job.buildroot}"] if job.buildroot else []
    for key, value in defines.items():
        argv += ["--define", f"{key} {value}"]
    return argv


def build_all(jobs: Sequence[Tuple[Job, Path]]) -> None:
    """Build several specs, each into its folder, as many at a time as there are processors."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        list(pool.map(lambda one: build_spec(*one), jobs))


@functools.lru_cache(maxsize=None)
def busybox() -> Path:
    """Return the path of a busybox without libraries.

    Raises FixtureError if the machine has none.
    """
    for name in ("/bin/busybox", "/usr/bin/busybox", "/sbin/busybox", "/usr/sbin/busybox"):
        path = Path(name)
        # A dynamic program names its loader in its first block; elf(5), PT_INTERP.
        if path.exists() and b"/ld-" not in path.read_bytes()[:4096]:
            return path
    raise FixtureError("this machine has no static busybox",
                       hint="Install busybox-static (Debian) or busybox (EL), then try again.")


def make_repo(folder: Path, rpms: Iterable[Path] = (), *,
              descriptor: Optional[Path] = None) -> Path:
    """Make ``folder`` a repository of the RPMs in it and copies of ``rpms``; return it.

    ``descriptor`` is a file that becomes the repository's metadata of type
    ``node-plugin``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for rpm in rpms:
        shutil.copy2(rpm, folder)
    run(["createrepo_c", "--quiet", folder])
    if descriptor is not None:
        run(["modifyrepo_c", "--mdtype=node-plugin", descriptor, folder / "repodata"])
    return folder


def repo_file(repo_id: str, baseurl: str, *, key: Optional[SigningKey] = None,
              enabled: bool = True, gpgcheck: bool = True) -> str:
    """Return the text of a ``.repo`` file for one repository.

    It is enabled unless told otherwise, as vendors write it: that it stays off
    all the same is for the policy to show.
    """
    lines = [f"[{repo_id}]", f"name={repo_id}", f"baseurl={baseurl}",
             f"enabled={int(enabled)}", f"gpgcheck={int(gpgcheck)}"]
    if key is not None:
        lines.append(f"gpgkey={key.url}")
    return "\n".join(lines) + "\n"
