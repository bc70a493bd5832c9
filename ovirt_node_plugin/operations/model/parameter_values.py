"""The values with which plugins are installed, and the changes that a plan shows."""
from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ...errors import Reasons, UsageError
from ...plugin.descriptor import Descriptor
from ...plugin.parameters import Parameter
from ...plugin.templates import unused
from ...policy.given_parameters import GivenParameters, GivenValue
from ...registry.record import Record, RecordedParameter, secret_digest
from ...system.relaxng import quoted
from .results import PlannedParameter

_RECORDED, _DEFAULT = "the record", "the default"


@dataclass(frozen=True)
class ParameterValues:
    """The values of one plugin, by parameter, and how they are recorded.

    ``unknown`` are secrets of which only the recorded digest is known. ``notes`` are lines for a
    plan.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    recorded: Tuple[RecordedParameter, ...] = ()
    unknown: Tuple[Parameter, ...] = ()
    notes: Tuple[str, ...] = ()

    def require_known(self, descriptor: Descriptor) -> None:
        """Raise UsageError if a secret is not known, whose files are to be written."""
        if self.unknown:
            raise missing_error(descriptor, self.unknown)

    def changes(self, old: Optional[Record]) -> Tuple[PlannedParameter, ...]:
        """Return the values that are not in the record of the installed version, if any."""
        before = {each.name: each for each in old.parameters} if old is not None else {}
        return (*(_planned(each, before.get(each.name)) for each in self.recorded
                  if before.get(each.name) is None
                  or (before[each.name].value, before[each.name].digest)
                  != (each.value, each.digest)),
                *(_planned(None, each) for name, each in before.items()
                  if name not in {one.name for one in self.recorded}))


NO_VALUES = ParameterValues()


def values_of(descriptor: Descriptor, given: GivenParameters,
              records: Sequence[Optional[Record]]) -> ParameterValues:
    """Return the values of a plugin: of --set, else of a record, of the site, the default.

    ``records`` are those of the installed version and of another root, the first one counts. A
    default in a record does not count: the one of the new version replaces it.

    Raises UsageError for an invalid value, and one that names all parameters without a value.
    """
    reasons = Reasons()
    values: Dict[str, GivenValue] = {}
    missing: List[Parameter] = []
    notes = [*_unknown_names(descriptor, given),
             *(f"parameter {name} is in no file of the bundle" for name in unused(descriptor))]
    for parameter in descriptor.parameters:
        with reasons.collected():
            value = _value(descriptor.name, parameter, given, records, notes)
            if value is None:
                missing.append(parameter)
            else:
                values[parameter.name] = value
    reasons.raise_any()
    kept = {each.name: each for record in records[:1] if record is not None
            for each in record.parameters if each.digest}
    unknown = [parameter for parameter in missing if parameter.secret and parameter.name in kept]
    if len(unknown) < len(missing):
        raise missing_error(descriptor, missing)
    return ParameterValues(
        {name: value.text for name, value in values.items()},
        tuple(_recorded(descriptor.name, parameter, values[parameter.name])
              if parameter.name in values else kept[parameter.name]
              for parameter in descriptor.parameters), tuple(unknown), tuple(notes))


def _unknown_names(descriptor: Descriptor, given: GivenParameters) -> List[str]:
    """Return a line for each name in the site's files that is no parameter of the plugin."""
    names = {parameter.name for parameter in descriptor.parameters}
    return [f"{value.source} has a value for {name}, which is no parameter of this version"
            for (plugin, name), value in given.site.items()
            if plugin == descriptor.name and name not in names]


def values_to_ask(descriptor: Descriptor, given: GivenParameters,
                  records: Sequence[Optional[Record]]) -> Sequence[Parameter]:
    """Return the parameters of a plugin for which the user has to be asked.

    A secret of the installed version is asked for only if it is installed in another version.
    """
    installed = records[0]
    same = installed is not None and installed.version == descriptor.version
    kept = [each.name for each in installed.parameters if each.digest] if (
        installed is not None and same) else []
    with contextlib.suppress(UsageError):  # the plan reports an invalid value
        return [parameter for parameter in descriptor.parameters if parameter.name not in kept
                and _value(descriptor.name, parameter, given, records, []) is None]
    return ()


def missing_error(descriptor: Descriptor, missing: Sequence[Parameter]) -> UsageError:
    """Return the error that parameters have no value."""
    options = " ".join(f"--set {descriptor.name}.{parameter.name}="
                       + ("@FILE" if parameter.secret else "VALUE") for parameter in missing)
    return UsageError("\n".join([
        f"plugin {descriptor.name} {descriptor.version} needs a value for these parameters:",
        *(f"  {parameter.name}: {parameter.meaning} ({parameter.expected})"
          for parameter in missing)]),
        hint=f"Add {options}, or write a file in /etc/ovirt-node-plugin/parameters.d.")


