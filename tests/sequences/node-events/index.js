// Emit "ready"; answer event "ping" by "pong", and emit what event "emit" says.
const { PassThrough } = require("stream");

module.exports = function() {
    this.on("ping", message => {
        this.logger.info(`ping ${JSON.stringify(message)}`);
        this.emit("pong", { echo: message });
    });
    this.on("emit", message => {
        this.logger.info(`emit ${JSON.stringify(message)}`);
        const event = typeof message === "string" ? JSON.parse(message) : message;

        this.emit(event.name, event.message);
    });
    this.emit("ready", "yes");
    return new PassThrough();
};
