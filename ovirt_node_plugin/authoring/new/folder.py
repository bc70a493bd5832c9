"""Make the folder of a new plugin, a bundle, from its RPMs or without any."""
from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from ...errors import UsageError
from ...packages.described import DescribedPackage, describe
from ...plugin.descriptor import DESCRIPTOR_NAME, parse_descriptor
from ...system.limits import EXAMINED_FILE_BYTES, EXAMINED_FILES, EXAMINED_PACKAGES
from ...system.regular_files import NotRegular, TooLarge, read_regular
from ...system.run import Runner, explained
from . import vendor_repos
from .draft import DescriptorDraft, descriptor_text, draft
from .examine import examine, is_read
from .readme import readme

_NAME = re.compile(r"[a-z0-9][a-z0-9._+-]{0,63}")
_RPM = re.compile(r"[A-Za-z0-9._+~^:@-]+\.rpm")


@dataclass(frozen=True)
class NewPlugin:
    """A folder that was made, and the draft of its descriptor.

    ``unsigned`` are the file names of RPMs without a signature; ``repository`` is whether
    ``repo/`` has metadata.
    """

    folder: Path
    draft: DescriptorDraft
    packages: Tuple[str, ...]
    unsigned: Tuple[str, ...]
    repository: bool


def make(name: str, rpms: Sequence[Path], folder: Path, *, run: Runner) -> NewPlugin:
    """Make the bundle of a plugin ``name`` in ``folder``, which must not exist.

    It appears complete, by one rename. Raises UsageError for an invalid name, an existing
    folder and for files that are no packages to install, and as ``describe`` and ``run``.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is not a name of a plugin",
                         hint="Use a-z, 0-9 and . _ + -, at most 64 characters, the first a letter"
                              " or a digit.")
    _refuse_existing(folder)
    rpms, beside = _sources(rpms)
    _check_rpms(rpms)
    packages = [describe(path, wanted=is_read, max_files=EXAMINED_FILES,
                         max_bytes=EXAMINED_FILE_BYTES) for path in rpms]
    plan = draft(name, packages, examine(packages, beside))
    text = descriptor_text(plan)
    parse_descriptor(text.encode(), origin=DESCRIPTOR_NAME)
    made = NewPlugin(
        folder=folder, draft=plan, packages=tuple(path.name for path in rpms),
        unsigned=tuple(package.path.name for package in packages if not package.header.signer),
        repository=bool(packages) and shutil.which("createrepo_c") is not None)
    try:
        with contextlib.ExitStack() as stack:
            work = Path(stack.enter_context(tempfile.TemporaryDirectory(
                prefix=f".{name}.", dir=folder.absolute().parent)))
            bundle = work / name
            _write(bundle, made, text, packages, run)
            _refuse_existing(folder)
            bundle.rename(folder)
    except FileNotFoundError as exc:
        raise UsageError(f"{exc.filename} is not there") from exc
    return made


def _sources(paths: Sequence[Path]) -> Tuple[List[Path], Dict[str, bytes]]:
    """Return the RPM files of ``paths``, also those in folders, and what else such folders have.

    That are the contents of .repo files and keys by their paths; source packages are left out.
    """
    rpms: List[Path] = []
    beside: Dict[str, bytes] = {}
    for path in paths:
        if not path.is_dir():
            rpms.append(path)
            continue
        found = sorted(path.iterdir())
        rpms += [each for each in found if each.name.endswith(".rpm")
                 and not each.name.endswith((".src.rpm", ".nosrc.rpm"))]
        for each in found:
            if vendor_repos.is_beside(each.name):
                with contextlib.suppress(NotRegular, TooLarge):
                    beside[str(each)] = read_regular(each, follow=True)
        if not rpms:
            raise UsageError(f"{path} has no RPM file", hint="Give a folder with packages.")
    return rpms, beside


def _refuse_existing(folder: Path) -> None:
    if not folder.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {folder.absolute().parent} to write to",
                         hint="Create it, or give another one with --dir.")
    if os.path.lexists(folder):
        raise UsageError(f"{folder} exists already",
                         hint="Nothing is overwritten: give another folder with --dir.")


def _check_rpms(rpms: Sequence[Path]) -> None:
    names = [path.name for path in rpms]
    if len(rpms) > EXAMINED_PACKAGES:
        raise UsageError(f"{len(rpms)} packages are too many; {EXAMINED_PACKAGES} are allowed")
    for path in rpms:
        if not path.is_file():
            raise UsageError(f"{path} is not a file", hint="Give the paths of RPM files.")
        if not _RPM.fullmatch(path.name):
            raise UsageError(f"{path} has not the name of an RPM file",
                             hint="Give files that end in .rpm, without blanks.")
        if names.count(path.name) > 1:
            raise UsageError(f"{path.name} is given twice", hint="Name each package once.")


def _write(bundle: Path, made: NewPlugin, text: str, packages: Sequence[DescribedPackage],
           run: Runner) -> None:
    bundle.mkdir()
    (bundle / DESCRIPTOR_NAME).write_text(text, encoding="utf-8")
    (bundle / f"{made.draft.repo_id}.repo").write_text(_repo_file(made.draft), encoding="utf-8")
    (bundle / "README.md").write_text(readme(
        made.draft, folder=made.folder.name, packages=made.packages, unsigned=made.unsigned,
        repository=made.repository), encoding="utf-8")
    findings = made.draft.findings
    for name, content in (*findings.copies, *findings.repos.keys.items()):
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).write_bytes(content)
    if not packages:
        return
    repository = bundle / "repo"
    repository.mkdir()
    for package in packages:
        # no link: rpmsign may write into the file
        shutil.copyfile(package.path, repository / package.path.name)
    if made.repository:
        with explained("the repository of the plugin cannot be made", UsageError):
            run(["createrepo_c", "--quiet", "--no-database", "--", repository])


def _repo_file(plan: DescriptorDraft) -> str:
    if plan.findings.repos.options:
        return vendor_repos.text(plan.findings.repos)
    name = plan.fields["name"]
    address = f"https://example.com/{name}/el9"
    return ("# Where you publish repo/, for systems with a network. With repo/ in this folder,\n"
            "# the plugin installs without it. Replace the addresses, or remove this file and the\n"
            f"# element <repos> of {DESCRIPTOR_NAME}.\n"
            f"[{plan.repo_id}]\n"
            f"name=Packages of the plugin {name}\n"
            f"baseurl={address}/\n"
            f"enabled=0\n"
            f"gpgcheck=1\n"
            f"gpgkey={address}/RPM-GPG-KEY-{plan.repo_id}\n")
