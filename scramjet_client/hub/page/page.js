// The page of a hub. It uses the hub's public API and nothing else, at "api/v1" beside this page.
//
// What a program, a file or another client has written is text here: it goes into the page by textContent alone, and
// characters that a reader would not see become visible. The page's policy (Content-Security-Policy) forbids the rest.
"use strict";

const API = new URL("api/v1/", document.baseURI);
const STREAMS = ["output", "stdout", "stderr", "log"];
const POLL = 1000; // Milliseconds between two looks at the lists.
const KEPT = 2000; // Lines on the page.
const PAINT = 100; // Milliseconds between two paints.
const LONGEST = 16384; // Characters of a line that are shown in one piece.
const SLOTS = 5; // Streams of all tabs of this page: browsers open six connections to a hub, and one stays free.
const SECONDS = 60; // Seconds of the little drawing.

const at = (id) => document.getElementById(id);

function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("data-") || name.startsWith("aria-")) node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children);
  return node;
}

// -- text that is not ours ------------------------------------------------------------------------

// Control characters, marks that turn the direction of a line, and invisible ones.
// eslint-disable-next-line no-control-regex
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/;
// eslint-disable-next-line no-control-regex
const COLOURS = /\u001b\[[0-9;]*m/g;

function named(character) {
  const code = character.codePointAt(0);
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "\u2421";
  return "U+" + code.toString(16).toUpperCase().padStart(4, "0");
}

function putText(node, text) {
  const bare = text.replace(COLOURS, "");
  if (!UNSEEN.test(bare)) {
    node.textContent = bare;
    return;
  }
  node.textContent = "";
  let plain = "";
  for (const character of bare) {
    if (!UNSEEN.test(character)) {
      plain += character;
      continue;
    }
    node.append(plain, make("span", { className: "unseen", textContent: named(character) }));
    plain = "";
  }
  node.append(plain);
}

// -- the token ------------------------------------------------------------------------------------

// It comes in the fragment of the address, which browsers send nowhere, and leaves the address at once.
let token = null;

function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1));
  const found = given.get("token");
  if (found !== null) {
    remember("token", found);
    given.delete("token");
    const rest = given.toString();
    history.replaceState(null, "", location.pathname + (rest ? "#" + rest : ""));
  }
  token = found ?? recall("token");
}

function remember(name, value) {
  try {
    sessionStorage.setItem("scramjet-" + name, value);
  } catch {
    // Storage is switched off; the page forgets it when it is closed.
  }
}

function recall(name) {
  try {
    return sessionStorage.getItem("scramjet-" + name);
  } catch {
    return null;
  }
}

// -- requests -------------------------------------------------------------------------------------

class Refused extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

function pathOf(...parts) {
  return new URL(parts.map(encodeURIComponent).join("/"), API);
}

async function ask(method, url, { body, headers = {}, signal } = {}) {
  const sent = { ...headers };
  if (token !== null) sent.Authorization = "Bearer " + token;
  const answer = await fetch(url, {
    method, body, signal, headers: sent,
    cache: "no-store", credentials: "omit", redirect: "error", referrerPolicy: "no-referrer",
  });
  if (answer.ok) return answer;
  let words = answer.statusText;
  try {
    const text = (await answer.text()).slice(0, 2000);
    words = text || words;
    const said = JSON.parse(text).error;
    words = typeof said === "string" ? said : JSON.stringify(said);
  } catch {
    // It is no JSON; the text is what there is.
  }
  throw new Refused(answer.status, words || "no reason is given");
}

async function get(url, limit = 10000) {
  const answer = await ask("GET", url, {
    headers: { Accept: "application/json" }, signal: AbortSignal.timeout(limit),
  });
  return answer.json();
}

