// @ts-check
/**
 * Brings a file of the browser to the host, into a folder that only root can enter.
 *
 *     const upload = await send(file, {progress: bytes => …, signal});
 *     await read(["info", upload.path]);
 *     upload.remove();
 *
 * One program makes the folder, writes the file and then waits. The folder exists as long as
 * the program: it is removed when the channel is closed, also with the tab or the session. If the
 * program was killed, its lock on the folder is gone, and the next upload removes the folder. In
 * a folder that others can write to, they could prepare names; /run is too small for bundles.
 */

import {_, format, size} from "./text.js";

/** The most that the command reads: BUNDLE_BYTES of system/limits.py. */
export const MOST_BYTES = 8 * 2 ** 30;
// As in plugin/archive.py.
const SUFFIXES = [".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.zst", ".tzst"];
// The program confirms each block; so many more are sent before that.
const BLOCK_BYTES = 2 ** 20;
const BLOCKS_AHEAD = 4;

// Its arguments are the size of the file, the size of a block, and the suffix of the file.
const RECEIVER = `
set -eu
above=/var/lib/ovirt-node-plugin
mkdir -p -m 0711 -- "$above"
for old in "$above"/upload.*; do
    [ ! -d "$old" ] || flock --nonblock "$old" rm -rf -- "$old" || :
done
umask 077
folder=$(mktemp -d -- "$above/upload.XXXXXXXXXX")
trap 'rm -rf -- "$folder"; rmdir --ignore-fail-on-non-empty -- "$above"' EXIT
trap 'exit 1' HUP INT TERM
exec 9< "$folder"
flock 9
file=$folder/bundle$3
echo "$file"
df --output=avail --block-size=1 -- "$folder" | tail -n 1
written=0
while [ "$written" -lt "$1" ]; do
    block=$(($1 - written))
    [ "$block" -le "$2" ] || block=$2
    dd bs="$block" count=1 iflag=fullblock status=none >> "$file"
    now=$(stat -c %s -- "$file")
    [ "$now" -gt "$written" ] || exit 1
    written=$now
    echo "$written"
done
cat > /dev/null
`;

/** An upload that failed; the message is for the user. */
export class UploadFailed extends Error {}

/**
 * A file on the host. `remove` removes it with its folder.
 *
 * @typedef {{path: string, remove: () => void}} Upload
 */

/**
 * Return the suffix of a bundle, "" for another file. Nothing else of the name is used.
 *
 * @param {string} name
 */
export function suffixOf(name) {
    return SUFFIXES.find(suffix => name.length > suffix.length && name.endsWith(suffix)) ?? "";
}

/**
 * Return why a file is not uploaded, "" if it can be.
 *
 * @param {{name: string, size: number}} file
 */
export function refusal(file) {
    if (!suffixOf(file.name))
        return format(_("$0 is no bundle: the name of a bundle ends with one of $1."), file.name,
                      SUFFIXES.join(", "));
    if (file.size > MOST_BYTES)
        return format(_("$0 has $1; a bundle has at most $2."), file.name, size(file.size),
                      size(MOST_BYTES));
    return file.size ? "" : format(_("$0 is empty."), file.name);
}

/**
 * Upload a file.
 *
 * @param {File} file
 * @param {{progress: (bytes: number) => void, signal: AbortSignal}} options
 * @returns {Promise<Upload>}
 */
export async function send(file, {progress, signal}) {
    const refused = refusal(file);
    if (refused)
        throw new UploadFailed(refused);
    const receiver = new Receiver(file);
    const cancel = () => receiver.fail(_("The upload was cancelled."));
    signal.addEventListener("abort", cancel);
    try {
        const [path, free] = [await receiver.line(), Number(await receiver.line())];
        if (file.size > free)
            receiver.fail(format(_("$0 has $1, and $2 are free on the host."), file.name,
                                 size(file.size), size(free)));
        for (let sent = 0, confirmed = 0; confirmed < file.size;) {
            while (sent < file.size && sent < confirmed + BLOCKS_AHEAD * BLOCK_BYTES) {
                const block = file.slice(sent, sent + BLOCK_BYTES);
                receiver.write(await block.arrayBuffer());
                sent += block.size;
            }
            confirmed = Number(await receiver.line());
            progress(confirmed);
        }
        return {path, remove: () => receiver.close()};
    } catch (error) {
        receiver.close();
        throw error instanceof UploadFailed ? error : new UploadFailed(String(error));
    } finally {
        signal.removeEventListener("abort", cancel);
    }
}

/** The program that receives a file; its answers are lines. */
class Receiver {
    /** @type {string[]} */
    #lines = [];
    #rest = "";
    /** @type {UploadFailed | null} */
    #failure = null;
    #wake = () => {};

    /** @param {File} file */
    constructor(file) {
        const words = [String(file.size), String(BLOCK_BYTES), suffixOf(file.name)];
        const decoder = new TextDecoder();
        this.process = cockpit.spawn(["/bin/sh", "-c", RECEIVER, "receiver", ...words], {
            superuser: "require", binary: true, err: "message", environ: ["LC_ALL=C.UTF-8"],
        });
        this.process.stream(data => {
            const lines = (this.#rest + decoder.decode(data, {stream: true})).split("\n");
            this.#rest = lines.pop() ?? "";
            this.#lines.push(...lines);
            this.#wake();
        });
        this.process.then(() => this.fail(_("The upload was ended on the host.")),
                          error => this.fail(error.message || error.problem));
    }

    /** @param {string} message */
    fail(message) {
        this.#failure ??= new UploadFailed(message);
        this.#wake();
    }

    /** Return the next line; reject if the upload failed. */
    async line() {
        while (!this.#failure && !this.#lines.length)
            await new Promise(resolve => {
                this.#wake = () => resolve(undefined);
            });
        if (this.#failure)
            throw this.#failure;
        return (this.#lines.shift() ?? "").trim();
    }

    /** @param {ArrayBuffer} block */
    write(block) {
        this.process.input(new Uint8Array(block), true);
    }

    close() {
        this.process.close("terminated");
    }
}
