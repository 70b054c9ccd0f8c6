// Write one line to output, and raise after args[0] seconds.
const { PassThrough } = require("stream");

module.exports = function(_input, delay = 0.5) {
    const output = new PassThrough();

    output.write("before the crash\n");
    setTimeout(() => output.destroy(new Error("raised while running")), delay * 1000);
    return output;
};
