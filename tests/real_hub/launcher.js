// Run a Transform Hub 0.18.7 on free loopback ports: node launcher.js SEQUENCES_ROOT
// One JSON line on stdout says where it listens; the hub's own log goes to stderr. To be started as
// the leader of a process group of its own: the end of stdin, or SIGTERM, kills that whole group.
"use strict";
const fs = require("fs");

// Runners are plain children, which outlive a hub that only exits; the group holds them all.
const killGroup = signal => process.kill(-process.pid, signal);

killGroup(0); // throws if there is no such group
process.stdin.on("end", () => killGroup("SIGKILL")).resume();
process.on("SIGTERM", () => killGroup("SIGKILL"));

// The hub writes its log to process.stdout whatever it is told; stdout is for the one line below.
Object.defineProperty(process, "stdout", { value: process.stderr });

const { startHost } = require("@scramjet/host");
const { defaultConfig: config } = require("@scramjet/sth-config");

Object.assign(config, {
    logLevel: "debug", // in lower case, as the hub compares it
    logColors: false,
    runtimeAdapter: "process",
    sequencesRoot: process.argv[2],
    safeOperationLimit: 0,
    // A busy machine must not make the hub refuse instances; cpuLoad meets a load average there.
    instanceRequirements: { cpuLoad: -1e6, freeMem: -1e6, freeSpace: -1e6 },
});
// The hub hands this to listen() as it is, and later tells runners what stands here then.
const loopback = { host: "127.0.0.1", port: 0 };
Object.assign(config.host, { hostname: loopback.host, port: 0, instancesServerPort: loopback });

startHost({}, config, { identifyExisting: false }).then(hub => {
    config.host.instancesServerPort = hub.socketServer.server.address().port;
    const url = `http://127.0.0.1:${hub.api.server.address().port}${config.host.apiBase}`;
    fs.writeSync(1, JSON.stringify({ url }) + "\n");
}).catch(error => {
    console.error(error);
    process.exit(1);
});
