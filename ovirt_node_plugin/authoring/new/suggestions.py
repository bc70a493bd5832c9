"""What the tools suggest for a descriptor: settings, with the reason and how sure they are."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, Sequence, Tuple

from ...errors import DescriptorError
from ...plugin.descriptor import parse_descriptor
from ...system.xml import element_text

_FIELDS = {"name": "x", "version": "1", "vendor": "x", "summary": "x"}
_SOME_SETTING = '<persistent-path path="/var/lib/x"/>'


@dataclass(frozen=True)
class Suggestion:
    """A setting for a descriptor, or a remark if ``element`` is empty.

    ``sure``: it belongs into the descriptor; otherwise it is a comment there, for the vendor to
    decide. ``reason`` is a sentence; ``children`` are elements in it. ``copies`` are the files of
    packages that the bundle needs for it, by their names in ``files/``.
    """

    element: str
    attributes: Tuple[Tuple[str, str], ...] = ()
    reason: str = ""
    sure: bool = False
    children: Tuple[Tuple[str, Tuple[Tuple[str, str], ...]], ...] = ()
    copies: Tuple[Tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """The setting as XML on one line; empty for a remark."""
        return element_text(self.element, self.attributes, self.children) if self.element else ""

    @property
    def key(self) -> Tuple[str, ...]:
        """What may be only once in a descriptor."""
        names = dict(self.attributes)
        parts = ("unit", "point", "order", "folder", "name", "port", "protocol", "path", "files",
                 "options", "blacklist")
        return (self.element, *(names.get(part, "") for part in parts),
                "" if self.element else self.reason)


@dataclass(frozen=True)
class Outside:
    """A file outside the allowed paths.

    ``reason`` says why it is, ``place`` where such files belong. ``carried``: the settings that
    are suggested make the bundle work without it.
    """

    path: str
    package: str
    reason: str
    place: str
    carried: bool


def setting(element: str, attributes: Mapping[str, str], reason: str, *, sure: bool = False,
            ports: Iterable[Tuple[str, str]] = (),
            copies: Tuple[Tuple[str, str], ...] = ()) -> Suggestion:
    """Return the suggestion of a setting, or a remark if a descriptor cannot have it.

    ``ports`` are the ports and protocols that a service of firewalld has.
    """
    suggestion = Suggestion(
        element, tuple(attributes.items()), reason, sure, copies=copies,
        children=tuple(("port", (("port", port), ("protocol", protocol)))
                       for port, protocol in ports))
    if is_valid([suggestion]):
        return suggestion
    return Suggestion("", reason=f"{reason} A <{element}> cannot have these values.")


def is_valid(suggestions: Sequence[Suggestion]) -> bool:
    """Return whether a descriptor may have all of these settings together."""
    try:
        text = "".join(suggestion.text for suggestion in suggestions)
    except ValueError:  # characters that XML cannot have
        return False
    return _fits({}, text or _SOME_SETTING)


def is_valid_field(tag: str, text: str) -> bool:
    """Return whether ``text`` may be that of the element ``tag`` in the root element."""
    return _fits({tag: text}, _SOME_SETTING)


def is_valid_part(part: str) -> bool:
    """Return whether the root element may have the element ``part``, XML, beside others."""
    return _fits({}, _SOME_SETTING, part)


def _fits(fields: Mapping[str, str], settings: str, part: str = "") -> bool:
    try:
        known = "".join(element_text(tag, (), text=text)
                        for tag, text in {**_FIELDS, **fields}.items())
        parse_descriptor(f'<node-plugin schema-version="1">{known}{part}<settings>{settings}'
                         "</settings></node-plugin>".encode(), origin="a suggestion")
    except (DescriptorError, ValueError):
        return False
    return True


def distinct(suggestions: Iterable[Suggestion]) -> List[Suggestion]:
    """Return the suggestions without those that repeat another; sure ones come first."""
    kept: Dict[Tuple[str, ...], Suggestion] = {}
    for suggestion in sorted(suggestions, key=lambda each: not each.sure):
        kept.setdefault(suggestion.key, suggestion)
    return list(kept.values())
