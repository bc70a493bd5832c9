"""The command lines of ovirt-node-plugin: what is refused, and the usage."""
from __future__ import annotations

import re

import pytest

from ovirt_node_plugin.cli import arguments
from ovirt_node_plugin.cli.arguments import parse
from ovirt_node_plugin.merge.input.named_checksums import NO_CHECKSUMS

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("option", ["--sha256", "--sign", "--site-tag"])
def test_an_empty_value_is_refused(
        option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A variable of a shell that is not set gives one; the option would have no effect."""
    for command in ("merge", "shell"):
        for words in ([f"{option}="], [option, ""]):
            with pytest.raises(SystemExit) as caught:
                parse([command, "a.iso", *words, "-o", "b.iso"])
            assert caught.value.code == 2
            assert f"error: argument {option}: it is empty" in capsys.readouterr().err


def test_options_that_are_not_given_have_no_effect() -> None:
    options = parse(["merge", "a.iso", "-o", "b.iso"])
    assert (options.sign, options.site_tag, options.output_text) == ("", "", "b.iso")
    assert arguments.checksums(options) == NO_CHECKSUMS


def test_the_usage_has_no_internal_names() -> None:
    for parser in arguments._parsers()[1].values():
        assert re.findall(r"\b[A-Z]+_[A-Z]+\b", parser.format_help()) == []
