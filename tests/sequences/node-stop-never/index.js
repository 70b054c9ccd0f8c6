// Never finish stopping.
const { PassThrough } = require("stream");

module.exports = function() {
    this.addStopHandler(() => {
        this.logger.info("stopping");
        return new Promise(() => {});
    });
    this.emit("ready", "yes");
    return new PassThrough();
};
