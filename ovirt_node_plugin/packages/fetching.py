"""Download packages and check their signatures, as their repositories say."""
from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Callable, Collection, ContextManager, List, Mapping, Optional, Sequence

import dnf.exceptions

from ..errors import BadBundle, Refused
from ..plugin.bundle import is_inside
from ..policy.key_trust import KeyTrust
from ..system.openpgp import PublicKey
from ..system.progress import Advance, Progress, Silent
from ..system.words import count
from ..target import Target
from . import keys, rpmdb, stale
from .console import explicit_yes
from .displays import Downloads
from .dnf_types import DnfBase, DnfDownloads, DnfPackage
from .headers import read_header
from .repos import is_inside_bundle


def download(base: DnfBase, coming: Sequence[DnfPackage],
             progress: Optional[Progress] = None) -> None:
    """Download packages; those of a local repository stay there.

    It is a step of ``progress``; without one, DNF shows the download.

    Raises BadRepository if one cannot be downloaded, or is not what the metadata describe.
    """
    if not coming:
        return
    stale.check_files(base, coming)
    if progress is None:
        output = base.output
        assert output is not None  # only the dnf program downloads here
        _download(base, coming, output.progress, output.download_callback_total_cb)
    else:
        with _step(coming, progress) as advance:
            _download(base, coming, Downloads(advance), lambda *_: None)


def _download(base: DnfBase, coming: Sequence[DnfPackage], shown: DnfDownloads,
              done: Callable[[int, float], None]) -> None:
    causes = stale.DownloadCauses(shown)
    try:
        base.download_packages(list(coming), causes, done)
    except dnf.exceptions.DownloadError as exc:
        raise stale.failed_download(exc, causes) from exc
    except dnf.exceptions.Error:
        stale.check_content(base, coming)
        raise


def _step(coming: Sequence[DnfPackage], progress: Progress) -> ContextManager[Advance]:
    """Begin the step of a download, none if all packages are on this machine.

    DNF then still compares their checksums.
    """
    missing = [package for package in coming if not os.path.exists(package.localPkg())]
    size_bytes = sum(package.downloadsize for package in missing)
    return (progress if missing else Silent()).step(
        "download", f"Downloading {count(len(missing), 'package')}", total=lambda: size_bytes)


def check_locations(base: DnfBase, coming: Sequence[DnfPackage]) -> None:
    """Raise BadBundle for a package that the repository inside a bundle names elsewhere.

    Metadata may name a package by another protocol, an absolute path or one that climbs, or
    with ``xml:base``; DNF would then read it from this machine or the network.
    """
    for package in coming:
        repo = base.repos.get(package.reponame)
        if repo is None or not is_inside_bundle(repo):
            continue
        if package.baseurl or not is_inside(package.location):
            place = "/".join(filter(None, (package.baseurl, package.location)))
            raise BadBundle(
                f"the repository inside the bundle names {package} at {place!r}, which is outside"
                " of the bundle", hint="Nothing was changed. Ask the plugin's vendor for a bundle"
                                       " whose repo/ has its packages.")


def check_signatures(base: DnfBase, target: Target, coming: Sequence[DnfPackage], *,
                     trust: KeyTrust, bundle_repos: Collection[str]) -> None:
    """Check the signatures of fetched packages as their repositories say.

    ``bundle_repos`` are repo ids that a bundle brings; their keys count only as ``trust``
    says, or when the administrator says so at the prompt.

    Raises Refused for a signature that does not hold.
    """
    with rpmdb.programs_pointed_at(target.rpmdb):
        wrong = _wrong(base, target, coming, trust, bundle_repos)
    _refuse(target, wrong)


def check_certain(base: DnfBase, target: Target, coming: Sequence[DnfPackage]) -> None:
    """Raise Refused for signatures of fetched packages that no key can make hold.

    Packages without a signature are among them. Imports no key.
    """
    with rpmdb.programs_pointed_at(target.rpmdb):
        checked = [(package, *base.package_signature_check(package)) for package in coming]
    _refuse(target, [_with_signer(base, target, package, " ".join(message.split()))
                     for package, result, message in checked if result > 1])


