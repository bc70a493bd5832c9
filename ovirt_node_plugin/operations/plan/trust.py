"""How far the plugins of an installation are trusted, and the floor of the site.

Signatures are verified here before the question, with every key that is known. Whether the root
may get a key that it does not have is asked later, before the transaction.
"""
from __future__ import annotations

import functools
import os
from dataclasses import replace
from pathlib import Path
from typing import List, Optional, Sequence, Set, Tuple, Union

from ...errors import Reasons, Refused
from ...packages.rpm_signatures import verify_rpm
from ...packages.session import PackageChange, Session
from ...packages.signed_index import covers, index_signature, read_index
from ...plugin.bundle import Bundle
from ...policy.trust_floor import TrustFloor
from ...policy.vendor_keys import binding_lines
from ...registry.record import source_repo
from ...registry.trust_level import InstalledTrust, TrustLevel
from ...system import openpgp
from ...system.limits import KEY_BYTES
from ...system.regular_files import read_regular
from ...system.run import Runner
from ...system.signatures import BadSignature, Fault, Signer, verify_detached
from ..model.books import Books
from ..model.jobs import Job
from ..model.results import REPAIR
from . import catalog_rules, origins

_VENDORS_FILE = "/etc/ovirt-node-plugin/vendors.d/site.conf"


def judged(jobs: Sequence[Job], packages: Sequence[PackageChange], books: Books, session: Session,
           floor: TrustFloor, *, run: Runner, reasons: Reasons) -> Tuple[Job, ...]:
    """Return ``jobs`` with the trust in their plugins; add those below the floor to ``reasons``.

    Packages that are not fetched are not judged.
    """
    done: List[Job] = []
    for job in jobs:
        with reasons.collected():
            done.append(replace(job, trust=_Judge(
                job, packages, books, session=session, floor=floor, run=run).trust()))
    return tuple(done) if len(done) == len(jobs) else tuple(jobs)


def notes(jobs: Sequence[Job]) -> List[str]:
    """Return lines about signatures of bundles that are not verified."""
    return [f"The signature {path} of plugin {job.name} is not verified: no key is known for it."
            for job in jobs for path in [signature_beside(job.bundle)]
            if path is not None and not job.trust.signed_by]


def signature_beside(bundle: Bundle) -> Optional[Path]:
    """Return the detached signature beside the archive of a bundle; None if there is none."""
    path = Path(f"{bundle.source}.asc")
    return path if os.path.isabs(bundle.source) and os.path.isfile(bundle.source) and (
        path.is_file()) else None


def signature_name(bundle: Bundle, signature: Path) -> str:
    """Return the name of a signature in messages; that in a bundle is relative to it."""
    if bundle.directory is not None and bundle.directory in signature.parents:
        return f"{signature.relative_to(bundle.directory)} of {bundle.source}"
    return str(signature)


