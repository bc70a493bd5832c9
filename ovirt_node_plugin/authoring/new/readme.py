"""The README of a new plugin: the next steps, with commands as they are typed."""
from __future__ import annotations

import shlex
from typing import List, Sequence

from ...plugin.descriptor import DESCRIPTOR_NAME
from ...system.words import first_lines
from .draft import DescriptorDraft

_MOST_LISTED = 50


def readme(plan: DescriptorDraft, *, folder: str, packages: Sequence[str], unsigned: Sequence[str],
           repository: bool) -> str:
    """Return the text for a bundle with these RPM files, some of them perhaps ``unsigned``.

    ``folder`` is the name of the bundle's folder.
    """
    name, folder = plan.fields["name"], shlex.quote(folder)
    steps: List[Sequence[str]] = [
        _edit(plan),
        *([] if packages and repository else [_repository(folder, packages=bool(packages))]),
        _lint(folder),
        _try(folder, signed=bool(packages) and not unsigned),
        _pack(folder)]
    lines = [f"# {name}", "",
             f"The plugin {name} for oVirt Node and RHEL hosts. `man node-plugin.xml` describes",
             "this folder. Run the commands in the folder above it."]
    for number, step in enumerate(steps, start=1):
        lines += ["", f"## {number}. {step[0]}", "", *step[1:]]
    return "\n".join(lines) + "\n"


def _edit(plan: DescriptorDraft) -> Sequence[str]:
    decisions = sum(bool(each.element) and not each.sure for each in plan.settings)
    lines = ["Complete the descriptor", f"Open `{DESCRIPTOR_NAME}`."]
    if plan.todo:
        lines.append(f"- Write: {', '.join(plan.todo)}.")
    if decisions:
        lines.append(f"- Decide about {decisions} settings in comments: remove the marks `<!--` and"
                     " `-->` around an")
        lines.append("  element, or the comment.")
    outside = [each for each in plan.findings.outside if not each.carried]
    if outside:
        lines.append("- A node refuses packages with files outside the allowed paths. Change these"
                     " packages:")
        lines += first_lines([f"  - `{each.path}`: {each.place}" for each in outside],
                             _MOST_LISTED, before="  - ", after=" files")
    taken = plan.findings.repos
    if taken.options:
        return [*lines, f"- Read `{plan.repo_id}.repo`: it has the repositories of the packages"
                        + (", and notes about what a bundle may not set." if taken.notes else ".")]
    return [*lines, f"- Replace the addresses in `{plan.repo_id}.repo`, or remove that file and"
                    " `<repos>`."]


def _repository(folder: str, *, packages: bool) -> Sequence[str]:
    first = ([] if packages else [f"mkdir -p {folder}/repo", f"cp PACKAGE.rpm {folder}/repo/"])
    return ["Make the repository",
            "The packages are in `repo/`, with metadata, also after each change of a package:", "",
            *(f"    {line}" for line in first),
            f"    createrepo_c --quiet --no-database {folder}/repo"]


def _lint(folder: str) -> Sequence[str]:
    return ["Find all errors",
            "`lint` shows everything that an install would refuse, all at once. With `--against`",
            "and the unpacked root of an image, here `/mnt/node`, it looks for dependencies too:",
            "", f"    ovirt-node-plugin lint {folder} --against /mnt/node"]


def _try(folder: str, *, signed: bool) -> Sequence[str]:
    trust = "--trust-keys" if signed else "--nogpgcheck"
    return ["Try it",
            "As root: `try` installs, verifies and removes the plugin in a copy of each image, an",
            "ISO, a squashfs or an unpacked root, and says what is left. The second command prints",
            "the plan, as administrators see it."
            + ("" if signed else " `--nogpgcheck` is for packages that are not signed yet."), "",
            f"    ovirt-node-plugin try {folder} --on /mnt/node {trust}",
            f"    dnf node-plugin install ./{folder} --installroot=/mnt/node --dry-run {trust}"]


def _pack(folder: str) -> Sequence[str]:
    return ["Sign and ship it",
            "`pack` signs the packages, their metadata and a tar with a key of yours. It writes",
            "what you publish: the tar with its signature, and a folder whose `repo/` any web",
            "server can serve. Publish the fingerprint of the key on a page of yours, as",
            "administrators compare it.", "",
            f"    ovirt-node-plugin pack {folder} --sign packager@example.com"]
