"""Check the types of values in data that was read from JSON."""
from __future__ import annotations

import collections.abc
import dataclasses
import json
import typing
from typing import Dict, Iterable, List, Mapping, Optional, Tuple, Type, TypeVar, cast

from .limits import JSON_DIGITS, JSON_ITEMS

# An object; its values are texts, numbers, booleans, None, and lists and objects of these.
Data = Dict[str, object]

_NOUNS: Mapping[object, str] = {
    str: "a text", int: "a whole number", bool: "a boolean", list: "a list", dict: "an object"}
T = TypeVar("T")


def parse_json(text: bytes) -> object:
    """Return the value in a JSON text of UTF-8.

    Raises ValueError for invalid text and for one that exceeds a limit.
    """
    check_items(text)
    try:
        return json.loads(text.decode(), parse_int=_whole_number)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


def check_items(text: bytes) -> None:
    """Raise ValueError for a JSON text that may have more than JSON_ITEMS values.

    The characters that begin a value are counted, also within texts.
    """
    if sum(map(text.count, (b",", b"[", b"{"))) > JSON_ITEMS:
        raise ValueError(f"it has more than {JSON_ITEMS} values")


def check_size(text: bytes, *, most_bytes: int) -> None:
    """Raise ValueError for a JSON text that would be refused when it is read again."""
    if len(text) > most_bytes:
        raise ValueError(f"it has more than {most_bytes} bytes")
    check_items(text)


def _whole_number(digits: str) -> int:
    if len(digits) > JSON_DIGITS:
        raise ValueError(f"it has a number of more than {JSON_DIGITS} digits")
    return int(digits)


def of_format(number: int, data: object) -> Data:
    """Return ``data`` if it is an object whose ``format`` is ``number``; else raise ValueError.

    Within a format, names are only added.
    """
    if not isinstance(data, dict):
        raise ValueError(f"it is not an object with the format {number}")
    if data.get("format") != number:
        raise ValueError(f"its format is {repr(data.get('format'))[:40]}, not {number}")
    return data


def plain(value: object) -> Data:
    """Return a dataclass as data, the inverse of ``typed``."""
    assert dataclasses.is_dataclass(value) and not isinstance(value, type)
    return dataclasses.asdict(value, dict_factory=lambda pairs: {
        _name(name): item for name, item in pairs})


def typed(kind: Type[T], data: object, *, place: str = "") -> T:
    """Return ``data`` as a value of the dataclass ``kind``, the inverse of ``plain``.

    The fields are of ``str``, ``int``, ``bool``, ``object`` (any value) and dataclasses, or
    tuples, mappings and optional values of these. Names without a field are ignored. A name
    may be missing if its field has a default.

    Raises ValueError for other data, which names the place of the fault below ``place``.
    """
    return cast(T, _typed(kind, data, place))


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


def _typed(kind: object, data: object, place: str) -> object:
    outer, inner = typing.get_origin(kind), typing.get_args(kind)
    if outer is typing.Union:  # of one type and None
        return None if data is None else _typed(inner[0], data, place)
    if outer is tuple:
        return tuple(_typed(inner[0], item, f"{place}/{number}")
                     for number, item in enumerate(_checked(list, data, place)))
    if outer is collections.abc.Mapping:
        return {name: _typed(inner[1], value, f"{place}/{name}")
                for name, value in _checked(dict, data, place).items()}
    if kind is object:
        return data
    assert isinstance(kind, type)
    if not dataclasses.is_dataclass(kind):
        return _checked(kind, data, place)
    values, kinds = _checked(dict, data, place), typing.get_type_hints(kind)
    found = {}
    for field in dataclasses.fields(kind):
        name = _name(field.name)
        if name in values:
            found[field.name] = _typed(kinds[field.name], values[name], f"{place}/{name}")
        elif (field.default, field.default_factory) == (dataclasses.MISSING,) * 2:
            raise ValueError(f"{place}/{name} is missing")
    return kind(**found)


def _name(field: str) -> str:
    """Return the name of a field in JSON; a word of Python has an underscore at its end."""
    return field[:-1] if field.endswith("_") else field


def _checked(kind: Type[T], data: object, place: str) -> T:
    """Return ``data`` if its type is ``kind``; a boolean is not a number here."""
    if type(data) is not kind:
        raise ValueError(f"{place or '/'} is not {_NOUNS[kind]}")
    return data
