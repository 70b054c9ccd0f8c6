// Write what comes.
const { PassThrough } = require("stream");

module.exports = function(input) {
    return input.pipe(new PassThrough());
};
