"""Download packages and check their signatures, as their repositories say."""
from __future__ import annotations

import sys
from typing import Collection, List, Sequence

import dnf.exceptions

from ..errors import BadBundle, NodePluginError, Refused
from ..plugin.bundle import is_inside
from ..target import Target
from . import rpmdb
from .console import explicit_yes
from .dnf_types import DnfBase, DnfPackage
from .repos import is_inside_bundle


def download(base: DnfBase, coming: Sequence[DnfPackage]) -> None:
    """Download packages, with DNF's own progress; those of a local repository stay there.

    Raises NodePluginError if one cannot be downloaded.
    """
    if not coming:
        return
    output = base.output
    assert output is not None  # only the dnf program downloads here
    try:
        base.download_packages(list(coming), output.progress,
                               output.download_callback_total_cb)
    except dnf.exceptions.DownloadError as exc:
        raise NodePluginError(f"downloading packages failed:\n{exc}",
                              hint="Nothing was changed. Check the repository.") from exc


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
                     trust_keys: bool, bundle_repos: Collection[str]) -> None:
    """Check the signatures of fetched packages as their repositories say.

    ``bundle_repos`` are repo ids that a bundle brings; their keys count only with
    ``trust_keys``, or when the administrator says so at the prompt.

    Raises Refused for a signature that does not hold.
    """
    with rpmdb.programs_pointed_at(target.rpmdb):
        wrong = _wrong(base, target, coming, trust_keys, bundle_repos)
    if wrong:
        raise Refused("\n  ".join(["signatures of packages do not hold:", *wrong]),
                      hint="Nothing was changed. Get the packages from their vendor again,"
                           f" or import the right key: {rpmdb.import_command(target)}")


def _wrong(base: DnfBase, target: Target, coming: Sequence[DnfPackage], trust_keys: bool,
           bundle_repos: Collection[str]) -> List[str]:
    wrong: List[str] = []
    for package in coming:
        result, message = base.package_signature_check(package)
        if result == 0:
            continue
        try:
            if result != 1:
                raise dnf.exceptions.Error(message)
            _import_key(base, target, package, message, trust_keys, bundle_repos)
        except (dnf.exceptions.Error, ValueError) as exc:
            wrong.append(" ".join(str(exc).split()))
    return wrong


def _import_key(base: DnfBase, target: Target, package: DnfPackage, message: str,
                trust_keys: bool, bundle_repos: Collection[str]) -> None:
    """Import the keys of a package's repository, if they may be trusted."""
    conf = base.conf
    if package.reponame in bundle_repos:
        if trust_keys:
            base.package_import_key(package, fullaskcb=lambda *_: True)
            return
        if conf.assumeyes:
            keys = ", ".join(base.repos[package.reponame].gpgkey)
            raise Refused(
                f"{message}: its key comes with the plugin, and -y does not trust such"
                " keys.",
                hint="Compare the key's fingerprint with what the vendor publishes"
                     f" ({keys}), then add --trust-keys; or leave -y out and answer the"
                     " question.")
    if not conf.assumeyes and not sys.stdin.isatty():
        raise Refused(f"{message}, and there is nobody to ask whether its key can be trusted.",
                      hint="Add --trust-keys, or import it: "
                           + rpmdb.import_command(target, base.repos[package.reponame].gpgkey))
    base.package_import_key(package, fullaskcb=lambda *_: conf.assumeyes or explicit_yes(base))
