"""The values of the parameters of an installation's plugins, and what other values change."""
from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Optional, Sequence

from ...errors import Reasons
from ...plugin.bundle import Bundle
from ...policy.given_parameters import GivenParameters
from ...registry import store
from ...registry.record import Record
from ..model.books import Books
from ..model.parameter_values import ParameterValues, values_of
from ..model.results import KEEP, REPAIR


def planned(bundles: Sequence[Bundle], actions: Dict[str, str], given: GivenParameters,
            books: Books, other: Optional[Path],
            reasons: Reasons) -> Dict[str, ParameterValues]:
    """Return the values of each plugin, by its name; ``other`` is a root with further records.

    In ``actions``, a plugin that would be kept and gets another value is repaired instead.
    Adds to ``reasons`` what ``values_of`` raises, and secrets that are needed and not known.
    """
    values: Dict[str, ParameterValues] = {}
    for bundle in bundles:
        name = bundle.descriptor.name
        values[name] = ParameterValues()
        with reasons.collected():
            values[name] = values_of(bundle.descriptor, given, records_of(name, books, other))
            record = books.records.get(name)
            if actions.get(name) == KEEP and values[name].changes(record):
                actions[name] = REPAIR
            if actions.get(name, KEEP) != KEEP:
                values[name].require_known(bundle.descriptor)
    return values


def records_of(name: str, books: Books, other: Optional[Path]) -> List[Optional[Record]]:
    """Return the records of a plugin in the root and in the root ``other``."""
    return [books.records.get(name),
            store.read_record(other, name)
            if other is not None and name in store.names(other) else None]
