// The page of one instance: its streams as they come, and its input.

const here = location.pathname;
const element = (id) => document.getElementById(id);
const sources = [];
const say = (text) => { element("said").textContent = text; };

function add(id, text) {
  element(id).append(text + "\n");
  element(id).scrollTop = element(id).scrollHeight;
}

function logLine(data) {
  try {
    const record = JSON.parse(data);
    return `${new Date(record.ts).toISOString()} ${record.level} ${record.msg}`;
  } catch {
    return data;
  }
}

function follow(id, shown) {
  const source = new EventSource(`${here}/${id}`);
  sources.push(source);
  source.onopen = () => { element(id).dataset.state = "open"; };
  source.onmessage = (event) => add(id, shown(event.data));
  // Without close() the browser would connect again.
  source.addEventListener("end", () => { source.close(); element(id).dataset.state = "ended"; });
  source.addEventListener("failed", (event) => {
    source.close();
    element(id).dataset.state = "failed";
    say(JSON.parse(event.data).message);
  });
}

async function post(path, body) {
  const answer = await fetch(`${here}/${path}`, { method: "POST", body });
  const told = await answer.json();
  say(answer.ok ? told.message ?? `${told.bytes} bytes sent` : `${told.code}: ${told.message}`);
}

element("input").addEventListener("submit", (event) => {
  event.preventDefault();
  post("input", element("line").value + "\n");
  element("line").value = "";
});
element("stop").addEventListener("click", () => post("stop"));

// A browser keeps the pages behind its Back button, with their connections, until they are closed.
addEventListener("pagehide", () => sources.forEach((source) => source.close()));
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

follow("output", (data) => data);
follow("log", logLine);