async function post(url, value) {
  const answer = await ask("POST", url, {
    body: JSON.stringify(value), headers: { "Content-Type": "application/json" },
  });
  const text = await answer.text();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

// -- what is on the hub ---------------------------------------------------------------------------

const hub = { version: null, live: false, sequences: [], instances: [], topics: [], known: new Set(), looked: false };

const modern = () => Boolean(hub.version?.apiVersion);
const isLocal = () => String(hub.version?.build ?? "").startsWith("scramjet_client LocalHub");
const sequenceOf = (instance) => (typeof instance.sequence === "object" ? instance.sequence?.id : instance.sequence);
const hasEnded = (instance) =>
  Boolean(instance.terminated) || ["completed", "errored", "stopped", "killed", "gone"].includes(instance.status);

function nameOfSequence(id) {
  const found = hub.sequences.find((each) => each.id === id);
  return found?.config?.name || found?.name || id || "";
}

function nameOfInstance(instance) {
  return instance.sequence?.config?.name || nameOfSequence(sequenceOf(instance));
}

async function look() {
  try {
    if (hub.version === null) {
      hub.version = await get(pathOf("version"));
      putText(at("hub"), `${hub.version.build || "Transform Hub"} · version ${hub.version.version} · ${API.href.replace(/\/$/, "")}`);
      watchByDefault();
    }
    const [sequences, instances, topics] = [
      await get(pathOf("sequences")), await get(pathOf("instances")), await get(pathOf("topics")).catch(noTopics),
    ];
    Object.assign(hub, { sequences: list(sequences), instances: list(instances), topics: list(topics) });
    if (!hub.live) setState("live", "live");
    hub.live = true;
    drawLists();
    drawChosen();
    meetNewInstances();
  } catch (error) {
    missed(error);
  }
  setTimeout(look, POLL);
}

function list(value) {
  return Array.isArray(value) ? value : [];
}

function noTopics(error) {
  if (error instanceof Refused && error.status !== 401) return []; // an older hub
  throw error;
}

function missed(error) {
  hub.live = false;
  if (error instanceof Refused && (error.status === 401 || error.status === 403)) {
    setState("away", "refused");
    tell(token === null ? "This hub wants a token." :
      "The hub refuses the token of this page. If it was started anew, open the address that it prints.");
    at("token-form").hidden = false;
    hub.version = null;
    return;
  }
  setState("away", "the hub does not answer");
  tell("The hub does not answer. This page tries again each second.");
  hub.version = null; // it may come back as another one
}

function setState(state, words) {
  at("state").dataset.state = state;
  at("state").textContent = words;
  if (state === "live") {
    at("banner").hidden = true;
    at("token-form").hidden = true;
  }
}

function tell(words) {
  at("banner").textContent = words;
  at("banner").hidden = false;
}

at("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = at("token").value.trim();
  at("token").value = "";
  remember("token", token);
});

// -- the lists ------------------------------------------------------------------------------------

function drawLists() {
  const instances = [...hub.instances].sort((a, b) =>
    Number(hasEnded(a)) - Number(hasEnded(b)) || String(b.created ?? "").localeCompare(String(a.created ?? "")));
  at("n-instances").textContent = String(instances.filter((each) => !hasEnded(each)).length);
  at("n-sequences").textContent = String(hub.sequences.length);
  at("n-topics").textContent = String(hub.topics.length);
  drawList("instances", instances, (each) => [each.id, nameOfInstance(each), each.id.slice(0, 8), statusOf(each)]);
  drawList("sequences", hub.sequences, (each) => [each.id, nameOfSequence(each.id), each.id.slice(0, 8), ""]);
  drawList("topics", hub.topics, (each) => [topicName(each), topicName(each), topicType(each), ""]);
}

const KIND = { instances: "instance", sequences: "sequence", topics: "topic" };
const topicName = (each) => each.topicName ?? each.id ?? each.name ?? "";
const topicType = (each) => each.contentType ?? each["content-type"] ?? "";

// Codes of a hub that mean no failure: killed and stopped. 213 means on a Transform Hub that it does not know, also
// after a stop that a Python program obeyed. Then only what the program has said can tell.
function hasFailed(how, said) {
  const code = how?.exitcode ?? 0;
  return code > 0 && code !== 137 && code !== 138 && (code !== 213 || isLocal() || Boolean(said));
}

function statusOf(instance) {
  const how = instance.terminated;
  if (hasFailed(how, instance.id === chosen.id && failure.text)) return "errored";
  if (how?.exitcode === 213) return "ended";
  // An older hub says nothing, and forgets an instance when it ends.
  return String(instance.status ?? (modern() ? "unknown" : "running"));
}

