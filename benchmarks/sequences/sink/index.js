// Read everything, and then write how many bytes came.
const { Readable } = require("stream");

async function* counted(input) {
    let bytes = 0;

    for await (const chunk of input) bytes += chunk.length;
    yield `${bytes}\n`;
}

module.exports = function(input) {
    return Readable.from(counted(input), { objectMode: false });
};
