// @ts-check
/**
 * The texts of the page in the language of Cockpit.
 *
 *     _("Installed")                                     a text
 *     format(_("$0 of $1"), shown, all)                  with values
 *     plural("$0 plugin", "$0 plugins", n)               with a number, which is $0
 *
 * Write the texts as literals: a test compares all of them with po.de.js.
 */

// Some languages have these between a number and its unit; dom.js shows them as escapes.
const OTHER_SPACES = /[\u00a0\u2009\u202f\u200e\u200f]/g;
// The programs with which messages of the command begin.
const PROGRAMS = new Set(["dnf", "dracut", "grubby", "imgbased", "isolinux", "rpm", "systemd"]);
const UNITS = ["B", "KiB", "MiB", "GiB"];

/**
 * Return the translation of `text`.
 *
 * @param {string} text
 * @returns {string}
 */
export function _(text) {
    return cockpit.gettext(text);
}

/**
 * Return `template` with `$0`, `$1`, … replaced by `values`, in one pass.
 *
 * @param {string} template
 * @param {...(string | number)} values
 */
export function format(template, ...values) {
    return template.replace(/\$(\d)/g, (all, index) =>
        index in values ? String(values[Number(index)]) : all);
}

/**
 * Return the text for a number of things; `$0` is the number, `$1`, … are `values`.
 *
 * @param {string} one
 * @param {string} many
 * @param {number} count
 * @param {...(string | number)} values
 */
export function plural(one, many, count, ...values) {
    return format(cockpit.ngettext(one, many, count), number(count), ...values);
}

/**
 * Return a message of the command with a capital letter at its beginning.
 *
 * A terminal has it behind "error:"; here it is a sentence. Names of programs, paths, and words
 * with other characters stay as they are.
 *
 * @param {string} message
 */
export function sentence(message) {
    const [word] = message.match(/^[a-z]+(?= )/) ?? [""];
    return word && !PROGRAMS.has(word) ? word[0].toUpperCase() + message.slice(1) : message;
}

/** Return the language of Cockpit as Intl and HTML write it, such as `pt-BR`. */
export function language() {
    return (cockpit.language || "en").replace("_", "-");
}

/**
 * Return a number as the language writes it.
 *
 * @param {number} value
 * @param {Intl.NumberFormatOptions} [options]
 */
export function number(value, options = {}) {
    return new Intl.NumberFormat(language(), options).format(value).replace(OTHER_SPACES, " ");
}

/**
 * Return a size as the command writes it, such as `1.5 MiB`; the units are powers of 1024.
 *
 * @param {number} bytes
 */
export function size(bytes) {
    let value = bytes;
    let unit = 0;
    while (value >= 1024 && unit < UNITS.length - 1) {
        value /= 1024;
        unit += 1;
    }
    const digits = unit ? 1 : 0;
    const amount = number(value, {minimumFractionDigits: digits, maximumFractionDigits: digits});
    return `${amount} ${UNITS[unit]}`;
}

/**
 * Return a time such as `2026-11-30T01:22:30Z` in the user's zone and language.
 *
 * What is no time is returned as it is.
 *
 * @param {string} iso
 */
export function time(iso) {
    const at = new Date(iso);
    if (!iso || Number.isNaN(at.getTime()))
        return iso;
    return new Intl.DateTimeFormat(language(), {dateStyle: "medium", timeStyle: "short"})
            .format(at)
            .replace(OTHER_SPACES, " ");
}