function drawList(id, entries, describe) {
  const box = at(id);
  const rows = new Map([...box.children].map((row) => [row.dataset.key, row]));
  const wanted = entries.map(describe);
  const kept = new Set();
  let before = null;
  for (const [key, name, aside, status] of wanted) {
    let row = rows.get(key);
    if (row === undefined) {
      const button = make("button", { type: "button" },
        ...(id === "instances" ? [make("span", { className: "dot", "aria-hidden": "true" })] : []),
        make("span", { className: "what" }), make("span", { className: "id" }));
      button.addEventListener("click", () => choose(KIND[id], key));
      row = make("li", { "data-key": key }, button);
    }
    kept.add(key);
    const button = row.firstChild;
    set(button.querySelector(".what"), name);
    set(button.querySelector(".id"), aside);
    const label = [KIND[id], name, aside, status].filter(Boolean).join(" ");
    if (button.getAttribute("aria-label") !== label) button.setAttribute("aria-label", label);
    if (button.title !== key) button.title = key;
    const dot = button.querySelector(".dot");
    if (dot !== null && dot.dataset.status !== status) dot.dataset.status = status;
    const current = String(chosen.kind === KIND[id] && chosen.id === key);
    if (button.getAttribute("aria-current") !== current) button.setAttribute("aria-current", current);
    // Only what has moved is moved, so that the focus stays where it is.
    const place = before === null ? box.firstChild : before.nextSibling;
    if (place !== row) box.insertBefore(row, place);
    before = row;
  }
  for (const [key, row] of rows) if (!kept.has(key)) row.remove();
  const empty = box.querySelector(".empty");
  if (wanted.length === 0 && empty === null) box.append(make("li", { className: "empty", textContent: "none" }));
}

function set(node, text) {
  if (node.saved === text) return;
  node.saved = text;
  putText(node, String(text));
}

for (const id of Object.keys(KIND)) {
  at(id).addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const row = event.target.closest("li");
    const next = event.key === "ArrowDown" ? row?.nextElementSibling : row?.previousElementSibling;
    next?.querySelector("button")?.focus();
    event.preventDefault();
  });
}

function meetNewInstances() {
  const fresh = hub.instances.filter((each) => !hub.known.has(each.id));
  for (const each of fresh) hub.known.add(each.id);
  const first = !hub.looked;
  hub.looked = true;
  const running = fresh.filter((each) => !hasEnded(each))
    .sort((a, b) => String(a.created ?? "").localeCompare(String(b.created ?? "")));
  if (running.length === 0 || !at("newest").checked) return;
  const busy = chosen.kind !== null && (chosen.kind !== "instance" || !chosen.ended);
  if (first ? chosen.kind === null : !busy || replaces(running.at(-1))) choose("instance", running.at(-1).id, true);
}

// A new version of the same program, as `scramjet dev` starts it.
function replaces(instance) {
  const shown = hub.instances.find((each) => each.id === chosen.id);
  return chosen.kind === "instance" && shown !== undefined && nameOfInstance(shown) === nameOfInstance(instance)
    && hub.instances.filter((each) => !hasEnded(each)).length <= 2;
}

// -- what is chosen -------------------------------------------------------------------------------

const chosen = { kind: null, id: null, ended: false, drawn: "" };

function choose(kind, id, silently = false) {
  if (chosen.kind === kind && chosen.id === id) return;
  for (const each of reading.values()) each.abort();
  reading.clear();
  Object.assign(chosen, { kind, id, ended: false, drawn: "" });
  endButtons();
  const place = new URLSearchParams({ [kind]: id });
  history.replaceState(null, "", location.pathname + "#" + place);
  clearLines();
  at("nothing").hidden = true;
  at("chosen").hidden = false;
  at("error").hidden = true;
  failure.text = "";
  at("said").textContent = at("start-said").textContent = at("listening").textContent = "";
  at("streams").hidden = at("send-form").hidden = kind === "sequence";
  at("listen-form").hidden = at("actions").hidden = kind !== "instance";
  at("start-form").hidden = kind !== "sequence";
  at("l-to").hidden = kind !== "instance";
  at("copies").hidden = false;
  drawForm();
  drawToggles();
  drawLists();
  found.health = "";
  drawChosen();
  askHealth();
  drawSnippets();
  if (!silently) {
    at("detail").focus({ preventScroll: true });
    if (matchMedia("(max-width: 46rem)").matches) at("detail").scrollIntoView();
    at("told").textContent = `${kind} ${id} is shown`;
  }
}

at("back").addEventListener("click", (event) => {
  event.preventDefault();
  scrollTo(0, 0);
  at("instances").querySelector("button")?.focus();
});

function fromAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const kind of Object.values(KIND)) {
    const id = given.get(kind);
    if (id) choose(kind, id, true);
  }
}

const found = { health: "" };

function drawChosen() {
  if (chosen.kind === null) return;
  const facts = chosen.kind === "instance" ? factsOfInstance() : chosen.kind === "topic" ? factsOfTopic() : factsOfSequence();
  const drawn = JSON.stringify(facts);
  if (drawn === chosen.drawn) return;
  chosen.drawn = drawn;
  putText(at("title"), facts.title);
  document.title = `${facts.title.replace(UNSEEN, "")} · hub`;
  at("badge").hidden = !facts.status;
  at("badge").textContent = facts.status ?? "";
  at("badge").dataset.status = facts.status ?? "";
  at("facts").replaceChildren(...facts.pairs.filter(([, value]) => value).flatMap(([name, value, mono]) => {
    const words = make("dd", { className: mono ? "mono" : "" });
    putText(words, String(value));
    return [make("dt", { textContent: name }), words];
  }));
}

