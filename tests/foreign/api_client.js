// Drive a hub by @scramjet/api-client, as its documentation does: node api_client.js URL SCENARIO ...
// A scenario returns what it saw; it is printed as one line of JSON for the test to judge.
"use strict";
const fs = require("fs");
const { Readable } = require("stream");
const { HostClient } = require("@scramjet/api-client");

const [url, scenario, ...rest] = process.argv.slice(2);
const host = new HostClient(url);

async function readAll(stream) {
    const chunks = [];

    for await (const chunk of stream) chunks.push(Buffer.from(chunk));
    return Buffer.concat(chunks).toString();
}

// Yields lines, until whoever reads them has enough.
async function* linesOf(stream) {
    let text = "";

    for await (const chunk of stream) {
        text += chunk.toString();
        const lines = text.split("\n");

        text = lines.pop();
        yield* lines;
    }
}

async function nextLine(lines) {
    return (await lines.next()).value;
}

async function refusal(promise) {
    const error = await promise.then(() => { throw new Error("it was not refused"); }, reason => reason);

    return { code: error.code, status: error.status };
}

// Ask again and again; only a failure uses up the time.
async function eventually(probe) {
    for (let n = 0; n < 1200; n++) {
        const value = await probe();

        if (value) return value;
        await new Promise(done => setTimeout(done, 50));
    }
    throw new Error("it did not happen in time");
}

const hasEnded = instance => instance.getInfo().then(info => info.terminated, () => ({}));

async function started(path, args = []) {
    const sequence = await host.sendSequence(fs.createReadStream(path));

    return [sequence, await sequence.start({ appConfig: {}, args })];
}

const scenarios = {
    async hub() {
        const load = await host.getLoadCheck();

        return {
            version: await host.getVersion(),
            load: typeof load.avgLoad,
            disk: load.fsSize[0].size > 0,
            logLine: JSON.parse(await nextLine(linesOf(await host.getLogStream()))),
        };
    },

    async sequences(path) {
        const sequence = await host.sendSequence(fs.createReadStream(path));
        const listed = (await host.listSequences()).filter(each => each.id === sequence.id);
        const instance = await sequence.start({ appConfig: { format: { prefix: "> " } }, args: ["a", 2] });
        const info = await instance.getInfo();
        const seen = {
            names: listed.map(each => each.config.name),
            info: (await sequence.getInfo()).config.name,
            get: (await host.getSequence(sequence.id)).id === sequence.id,
            instances: (await sequence.listInstances()).join() === instance.id,
            listedInstance: (await host.listInstances()).some(each => each.id === instance.id),
            hostInfo: (await host.getInstanceInfo(instance.id)).id === instance.id,
            appConfig: info.appConfig,
            args: info.args || info.sequenceArgs,
            inUse: await refusal(host.deleteSequence(sequence.id)),
        };

        await instance.getHealth(); // a 1.x hub kills only what runs
        await instance.kill();
        await eventually(() => hasEnded(instance));
        const other = await host.sendSequence(fs.createReadStream(path));

        seen.deleted = (await host.deleteSequence(other.id)).id === other.id;
        seen.gone = await refusal(host.getSequence(other.id));
        return seen;
    },

    async badPackage() {
        return refusal(host.sendSequence(Readable.from([Buffer.from("no package")])));
    },

    async input(path) {
        const [, instance] = await started(path);
        const output = readAll(await instance.getStream("output"));

        await instance.sendInput(Readable.from(["one ą\n"]), {}, { type: "text/plain", end: false });
        await instance.sendInput(Readable.from(["two\n", "three\n"]), {}, { type: "text/plain", end: true });
        return output;
    },

    async largeInput(path, size) {
        const [, instance] = await started(path);
        const output = await instance.getStream("output");
        const block = Buffer.alloc(65536, "x");
        const blocks = Math.ceil(Number(size) / block.length);
        const input = Readable.from((function* () { for (let n = 0; n < blocks; n++) yield block; })());
        let came = 0;

        await instance.sendInput(input, {}, { end: true });
        for await (const chunk of output) came += chunk.length;
        return { sent: blocks * block.length, came };
    },

    async stdio(path) {
        const [, instance] = await started(path);
        const outs = [readAll(await instance.getStream("stdout")), readAll(await instance.getStream("stderr"))];

        await instance.sendStdin(Readable.from(["one ą\n", "two\n"]));
        return Promise.all(outs);
    },

    async log(path) {
        const [, instance] = await started(path, [50]);

        for await (const line of linesOf(await instance.getStream("log"))) {
            const record = JSON.parse(line);

            if (record.msg === "tick 2") return record;
        }
        throw new Error("the log has ended");
    },

    async events(path) {
        const [, instance] = await started(path);
        const ready = await instance.getEvent("ready");
        const pongs = linesOf(await instance.getEventStream("pong"));
        const sent = await instance.sendEvent("ping", "first");
        const streamed = JSON.parse(await nextLine(pongs));
        const next = instance.getNextEvent("pong");

        // The request for the next event must be there before it comes, and nothing tells when it is; so it is
        // sent until it has been heard.
        let heard = false;

        next.then(() => { heard = true; }, () => { heard = true; });
        await eventually(() => heard || instance.sendEvent("ping", "next").then(() => false));
        return { ready, sent, streamed, next: await next, last: await instance.getEvent("pong") };
    },

    async topics() {
        const type = "application/x-ndjson";
        const topic = `foreign-${process.pid}`;
        const stream = await host.getNamedData(topic, { headers: { "content-type": type } });
        const lines = linesOf(stream);

        await host.sendNamedData(topic, Readable.from(['{"a":1}\n', '{"b":"ą"}\n']), {}, type, false);
        const data = [JSON.parse(await nextLine(lines)), JSON.parse(await nextLine(lines))];
        const listed = (await host.getTopics()).filter(each => [each.topic, each.topicName].includes(topic));

        return { data, listed: listed.map(each => each.contentType) };
    },

    async health(path) {
        const [, instance] = await started(path);

        return instance.getHealth();
    },

    async stop(path) {
        const [, instance] = await started(path);

        await eventually(() => instance.getInfo().then(info => info.started));
        const began = Date.now();
        const answer = await instance.stop(2000, false);
        const seconds = (Date.now() - began) / 1000;

        return { answer, seconds, ended: await eventually(() => hasEnded(instance)) };
    },

    async kill(path) {
        const [, instance] = await started(path);

        await instance.getHealth(); // a 1.x hub kills only what runs
        const answer = await instance.kill({ removeImmediately: true });
        const ended = await eventually(() => hasEnded(instance));

        return { answer, ended };
    },

    async unknown() {
        const nobody = host.getInstanceClient("00000000-0000-0000-0000-000000000000");

        return {
            info: await refusal(nobody.getInfo()),
            health: await refusal(nobody.getHealth()),
            output: await refusal(nobody.getStream("output")),
            input: await refusal(nobody.sendInput("x", {}, { type: "text/plain", end: true })),
            event: await refusal(nobody.sendEvent("ping", "x")),
            kill: await refusal(nobody.kill()),
            sequence: await refusal(host.getSequence("00000000-0000-0000-0000-000000000000")),
        };
    },
};

scenarios[scenario](...rest).then(
    seen => process.stdout.write(JSON.stringify(seen) + "\n", () => process.exit(0)),
    error => {
        console.error(error);
        process.exit(1);
    },
);
