"""The origins of the plugins of an installation, from what their repositories offer."""
from __future__ import annotations

import os
from typing import Collection, List, Mapping, Optional, Sequence, Set, Tuple

from ...errors import Refused
from ...packages.contents import replacements
from ...packages.repos import bundle_repo_id
from ...packages.session import PackageChange, Session
from ...plugin.bundle import Bundle
from ...registry.origin import Origin
from ...registry.record import keys_of, source_repo
from ..model.books import Books
from ..model.results import Plan, PluginAction


def origin_of(bundle: Bundle, nevras: Collection[str], packages: Sequence[PackageChange],
              books: Books, session: Session) -> Optional[Origin]:
    """Return the origin of the plugin in ``bundle``, whose packages are ``nevras``.

    None if a package that tells it is not fetched. Packages from the plugin's own
    repositories tell its keys: those that arrive, and installed ones that these repositories
    offer unchanged. Packages of other repositories do not identify the plugin, unless its
    descriptor is the installed one, as in a repair.
    """
    name, repo_id, own = bundle.descriptor.name, source_repo(bundle.source), own_repos(bundle)
    arriving = [change for change in packages if change.arrives and change.nevra in nevras]
    telling = [change for change in arriving if change.repo in own]
    installed = _is_installed(bundle, books)
    if not telling and installed:
        telling = arriving
    if any(change.header is None for change in telling):
        return None
    signers = [(change.signer, change.signed) for change in telling]
    signers += _unchanged(nevras, {change.nevra for change in arriving}, own, books, session)
    location = session.repo_location(repo_id) if repo_id else os.path.dirname(bundle.source)
    if installed and not location:  # its repository is not in this run, as after --repofrompath
        location = books.records[name].origin.location
    return Origin(bundle.descriptor.vendor, keys_of(signers), location)


def own_repos(bundle: Bundle) -> Set[str]:
    """Return the ids of the repositories that belong to the plugin in ``bundle``."""
    return {bundle_repo_id(bundle.descriptor.name), *bundle.descriptor.repo_ids,
            *filter(None, (source_repo(bundle.source),))}


def refuse_changed(plan: Plan) -> None:
    """Raise Refused for an upgrade by a plugin of another origin than the installed one."""
    changed = [plugin for plugin in plan.plugins if plugin.old_origin is not None]
    if changed:
        raise refusal(changed, accepting="run dnf node-plugin install with")


def check_shared(plugins: Collection[str], packages: Sequence[PackageChange],
                 books: Books, session: Session) -> None:
    """Raise Refused for a package that others than ``plugins`` share, if its signer changes.

    A plugin could otherwise share a package of another one, and replace it by its own in a
    later version. A signature that was not checked at the install tells nothing.
    """
    others, lines = books.claims_of_others(plugins), []
    for nevra, new in sorted(replacements(packages).items()):
        old = books.packages.get(nevra)
        if (nevra in others and old is not None and old.checked and new.header is not None
                and not (new.signed and new.signer == old.signer)):
            lines.append(f"{nevra}, which plugin {', '.join(others[nevra])} has too, is signed by"
                         f" {session.key_text(old.signer)}; {new.nevra} has no checked signature"
                         " by it")
    if lines:
        raise Refused("\n  ".join(["packages that plugins share keep their signer:", *lines]),
                      hint="Install it together with a version of the other plugin that has this"
                           " package, in one command, or ask the vendors.")


def refusal(changed: Sequence[PluginAction], *, accepting: str) -> Refused:
    """Return the refusal of the plugins ``changed``, whose origin differs.

    ``accepting`` are the words before the option that accepts them.
    """
    names = [plugin.name for plugin in changed]
    options = " ".join(f"--accept-origin={name}" for name in names)
    return Refused("\n  ".join(["plugins would be replaced by ones of another origin:",
                                *(line for plugin in changed for line in plugin.origin_change)]),
                   hint=f"If you know that the vendor is the same, {accepting} {options}."
                        f" Otherwise leave out {', '.join(names)}, or the repository or bundle"
                        " that it comes from.")


def _is_installed(bundle: Bundle, books: Books) -> bool:
    """Return whether ``bundle`` has the descriptor and the files of the installed version."""
    descriptor = bundle.descriptor
    if descriptor.name not in books.records:
        return False
    undo_data = books.undo_data[descriptor.name]
    return (undo_data.descriptor, undo_data.files) == (descriptor.source_xml, descriptor.files)


def _unchanged(nevras: Collection[str], arriving: Set[str], repo_ids: Collection[str],
               books: Books, session: Session) -> List[Tuple[str, bool]]:
    """Return signer and check of the installed ``nevras`` that repositories offer unchanged."""
    known: Mapping[str, Tuple[str, str, bool]] = {
        nevra: (package.checksum, package.signer, package.checked)
        for nevra, package in books.packages.items()}
    return [known[nevra][1:] for nevra in nevras
            if nevra in known and nevra not in arriving
            and session.offers_installed(nevra, known[nevra][0], repo_ids)]
