"""RPMs that contain images, as ovirt-node-ng-image-update does."""
from __future__ import annotations

from pathlib import Path
from typing import Sequence

from .rpms import Job, build_spec

FOLDER = "/usr/share/image"
_SPEC = """\
%define _binary_payload {compression}
Name: ovirt-node-ng-image-update
Version: 4.5.6
Release: 1.el9
Summary: An update of oVirt Node
License: GPLv2
BuildArch: noarch

%description
An update of oVirt Node.

%install
install -d %{{buildroot}}{folder}
{install}

%files
{folder}
"""


def make_update_rpm(folder: Path, files: Sequence[Path], *,
                    compression: str = "w0.gzdio") -> Path:
    """Build an RPM of ``files`` below ``folder`` and return it.

    ``compression`` is rpm's macro ``_binary_payload``; the default is what oVirt uses.
    """
    into = folder / f"rpms-{len(list(folder.glob('rpms-*')))}"
    into.mkdir()
    spec = into / "update.spec"
    spec.write_text(_SPEC.format(
        compression=compression, folder=FOLDER,
        install="\n".join(f"install -m 644 {file} %{{buildroot}}{FOLDER}" for file in files)))
    (update,) = build_spec(Job(spec), into)
    return update
