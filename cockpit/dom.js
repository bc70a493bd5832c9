// @ts-check
/**
 * Makes elements. Every text goes into the page as a text node, never as markup.
 *
 *     element("p", {class: "note"}, "the text of a stranger: ", name)
 *     element("button", {type: "button", on: {click: () => save()}}, _("Save"))
 *
 * Texts and attributes are made printable here, so that no caller can forget it.
 */

/** @typedef {Node | string | number | null | undefined | false | Child[]} Child */

/**
 * @typedef {{
 *     class?: string,
 *     on?: {[event: string]: (event: any) => void},
 *     dataset?: {[name: string]: string},
 *     [attribute: string]: unknown,
 * }} Properties
 */

const UNPRINTABLE = /[\p{C}\p{Z}]/gu;
// The tags in which lines end where the text has a newline.
const KEEPS_LINES = new Set(["pre", "textarea"]);
const ADDRESS = /^(#|https?:\/\/)/i;

/**
 * Return `text` with escapes for characters that are not printable, as the command does.
 *
 * Control characters are invisible, and marks of direction change the meaning of a line.
 * Characters in `keep` stay as they are.
 *
 * @param {string} text
 * @param {string} [keep]
 */
export function printable(text, keep = "") {
    return text.replace(UNPRINTABLE, char => {
        if (char === " " || keep.includes(char))
            return char;
        const code = char.codePointAt(0) ?? 0;
        const named = {9: "\\t", 10: "\\n", 13: "\\r"}[code];
        if (named)
            return named;
        const [letter, digits] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
        return `\\${letter}${code.toString(16).padStart(digits, "0")}`;
    });
}

/**
 * Return a new element.
 *
 * `properties` are attributes; `true` gives an empty one, `false`, null and undefined none.
 * `on` has listeners, `dataset` the data attributes. A link leads to this page or to the
 * web only: another address is left out.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Properties | null} [properties]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, properties, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties ?? {})) {
        if (name === "on")
            for (const [event, listener] of Object.entries(properties?.on ?? {}))
                made.addEventListener(event, listener);
        else if (name === "dataset")
            Object.assign(made.dataset, value);
        else if (value !== false && value !== null && value !== undefined)
            setAttribute(made, name, value === true ? "" : String(value));
    }
    append(made, children, KEEPS_LINES.has(tag) ? "\n\t" : "");
    return made;
}

/**
 * @param {HTMLElement} made
 * @param {string} name
 * @param {string} value
 */
function setAttribute(made, name, value) {
    if (name.startsWith("on") || name === "style")
        throw new Error(`the attribute ${name} is not allowed`);
    if (name === "href" && !ADDRESS.test(value))
        return;
    made.setAttribute(name, printable(value));
}

/**
 * @param {Node} parent
 * @param {Child[]} children
 * @param {string} keep
 */
function append(parent, children, keep) {
    for (const child of children) {
        if (Array.isArray(child))
            append(parent, child, keep);
        else if (child instanceof Node)
            parent.appendChild(child);
        else if (typeof child === "string" || typeof child === "number")
            parent.appendChild(document.createTextNode(printable(String(child), keep)));
    }
}

/**
 * Replace everything in `parent` by `children`.
 *
 * @param {HTMLElement} parent
 * @param {...Child} children
 */
export function replace(parent, ...children) {
    const all = document.createDocumentFragment();
    append(all, children, KEEPS_LINES.has(parent.localName) ? "\n\t" : "");
    parent.replaceChildren(all);
}

/** @type {WeakMap<HTMLElement, unknown>} */
const drawn = new WeakMap();

/**
 * Replace everything in `parent` by what `made` returns, unless it was made for the same value.
 *
 * What stays keeps the focus, can be clicked at any moment, and is not read out again.
 *
 * @param {HTMLElement} parent
 * @param {unknown} value
 * @param {() => Child} made
 */
export function redraw(parent, value, made) {
    if (drawn.has(parent) && drawn.get(parent) === value)
        return;
    drawn.set(parent, value);
    replace(parent, made());
}