def _refuse(target: Target, wrong: Sequence[str]) -> None:
    if wrong:
        raise Refused("\n  ".join(["the signatures of these packages cannot be verified:", *wrong]),
                      hint="Nothing was changed. Get signed packages from their vendor,"
                           f" or import the right key: {rpmdb.import_command(target)}")


def _wrong(base: DnfBase, target: Target, coming: Sequence[DnfPackage], trust: KeyTrust,
           bundle_repos: Collection[str]) -> List[str]:
    wrong: List[str] = []
    for package in coming:
        result, message = base.package_signature_check(package)
        if result == 0:
            continue
        try:
            if result != 1:
                raise dnf.exceptions.Error(message)
            _import_key(base, target, package, message, trust, bundle_repos)
        except (dnf.exceptions.Error, ValueError) as exc:
            wrong.append(_with_signer(base, target, package, " ".join(str(exc).split())))
    return wrong


def _import_key(base: DnfBase, target: Target, package: DnfPackage, message: str,
                trust: KeyTrust, bundle_repos: Collection[str]) -> None:
    """Import the keys of a package's repository, if they may be trusted."""
    conf, repo = base.conf, base.repos[package.reponame]
    offers = keys.offered([repo])
    message = " ".join([_with_signer(base, target, package, message),
                        *(f"The repository offers the key {line}." for line in keys.lines(offers))])
    if _imported(base, package, trust, offers):
        return
    if trust.fingerprints:
        raise Refused(f"{message} --trust-key names another key.",
                      hint="Compare the fingerprint with what the vendor publishes.")
    if package.reponame in bundle_repos:
        if trust.every:
            base.package_import_key(package, fullaskcb=lambda *_: True)
            return
        if conf.assumeyes:
            raise Refused(
                f"{message} The key comes with the plugin, and -y does not trust such keys.",
                hint="Compare the fingerprint with what the vendor publishes, then add"
                     " --trust-key=FINGERPRINT, or --trust-keys for all keys of the bundles; or"
                     " leave -y out and answer the question.")
    if not conf.assumeyes and not sys.stdin.isatty():
        raise Refused(f"{message} There is nobody to ask whether the key can be trusted.",
                      hint="Add --trust-key=FINGERPRINT or --trust-keys, or import it: "
                           + rpmdb.import_command(target, repo.gpgkey))
    base.package_import_key(package, fullaskcb=lambda *_: conf.assumeyes or explicit_yes(base))


def _imported(base: DnfBase, package: DnfPackage, trust: KeyTrust,
              offers: Mapping[str, Sequence[PublicKey]]) -> bool:
    """Import the key among ``offers`` that signed a package, if its fingerprint is trusted.

    Returns whether it is.
    """
    signer = _signer(package)
    trusted = {fingerprint for offered in offers.values() for key in offered
               if trust.names(key) and key.is_named(signer) for fingerprint in key.fingerprints}
    if not trusted:
        return False
    conf = base.conf
    before, conf.assumeyes = conf.assumeyes, False  # or DNF imports all keys and asks for none
    try:
        base.package_import_key(
            package, fullaskcb=lambda key: key["fingerprint"].lower() in trusted)
    finally:
        conf.assumeyes = before
    return True


def _with_signer(base: DnfBase, target: Target, package: DnfPackage, message: str) -> str:
    """Return a message about a fetched package with the key that signed it, if one did."""
    name = _signer(package)
    known = [*keys.of_root(target.root), *(key for offered in keys.offered(
        [base.repos[package.reponame]], network=False).values() for key in offered)]
    signer = next((key.text for key in known if key.is_named(name)), name)
    return f"{message.rstrip('.')}. It is signed by {signer}." if signer else message


def _signer(package: DnfPackage) -> str:
    """Return the fingerprint, or else the id, of the key that signed a fetched package."""
    header = read_header(Path(package.localPkg()))
    return header.fingerprint or header.signer
