"""Which value of a parameter counts, how it is recorded, and what a plan shows."""
from __future__ import annotations

import getpass
from dataclasses import replace
from typing import Dict, Optional

import pytest

from ovirt_node_plugin.errors import UsageError
from ovirt_node_plugin.operations.model.parameter_values import (
    ParameterValues,
    check_given,
    refuse_unknown,
    values_of,
    values_to_ask,
)
from ovirt_node_plugin.plugin.descriptor import Descriptor, parse_descriptor
from ovirt_node_plugin.policy.given_parameters import GivenParameters, GivenValue
from ovirt_node_plugin.registry.record import Record, RecordedParameter, secret_digest
from tests.support.sample_bundle import DESCRIPTOR

pytestmark = pytest.mark.root

PORT = '<parameter name="port" type="port" default="1">its port</parameter>'
SERVER = '<parameter name="server" type="address">its server</parameter>'
SECRET = '<parameter name="key" type="secret">its key</parameter>'


def descriptor(*elements: str) -> Descriptor:
    text = DESCRIPTOR.replace("</packages>",
                              f"</packages><parameters>{''.join(elements)}</parameters>", 1)
    return replace(parse_descriptor(text.encode(), origin="x"), name="acme")


def record(*parameters: RecordedParameter, version: str = "1.0") -> Record:
    return Record("acme", version, "V", "", "", "", "", "", "node", "", (), (), (),
                  parameters=parameters)


def given(options: Optional[Dict[str, str]] = None,
          site: Optional[Dict[str, str]] = None) -> GivenParameters:
    return GivenParameters(
        {("acme", name): GivenValue(text, f"--set acme.{name}")
         for name, text in (options or {}).items()},
        {("acme", name): GivenValue(text, "/site.conf") for name, text in (site or {}).items()})


def port_of(options: Dict[str, str], old: Optional[Record], site: Dict[str, str],
            other: Optional[Record] = None) -> ParameterValues:
    return values_of(descriptor(PORT), given(options, site), [old, other])


def test_the_option_counts_then_the_record_then_the_site_then_the_default() -> None:
    old, other = (record(RecordedParameter("port", "port", text)) for text in ("2", "3"))
    default = record(RecordedParameter("port", "port", "9", default=True))
    assert port_of({"port": "5"}, old, {"port": "4"}).values == {"port": "5"}
    kept = port_of({}, old, {"port": "4"}, other)
    assert kept.values == {"port": "2"}
    assert "port stays 2; /site.conf has 4, which --set acme.port=4 takes" in kept.notes[-1]
    assert port_of({}, None, {"port": "4"}, other).values == {"port": "3"}
    assert port_of({}, default, {"port": "4"}).values == {"port": "4"}
    made = port_of({}, default, {})
    assert made.recorded == (RecordedParameter("port", "port", "1", default=True),)


def test_a_recorded_value_that_the_new_version_refuses_is_replaced() -> None:
    made = port_of({}, record(RecordedParameter("port", "text", "a\x1b")), {})
    assert made.values == {"port": "1"}
    assert any("does not accept: it is a port" in note for note in made.notes)
    old = record(RecordedParameter("server", "text", "here"))
    with pytest.raises(UsageError, match="server: its server \\(an IPv4 or IPv6"):
        values_of(descriptor(SERVER), given(), [old])


def test_what_changed_is_in_words() -> None:
    old = record(RecordedParameter("port", "port", "2"), RecordedParameter("gone", "text", "x"))
    made = values_of(descriptor(PORT, SECRET), given({"port": "3", "key": "hunter2"}), [old])
    assert [change.text for change in made.changes(old)] == [
        "parameter port: 2 -> 3", "parameter key: (secret)", "parameter gone is dropped"]
    assert "hunter2" not in repr((made.recorded, made.changes(old), made.notes))
    assert made.changes(record(*made.recorded)) == ()


def test_a_secret_that_is_recorded_is_needed_only_to_write_its_files_again() -> None:
    old = record(RecordedParameter("key", "secret", digest=secret_digest("acme", "key", "a")))
    made = values_of(descriptor(SECRET), given(), [old])
    assert made.changes(old) == () and [each.name for each in made.unknown] == ["key"]
    with pytest.raises(UsageError, match="needs a value") as caught:
        made.require_known(descriptor(SECRET))
    assert "--set acme.key=@FILE" in caught.value.hint
    same, another = (values_of(descriptor(SECRET), given({"key": text}), [old])
                     for text in ("a", "b"))
    assert same.changes(old) == ()
    assert [change.text for change in another.changes(old)] == ["parameter key: another secret"]
    asked = values_to_ask(descriptor(SECRET, SERVER), given(), [replace(
        old, version=descriptor(SECRET).version)])
    assert [parameter.name for parameter in asked] == ["server"]
    asked = values_to_ask(descriptor(SECRET), given(), [replace(old, version="0.1")])
    assert [parameter.name for parameter in asked] == ["key"]


@pytest.mark.parametrize("value", ["hunter2\nx", "", "hunter2\0", "hunter2" * 1000])
def test_a_wrong_secret_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(UsageError, match="not empty for parameter key of plugin acme") as caught:
        values_of(descriptor(SECRET), given({"key": value}), [None])
    assert "hunter2" not in str(caught.value)


def test_a_secret_that_others_can_read_is_refused() -> None:
    exposed = GivenParameters({("acme", "key"): GivenValue("hunter2", "--set acme.key", "all see")})
    with pytest.raises(UsageError, match="is a secret, and all see") as caught:
        values_of(descriptor(SECRET), exposed, [None])
    assert "hunter2" not in str(caught.value)


def test_a_secret_of_the_command_line_is_refused_before_a_plan() -> None:
    exposed = GivenParameters({("acme", "key"): GivenValue("hunter2", "--set acme.key", "all see")})
    with pytest.raises(UsageError, match="is a secret, and all see"):
        check_given([descriptor(SERVER, SECRET)], exposed)
    check_given([descriptor(SERVER)], exposed)
    check_given([descriptor(SERVER, SECRET)], given({"server": "10.0.0.1"}))
    with pytest.raises(UsageError, match="expected an IPv4 or IPv6 address"):
        check_given([descriptor(SERVER)], given({"server": "nowhere"}))


def test_all_missing_values_are_named_together() -> None:
    with pytest.raises(UsageError) as caught:
        values_of(descriptor(SERVER, SECRET, PORT), given(), [None])
    assert [line.split(":")[0].strip() for line in caught.value.message.splitlines()[1:]] == [
        "server", "key"]
    assert "--set acme.server=VALUE --set acme.key=@FILE" in caught.value.hint


def test_an_option_for_what_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="has no parameter host") as caught:
        refuse_unknown([descriptor(PORT)], given({"host": "x"}))
    assert "It has: port." in caught.value.hint
    with pytest.raises(UsageError, match="does not change plugin acme"):
        refuse_unknown([], given({"port": "1"}))


def test_a_secret_is_asked_for_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from ovirt_node_plugin.cli import parameters

    answers = iter(["", "hunter2"])
    monkeypatch.setattr(getpass, "getpass", lambda question: next(answers))
    (secret,) = descriptor(SECRET).parameters
    assert parameters._answer("acme", secret) == "hunter2"
