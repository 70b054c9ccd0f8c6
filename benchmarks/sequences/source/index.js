// Write args[0] blocks of args[1] bytes, lines of 100 bytes, and end.
const { Readable } = require("stream");

function* blocks(count, size) {
    const line = "x".repeat(99) + "\n";
    const block = Buffer.from(line.repeat(size / 100 + 1).slice(0, size - 1) + "\n");

    for (let n = 0; n < count; n++) yield block;
}

module.exports = function(_input, count, size) {
    return Readable.from(blocks(Number(count), Number(size)), { objectMode: false });
};
