"""Packages that a plugin installs and no repository of the run offers: why, and what there is."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Sequence, Set, Tuple

import dnf.exceptions
import hawkey

from ..errors import UnmetDependency
from ..plugin.descriptor import Install
from ..policy import missing_packages
from ..system.words import first_names
from ..target import Target
from . import local_repos
from .dnf_types import DnfBase, DnfQuery, DnfRepo

_MOST_NAMED = 5
_MOST_SEARCHED = 20  # packages that are searched in the folders of repositories


@dataclass(frozen=True)
class MissingPackage:
    """A package that is asked for; ``text`` names it and the version in messages."""

    name: str
    text: str


class NotOffered(dnf.exceptions.MarkingError):
    """Packages are asked for that no repository offers."""

    def __init__(self, wanted: Sequence[MissingPackage]) -> None:
        super().__init__("\n".join(f"no package {each.text} is offered" for each in wanted))
        self.wanted: Tuple[MissingPackage, ...] = tuple(dict.fromkeys(wanted))


def installable(base: DnfBase, query: DnfQuery) -> DnfQuery:
    """Return the packages of ``query`` whose architecture fits the root; none of sources."""
    return query.filter(arch=list(base.sack.list_arches()))


def asked_for(base: DnfBase, query: DnfQuery, install: Install) -> DnfQuery:
    """Return the packages of ``query`` that ``install`` names and that can be installed."""
    named = installable(base, query.filter(name=install.name))
    if not install.version:
        return named
    return named.filter(**{"evr" if "-" in install.version else "version": install.version})


def hint_for(repos_off: Sequence[str]) -> str:
    """Return the next step if ``repos_off``, repositories of the plugin, are off; empty if none."""
    if not repos_off:
        return ""
    which = "repository {} is" if len(repos_off) == 1 else "repositories {} are"
    return (f"The plugin's own {which.format(', '.join(repos_off))} off in this run. Add"
            f" --enablerepo={','.join(repos_off)}, or ask the plugin's vendor.")


def refusal(base: DnfBase, *, subject: str, target: Target, wanted: Sequence[MissingPackage],
            repos_on: Sequence[str], repos_off: Sequence[str]) -> UnmetDependency:
    """Return the refusal that says why each of ``wanted`` is not offered, and what is.

    ``repos_on`` and ``repos_off`` are the plugin's repositories that this run uses, and does not
    use.
    """
    offered = base.sack.query(hawkey.IGNORE_EXCLUDES).available()
    contents: Dict[str, Set[str]] = {repo_id: set() for repo_id in repos_on}
    for package in offered.filter(reponame=list(repos_on)):
        contents[package.reponame].add(package.name)
    repos = [base.repos[repo_id] for repo_id in repos_on]
    reasons, stale = reasons_of(base, wanted, repos)
    return missing_packages.refusal(
        subject, target, reasons, contents,
        hint=f"Make the metadata again: {'; '.join(stale)}" if stale
        else hint_for(repos_off) or _hint(repos))


def reasons_of(base: DnfBase, wanted: Sequence[MissingPackage],
               repos: Sequence[DnfRepo]) -> Tuple[Dict[str, str], Sequence[str]]:
    """Return why each of ``wanted`` is not offered, by its text, and commands that help.

    ``repos`` are the plugin's repositories.
    """
    reasons: Dict[str, str] = {}
    stale: Dict[str, None] = {}
    for each in wanted:
        reasons[each.text] = _reason(base, each)
        for repo in repos if len(reasons) <= _MOST_SEARCHED else ():
            path = local_repos.unlisted(base, repo, each.name)
            if path is not None:
                stale[local_repos.update_command(repo)] = None
                reasons[each.text] = (f"{local_repos.shown(repo, path)} is there, but the metadata"
                                      " of the repository are stale and do not name it")
    return reasons, list(stale)


def _reason(base: DnfBase, wanted: MissingPackage) -> str:
    """Return why a package is not offered."""
    every = base.sack.query(hawkey.IGNORE_EXCLUDES).available()
    named = every.filter(name=wanted.name)
    fitting = installable(base, named)
    usable = base.sack.query().available().filter(pkg=list(fitting)) if fitting else fitting
    if usable:
        return f"only {_listed(usable)} there"
    if fitting:
        modular = base.sack.query(hawkey.IGNORE_MODULAR_EXCLUDES).available()
        if modular.filter(pkg=list(fitting)):
            return (f"{_listed(fitting)} there, but hidden by a module: its stream is not enabled,"
                    " or module_hotfixes=1 is missing in the .repo file")
        return (f"{_listed(fitting)} there, but excluded: by exclude or includepkgs in dnf.conf or"
                " the .repo file, by an option of this run, or by an <exclude> of another plugin")
    if named:
        return (f"{_listed(named)} there, but not for {base.conf.substitutions.get('arch', '')},"
                " the architecture of the root")
    provided = every.filter(provides=wanted.name)
    if provided:
        names = sorted({package.name for package in provided})
        return (f"no package has this name; {first_names(names, _MOST_NAMED)}"
                f" {'provides' if len(names) == 1 else 'provide'} it, and <install> needs the name"
                " of a package")
    return "no package has this name"


def _listed(query: DnfQuery) -> str:
    """Return packages with their repositories, and the verb that follows."""
    texts: List[str] = [f"{package} ({package.reponame})" for package in sorted(query)]
    return f"{first_names(texts, _MOST_NAMED)} {'is' if len(texts) == 1 else 'are'}"


def _hint(repos: Sequence[DnfRepo]) -> str:
    if not repos:
        return "Name the repository that has it with --enablerepo, or ask the plugin's vendor."
    return ("Name a repository that has it with --enablerepo, or ask the plugin's vendor. If you"
            " make the plugin, correct <packages> in the descriptor, or put the RPM into the"
            f" repository and run: {local_repos.update_command(repos[0])}")
