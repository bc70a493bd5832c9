"""Two versions of a small Node image and a host, as roots that scriptlets run in."""
from __future__ import annotations

import os
from pathlib import Path
from typing import List, Sequence, Tuple

from ovirt_node_plugin.system.run import run

from . import node_build
from .rpms import SPECS, FixtureError, Job

VERSIONS = ("4.5.5", "4.5.6")
# When each was built, as the release of the image's name says.
_RELEASES = {"4.5.5": "0.20231130.0", "4.5.6": "0.20240515.0"}

# What a Node has and a host that somebody installed has not.
_NOT_ON_HOST = ("vdsm-hook-",)


def image_jobs(into: Path, *, repos_url: str) -> List[Tuple[Job, Path]]:
    """Return what to build, and where: ``image``, a folder a version, and ``host``.

    ``repos_url`` is where the host's base repository, ``host``, and that of oVirt, ``ovirt``,
    will be.
    """
    jobs = [(Job(spec), into / "image") for spec in _specs("image")]
    jobs += [(Job(spec, defines={"base_url": f"{repos_url}/host"}), into / "host")
             for spec in _specs("host")]
    for version in VERSIONS:
        macros = [SPECS / "versioned" / f"node-{version}.macros"]
        jobs += [(Job(spec, macros), into / version) for spec in _specs("versioned")]
        jobs += [(Job(spec, macros, defines={"ovirt_url": f"{repos_url}/ovirt"}),
                  into / f"node-{version}") for spec in _specs("node")]
    return jobs


def node_packages(built: Path, version: str) -> List[Path]:
    """Return the packages that a version of the image is made of."""
    return _rpms(built / "image", built / version, built / f"node-{version}")


def host_packages(built: Path) -> List[Path]:
    """Return the packages that the host is made of, with what 4.5.5 had."""
    return [rpm for rpm in _rpms(built / "image", built / VERSIONS[0], built / "host")
            if not rpm.name.startswith(_NOT_ON_HOST)]


def base_packages(built: Path) -> List[Path]:
    """Return what the host's base repository offers: its own packages and a newer libvirt."""
    return _rpms(built / "image", built / VERSIONS[0], built / "host") + newer_libvirt(built)


def newer_libvirt(built: Path) -> List[Path]:
    """Return the libvirt packages of the newest image."""
    return sorted((built / VERSIONS[-1]).glob("libvirt-*.rpm"))


def make_node(root: Path, rpms: Sequence[Path], version: str) -> Path:
    """Install a Node image into ``root``, finish it as the real build does, and return it.

    Its packages have no documentation, as those of the real one (the kickstart's
    ``%packages --excludedocs``).
    """
    _install(root, rpms, "--excludedocs")
    node_build.finish(root, nvr(version))
    return root


def nvr(version: str) -> str:
    """Return the name of a version of the image."""
    return f"ovirt-node-ng-{version}-{_RELEASES[version]}"


def make_host(root: Path, rpms: Sequence[Path]) -> Path:
    """Install a host into ``root``, its rpm database where EL9 has it; return the root."""
    _install(root, rpms)
    return root


def _install(root: Path, rpms: Sequence[Path], *options: str) -> None:
    """Install with scriptlets, then do what a kernel's and systemd's own scripts do."""
    if os.geteuid() != 0:
        raise FixtureError("roots are installed by root only: scriptlets run in a chroot",
                           hint="Run this as root.")
    root.mkdir(parents=True)
    # The file's checksums are our own build's; plugins of rpm would talk to the machine.
    run(["rpm", "--root", root, "--dbpath", node_build.EL_DATABASE, "--define",
         "_db_backend sqlite", "--define", "_flush_io 0", "--nosignature", "--noplugins", *options,
         "--upgrade", *rpms])
    for modules in sorted((root / "usr/lib/modules").iterdir()):
        run(["depmod", "--basedir", root, modules.name])
    run(["systemctl", f"--root={root}", "preset-all", "--preset-mode=enable-only"])


def _specs(folder: str) -> List[Path]:
    return sorted((SPECS / folder).glob("*.spec"))


def _rpms(*folders: Path) -> List[Path]:
    return sorted(rpm for folder in folders for rpm in folder.glob("*.rpm"))
