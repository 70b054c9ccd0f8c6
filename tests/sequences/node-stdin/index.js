// Copy stdin to stdout, and to stderr with "err:" before each line, until stdin ends.
const { PassThrough } = require("stream");
const { StringDecoder } = require("string_decoder");

module.exports = function() {
    const output = new PassThrough();
    const decoder = new StringDecoder();
    let rest = "";

    function write(line) {
        process.stdout.write(line);
        process.stderr.write("err:" + line);
    }
    process.stdin.on("data", chunk => {
        const lines = (rest + decoder.write(chunk)).split("\n");

        rest = lines.pop();
        lines.forEach(line => write(line + "\n"));
    });
    process.stdin.on("end", () => setImmediate(() => {
        if (rest) write(rest);
        output.end();
    }));
    return output;
};