def refuse_unknown(descriptors: Sequence[Descriptor], given: GivenParameters) -> None:
    """Raise UsageError for a --set that names no parameter of ``descriptors``."""
    by_name = {descriptor.name: descriptor for descriptor in descriptors}
    for plugin, name in given.options:
        descriptor = by_name.get(plugin)
        if descriptor is None:
            raise UsageError(f"--set {plugin}.{name}: this run does not change plugin {plugin}",
                             hint="It changes: " + (", ".join(sorted(by_name)) or "none") + ". To"
                                  f" change a parameter: dnf node-plugin install {plugin} --set"
                                  f" {plugin}.{name}=VALUE")
        names = [parameter.name for parameter in descriptor.parameters]
        if name not in names:
            raise UsageError(f"--set {plugin}.{name}: plugin {plugin} {descriptor.version} has no"
                             f" parameter {name}",
                             hint="It has: " + (", ".join(names) or "none") + ".")


def check_given(descriptors: Iterable[Descriptor], given: GivenParameters) -> None:
    """Raise UsageError for an invalid value of --set, or a secret that others can read."""
    for descriptor in descriptors:
        for parameter in descriptor.parameters:
            value = given.options.get((descriptor.name, parameter.name))
            if value is not None:
                _checked(descriptor.name, parameter, value)


def _value(plugin: str, parameter: Parameter, given: GivenParameters,
           records: Sequence[Optional[Record]], notes: List[str]) -> Optional[GivenValue]:
    """Return the value of a parameter, None if there is none; add to ``notes``."""
    key = plugin, parameter.name
    if key in given.options:
        return _checked(plugin, parameter, given.options[key])
    site = given.site.get(key)
    if site is not None:
        site = _checked(plugin, parameter, site)
    recorded = next((each for record in records if record is not None
                     for each in record.parameters
                     if each.name == parameter.name and not each.default), None)
    if recorded is not None and not recorded.digest and not parameter.secret:
        if parameter.accepts(recorded.value):
            if site is not None and site.text != recorded.value:
                notes.append(f"parameter {parameter.name} stays {recorded.value}; {site.source} has"
                             f" {site.text}, which --set {plugin}.{parameter.name}={site.text}"
                             " takes")
            return GivenValue(recorded.value, _RECORDED)
        notes.append(f"parameter {parameter.name} was {recorded.value}, which this version does"
                     f" not accept: it is {parameter.expected} now")
    if site is not None:
        return site
    return None if parameter.required else GivenValue(parameter.default, _DEFAULT)


def _checked(plugin: str, parameter: Parameter, value: GivenValue) -> GivenValue:
    """Return ``value``. Raises UsageError if it is invalid, or a secret that others can read."""
    if parameter.secret and value.exposed:
        raise UsageError(f"{value.source}: parameter {parameter.name} of plugin {plugin} is a"
                         f" secret, and {value.exposed}",
                         hint="Choose another secret, as this one is known now, and give it as"
                              f" --set {plugin}.{parameter.name}=@FILE.")
    if not parameter.accepts(value.text):
        found = "" if parameter.secret else f", found {quoted(value.text)}"
        raise UsageError(f"{value.source}: expected {parameter.expected} for parameter"
                         f" {parameter.name} of plugin {plugin}{found}",
                         hint=f"The parameter is: {parameter.meaning}")
    return value


def _recorded(plugin: str, parameter: Parameter, value: GivenValue) -> RecordedParameter:
    if parameter.secret:
        return RecordedParameter(parameter.name, parameter.type,
                                 digest=secret_digest(plugin, parameter.name, value.text))
    return RecordedParameter(parameter.name, parameter.type, value.text,
                             default=value.source == _DEFAULT)


def _planned(new: Optional[RecordedParameter],
             old: Optional[RecordedParameter]) -> PlannedParameter:
    """Return the change of a parameter from ``old``; None is one that the version does not have."""
    known = new or old
    assert known is not None
    shown = [None if one is None else "(secret)" if one.digest else one.value
             for one in (old, new)]
    if new is None:
        text = f"parameter {known.name} is dropped"
    elif old is None:
        text = f"parameter {known.name}: {shown[1]}"
    elif new.digest and old.digest:
        text = f"parameter {known.name}: another secret"
    else:
        text = f"parameter {known.name}: {shown[0]} -> {shown[1]}"
    return PlannedParameter(name=known.name, type=known.type, old_value=old.value if old else "",
                            value=new.value if new else "", digest=new.digest if new else "",
                            text=text)
