// Live until stopped, then end at once.
const { PassThrough } = require("stream");

module.exports = function() {
    const output = new PassThrough();

    this.addStopHandler(() => {
        this.logger.info("stopping");
        output.end();
        if ("exitTimeout" in this) {
            this.exitTimeout = 0; // hub 1.x waits this long after the end of the output
        } else {
            setTimeout(() => process.exit(0), 100); // 0.x always waits 10 s; the log goes out first
        }
    });
    this.emit("ready", "yes");
    return output;
};
