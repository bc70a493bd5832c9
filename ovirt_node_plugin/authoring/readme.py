"""The README of a new plugin: the next steps, with commands as they are typed."""
from __future__ import annotations

import shlex
from typing import List, Sequence

from ..plugin.descriptor import DESCRIPTOR_NAME
from ..system.words import first_lines
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
        *([_sign(plan, folder)] if unsigned or not packages else []),
        _try(name, folder, signed=bool(packages) and not unsigned),
        _pack(plan, folder)]
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


def _sign(plan: DescriptorDraft, folder: str) -> Sequence[str]:
    key = f"{folder}/keys/RPM-GPG-KEY-{plan.repo_id}"
    return ["Sign the packages",
            "Unsigned packages are refused, unless an administrator gives `--nogpgcheck`.", "",
            '    rpmsign --define "_gpg_name packager@example.com" --addsign '
            f"{folder}/repo/*.rpm",
            f"    createrepo_c --quiet --no-database {folder}/repo",
            f"    mkdir -p {folder}/keys",
            f"    gpg --armor --export packager@example.com > {key}"]


def _try(name: str, folder: str, *, signed: bool) -> Sequence[str]:
    trust = "--trust-keys" if signed else "--nogpgcheck"
    root = "--installroot=/mnt/node"
    return ["Try it",
            "In the unpacked root of an image of oVirt Node, here `/mnt/node`, or without",
            f"`{root}` on a host."
            + ("" if signed else " `--nogpgcheck` is for packages that are not signed yet."), "",
            f"    dnf node-plugin info ./{folder} {root}",
            f"    dnf node-plugin install ./{folder} {root} --dry-run {trust}",
            f"    dnf node-plugin install ./{folder} {root} {trust}",
            f"    dnf node-plugin verify {root}",
            f"    dnf node-plugin remove {name} {root}"]


def _pack(plan: DescriptorDraft, folder: str) -> Sequence[str]:
    archive = f"{plan.fields['name']}-{plan.fields['version']}.tar.zst"
    return ["Ship it", "Administrators get one file:", "",
            f"    tar --create --zstd --file={archive} {folder}"]
