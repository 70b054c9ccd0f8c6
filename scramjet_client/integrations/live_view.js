// The live view where anywidget is installed. It replaces what has changed and appends lines, so that closed
// sections stay closed, selected text stays selected, and a reader who has scrolled up is left in peace.
// What comes as HTML was escaped in _drawing.py; lines are text.

const KEPT = 500; // Lines of a stream that stay on the page.
const KEPT_SELECTED = 5000; // While some of them are selected.

function section(stream, model) {
  const details = document.createElement("details");
  details.open = !model.get("closed").includes(stream.name);
  const summary = document.createElement("summary");
  const box = document.createElement("div");
  box.style.cssText = stream.box;
  const text = document.createElement("pre");
  text.style.cssText = stream.text;
  box.append(text);
  details.append(summary, box);
  details.addEventListener("toggle", () => {
    const others = model.get("closed").filter((name) => name !== stream.name);
    model.set("closed", details.open ? others : [...others, stream.name]);
    model.save_changes();
  });
  return { details, summary, box, text, lines: new Map() };
}

function selectedIn(node) {
  const selection = document.getSelection();
  return selection && !selection.isCollapsed && selection.containsNode(node, true);
}

function setHTML(node, markup) {
  if (node.lastMarkup !== markup && !selectedIn(node)) {
    node.innerHTML = node.lastMarkup = markup;
  }
}

function append(part, lines) {
  // The box is filled from its end, where its scrollTop is 0. Browsers keep what is seen in its place while
  // something is added, which is right for a reader who has scrolled up.
  const atEnd = part.box.scrollTop > -4;
  for (const [name, text] of lines) {
    let line = part.lines.get(name);
    if (line === undefined) {
      line = document.createElement("div");
      part.lines.set(name, line);
      part.text.append(line);
    }
    const shown = text || "\u00a0";
    if (line.textContent !== shown) line.textContent = shown;
  }
  const kept = selectedIn(part.text) ? KEPT_SELECTED : KEPT;
  for (const [name, line] of part.lines) {
    if (part.lines.size <= kept) break;
    line.remove();
    part.lines.delete(name);
  }
  if (atEnd) part.box.scrollTop = 0;
}

function render({ model, el }) {
  const head = document.createElement("div");
  const plot = document.createElement("div");
  const sections = document.createElement("div");
  const trouble = document.createElement("div");
  el.append(head, plot, sections, trouble);
  const parts = new Map();

  function draw() {
    const state = model.get("state");
    if (!state.streams) return;
    head.innerHTML = state.head; // Anew each time: its animation says for how long it is live.
    setHTML(plot, state.plot);
    setHTML(trouble, state.trouble);
    for (const stream of state.streams) {
      if (!parts.has(stream.name)) {
        const part = section(stream, model);
        parts.set(stream.name, part);
        sections.append(part.details);
      }
      const part = parts.get(stream.name);
      setHTML(part.summary, stream.summary);
      append(part, stream.lines);
    }
  }

  draw();
  model.on("change:state", draw);
  return () => model.off("change:state", draw);
}

export default { render };
