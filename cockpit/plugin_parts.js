// @ts-check
/** What several parts of a plugin's page are made of. */

import {element} from "./dom.js";
import {_, format, number, plural} from "./text.js";

const PART = 100; // entries of a list that are shown at once

/**
 * Return a list of the first entries, with a button that shows the next ones.
 *
 * @template Item
 * @param {ReadonlyArray<Item>} items
 * @param {(item: Item) => HTMLElement} make
 * @param {number} [part] how many entries are shown at once
 * @returns {HTMLElement}
 */
export function limited(items, make, part = PART) {
    const list = element("ul", {class: "plain"});
    const shown = element("span");
    const more = element("button", {type: "button", class: "button link", on: {click: () => {
        const start = list.childElementCount;
        fill();
        focusOn(list.children[start]);
    }}});
    const rest = element("p", {class: "rest"}, shown, " ", more);
    const box = element("div", null, list, rest);
    const fill = () => {
        const start = list.childElementCount;
        list.append(...items.slice(start, start + part).map(
            item => element("li", null, make(item))));
        const count = list.childElementCount;
        if (count >= items.length)
            rest.remove();
        shown.textContent = format(_("$0 of $1 are shown."), number(count), number(items.length));
        more.textContent = plural("Show $0 more", "Show $0 more",
                                  Math.min(part, items.length - count));
    };
    fill();
    return box;
}

/**
 * Move the focus to what can have it in an entry, or to the entry.
 *
 * @param {Element | undefined} entry
 */
function focusOn(entry) {
    const target = entry?.querySelector("button, summary, a") ?? entry;
    if (target instanceof HTMLElement) {
        if (target === entry)
            target.tabIndex = -1;
        target.focus();
    }
}

/** @param {string} text */
export function code(text) {
    return text ? element("code", null, text) : "";
}
