"""Check the types of values in data that was read from JSON."""
from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, Optional, Tuple

# An object; its values are texts, numbers, booleans, None, and lists and objects of these.
Data = Dict[str, object]


def text_of(data: Mapping[str, object], name: str, default: Optional[str] = None) -> str:
    """Return the text ``name`` of an object.

    Raises KeyError if it is missing without a default, ValueError if it is not a text.
    """
    value = data[name] if default is None else data.get(name, default)
    if not isinstance(value, str):
        raise ValueError(f"{name} is not a text")
    return value


def number_of(data: Mapping[str, object], name: str, default: Optional[int] = None) -> int:
    """Return the number ``name`` of an object: whole, from 0 to 2^63 - 1.

    Raises KeyError if it is missing without a default, ValueError if it is not such a number.
    """
    value = data[name] if default is None else data.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise ValueError(f"{name} is not a whole number from 0")
    return value


def object_of(data: Mapping[str, object], name: str) -> Data:
    """Return the object ``name`` of an object; empty if it is missing or empty.

    Raises ValueError if it is not an object.
    """
    value = data.get(name) or {}
    if not isinstance(value, dict):
        raise ValueError(f"{name} is not an object")
    return value


def objects_of(data: Mapping[str, object], name: str) -> List[Data]:
    """Return the list of objects ``name`` of an object.

    Raises KeyError if it is missing, ValueError if it is not such a list.
    """
    value = data[name]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"{name} is not a list of objects")
    return value


def texts_of(data: Mapping[str, object], name: str,
             default: Optional[Iterable[str]] = None) -> Tuple[str, ...]:
    """Return the list of texts ``name`` of an object.

    Raises KeyError if it is missing without a default, ValueError if it is not such a list.
    """
    value = data[name] if default is None else data.get(name, default)
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{name} is not a list of texts")
    return tuple(value)