class _Judge:
    """Judges the plugin of one job."""

    def __init__(self, job: Job, packages: Sequence[PackageChange], books: Books,
                 *, session: Session, floor: TrustFloor, run: Runner) -> None:
        self._job, self._books, self._floor, self._run = job, books, floor, run
        self._arriving = {change.nevra: change for change in packages if change.arrives}
        self._session = session
        self._own = origins.own_repos(job.bundle)
        self._vendor = job.bundle.descriptor.vendor
        self._bound = floor.keys_of(self._vendor)

    def trust(self) -> InstalledTrust:
        """Return the trust. Raises Refused if it is below the floor, or a signature is bad."""
        level, old = self._floor.level, self._job.old
        repaired = old is not None and self._job.action == REPAIR
        signer = self._bundle_signer() if not repaired else None
        signed_by = signer.fingerprint if signer is not None else ""
        if level >= TrustLevel.SIGNED:
            wrong, signers = self._packages()
            wrong += catalog_rules.wrong_keys(self._job.bundle.descriptor, signers, self._floor)
            if not (signed_by or repaired or self._unknown):
                wrong += self._unsigned_parts(signers)
            if wrong:
                raise self._refusal(wrong, signers)
        if repaired and old is not None:  # nothing is from a bundle but packages
            return old.installed_trust
        return InstalledTrust(level.word, level.word, self._floor.nogpgcheck, signed_by)

    @functools.cached_property
    def _keys(self) -> List[bytes]:
        """The known keys, as files. Reading those of repositories can need the network."""
        repos = {self._arriving[nevra].repo for nevra in self._job.packages
                 if nevra in self._arriving}
        return [*self._session.key_files(repos | self._own, network=not self._unknown),
                *self._floor.key_files, *self._of_bundle]

    @functools.cached_property
    def _of_bundle(self) -> List[bytes]:
        return [read_regular(path, max_bytes=KEY_BYTES, follow=True)
                for path in self._job.bundle.keys]

    @property
    def _unknown(self) -> bool:
        """Whether packages are not fetched, so that the plan is an estimate."""
        return any(change.header is None for change in self._arriving.values())

    def _packages(self) -> Tuple[List[str], Set[str]]:
        """Return what is wrong with packages, and the keys of those of the plugin's own repos."""
        wrong: List[str] = []
        signers: Set[str] = set()
        files = self._session.rpm_files()
        for nevra in self._job.packages:
            change = self._arriving.get(nevra)
            if change is None:
                wrong += self._installed(nevra, signers)
            elif change.header is not None and nevra in files:
                try:
                    signer = self._signer(change, files[nevra])
                except Refused as exc:
                    wrong.append(f"{nevra}: {exc.message}")
                    continue
                if change.repo in self._own:
                    signers.add(signer.fingerprint)
                    wrong += self._not_bound(nevra, signer.text, signer.fingerprint)
        return wrong, signers

    def _signer(self, change: PackageChange, path: Path) -> Signer:
        if not change.signed:
            raise Refused(f"its signature is not checked, as gpgcheck is off for {change.repo}")
        if not change.signer:
            raise Refused("it is not signed")
        try:
            return verify_rpm(path, self._keys, run=self._run)
        except BadSignature as exc:
            raise Refused(f"its signature is not accepted: {exc.message}") from exc

    def _installed(self, nevra: str, signers: Set[str]) -> List[str]:
        """Return what is wrong with an installed package that a plugin brought.

        Adds its key to ``signers`` if it is from the plugin's own repositories.
        """
        known = self._books.packages.get(nevra)
        if known is None:
            return []  # of the image
        if not (known.signer and known.checked):
            return [f"{nevra}: it is installed, and its signature was not checked"]
        if known.repo not in self._own:
            return []
        key = self._session.keys_of_root().get(known.signer)
        fingerprint = key.fingerprint if key is not None else known.signer
        signers.add(fingerprint)
        return self._not_bound(nevra, key.text if key is not None else known.signer, fingerprint)

    def _not_bound(self, nevra: str, key: str, fingerprint: str) -> List[str]:
        if self._floor.level < TrustLevel.VENDOR or fingerprint in self._bound.fingerprints:
            return []
        return [f"{nevra}: it is signed by {key}, which is not bound to the vendor {self._vendor}"]

    def _unsigned_parts(self, signers: Set[str]) -> List[str]:
        files = self._job.bundle.descriptor.files
        if files:
            names = ", ".join(sorted(files)[:3])
            return [f"the files of the bundle ({names}) are not signed: neither the archive nor"
                    " repomd.xml has a signature by a key that counts"]
        if not signers:
            return ["no package is from its own repository, and neither its archive nor repomd.xml"
                    " has a signature by a key that counts"]
        return []

    def _bundle_signer(self) -> Optional[Signer]:
        """Return who signed the archive, or the repository with the descriptor and the files.

        None without a signature, or with one by a key that does not count. Raises Refused for a
        signature that does not fit, or by a known key that is not to be used any more.
        """
        bundle = self._job.bundle
        beside, of_index = signature_beside(bundle), index_signature(bundle)
        signer = self._verified(beside, Path(bundle.source)) if beside is not None else None
        if of_index is not None:
            index = read_index(of_index)
            of_repo = self._verified(of_index, index)
            signer = signer or (of_repo if covers(index, bundle) else None)
        of_source = self._session.index_signature(source_repo(bundle.source))
        if of_source is not None:  # the descriptor and the files are from its metadata
            signer = self._verified(of_source, read_index(of_source))
        return signer

    def _verified(self, signature: Path, signed: Union[Path, bytes]) -> Optional[Signer]:
        """Return who made a signature, None for a key that does not count."""
        try:
            signer = verify_detached(read_regular(signature, max_bytes=KEY_BYTES, follow=True),
                                     signed, self._keys, run=self._run)
        except BadSignature as exc:
            if exc.fault is Fault.UNKNOWN:
                return None
            name = signature_name(self._job.bundle, signature)
            raise Refused(f"the signature {name} is not accepted: {exc.message}",
                          hint="Nothing was changed. Get the bundle and its signature from their"
                               " vendor again.") from exc
        return signer if self._counts(signer) else None

    def _counts(self, signer: Signer) -> bool:
        """Return whether a key may vouch for a bundle without a question."""
        if self._floor.level >= TrustLevel.VENDOR:
            return signer.fingerprint in self._bound.fingerprints
        known = {key.fingerprint for key in self._session.keys_of_root().values()}
        if self._floor.trust.every:
            known.update(key.fingerprint for data in self._of_bundle
                         for key in openpgp.read_keys(data))
        return signer.fingerprint in known | self._floor.fingerprints

    def _refusal(self, wrong: Sequence[str], signers: Set[str]) -> Refused:
        level = self._floor.level
        lines: List[str] = []
        hint = "Ask the vendor for signed packages and a signed bundle."
        if level >= TrustLevel.VENDOR and not self._bound.fingerprints:
            wrong = [f"the site has bound no key to the vendor {self._vendor}", *wrong]
        if level >= TrustLevel.VENDOR and not signers <= self._bound.fingerprints:
            lines = binding_lines(self._vendor, signers)
            hint = ("Compare the fingerprint with what the vendor publishes. If it is the same,"
                    f" write these lines into {_VENDORS_FILE}: {' / '.join(lines)}")
        return Refused("\n  ".join([
            f"plugin {self._job.name} does not reach the level of trust of this site,"
            f" {level.word}:", *wrong]), hint=hint)