function when(text) {
  const time = new Date(text);
  return text && !Number.isNaN(time.getTime()) ? time.toLocaleString() : "";
}

function factsOfInstance() {
  const instance = hub.instances.find((each) => each.id === chosen.id);
  if (instance === undefined) {
    chosen.ended = true;
    endButtons();
    return { title: chosen.id, status: "gone", pairs: [["id", chosen.id, true], ["", ""]] };
  }
  chosen.ended = hasEnded(instance);
  endButtons();
  const how = instance.terminated;
  if (how) drawFailure(how);
  return {
    title: nameOfInstance(instance),
    status: statusOf(instance),
    pairs: [
      ["id", instance.id, true],
      ["sequence", sequenceOf(instance), true],
      ["started", when(instance.started ?? instance.created)],
      ["ended", when(instance.ended)],
      ["how", how ? `${how.reason ?? ""} (${how.exitcode ?? "no exit code"})` : ""],
      ["arguments", instance.args?.length ? JSON.stringify(instance.args) : "", true],
      ["configuration", instance.appConfig && Object.keys(instance.appConfig).length ? JSON.stringify(instance.appConfig) : "", true],
      ["topics", [instance.requires && `reads ${instance.requires}`, instance.provides && `writes ${instance.provides}`].filter(Boolean).join(", ")],
      ["health", chosen.ended ? "" : found.health],
    ],
  };
}

function endButtons() {
  at("stop").disabled = at("kill").disabled = at("send-button").disabled = chosen.ended;
}

// A hub takes what is sent to an instance that has ended, and loses it. The list may not show the end yet.
async function refuseIfEnded(id) {
  let ended = chosen.ended && id === chosen.id;
  if (!ended) ended = hasEnded(await get(pathOf("instance", id)));
  if (ended) throw new Refused(410, "the instance has ended, so nothing was sent");
}

function factsOfSequence() {
  const sequence = hub.sequences.find((each) => each.id === chosen.id);
  const config = sequence?.config ?? {};
  return {
    title: nameOfSequence(chosen.id),
    status: sequence === undefined ? "gone" : "",
    pairs: [
      ["id", chosen.id, true],
      ["version", config.version],
      ["description", config.description],
      ["engines", Object.keys(config.engines ?? {}).join(", ")],
      ["main file", config.entrypointPath, true],
      ["instances", hub.instances.filter((each) => sequenceOf(each) === chosen.id).length],
    ],
  };
}

function factsOfTopic() {
  const topic = hub.topics.find((each) => topicName(each) === chosen.id);
  return {
    title: chosen.id,
    status: topic === undefined ? "gone" : "",
    pairs: [["type", topic === undefined ? "" : topicType(topic)]],
  };
}

async function askHealth() {
  const id = chosen.id;
  if (chosen.kind !== "instance" || chosen.ended || !hub.live) return;
  try {
    const health = await get(pathOf("instance", id, "health"), 3000);
    if (id === chosen.id) found.health = describeHealth(health);
  } catch {
    if (id === chosen.id) found.health = "";
  }
  drawChosen();
}

setInterval(askHealth, 5000);

function describeHealth(health) {
  const healthy = health?.healthy ?? health?.sequenceHealth?.healthy ?? health?.healthy === undefined;
  const load = health?.processId ? `process ${health.processId}` : "";
  return [healthy ? "healthy" : "not healthy", load].filter(Boolean).join(", ");
}

const failure = { text: "" };

function drawFailure(how) {
  const bad = hasFailed(how, failure.text);
  at("error").hidden = !bad;
  if (!bad) return;
  const words = failure.text || how.reason || "it does not say why";
  if (at("error-text").saved === words) return;
  at("error-text").saved = words;
  at("error-text").replaceChildren(...words.split("\n").flatMap((each) => {
    const line = make("span");
    putText(line, each);
    return [line, "\n"];
  }));
}

// -- streams --------------------------------------------------------------------------------------

const reading = new Map(); // from the name of a stream to what ends its reading
let watched = null; // names of the streams that are wanted

function watchByDefault() {
  if (watched !== null) return;
  const saved = recall("streams");
  // Elsewhere than on a hub of one's own, what is read here may be missing where it should have gone.
  watched = new Set(saved === null ? (isLocal() ? STREAMS : ["log"]) : saved.split(" ").filter(Boolean));
  drawToggles();
}

