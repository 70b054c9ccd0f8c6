// Write args[0] bytes of text, in lines of 100 bytes that hold their number, and end.
const { Readable } = require("stream");

function* lines(size) {
    for (let first = 0; first < size; first += 64000) {
        let block = "";

        for (let n = first / 100; n < first / 100 + 640; n++) {
            block += String(n).padStart(99, "0") + "\n";
        }
        yield Buffer.from(block.slice(0, size - first));
    }
}

module.exports = function(_input, size = 1000000) {
    return Readable.from(lines(Number(size)), { objectMode: false });
};
