"""The results of ``ovirt-node-plugin try`` as JUnit XML, which servers for CI read.

There is no standard. This is the part that Jenkins, GitLab, GitHub's actions and pytest agree on:
suites of test cases, each with a class, a name and a time, and ``failure`` or ``skipped`` in it.
"""
from __future__ import annotations

from typing import Dict, Iterable, List
from xml.etree import ElementTree

from ..authoring.trial.trial_results import FAILED, SKIPPED, Cell, Matrix, TrialStep, TriedImage
from ..system.words import printable
from .trial_text import reason


def document(result: Matrix) -> bytes:
    """Return a suite for each image, with a test case for each step of each trial in it."""
    steps = [step for cell in result.cells for step in _steps([cell])]
    top = ElementTree.Element("testsuites", {"name": "ovirt-node-plugin try", **_numbers(steps)})
    for image in result.images:
        cells = [cell for cell in result.cells if cell.image == image]
        top.append(_suite(image, cells, result.notes))
    ElementTree.indent(top)
    text = ElementTree.tostring(top, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _suite(image: TriedImage, cells: Iterable[Cell], notes: Iterable[str]) -> ElementTree.Element:
    cells = list(cells)
    suite = ElementTree.Element("testsuite", {"name": _text(image.path), **_numbers(_steps(cells))})
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (("system", image.name), ("kind", image.kind),
                        *(("note", note) for note in notes)):
        if value:
            ElementTree.SubElement(properties, "property", name=name, value=_text(value))
    for cell in cells:
        group = f"{_part(image.path.rpartition('/')[2])}.{_part(_name(cell))}"
        for trial in cell.trials:
            for step in trial.steps:
                case = ElementTree.SubElement(
                    suite, "testcase", classname=group, time=_time([step]),
                    name=_text(f"{trial.title}: {step.name}"))
                _fill(case, step)
    return suite


def _fill(case: ElementTree.Element, step: TrialStep) -> None:
    """Add what a step says to its test case."""
    lines = "\n".join(reason(step))
    if step.outcome == FAILED and step.error is not None:
        failure = ElementTree.SubElement(
            case, "failure", message=_text(step.error.message.split("\n")[0]),
            type=step.error.kind)
        failure.text = _text(lines)
    elif step.outcome == SKIPPED:
        ElementTree.SubElement(case, "skipped", message=_text(step.because))
    elif lines:
        ElementTree.SubElement(case, "system-out").text = _text(lines)


def _numbers(steps: List[TrialStep]) -> Dict[str, str]:
    failed, skipped = (sum(step.outcome == outcome for step in steps)
                       for outcome in (FAILED, SKIPPED))
    return {"tests": str(len(steps)), "failures": str(failed), "errors": "0",
            "skipped": str(skipped), "time": _time(steps)}


def _steps(cells: Iterable[Cell]) -> List[TrialStep]:
    return [step for cell in cells for trial in cell.trials for step in trial.steps]


def _time(steps: Iterable[TrialStep]) -> str:
    return f"{sum(step.seconds for step in steps):.3f}"


def _name(cell: Cell) -> str:
    plugin = cell.plugin
    return f"{plugin.name}-{plugin.version}" if plugin.name else plugin.path.rpartition("/")[2]


def _part(text: str) -> str:
    """Return a part of the name of a class, which dots separate."""
    return _text(text).replace(".", "_")


def _text(text: str) -> str:
    """Return a text without the characters that XML cannot have."""
    return printable(text, keep="\n")
