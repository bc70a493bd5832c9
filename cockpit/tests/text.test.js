import assert from "node:assert/strict";
import {test} from "node:test";

import {format, number, plural, sentence, size, time} from "../text.js";
import {fakeCockpit} from "./fake_cockpit.js";

test("values replace their places in one pass", () => {
    assert.equal(format("$0 of $1", "$1", 5), "$1 of 5");
    assert.equal(format("$0 $2 $$", "a"), "a $2 $$");
});

test("a plural has the number in the form of the language", () => {
    fakeCockpit();
    assert.equal(plural("$0 plugin", "$0 plugins", 1), "1 plugin");
    assert.equal(plural("$0 plugin of $1", "$0 plugins of $1", 1200, "all"), "1,200 plugins of all");
});

test("sizes are those of the command", () => {
    fakeCockpit();
    assert.deepEqual([0, 1, 1023, 1024, 1536, 12_345_678, 5 * 2 ** 40].map(size),
                     ["0 B", "1 B", "1,023 B", "1.0 KiB", "1.5 KiB", "11.8 MiB", "5,120.0 GiB"]);
});

test("sizes, numbers and times follow the language", () => {
    fakeCockpit("de");
    assert.equal(number(1234.5), "1.234,5");
    assert.equal(size(1536), "1,5 KiB");
    assert.match(time("2026-11-30T12:00:00Z"), /^\d\d\.11\.2026, \d\d:\d\d$/);
});

test("a language of Cockpit with a country is known to Intl", () => {
    fakeCockpit("pt_BR");
    assert.equal(number(1234.5), "1.234,5");
});

test("a time that is none is shown as it is", () => {
    fakeCockpit();
    assert.equal(time("<b>"), "<b>");
    assert.equal(time(""), "");
});

test("texts of Intl have no spaces that would be shown as escapes", () => {
    for (const language of ["en", "de", "fr", "fi", "ar"]) {
        fakeCockpit(language);
        for (const text of [size(1500), number(12345678), time("2026-11-30T12:00:00Z")])
            assert.doesNotMatch(text, /[\u00a0\u202f\u200e\u200f]/);
    }
});

test("a message of the command begins as a sentence, with the same words", () => {
    assert.equal(sentence("plugin storage is not installed"), "Plugin storage is not installed");
    for (const same of ["", "dnf gave no answer", "/usr/bin/a was changed", "acme-storage is old",
                        "storage: it is damaged", "SELinux is off", "émile is here"])
        assert.equal(sentence(same), same);
});