function drawToggles() {
  const names = chosen.kind === "topic" ? ["topic"] : STREAMS;
  const wanted = watched ?? new Set();
  at("toggles").replaceChildren(...names.map((name) => {
    const box = make("input", { type: "checkbox", checked: name === "topic" ? topicIsRead() : wanted.has(name) });
    box.addEventListener("change", () => toggle(name, box.checked));
    return make("label", {}, box, name);
  }));
  if (chosen.kind === "sequence" || chosen.kind === null || watched === null) return;
  for (const name of names) if (name === "topic" ? topicIsRead() : wanted.has(name)) read(name);
}

const topicIsRead = () => isLocal() || recall("topics") === "yes";

function toggle(name, on) {
  if (name === "topic") remember("topics", on ? "yes" : "no");
  else {
    if (on) watched.add(name);
    else watched.delete(name);
    remember("streams", [...watched].join(" "));
  }
  if (on) read(name);
  else {
    reading.get(name)?.abort();
    reading.delete(name);
  }
  drawSnippets();
}

async function read(name, url = null) {
  if (reading.has(name)) return;
  const control = new AbortController();
  reading.set(name, control);
  const { kind, id } = chosen;
  const place = url ?? (kind === "topic" ? pathOf("topic", id) : pathOf("instance", id, name));
  const from = url === null ? name : "event";
  try {
    await withSlot(control.signal, from, async () => {
      while (!control.signal.aborted) {
        if (await readOnce(place, from, name, control.signal)) break;
        await later(POLL, control.signal);
      }
    });
  } catch (error) {
    if (!control.signal.aborted) note(from, `${name}: ${error.message}`);
  }
  if (reading.get(name) === control) reading.delete(name);
}

// Read a stream until it ends; return whether there is nothing more to come.
async function readOnce(place, from, name, signal) {
  let answer;
  try {
    const headers = { Accept: "application/octet-stream" };
    if (from === "topic") headers["Content-Type"] = topicType(hub.topics.find((each) => topicName(each) === chosen.id) ?? {}) || "application/x-ndjson";
    answer = await ask("GET", place, { headers, signal });
  } catch (error) {
    if (error instanceof Refused) {
      if (error.status === 404 && !signal.aborted) note(from, `${name}: the hub does not have it any more`);
      return error.status !== 401;
    }
    return signal.aborted; // the hub is away
  }
  const decoder = new TextDecoder();
  const reader = answer.body.getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const pieces = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = pieces.pop();
      while (rest.length > LONGEST) {
        pieces.push(rest.slice(0, LONGEST));
        rest = rest.slice(LONGEST);
      }
      for (const each of pieces) take(from, name, each);
      // A reader that runs ahead of the screen would fill the memory. While it waits, the hub holds the program.
      while (pending.length > 20 * KEPT && !signal.aborted) await later(PAINT, signal);
    }
    if (rest) take(from, name, rest);
    if (!signal.aborted) note(from, `${name} has ended`);
    return true;
  } catch {
    if (rest) take(from, name, rest);
    return signal.aborted;
  }
}

function later(milliseconds, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
  });
}

// Browsers open six connections to one place, for all tabs together. If all of them were streams, no list and no
// sending would get through. So each stream holds one of a few locks, which tabs share.
async function withSlot(signal, from, action) {
  if (navigator.locks === undefined) return action();
  let told = false;
  while (!signal.aborted) {
    for (let slot = 0; slot < SLOTS; slot += 1) {
      let ran = false;
      await navigator.locks.request(`scramjet-stream-${slot}`, { ifAvailable: true }, async (lock) => {
        if (lock === null) return;
        ran = true;
        await action();
      });
      if (ran) return undefined;
    }
    if (!told) note(from, "waits: a browser opens few connections, and other streams or tabs have them");
    told = true;
    await later(POLL, signal);
  }
  return undefined;
}

// -- lines ----------------------------------------------------------------------------------------

let pending = [];
let paused = false;
let painting = null;
const count = { lines: 0, bytes: 0, history: [] };

function take(from, name, text) {
  const line = from === "log" ? logLine(text) : { from, text: from === "event" ? eventLine(name.slice(6), text) : text };
  if (line !== null) {
    count.lines += 1;
    count.bytes += text.length + 1;
    push(line);
  }
  if (from === "stderr") lastWords.push(text), lastWords.splice(0, lastWords.length - 60);
}

const lastWords = [];

function note(from, text) {
  push({ from, text, note: true });
}

