"""JSON and text of a plugin's folder that was made."""
from __future__ import annotations

from typing import Dict, Iterator, List

from ..authoring.new.folder import NewPlugin
from ..system.json_answer import with_format
from ..system.json_data import Data
from ..system.words import count, first_lines

_MOST_LINES = 10


def answer(made: NewPlugin) -> Data:
    """Return the answer of ``new`` in JSON."""
    findings = made.draft.findings
    return with_format({
        "folder": str(made.folder),
        "name": made.draft.fields["name"],
        "version": made.draft.fields["version"],
        "packages": list(made.packages),
        "unsigned": list(made.unsigned),
        "repository": made.repository,
        "settings": [{"element": each.element, "text": each.text, "sure": each.sure,
                      "reason": each.reason} for each in made.draft.settings],
        "outside": [{"path": each.path, "package": each.package, "reason": each.reason,
                     "place": each.place, "carried": each.carried} for each in findings.outside],
        "active": [{"path": each.path, "package": each.package} for each in findings.active],
        "complete": findings.complete,
        "todo": list(made.draft.todo)})


def lines(made: NewPlugin) -> List[str]:
    """Return the answer of ``new`` as lines."""
    return list(_lines(made))


def _lines(made: NewPlugin) -> Iterator[str]:
    draft, folder = made.draft, made.folder
    yield f"Made {folder}: the plugin {draft.fields['name']} {draft.fields['version']}."
    sure = [each.text for each in draft.settings if each.sure]
    for title, entries in _parts(made).items():
        if entries:
            yield f"{title}:"
            yield from (f"  {line}" for line in first_lines(entries, _MOST_LINES))
    if made.packages and not sure:
        yield "The packages show no setting that is certain."
    undecided = sum(bool(each.element) and not each.sure for each in draft.settings)
    remarks = sum(not each.element for each in draft.settings)
    if undecided:
        yield f"{count(undecided, 'more setting')} in comments of the descriptor, to decide about."
    if remarks:
        yield f"{count(remarks, 'remark')} about the packages in comments of the descriptor."
    if not draft.findings.complete:
        yield "There are too many settings to suggest: some are left out."
    if draft.findings.active:
        yield (f"{count(len(draft.findings.active), 'file')} active without a setting: plans list"
               " them for review.")
    yield f"Next: read {folder / 'README.md'}."


def _parts(made: NewPlugin) -> Dict[str, List[str]]:
    draft = made.draft
    outside = draft.findings.outside
    return {
        "Settings in the descriptor": [each.text for each in draft.settings if each.sure],
        "Outside the allowed paths; a node refuses the plugin until the packages change": [
            f"{each.path} in {each.package}: {each.reason}. {each.place}" for each in outside
            if not each.carried],
        "To write": [{"packages": "the packages, in <packages> and in repo/"}.get(
            each, f"<{each}>") for each in draft.todo],
        "Not signed": list(made.unsigned),
        "Without metadata, as createrepo_c is not installed": (
            [f"{made.folder}/repo"] if made.packages and not made.repository else [])}
