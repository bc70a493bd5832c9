/** Each text of the modules has a translation, and no translation is left over. */
import assert from "node:assert/strict";
import {readdirSync, readFileSync} from "node:fs";
import {test} from "node:test";
import vm from "node:vm";

const FOLDER = new URL("..", import.meta.url);
const STRING = String.raw`"(?:[^"\\\n]|\\.)*"`;
const LITERAL = String.raw`(${STRING}(?:\s*\+\s*${STRING})*)`;
const ONE = new RegExp(String.raw`(?<![\w.$])_\(\s*${LITERAL}\s*\)`, "g");
const MANY = new RegExp(String.raw`(?<![\w.$])plural\(\s*${LITERAL},\s*${LITERAL},`, "g");
const CALLS = /(?<![\w.$]|function )(?:_|plural)\(/g;

const named = pattern => readdirSync(FOLDER).filter(name => pattern.test(name)).sort();
const text = name => readFileSync(new URL(name, FOLDER), "utf8");
const value = literal => literal.split(/(?<=")\s*\+\s*(?=")/).map(part => JSON.parse(part)).join("");
const places = string => (string.match(/\$\d/g) ?? []).sort().join();
// Comments quote calls.
const withoutComments = source => source.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");

/** Return the texts of a module: an array of one, or of two for a plural. */
function textsOf(name) {
    const source = withoutComments(text(name));
    const found = [
        ...[...source.matchAll(ONE)].map(match => [value(match[1])]),
        ...[...source.matchAll(MANY)].map(match => [value(match[1]), value(match[2])]),
    ];
    assert.equal(found.length, source.match(CALLS)?.length ?? 0,
                 `${name} has a call of _ or plural with something else than literals`);
    return found;
}

/** Return the messages of a language file. */
function messagesOf(name) {
    let messages = {};
    vm.runInNewContext(text(name), {cockpit: {locale: given => {
        messages = given;
    }}});
    return messages;
}

const modules = named(/^(?!po\.).*\.js$/);
const texts = new Map(modules.flatMap(textsOf).map(found => [found[0], found]));
const manifest = JSON.parse(text("manifest.json"));

for (const name of named(/^po\.(?!manifest\.)\w+\.js$/)) {
    const {"": header, ...messages} = messagesOf(name);

    test(`${name} translates each text of the modules, and nothing else`, () => {
        assert.deepEqual(Object.keys(messages).sort(), [...texts.keys()].sort());
    });

    test(`${name} has the plurals of its language, with the same values`, () => {
        assert.equal(name, `po.${header.language}.js`);
        const forms = new Set(Array.from({length: 200}, (_, n) => Number(header["plural-forms"](n))));
        for (const [first, [plural, ...translated]] of Object.entries(messages)) {
            assert.equal(plural, texts.get(first)?.[1] ?? null, first);
            assert.equal(translated.length, plural === null ? 1 : forms.size, first);
            for (const one of translated) {
                assert.ok(one.trim(), first);
                assert.equal(places(one), places(plural ?? first), first);
            }
        }
    });
}

for (const name of named(/^po\.manifest\.\w+\.js$/))
    test(`${name} translates the entry of the menu`, () => {
        const {"": header, ...messages} = messagesOf(name);
        assert.equal(name, `po.manifest.${header.language}.js`);
        const {label, docs, keywords} = manifest.tools.index;
        const expected = [label, docs[0].label, ...keywords[0].matches];
        assert.deepEqual(Object.keys(messages).sort(), expected.sort());
    });