function push(line) {
  pending.push(line);
  if (pending.length > 40 * KEPT) pending.splice(0, pending.length - KEPT);
  painting ??= setTimeout(paint, PAINT);
}

// An older hub sends an envelope around the message.
function eventLine(name, text) {
  try {
    return `${name} ${modern() ? text : JSON.stringify(JSON.parse(text).message)}`;
  } catch {
    return `${name} ${text}`;
  }
}

function logLine(text) {
  if (!text.trim()) return null;
  try {
    const record = JSON.parse(text);
    if (typeof record !== "object" || record === null || record.msg === undefined) return { from: "log", text };
    // Each look at an instance leaves one, this page's own looks too.
    if (String(record.msg).startsWith("Get info [")) return null;
    const source = record.from === "PythonRunner" ? "" : `${record.from ?? ""} `;
    const data = list(record.data).map((each) => (typeof each === "string" ? each : JSON.stringify(each))).join(" ");
    const level = String(record.level ?? "");
    if (level === "ERROR" && (record.from === "PythonRunner" || !failure.text)) failure.text = String(record.msg);
    return { from: "log", level, text: `${clock(record.ts)} ${level} ${source}${record.msg}${data ? " " + data : ""}` };
  } catch {
    return { from: "log", text };
  }
}

function clock(milliseconds) {
  const time = new Date(milliseconds);
  return Number.isNaN(time.getTime()) ? "" : time.toLocaleTimeString([], { hour12: false });
}

function paint() {
  painting = null;
  if (paused) {
    // What comes meanwhile is kept, up to what would be shown anyway.
    if (pending.length > KEPT) pending.splice(0, pending.length - KEPT);
    return;
  }
  const box = at("lines");
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  const wanted = pending.slice(-KEPT);
  pending = [];
  const filter = at("filter").value.toLowerCase();
  const rows = document.createDocumentFragment();
  for (const line of wanted) {
    for (const text of line.text.split("\n")) rows.append(row(line, text, filter));
  }
  box.append(rows);
  while (box.childElementCount > KEPT) box.firstElementChild.remove();
  if (atEnd) box.scrollTop = box.scrollHeight;
}

function row(line, text, filter) {
  const words = make("bdi", { className: "words", dir: "ltr" });
  putText(words, text);
  const made = make("div", { className: line.note ? "line note" : "line", "data-from": line.from },
    make("span", { className: "from", textContent: line.from }), words);
  if (line.level) made.dataset.level = line.level;
  if (filter && !text.toLowerCase().includes(filter)) made.hidden = true;
  return made;
}

function clearLines() {
  pending = [];
  lastWords.length = 0;
  Object.assign(count, { lines: 0, bytes: 0, history: [] });
  at("lines").textContent = "";
  drawRate();
}

at("clear").addEventListener("click", clearLines);
at("pause").addEventListener("click", () => {
  paused = !paused;
  at("pause").setAttribute("aria-pressed", String(paused));
  at("pause").textContent = paused ? "Go on" : "Pause";
  if (!paused) paint();
});
at("filter").addEventListener("input", () => {
  const filter = at("filter").value.toLowerCase();
  for (const each of at("lines").children) {
    each.hidden = Boolean(filter) && !each.lastChild.textContent.toLowerCase().includes(filter);
  }
});

function size(bytes) {
  const units = ["B", "kB", "MB", "GB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) {
    bytes /= 1000;
    unit += 1;
  }
  return `${unit ? bytes.toFixed(1) : bytes} ${units[unit]}`;
}

function drawRate() {
  const { history } = count;
  const last = history.slice(-5);
  const rate = (key) => (last.length ? last.reduce((sum, each) => sum + each[key], 0) / last.length : 0);
  at("rate").textContent = `${count.lines.toLocaleString("en")} lines, ${size(count.bytes)}; `
    + `${Math.round(rate("lines")).toLocaleString("en")} lines/s, ${size(Math.round(rate("bytes")))}/s`;
  at("rate").dataset.lines = String(count.lines);
  const top = Math.max(1, ...history.map((each) => each.lines));
  at("spark").firstElementChild.setAttribute("points",
    history.map((each, index) => `${(index + SECONDS - history.length) * 2},${(23 - (each.lines / top) * 22).toFixed(1)}`).join(" "));
}

let before = { lines: 0, bytes: 0 };
setInterval(() => {
  const now = { lines: count.lines, bytes: count.bytes };
  count.history.push({ lines: Math.max(0, now.lines - before.lines), bytes: Math.max(0, now.bytes - before.bytes) });
  if (count.history.length > SECONDS) count.history.shift();
  before = now;
  drawRate();
}, 1000);

