// Emit "ready". Output is the input, byte for byte, as it comes; the output ends when the input ends.
const { Transform } = require("stream");

module.exports = function(input) {
    this.emit("ready", "yes");
    // By its Content-Type the input has strings, Buffers or, for ndjson, parsed values.
    return input.pipe(new Transform({
        writableObjectMode: true,
        transform(chunk, _encoding, done) {
            const raw = typeof chunk === "string" || Buffer.isBuffer(chunk);
            done(null, Buffer.from(raw ? chunk : JSON.stringify(chunk) + "\n"));
        },
    }));
};
