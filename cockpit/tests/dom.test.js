import assert from "node:assert/strict";
import {test} from "node:test";

import {printable} from "../dom.js";

test("text without special characters stays as it is", () => {
    for (const text of ["storage 1.0", "Größe: 5 €", "日本語", "👍", ""])
        assert.equal(printable(text), text);
});

test("control characters become visible as the command writes them", () => {
    assert.equal(printable("a\x1b[31mb\x00\x7f\x9b"), "a\\x1b[31mb\\x00\\x7f\\x9b");
    assert.equal(printable("a\tb\r\nc"), "a\\tb\\r\\nc");
});

test("marks of direction and other invisible characters become visible", () => {
    assert.equal(printable("evil\u202efdp.exe"), "evil\\u202efdp.exe");
    assert.equal(printable("\u2066a\u2069\u200b\ufeff\u00a0"), "\\u2066a\\u2069\\u200b\\ufeff\\xa0");
    assert.equal(printable("\u{e0041}"), "\\U000e0041");
});

test("half a surrogate pair becomes visible", () => {
    assert.equal(printable("a\ud800b"), "a\\ud800b");
});

test("characters to keep stay as they are", () => {
    assert.equal(printable("a\nb\r", "\n"), "a\nb\\r");
});

test("what is printable is not escaped again", () => {
    assert.equal(printable(printable("a\u202eb")), printable("a\u202eb"));
});
