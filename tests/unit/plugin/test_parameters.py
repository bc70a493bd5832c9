"""The parameters of a descriptor: their types, their rules, and references in files."""
from __future__ import annotations

from typing import List

import pytest

from ovirt_node_plugin.errors import BadBundle, DescriptorError
from ovirt_node_plugin.plugin.bundle import bundle_of_repo
from ovirt_node_plugin.plugin.descriptor import parse_descriptor
from ovirt_node_plugin.plugin.parameters import Parameter, names_in, replaced
from tests.support.sample_bundle import DESCRIPTOR

pytestmark = pytest.mark.unit


def with_parameters(*elements: str) -> bytes:
    return DESCRIPTOR.replace(
        "</packages>", f"</packages>\n<parameters>{' '.join(elements)}</parameters>", 1).encode()


def problems(*elements: str) -> List[str]:
    """Return the problems of a descriptor, without their positions."""
    with pytest.raises(DescriptorError) as caught:
        parse_descriptor(with_parameters(*elements), origin="x.xml")
    lines = caught.value.message.splitlines()
    assert all(line.startswith("x.xml:") for line in lines)
    return [line.split(": ", 1)[1] for line in lines]


def test_parameters_are_read() -> None:
    descriptor = parse_descriptor(with_parameters(
        '<parameter name="server" type="address">the\n  server</parameter>',
        '<parameter name="port" type="port" default="5988" min="1024">the port</parameter>',
        '<parameter name="level" type="choice" choices="low high" default="low">x</parameter>'),
        origin="x.xml")
    assert descriptor.parameters == (
        Parameter("server", "address", meaning="the server"),
        Parameter("port", "port", "5988", required=False, least="1024", meaning="the port"),
        Parameter("level", "choice", "low", required=False, choices=("low", "high"), meaning="x"))


@pytest.mark.parametrize("element, problem", [
    ('name="a" type="port" default="0"', "expected a port from 1 to 65535 as default, found '0'"),
    ('name="a" type="integer" min="1" max="9" default="10"',
     "expected an integer from 1 up to 9 as default, found '10'"),
    ('name="a" type="integer" min="9" max="1"',
     "expected a min that is not above max 1, found min 9"),
    ('name="a" type="port" max="70000"',
     "expected a port from 1 to 65535 in min and max, found '70000'"),
    ('name="a" type="text" min="1"',
     "expected min and max for the types integer and port only, found type text"),
    ('name="a" type="choice"',
     "expected the attribute choices for the type choice and no other, found type choice"),
    ('name="a" type="text" choices="a b"',
     "expected the attribute choices for the type choice and no other, found type text"),
    ('name="a" type="choice" choices="a b" default="c"',
     "expected one of a, b as default, found 'c'"),
    ('name="a" type="secret" default="x"', "expected no default for the type secret, found one"),
    ('name="a" type="address" default="10.0.0.1&#10;x"',
     r"expected an IPv4 or IPv6 address as default, found '10.0.0.1\nx'")])
def test_a_parameter_that_contradicts_itself_is_refused(element: str, problem: str) -> None:
    assert problems(f"<parameter {element}>x</parameter>") == [problem]


def test_two_parameters_of_one_name_are_refused() -> None:
    element = '<parameter name="a" type="text">x</parameter>'
    assert problems(element, element) == [
        "expected one <parameter> named a, found a second"]


@pytest.mark.parametrize("element", [
    '<parameter name="A" type="text">x</parameter>',
    '<parameter name="a.b" type="text">x</parameter>',
    '<parameter name="a" type="code">x</parameter>',
    '<parameter name="a" type="text"></parameter>',
    '<parameter type="text">x</parameter>', '<parameter name="a">x</parameter>',
    '<parameter name="a" type="integer" min="x">x</parameter>'])
def test_a_parameter_against_the_schema_is_refused(element: str) -> None:
    assert problems(element)


def test_more_parameters_than_the_limit_are_refused() -> None:
    assert "expected at most 100 <parameter>, found 101" in problems(
        *(f'<parameter name="a{number}" type="text">x</parameter>' for number in range(101)))