// -- sending and ending ---------------------------------------------------------------------------

function drawForm() {
  const to = chosen.kind === "topic" ? "topic" : at("to").value;
  at("l-type").hidden = to === "event" || to === "stdin" || to === "topic";
  at("l-name").hidden = to !== "event";
  at("name").required = to === "event";
  at("l-end").hidden = to !== "input" && to !== "stdin";
  at("l-text").textContent = to === "event" ? "Message, a JSON value or text" : "Text, with a line end after it";
}

for (const id of ["to", "type", "name", "end", "text", "listen"]) {
  at(id).addEventListener("input", () => {
    drawForm();
    drawSnippets();
  });
}

at("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("send-form").requestSubmit();
});

function message() {
  const text = at("text").value;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function saying(place, action) {
  place.textContent = "…";
  try {
    place.textContent = await action();
    place.dataset.good = "true";
  } catch (error) {
    putText(place, error instanceof Refused ? `${error.status}: ${error.message}` : "the hub does not answer");
    place.dataset.good = "false";
  }
}

at("send-form").addEventListener("submit", (event) => {
  event.preventDefault();
  saying(at("said"), send);
});

async function send() {
  const { kind, id } = chosen;
  const to = kind === "topic" ? "topic" : at("to").value;
  if (kind === "instance") await refuseIfEnded(id);
  if (to === "event") {
    const value = message();
    if (!modern() && typeof value !== "string") throw new Refused(400, "an older hub takes text only");
    await post(pathOf("instance", id, "_event"), [5001, { eventName: at("name").value, message: value }]);
    return "the event was sent";
  }
  const text = at("text").value;
  const body = text && !text.endsWith("\n") ? text + "\n" : text;
  const headers = {};
  if (to === "topic") headers["Content-Type"] = topicType(hub.topics.find((each) => topicName(each) === id) ?? {}) || "application/x-ndjson";
  else {
    headers["Content-Type"] = to === "stdin" ? "application/octet-stream" : at("type").value;
    headers["x-end-stream"] = String(at("end").checked);
  }
  const place = to === "topic" ? pathOf("topic", id) : pathOf("instance", id, to);
  await ask("POST", place, { body, headers, signal: AbortSignal.timeout(30000) });
  at("text").value = "";
  return at("end").checked && to !== "topic" ? `${to} was sent, and ends` : `${to} was sent`;
}

at("stop").addEventListener("click", () => {
  const body = { timeout: 7000, canCallKeepalive: false };
  // The hub answers when the time is over; the list shows the end before.
  post(pathOf("instance", chosen.id, "_stop"), modern() ? body : [4001, body]).catch((error) => note("log", `stop: ${error.message}`));
  note("log", "a stop was asked for");
});

let sure = null;
at("kill").addEventListener("click", () => {
  if (sure === null) {
    at("kill").textContent = "Kill it?";
    sure = setTimeout(() => { sure = null; at("kill").textContent = "Kill"; }, 4000);
    return;
  }
  clearTimeout(sure);
  sure = null;
  at("kill").textContent = "Kill";
  post(pathOf("instance", chosen.id, "_kill"), modern() ? { removeImmediately: false } : [4002, {}])
    .catch((error) => note("log", `kill: ${error.message}`));
  note("log", "a kill was asked for");
});

at("listen-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = at("listen").value;
  for (const [key, control] of reading) {
    if (key.startsWith("event ")) {
      control.abort();
      reading.delete(key);
    }
  }
  read(`event ${name}`, pathOf("instance", chosen.id, "events", name));
  at("listening").textContent = `listening to ${name}`;
});

at("start-form").addEventListener("submit", (event) => {
  event.preventDefault();
  saying(at("start-said"), async () => {
    let args, config;
    try {
      args = JSON.parse(at("start-args").value || "[]");
      config = JSON.parse(at("start-config").value || "{}");
    } catch {
      throw new Refused(400, "the arguments or the configuration are no JSON");
    }
    if (!Array.isArray(args)) throw new Refused(400, "the arguments are no list");
    const started = await post(pathOf("sequence", chosen.id, "start"), { appConfig: config, args });
    choose("instance", started.id);
    return "started";
  });
});

// -- the same as requests -------------------------------------------------------------------------

const shell = (text) => "'" + text.replaceAll("'", "'\\''") + "'";
const python = (text) => JSON.stringify(text).replace(/[\u007f-\uffff]/g, (each) => "\\u" + each.charCodeAt(0).toString(16).padStart(4, "0"));

