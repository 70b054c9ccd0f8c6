// Do one case once with @scramjet/api-client, and print what it took: node ts_client.js CASE JOB
// The same cases, jobs and answers as benchmarks/contestants has them.
"use strict";
const { Readable } = require("stream");
const { HostClient } = require("@scramjet/api-client");

const [name, fields] = process.argv.slice(2);
const job = JSON.parse(fields);
const host = new HostClient(job.base);
const instance = host.getInstanceClient(job.instance);

async function eachLine(stream, use) {
    let rest = "";

    for await (const chunk of stream.setEncoding("utf8")) {
        const lines = (rest + chunk).split("\n");

        rest = lines.pop();
        lines.forEach(use);
    }
}

function* items() {
    const item = Buffer.from("x".repeat(job.size - 1) + "\n");

    for (let n = 0; n < job.times; n++) yield item;
}

const cases = {
    async chunks() {
        let bytes = 0;

        for await (const chunk of await instance.getStream("output")) bytes += chunk.length;
        return { bytes };
    },

    async lines() {
        let bytes = 0, lines = 0;

        await eachLine(await instance.getStream("output"), line => {
            lines++;
            bytes += line.length + 1;
        });
        return { bytes, items: lines };
    },

    async records() {
        let count = 0;

        await eachLine(await host.getLogStream(), line => { count += JSON.parse(line).from === "Host"; });
        return { items: count };
    },

    async upload() {
        const stream = await instance.sendInput(Readable.from(items(), { objectMode: false }), {}, { end: true });

        for await (const _ of stream);
        return { items: job.times };
    },

    async calls() {
        for (let n = 0; n < job.times; n++) {
            if (!(await host.getVersion()).version) throw new Error("no version");
        }
        return { items: job.times };
    },

    async delays() {
        const waits = [];

        await eachLine(await instance.getStream("output"), line => {
            waits.push(Number(process.hrtime.bigint() - BigInt(line.slice(0, 20))));
        });
        return { items: waits.length, waits };
    },
};

async function main() {
    const before = process.cpuUsage();
    const began = process.hrtime.bigint();
    const done = await cases[name]();
    const seconds = Number(process.hrtime.bigint() - began) / 1e9;
    const used = process.cpuUsage(before);

    process.stdout.write(JSON.stringify({
        ...done,
        seconds,
        cpu_user: used.user / 1e6,
        cpu_system: used.system / 1e6,
        memory: process.resourceUsage().maxRSS * 1024,
    }) + "\n", () => process.exit(0));
}

main().catch(error => {
    console.error(error);
    process.exit(1);
});
