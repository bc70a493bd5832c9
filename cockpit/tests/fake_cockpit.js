// @ts-check
/** A stand-in for the global `cockpit`, for tests of modules that need no page. */

/**
 * Make the global; the texts are those of `messages` in the form of a po file.
 *
 * @param {string} [language]
 */
export function fakeCockpit(language = "en") {
    const fake = {
        language,
        gettext: (/** @type {string} */ text) => text,
        ngettext: (/** @type {string} */ one, /** @type {string} */ many, /** @type {number} */ n) =>
            n === 1 ? one : many,
    };
    Object.assign(globalThis, {cockpit: fake});
    return fake;
}