@pytest.mark.parametrize("kind, good, bad", [
    ("text", ["", "a b", r"%s $HOME \n", "ä"],
     ["a\nb", "a\tb", "\0", "\x1b[2J", "\u2028", "\u202e", "\udc80", "x" * 1025]),
    ("integer", ["0", "-5", "999999999999999999"],
     ["", "-0", "01", "+1", "1.0", "1 ", "1\n", "٣", "9" * 19]),
    ("port", ["1", "65535"], ["0", "65536", "-1", "x", "1\n"]),
    ("address", ["10.0.0.1", "::1", "fe80::1", "2001:db8::7"],
     ["", "10.0.0", "010.0.0.1", "10.0.0.1/24", "fe80::1%eth0", "host", "10.0.0.1\n"]),
    ("hostname", ["a", "Host-1.example.com", "3com.example", "a" * 63],
     ["", "-a", "a-", "a..b", "a.", "a_b", "10.0.0.1", "a b", "a" * 64, "a\n", "ä",
      ".".join(["a" * 63] * 4)]),
    ("secret", ["hunter2", " "], ["", "a\nb", "\0"])])
def test_each_type_accepts_its_own_values_only(kind: str, good: List[str],
                                               bad: List[str]) -> None:
    parameter = Parameter("a", kind)
    assert [value for value in good if not parameter.accepts(value)] == []
    assert [value for value in bad if parameter.accepts(value)] == []


def test_bounds_limit_an_integer() -> None:
    parameter = Parameter("a", "integer", least="-1", most="9")
    assert [value for value in ("-2", "-1", "0", "9", "10") if parameter.accepts(value)] == [
        "-1", "0", "9"]


@pytest.mark.parametrize("content, names", [
    (b"", []), (b"root@example.com", []), (b"a@@b@@c", []), (b"@", []), (b"@@", []),
    (b"@A@ @1@ @ a@ @a b@", []), (b"@a@", [("a", 1)]), (b"x\ny @a-1_@\n@b@@c@", [
        ("a-1_", 2), ("b", 3), ("c", 3)]), (b"@@a@ @@@a@", [("a", 1)]), (b"\xff@a@", [("a", 1)]),
    (b"@" + b"a" * 64 + b"@", [])])
def test_references_have_a_name_and_a_line(content: bytes, names: List[object]) -> None:
    assert list(names_in(content)) == names


@pytest.mark.parametrize("content, result", [
    (b"server=@s@:@p@\n", b"server=10.0.0.1:@p@x\n"), (b"root@example.com", b"root@example.com"),
    (b"a@@s@@c", b"a@s@c"), (b"@@@s@@@", b"@10.0.0.1@"), (b"@@s@", b"@s@"),
    (b"\xff\0@s@", b"\xff\x0010.0.0.1")])
def test_a_reference_is_replaced_once(content: bytes, result: bytes) -> None:
    values = {"s": "10.0.0.1", "p": "@p@x"}
    assert replaced(content, values) == result


def test_files_of_a_repository_may_only_refer_to_parameters() -> None:
    text = with_parameters('<parameter name="a" type="text">x</parameter>').decode().replace(
        "</settings>", '<logrotate source="files/x" name="x" parameters="yes"/></settings>', 1)
    bundle_of_repo(text.encode(), repo_id="r", files={"files/x": b"@a@", "files/y": b"@b@"})
    with pytest.raises(BadBundle, match="repo r: files/x:2: @b@ names no parameter"):
        bundle_of_repo(text.encode(), repo_id="r", files={"files/x": b"@a@\n@b@"})


def test_a_value_is_written_as_it_is() -> None:
    value = r"100% $HOME \1 \g<0> '\"` ä"
    assert replaced(b"<@a@>", {"a": value}) == f"<{value}>".encode()


def test_the_lines_of_a_large_file_are_counted_once() -> None:
    assert list(names_in(b"@a@\n" * (1 << 17)))[-1] == ("a", 1 << 17)