function pythonValue(value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "string") return python(value);
  if (Array.isArray(value)) return `[${value.map(pythonValue).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value).map(([key, each]) => `${python(key)}: ${pythonValue(each)}`).join(", ")}}`;
  }
  return JSON.stringify(value);
}

function drawSnippets() {
  if (chosen.kind === null) return;
  at("snippets").replaceChildren(...snippets().map(([title, curl, code]) => make("div", { className: "snippet" },
    make("h4", { textContent: title }), ...copied(`curl: ${title}`, curl), ...copied(`Python: ${title}`, code))));
}

function copied(title, text) {
  const button = make("button", { type: "button", textContent: "Copy", "aria-label": `Copy ${title}` });
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      const range = document.createRange();
      range.selectNodeContents(box);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  const box = make("pre", { tabIndex: 0 });
  box.textContent = text;
  return [box, button];
}

function snippets() {
  const base = API.href.replace(/\/$/, "");
  const auth = `-H "Authorization: Bearer $TOKEN"`;
  const json = `-H 'Content-Type: application/json' -d`;
  const host = `from scramjet_client import HostClient\nhost = HostClient.from_env(api_base=${python(base)})`;
  const { kind, id } = chosen;
  const text = at("text").value || "hello";
  const line = text.endsWith("\n") ? text : text + "\n";
  if (kind === "sequence") {
    return [["start it",
      `curl ${auth} ${json} '{"appConfig": {}, "args": []}' ${shell(pathOf("sequence", id, "start").href)}`,
      `${host}\ninstance = host.get_sequence_client(${python(id)}).start()`]];
  }
  if (kind === "topic") {
    const type = topicType(hub.topics.find((each) => topicName(each) === id) ?? {}) || "application/x-ndjson";
    const url = shell(pathOf("topic", id).href);
    return [
      ["read it", `curl -N ${auth} -H ${shell("Content-Type: " + type)} ${url}`,
        `${host}\nfor line in host.get_topic(${python(id)}):\n    print(line)`],
      ["send to it", `printf %s ${shell(line)} | curl ${auth} -H ${shell("Content-Type: " + type)} --data-binary @- ${url}`,
        `${host}\nhost.send_topic(${python(id)}, ${python(line)})`],
    ];
  }
  const client = `${host}\ninstance = host.get_instance_client(${python(id)})`;
  const to = at("to").value;
  const name = at("name").value || "name";
  const event = JSON.stringify([5001, { eventName: name, message: message() }]);
  const type = to === "stdin" ? "application/octet-stream" : at("type").value;
  const end = at("end").checked;
  const sending = to === "event"
    ? ["send the event", `curl ${auth} ${json} ${shell(event)} ${shell(pathOf("instance", id, "_event").href)}`,
      `${client}\ninstance.send_event(${python(name)}, ${pythonValue(message())})`]
    : [`send to its ${to}`,
      `printf %s ${shell(line)} | curl ${auth} -H ${shell("Content-Type: " + type)} -H 'x-end-stream: ${end}' --data-binary @- ${shell(pathOf("instance", id, to).href)}`,
      to === "stdin" ? `${client}\ninstance.send_stdin(${python(line)}, end=${end ? "True" : "False"})`
        : `${client}\ninstance.send_input(${python(line)}, type=${python(type)}, end=${end ? "True" : "False"})`];
  const wanted = STREAMS.find((each) => watched?.has(each)) ?? "output";
  const stop = modern() ? { timeout: 7000, canCallKeepalive: false } : [4001, { timeout: 7000, canCallKeepalive: false }];
  return [
    [`read its ${wanted}`, `curl -N ${auth} ${shell(pathOf("instance", id, wanted).href)}`,
      wanted === "log" ? `${client}\nfor line in instance.get_log_stream():\n    print(line)`
        : `${client}\nfor line in instance.get_stream(${python(wanted)}):\n    print(line)`],
    sending,
    ["stop it", `curl ${auth} ${json} ${shell(JSON.stringify(stop))} ${shell(pathOf("instance", id, "_stop").href)}`,
      `${client}\ninstance.stop()`],
  ];
}

// -- begin ----------------------------------------------------------------------------------------

// A page that is left frees its connections, and takes them again where a browser shows it once more.
addEventListener("pagehide", () => {
  for (const each of reading.values()) each.abort();
  reading.clear();
});
addEventListener("pageshow", (event) => {
  if (event.persisted) drawToggles();
});
addEventListener("hashchange", () => {
  takeToken();
  fromAddress();
});
takeToken();
fromAddress();
drawRate();
look();
