// @ts-check
// A tree of the pattern "tree view" of the ARIA practices: one stop of the Tab key, arrow keys,
// Home, End and letters. Folders get their entries when they are opened, a part at a time.

import {element} from "./dom.js";
import {_, format} from "./text.js";
import {newId} from "./widgets.js";

/**
 * @typedef {import("./file_tree.js").Node} TreeNode
 */

const PART = 200;  // entries of a folder that are shown at once

/**
 * Return a tree of the children of `root`; `choose` is called with the node that is activated.
 * @param {TreeNode} root
 * @param {{label: string, text: (node: TreeNode) => string,
 *     choose: (node: TreeNode) => void}} options
 * @returns {HTMLElement}
 */
export function treeView(root, options) {
    const tree = element("ul", {class: "tree", role: "tree", "aria-label": options.label});
    const view = new View(tree, options);
    view.fill(tree, root, 0);
    const [first] = view.items();
    if (first) {
        first.tabIndex = 0;
        if (tree.childElementCount === 1)
            view.open(first);
    }
    tree.addEventListener("keydown", event => view.pressed(event));
    tree.addEventListener("click", event => view.clicked(event));
    return tree;
}

class View {
    /**
     * @param {HTMLElement} tree
     * @param {{text: (node: TreeNode) => string, choose: (node: TreeNode) => void}} options
     */
    constructor(tree, options) {
        this.tree = tree;
        this.options = options;
        /** @type {WeakMap<Element, TreeNode>} */
        this.nodes = new WeakMap();
        /** @type {WeakMap<Element, () => void>} */
        this.more = new WeakMap();
    }

    /**
     * Add the next part of the children of a node to a list.
     * @param {HTMLElement} list
     * @param {TreeNode} node
     * @param {number} start
     */
    fill(list, node, start) {
        const end = start + PART;
        list.append(...node.children.slice(start, end).map(child => this.row(child)));
        const left = node.children.length - end;
        if (left <= 0)
            return;
        const row = element("li", {role: "none"},
                            this.item(format(_("Show more entries ($0 left)"), left), "more"));
        list.append(row);
        this.more.set(/** @type {Element} */ (row.firstElementChild), () => {
            row.remove();
            this.fill(list, node, end);
            const next = list.children[end]?.firstElementChild;
            if (next instanceof HTMLElement)
                this.focus(next);
        });
    }

    /**
     * Return an entry of a list: the item, and below it the list of what is in a folder. Like
     * this, the name of an item has no names of what is in it.
     *
     * @param {TreeNode} node
     * @returns {HTMLElement}
     */
    row(node) {
        const item = this.item(node.name, node.folder ? "folder" : "file");
        const extra = this.options.text(node);
        if (extra)
            item.append(" ", element("span", {class: "tree-extra"}, extra));
        if (node.children.length)
            item.setAttribute("aria-expanded", "false");
        this.nodes.set(item, node);
        return element("li", {role: "none"}, item);
    }

    /**
     * @param {string} name
     * @param {string} kind
     * @returns {HTMLElement}
     */
    item(name, kind) {
        return element("span", {role: "treeitem", tabindex: "-1", class: `tree-item ${kind}`,
                                "aria-selected": "false"},
                       element("span", {class: "tree-name"}, name));
    }

    /**
     * Show the entries of a folder.
     * @param {Element} item
     */
    open(item) {
        const node = this.nodes.get(item);
        if (node === undefined || item.getAttribute("aria-expanded") !== "false")
            return;
        item.setAttribute("aria-expanded", "true");
        const id = newId();
        const list = element("ul", {role: "group", id});
        item.setAttribute("aria-owns", id);
        this.fill(list, node, 0);
        item.after(list);
    }

    /**
     * Hide the entries of a folder.
     * @param {Element} item
     */
    close(item) {
        item.setAttribute("aria-expanded", "false");
        item.removeAttribute("aria-owns");
        item.nextElementSibling?.remove();
    }

    /**
     * Open or close a folder, and show the details of what is activated.
     * @param {HTMLElement} item
     */
    activate(item) {
        const more = this.more.get(item);
        if (more !== undefined) {
            more();
            return;
        }
        const node = this.nodes.get(item);
        if (node === undefined)
            return;
        if (item.getAttribute("aria-expanded") === "true")
            this.close(item);
        else
            this.open(item);
        for (const selected of this.tree.querySelectorAll("[aria-selected=true]"))
            selected.setAttribute("aria-selected", "false");
        item.setAttribute("aria-selected", "true");
        this.options.choose(node);
    }

    /**
     * Move the focus to an item, which becomes the stop of the Tab key.
     * @param {Element | null | undefined} item
     */
    focus(item) {
        if (!(item instanceof HTMLElement))
            return;
        for (const stop of this.tree.querySelectorAll("[tabindex='0']"))
            stop.setAttribute("tabindex", "-1");
        item.tabIndex = 0;
        item.focus();
    }

    /** Return all items that are shown. */
    items() {
        return [...this.tree.querySelectorAll(".tree-item")].filter(
            item => item instanceof HTMLElement);
    }

    /**
     * @param {MouseEvent} event
     */
    clicked(event) {
        const item = event.target instanceof Element
            ? event.target.closest(".tree-item") : null;
        if (item instanceof HTMLElement) {
            this.focus(item);
            this.activate(item);
        }
    }

    /**
     * @param {KeyboardEvent} event
     */
    pressed(event) {
        const item = event.target;
        if (!(item instanceof HTMLElement) || event.ctrlKey || event.altKey || event.metaKey)
            return;
        if (this.handled(item, event.key))
            event.preventDefault();
    }

    /**
     * Do what a key does on an item; return whether it does anything.
     * @param {HTMLElement} item
     * @param {string} key
     * @returns {boolean}
     */
    handled(item, key) {
        const items = this.items();
        const at = items.indexOf(item);
        switch (key) {
        case "ArrowDown": this.focus(items[at + 1]); return true;
        case "ArrowUp": this.focus(items[at - 1]); return true;
        case "Home": this.focus(items[0]); return true;
        case "End": this.focus(items[items.length - 1]); return true;
        case "ArrowRight": this.inward(item); return true;
        case "ArrowLeft": this.outward(item); return true;
        case "Enter":
        case " ": this.activate(item); return true;
        default: return this.jump(items, at, key);
        }
    }

    /**
     * @param {HTMLElement} item
     */
    inward(item) {
        if (item.getAttribute("aria-expanded") === "false")
            this.open(item);
        else
            this.focus(item.nextElementSibling?.querySelector(".tree-item"));
    }

    /**
     * @param {HTMLElement} item
     */
    outward(item) {
        if (item.getAttribute("aria-expanded") === "true")
            this.close(item);
        else
            this.focus(item.closest("ul")?.previousElementSibling);
    }

    /**
     * Move the focus to the next item whose name begins with a letter.
     * @param {HTMLElement[]} items
     * @param {number} at
     * @param {string} key
     */
    jump(items, at, key) {
        if ([...key].length !== 1)
            return false;
        const letter = key.toLowerCase();
        this.focus([...items.slice(at + 1), ...items.slice(0, at)].find(
            item => item.querySelector(".tree-name")?.textContent?.toLowerCase().startsWith(letter)));
        return true;
    }
}
