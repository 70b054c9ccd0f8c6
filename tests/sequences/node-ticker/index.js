// Write "tick N" to output, stdout, stderr and log every args[0] milliseconds, until stopped.
const { PassThrough } = require("stream");

module.exports = function(_input, interval = 100) {
    const output = new PassThrough();
    let n = 0;

    setInterval(() => {
        const line = `tick ${n++}`;

        output.write(line + "\n");
        process.stdout.write(line + "\n");
        process.stderr.write(line + "\n");
        this.logger.info(line);
    }, interval);
    return output;
};
