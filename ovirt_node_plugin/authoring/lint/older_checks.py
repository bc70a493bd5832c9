"""What prevents an upgrade from an older bundle of the same plugin."""
from __future__ import annotations

from typing import Iterator, Sequence

from ...packages.session import PackageChange
from ...plugin.bundle import Bundle
from ...plugin.descriptor import DESCRIPTOR_NAME
from ...registry.origin import Origin
from ...system.rpm_version import compare
from .findings import LintFinding, found


def checked(bundle: Bundle, changes: Sequence[PackageChange], older: Bundle,
            older_changes: Sequence[PackageChange]) -> Iterator[LintFinding]:
    """Yield why ``bundle`` is no upgrade of ``older``; both with the packages that they bring."""
    new, old = bundle.descriptor, older.descriptor
    if new.name != old.name:
        yield found("older/name", f"the older bundle is of plugin {old.name}, this one of"
                    f" {new.name}", file=DESCRIPTOR_NAME)
        return
    order = compare(new.version, old.version)
    if order <= 0:
        yield found("older/version", f"version {new.version} is"
                    f" {'that' if order == 0 else 'older than that'} of the older bundle,"
                    f" {old.version}", file=DESCRIPTOR_NAME)
    before = {change.name: change for change in older_changes}
    for change in changes:
        was = before.get(change.name)
        if was is not None and compare(_evr(change), _evr(was)) < 0:
            yield found("older/package", f"{change.nevra} is older than {was.nevra} of the older"
                        " bundle", file="repo")
    now, then = _origin(bundle, changes), _origin(older, older_changes)
    if not then.accepts(now):
        yield found("older/origin", f"the older bundle is of {then.text()}; this one is of"
                    f" {now.text()}", mend="Keep <vendor>, and sign the packages of both versions"
                    " by one key.", file=DESCRIPTOR_NAME)


def _origin(bundle: Bundle, changes: Sequence[PackageChange]) -> Origin:
    """Return the origin of a bundle as if all signatures were checked."""
    keys = {change.signer for change in changes}
    return Origin(vendor=bundle.descriptor.vendor, keys=() if "" in keys else tuple(sorted(keys)),
                  location="a bundle")


def _evr(change: PackageChange) -> str:
    return change.nevra[len(change.name) + 1:].rpartition(".")[0]
