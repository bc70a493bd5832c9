// @ts-check
// The files of a plugin as a tree, and the search in it, as data. Every function does work that
// grows with the number of files only, so that 20,000 files take no noticeable time.

/**
 * A file of the manifest; see answer-manifest.json.
 * @typedef {import("./answers").FileEntry} FileEntry
 */

/**
 * A node of the tree. A folder that has only one child, a folder too, is one node with it, and
 * `name` is their common path. `files` counts what is below that is no folder.
 * @typedef {{name: string, path: string, entries: FileEntry[], children: Node[],
 *     folder: boolean, files: number, bytes: number}} Node
 */

/**
 * @typedef {{name: string, entries: FileEntry[], children: Map<string, Growing>}} Growing
 */

/**
 * Return the tree of files; its root is the folder "/".
 *
 * A path may be there several times, as several packages may own a folder.
 * @param {ReadonlyArray<FileEntry>} files
 * @returns {Node}
 */
export function buildTree(files) {
    /** @type {Growing} */
    const root = {name: "", entries: [], children: new Map()};
    for (const file of files) {
        let node = root;
        for (const name of file.path.split("/").filter(Boolean)) {
            let child = node.children.get(name);
            if (child === undefined) {
                child = {name, entries: [], children: new Map()};
                node.children.set(name, child);
            }
            node = child;
        }
        node.entries.push(file);
    }
    return {...finished(root, ""), name: "/", path: "/", folder: true};
}

/**
 * @param {Growing} growing
 * @param {string} above The path of the folder that has it.
 * @returns {Node}
 */
function finished(growing, above) {
    let node = growing;
    let name = node.name;
    while (node.name && !node.entries.length && node.children.size === 1) {
        const [only] = node.children.values();
        if (only === undefined || !only.children.size)
            break;
        node = only;
        name += `/${only.name}`;
    }
    const path = name ? `${above}/${name}` : "";
    const children = [...node.children.values()].map(child => finished(child, path));
    children.sort(compareNodes);
    const folder = children.length > 0 || node.entries.some(file => file.kind === "dir");
    const own = node.entries[0];
    return {name, path, entries: node.entries, children, folder,
        files: children.reduce((sum, child) => sum + child.files, folder ? 0 : 1),
        bytes: children.reduce((sum, child) => sum + child.bytes,
            folder ? 0 : own?.size_bytes ?? 0)};
}

/**
 * Compare nodes of one folder: folders first, then by name.
 * @param {Node} a
 * @param {Node} b
 */
function compareNodes(a, b) {
    if (a.folder !== b.folder)
        return a.folder ? -1 : 1;
    return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/**
 * Return the files that match every word of a query, without regard to case, sorted by path.
 *
 * A word matches a part of a path, of a package, of a mark, or of what made the file.
 * @param {ReadonlyArray<FileEntry>} files
 * @param {string} query
 * @returns {FileEntry[]}
 */
export function searchFiles(files, query) {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length)
        return [];
    return files.filter(file => {
        const text = [file.path, file.package ?? "", file.by ?? "", file.owner ?? "", file.group ?? "",
            ...file.marks ?? []].join("\n").toLowerCase();
        return words.every(word => text.includes(word));
    }).sort((a, b) => a.path < b.path ? -1 : a.path > b.path ? 1 : 0);
}

/**
 * Return the files that no package owns, in groups by what made them: scriptlets first.
 * @param {ReadonlyArray<FileEntry>} others
 * @returns {Array<{by: string, files: FileEntry[]}>}
 */
export function groupByMaker(others) {
    /** @type {Map<string, FileEntry[]>} */
    const groups = new Map();
    for (const file of others) {
        const by = file.by ?? "";
        groups.set(by, [...groups.get(by) ?? [], file]);
    }
    return [...groups].map(([by, files]) => ({by, files})).sort((a, b) =>
        Number(b.by === "scriptlets") - Number(a.by === "scriptlets")
        || (a.by < b.by ? -1 : a.by > b.by ? 1 : 0));
}

/**
 * Return the mode of a file as `ls -l` prints it, such as `-rwsr-xr-x`.
 * @param {string} octal Four octal digits.
 * @param {string} kind `file`, `link`, `dir` or `other`.
 */
export function modeText(octal, kind) {
    const bits = parseInt(octal, 8);
    if (!/^[0-7]{4}$/.test(octal))
        return octal;
    const first = kind === "dir" ? "d" : kind === "link" ? "l" : kind === "file" ? "-" : "?";
    const letters = ["r", "w", "x", "r", "w", "x", "r", "w", "x"].map(
        (letter, at) => bits & (0o400 >> at) ? letter : "-");
    const special = (/** @type {number} */ bit, /** @type {number} */ at,
                     /** @type {string} */ letter) => {
        if (bits & bit)
            letters[at] = letters[at] === "x" ? letter : letter.toUpperCase();
    };
    special(0o4000, 2, "s");
    special(0o2000, 5, "s");
    special(0o1000, 8, "t");
    return first + letters.join("");
}
