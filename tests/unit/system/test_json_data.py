"""Typed values of JSON data."""
from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Mapping, Optional, Tuple

import pytest

from ovirt_node_plugin.system.json_data import of_format, typed

pytestmark = pytest.mark.unit


@dataclass(frozen=True)
class Leaf:
    name: str
    count: int = 0


@dataclass(frozen=True)
class Tree:
    leaves: Tuple[Leaf, ...]
    alive: bool
    fruit: Optional[Leaf]
    words: Mapping[str, str] = dataclasses.field(default_factory=dict)
    other: Tuple[Mapping[str, object], ...] = ()


WHOLE = Tree(leaves=(Leaf("a", 1), Leaf("b")), alive=True, fruit=Leaf("c"), words={"x": "y"},
             other=({"any": [1, None, {"value": True}]},))


@pytest.mark.parametrize("tree", [WHOLE, Tree(leaves=(), alive=False, fruit=None)])
def test_a_dataclass_is_read_from_the_json_of_its_fields(tree: Tree) -> None:
    assert typed(Tree, json.loads(json.dumps(dataclasses.asdict(tree)))) == tree


def test_names_with_a_default_may_be_missing_and_other_names_are_ignored() -> None:
    data = {"leaves": [{"name": "a", "color": 1}], "alive": True, "fruit": None, "age": 3}
    assert typed(Tree, data) == Tree(leaves=(Leaf("a"),), alive=True, fruit=None)


@pytest.mark.parametrize("wrong, message", [
    ({"leaves": {}}, "/leaves is not a list"),
    ({"leaves": [1]}, "/leaves/0 is not an object"),
    ({"leaves": [{}]}, "/leaves/0/name is missing"),
    ({"leaves": [{"name": None}]}, "/leaves/0/name is not a text"),
    ({"leaves": [{"name": "a", "count": True}]}, "/leaves/0/count is not a whole number"),
    ({"leaves": [{"name": "a", "count": 1.0}]}, "/leaves/0/count is not a whole number"),
    ({"alive": 1}, "/alive is not a boolean"),
    ({"words": {"x": 1}}, "/words/x is not a text"),
    ({"words": []}, "/words is not an object"),
    ({"fruit": "c"}, "/fruit is not an object"),
    ({"other": [1]}, "/other/0 is not an object")])
def test_the_place_of_an_invalid_value_is_named(wrong: Mapping[str, object],
                                                message: str) -> None:
    with pytest.raises(ValueError) as caught:
        typed(Tree, {"leaves": [], "alive": True, "fruit": None, **wrong})
    assert str(caught.value) == message


@pytest.mark.parametrize("data, message", [
    ([], "/ is not an object"), ({"leaves": [], "fruit": None}, "/alive is missing")])
def test_other_data_than_an_object_with_all_names_is_refused(data: object, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        typed(Tree, data)
    assert str(caught.value) == message


@pytest.mark.parametrize("data, message", [
    ([], "it is not an object with the format 1"), ({}, "its format is None, not 1"),
    ({"format": 2}, "its format is 2, not 1"), ({"format": "1"}, "its format is '1', not 1")])
def test_data_of_another_format_is_refused(data: object, message: str) -> None:
    assert of_format(1, {"format": 1, "a": 2}) == {"format": 1, "a": 2}
    with pytest.raises(ValueError) as caught:
        of_format(1, data)
    assert str(caught.value) == message
