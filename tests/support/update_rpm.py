"""RPMs that contain images, as ovirt-node-ng-image-update does.

Their fields and scriptlets are those of oVirt's spec, with some that it does not have.
"""
from __future__ import annotations

from pathlib import Path
from typing import Sequence

from .rpms import Job, build_spec

FOLDER = "/usr/share/ovirt-node-ng/image"
NAME, VERSION, RELEASE = "ovirt-node-ng-image-update", "4.5.6", "1.el9"
_SPEC = """\
%define _binary_payload {compression}
Name: {name}
Version: {version}
Release: {release}
Summary: An update of oVirt Node, 100% of it
License: GPLv2
URL: https://www.ovirt.org/
Vendor: The %%{{vendor}}
Packager: Somebody <somebody@example.com>
BuildArch: noarch
{fields}
Requires: imgbased >= 0.7.2
Requires(pre): /usr/bin/find
Requires: (lvm2 if kernel)
Recommends: lsof
Conflicts: vdsm < 4.50
Obsoletes: %{{name}}-placeholder < %{{version}}-%{{release}}
Provides: %{{name}}-placeholder = %{{version}}-%{{release}}
Obsoletes: ovirt-node-ng-image < %{{version}}-%{{release}}
Provides: ovirt-node-ng-image = %{{version}}-%{{release}}

%description
This package updates a Node with   100%% of the image.

# This is no comment, and %%{{this}} is no macro.

%install
install -d %{{buildroot}}{folder} %{{buildroot}}/etc/update %{{buildroot}}/var/lib/update
{install}
echo product >%{{buildroot}}{folder}/product.img
echo text >"%{{buildroot}}/etc/update/a blank, 100%%.conf"
ln -s ../image %{{buildroot}}/etc/update/link
touch %{{buildroot}}/var/lib/update/log
touch -d @1600000000 %{{buildroot}}{folder}/product.img

%pre
storage=($(find / -xdev -name "__DIRECT_IO_TEST__"))

if [ "$storage" ]; then
    echo "100%%: $(date +%%s)"
    exit 1
fi

%post
set -e
mount "{folder}/%{{name}}-%{{version}}-%{{release}}.squashfs.img" "$MNTDIR"

%postun -p /sbin/ldconfig

%preun -p <lua>
print("%%{{name}}")

{sections}

%files
{folder}
%config(noreplace) %attr(0640,root,mail) "/etc/update/a blank, 100%%.conf"
%verify(not md5 size mtime) /etc/update/link
%ghost %attr(0600,nobody,mail) /var/lib/update/log

%changelog
* Wed Jul 25 2018 Somebody <somebody@example.com> - 2
- Build 100%% from one
  main package
* Tue Jul 24 2018 Somebody <somebody@example.com> - 1
- The first
"""


def make_update_rpm(folder: Path, files: Sequence[Path], *, compression: str = "w0.gzdio",
                    fields: str = "", install: str = "", sections: str = "",
                    version: str = VERSION) -> Path:
    """Build an RPM of ``files`` below ``folder`` and return it.

    ``compression`` is rpm's macro ``_binary_payload``; the default is what oVirt uses.
    ``fields``, ``install`` and ``sections`` are further lines of the spec.
    """
    into = folder / f"rpms-{len(list(folder.glob('rpms-*')))}"
    into.mkdir()
    spec = into / "update.spec"
    spec.write_text(_SPEC.format(
        compression=compression, fields=fields, folder=FOLDER, name=NAME, release=RELEASE,
        sections=sections, version=version,
        install="\n".join([*(f"install -m 644 {file} %{{buildroot}}{FOLDER}" for file in files),
                           *([install] if install else [])])))
    (update,) = build_spec(Job(spec), into)
    return update
