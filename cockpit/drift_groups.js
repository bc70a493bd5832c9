// @ts-check
// What differs from the record of a plugin, in groups, as data without texts.

/**
 * @typedef {import("./answers").Finding} Finding
 * @typedef {import("./answers").Difference} Difference
 */

/**
 * What is known of one object: a file, a package, or a text without one.
 * @typedef {{path: string, package: string, texts: string[], differences: Difference[],
 *     kinds: string[]}} Item
 */

/**
 * `id` is one of `PROBLEM_GROUPS`, or the kind of findings that are not known.
 * @typedef {{id: string, items: Item[]}} DriftGroup
 */

/**
 * The groups of problems, in the order in which the page shows them, and the kinds in each.
 * @type {ReadonlyArray<readonly [string, ReadonlyArray<string>]>}
 */
export const PROBLEM_GROUPS = [
    ["record", ["record", "inventory"]],
    ["stale", ["stale"]],
    ["package", ["package"]],
    ["setting", ["setting"]],
    ["file", ["file"]],
    ["scriptlet", ["scriptlet"]],
];

const NOTES = new Set(["config", "ghost"]);

/**
 * Return whether a finding is a note: a change that its package allows, so no damage.
 * @param {Finding} finding
 */
export function isNote(finding) {
    return NOTES.has(finding.kind);
}

/**
 * Return findings as groups of problems, and the notes. Findings of one file are one item.
 * @param {ReadonlyArray<Finding>} findings
 * @returns {{problems: DriftGroup[], notes: Item[]}}
 */
export function groupFindings(findings) {
    /** @type {Map<string, Finding[]>} */
    const groups = new Map(PROBLEM_GROUPS.map(([id]) => [id, []]));
    /** @type {Map<string, string>} */
    const homes = new Map(PROBLEM_GROUPS.flatMap(([id, kinds]) => kinds.map(
        kind => /** @type {[string, string]} */ ([kind, id]))));
    for (const finding of findings) {
        if (isNote(finding))
            continue;
        const id = homes.get(finding.kind) ?? finding.kind;
        const group = groups.get(id) ?? [];
        group.push(finding);
        groups.set(id, group);
    }
    return {
        problems: [...groups].filter(([, found]) => found.length).map(
            ([id, found]) => ({id, items: itemsOf(found)})),
        notes: itemsOf(findings.filter(isNote)),
    };
}

/**
 * Return one item for each object; those with a path are sorted by it, others keep their order.
 * @param {ReadonlyArray<Finding>} findings
 * @returns {Item[]}
 */
function itemsOf(findings) {
    /** @type {Map<string, Item>} */
    const items = new Map();
    findings.forEach((finding, at) => {
        const key = finding.path ? `path ${finding.path}`
            : finding.package ? `package ${finding.package}` : `text ${at}`;
        const item = items.get(key) ?? {path: finding.path, package: finding.package, texts: [],
            differences: [], kinds: []};
        items.set(key, item);
        if (!item.texts.includes(finding.text))
            item.texts.push(finding.text);
        if (!item.kinds.includes(finding.kind))
            item.kinds.push(finding.kind);
        for (const difference of finding.differences ?? []) {
            if (!item.differences.some(other => other.what === difference.what
                && other.was === difference.was && other.is === difference.is))
                item.differences.push(difference);
        }
    });
    return [...items.values()].sort((a, b) =>
        a.path < b.path ? -1 : a.path > b.path ? 1 : 0);
}
