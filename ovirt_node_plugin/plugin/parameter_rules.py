"""The rules for the parameters of a descriptor that its RELAX NG schema cannot express."""
from __future__ import annotations

from typing import Iterator, Set

from ..errors import Problem
from ..system.limits import DESCRIPTOR_PARAMETERS
from ..system.relaxng import problem_at, quoted
from ..system.xml import XmlElement
from .parameters import CHOICE, INTEGER, PORT, SECRET, TYPES, Parameter


def problems(root: XmlElement) -> Iterator[Problem]:
    """Yield the violations of these rules; the document may violate its schema."""
    for parameters in root.all("parameters"):
        nodes = parameters.all("parameter")
        names: Set[str] = set()
        if len(nodes) > DESCRIPTOR_PARAMETERS:
            yield problem_at(nodes[DESCRIPTOR_PARAMETERS], "expected at most "
                             f"{DESCRIPTOR_PARAMETERS} <parameter>, found {len(nodes)}")
        for node in nodes[:DESCRIPTOR_PARAMETERS]:
            yield from _problems(node, names)
    for node in templates(root):
        if not node.get("source").startswith("files/"):
            yield problem_at(node, f"expected a file of the bundle, files/NAME, as source of"
                                   f" <{node.tag} parameters=\"yes\">, found"
                                   f" {quoted(node.get('source'))}")


def templates(root: XmlElement) -> Iterator[XmlElement]:
    """Yield the settings in whose source references to parameters are replaced."""
    for settings in root.all("settings"):
        for node in settings.children:
            yield from (each for each in (node, *node.children)
                        if each.get("parameters") == "yes")


def read_parameter(node: XmlElement) -> Parameter:
    """Return the parameter of an element."""
    return Parameter(
        name=node.get("name"), type=node.get("type"), default=node.attributes.get("default", ""),
        required="default" not in node.attributes, choices=tuple(node.get("choices").split()),
        least=node.get("min"), most=node.get("max"), meaning=" ".join(node.text.split()))


def _problems(node: XmlElement, names: Set[str]) -> Iterator[Problem]:
    """Yield what is wrong with one parameter; ``names`` are those before it, and get its own."""
    parameter = read_parameter(node)
    if parameter.name in names:
        yield problem_at(node, f"expected one <parameter> named {parameter.name}, found a second")
    names.add(parameter.name)
    if bool(parameter.choices) != (parameter.type == CHOICE):
        yield problem_at(node, f"expected the attribute choices for the type {CHOICE} and no"
                               f" other, found type {parameter.type}")
    bounds = [text for text in (parameter.least, parameter.most) if text]
    if bounds and parameter.type not in (INTEGER, PORT):
        yield problem_at(node, f"expected min and max for the types {INTEGER} and {PORT} only,"
                               f" found type {parameter.type}")
        return
    plain = Parameter(parameter.name, INTEGER if parameter.type != PORT else PORT)
    wrong = [text for text in bounds if not plain.accepts(text)]
    for text in wrong:
        yield problem_at(node, f"expected {plain.expected} in min and max, found {quoted(text)}")
    if not wrong and len(bounds) == 2 and int(bounds[0]) > int(bounds[1]):
        yield problem_at(node, f"expected a min that is not above max {parameter.most}, found min"
                               f" {parameter.least}")
    if parameter.type == SECRET and not parameter.required:
        yield problem_at(node, f"expected no default for the type {SECRET}, found one")
    elif (not parameter.required and not wrong and parameter.type in TYPES
          and not parameter.accepts(parameter.default)):
        yield problem_at(node, f"expected {parameter.expected} as default, found"
                               f" {quoted(parameter.default)}")
