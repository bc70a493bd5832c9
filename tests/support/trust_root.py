"""A root with an update-ca-trust that runs p11-kit's trust program and module.

The script is a short form of the distribution's: one call of the program for each
format of the store.
"""
from __future__ import annotations

import base64
import re
import shutil
import subprocess
from pathlib import Path
from typing import List

ANCHORS = "etc/pki/ca-trust/source/anchors"
BUNDLE = "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"
_SCRIPT = """#!/bin/sh
[ "$1" = extract ] || exit 2
cd /etc/pki/ca-trust/extracted || exit 1
for form in pem-bundle:pem/tls-ca-bundle.pem java-cacerts:java/cacerts; do
    trust extract --format=${form%:*} --filter=ca-anchors --purpose=server-auth \\
        --overwrite --comment /etc/pki/ca-trust/extracted/${form#*:} || exit 1
done
"""
_MODULE = """module: p11-kit-trust.so
trust-policy: yes
x-init-reserved: paths='/etc/pki/ca-trust/source'
"""

# Two authorities' certificates made for this project, valid until 2126, and one that is not an
# authority's.
ACME = """-----BEGIN CERTIFICATE-----
MIIBkzCCATmgAwIBAgIUFN3O+bn9vE7PpPoDLgRlLCDBErgwCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTVGVzdCBhdXRob3JpdHkgYWNtZTAgFw0yNjExMjIxODExMTha
GA8yMTI2MTAyOTE4MTExOFowHjEcMBoGA1UEAwwTVGVzdCBhdXRob3JpdHkgYWNt
ZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABManPMoDd4I9A1RJu+LWzptXqDuk
hqapiHxB6IRFUTfGyPH/+r5YORHUyKjO+nQGpE76hu5eNTqr0DPGgsgIBnajUzBR
MB0GA1UdDgQWBBT4PUY/pSejoAZZdffvwH7DYNlP2jAfBgNVHSMEGDAWgBT4PUY/
pSejoAZZdffvwH7DYNlP2jAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gA
MEUCIBeiDzXgeIDq49GKDGm2zNFUY8zLIx/gkxNsL8zX4MsXAiEAvxTiPSe+peM8
0c+fc+Mot+IOk4UdgYsHmTMVTO4VH+8=
-----END CERTIFICATE-----
"""
OTHER = """-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUTwMuigrKQCXXrvw/vGSRBw7ZLf0wCgYIKoZIzj0EAwIw
HzEdMBsGA1UEAwwUVGVzdCBhdXRob3JpdHkgb3RoZXIwIBcNMjYxMTIyMTgxMTE4
WhgPMjEyNjEwMjkxODExMThaMB8xHTAbBgNVBAMMFFRlc3QgYXV0aG9yaXR5IG90
aGVyMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEv+3V4cVbdNQUWaPZ1uQMa5kD
RrQ5MtWmIPsnTPzCfVGjr3BwMXCCmxw+9l7sx2ISiaVV0S2mwSfheu6Gf1wImaNT
MFEwHQYDVR0OBBYEFGHnIEqhObbmX1bBqyl9mJkXsJ48MB8GA1UdIwQYMBaAFGHn
IEqhObbmX1bBqyl9mJkXsJ48MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID
SAAwRQIgbUij5W0+ikiCZ9vPP2yGF8QX4JvzGTXV34ux0LUMwgECIQDvJk9tFC9W
mFbjwROlGOggE1+aGuUHgC960WUNQ6rAnQ==
-----END CERTIFICATE-----
"""
LEAF = """-----BEGIN CERTIFICATE-----
MIIBiTCCATCgAwIBAgIUbiva40Raa2KqQBzkH7HxT86S74UwCgYIKoZIzj0EAwIw
GzEZMBcGA1UEAwwQbGVhZi5leGFtcGxlLmNvbTAgFw0yNjExMjIxODExMThaGA8y
MTI2MTAyOTE4MTExOFowGzEZMBcGA1UEAwwQbGVhZi5leGFtcGxlLmNvbTBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABDdm50CEqn7RdixXFkX0cwRbZzSdMLaap53o
6rWOPbF6RXSfF45lqaLHdNW3k3kkHJ1hpPXMXT3ykTK0a/IxgXajUDBOMB0GA1Ud
DgQWBBTXvJO46RIDZ+fdGHLsJx1S8j8xGTAfBgNVHSMEGDAWgBTXvJO46RIDZ+fd
GHLsJx1S8j8xGTAMBgNVHRMBAf8EAjAAMAoGCCqGSM49BAMCA0cAMEQCIE2p+tS1
zko60k6P2SmlUWqIN8x9mDcAmahppx4Ca9FWAiBFVg/yOq99MwhDqwDWzMpTdmfM
yNZ9hGcFfDyfiaxFyg==
-----END CERTIFICATE-----
"""


def der(pem: str) -> bytes:
    """Return a certificate in PEM in its other form, DER."""
    return base64.b64decode("".join(pem.strip().split("\n")[1:-1]))


def add_trust(root: Path) -> Path:
    """Install a shell, update-ca-trust and a trust store with one authority into ``root``."""
    for folder in ("usr/bin", "usr/share/p11-kit/modules", ANCHORS,
                   "etc/pki/ca-trust/extracted/pem", "etc/pki/ca-trust/extracted/java"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    shutil.copy2(_program("busybox"), root / "usr/bin/busybox")
    (root / "usr/bin/sh").unlink()  # of make_root, which nothing runs
    (root / "usr/bin/sh").symlink_to("busybox")
    for file in (_program("trust"), _trust_module()):
        _copy_with_libraries(root, file)
    (root / "usr/share/p11-kit/modules/p11-kit-trust.module").write_text(_MODULE)
    script = root / "usr/bin/update-ca-trust"
    script.write_text(_SCRIPT)
    script.chmod(0o755)
    (root / ANCHORS / "site.pem").write_text(OTHER)
    subprocess.run(["chroot", str(root), "update-ca-trust", "extract"], check=True)
    return root


def _program(name: str) -> Path:
    path = shutil.which(name)
    assert path, f"the program {name} is missing: run tools/setup test"
    return Path(path)


def _trust_module() -> Path:
    paths: List[Path] = sorted(Path("/usr").glob("lib*/**/pkcs11/p11-kit-trust.so"))
    assert paths, "p11-kit-trust.so is missing: run tools/setup test"
    return paths[0]


def _copy_with_libraries(root: Path, file: Path) -> None:
    completed = subprocess.run(["ldd", str(file)], stdout=subprocess.PIPE, check=True)
    for name in (str(file), *re.findall(r"(/\S+) \(0x", completed.stdout.decode())):
        target = root / name.lstrip("/")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, target)
