// Puts the page together: topics, filters, keys, and what happens with a decision.

import { byId, make, tell } from "./elements.js";
import { Grid } from "./grid.js";
import { Model } from "./model.js";
import { Picker } from "./picker.js";
import * as server from "./server.js";
import { Stage } from "./stage.js";

history.replaceState(null, "", `/${location.hash}`); // the token leaves the address line

let model, grid, stage, picker;
let made = 0; // decisions on this page so far
const madeAt = new Map(); // number of a picture's last one

try {
  model = new Model(await server.load());
  start();
} catch (error) {
  tell(error.message, true);
}

function start() {
  grid = new Grid(model, go);
  stage = new Stage(model, go, (label) => decide("relabel", label));
  picker = new Picker(model.classes, (label) => decide("relabel", label));
  document.title = `Review ${model.name}`;
  byId("name").textContent = model.name;
  byId("file").textContent = model.file;
  drawFilters();
  const wanted = decodeURIComponent(location.hash.slice(1));
  if (model.topics.some((topic) => topic.key === wanted)) model.choose(wanted);
  listen();
  drawAll();
}

function drawAll() {
  drawTopics();
  drawFilters();
  grid.reset();
  drawCurrent();
}

function drawCurrent() {
  stage.draw();
  grid.refresh();
}

function drawTopics() {
  const nav = byId("topics");
  const select = byId("topic-select");
  const buttons = model.topics.map((topic) => {
    const total = topic.numbers.length;
    const decided = model.decided(topic);
    const button = make(
      "button",
      { type: "button", className: decided === total ? "done" : "", "aria-current": String(topic === model.topic) },
      make("span", { className: "title" }, topic.title),
      make("span", { className: "count" }, decided ? `${decided} / ${total}` : String(total)),
      topic === model.topic ? make("span", { className: "about" }, topic.text) : null,
    );
    button.addEventListener("click", () => choose(topic.key));
    return button;
  });
  const rule = make("div", { className: "rule" });
  const rest = model.hidden
    ? [make("p", {}, `${model.hidden} test pictures are hidden: whoever looks at them has used them.`)]
    : [];
  nav.replaceChildren(...buttons.slice(0, -1), ...(buttons.length > 1 ? [rule] : []), buttons.at(-1), ...rest);
  select.replaceChildren(
    ...model.topics.map((topic) =>
      make("option", { value: topic.key, selected: topic === model.topic }, `${topic.title} (${topic.numbers.length})`),
    ),
  );
  const total = model.topic.numbers.length;
  const decided = model.decided(model.topic);
  byId("bar").style.width = `${total ? (100 * decided) / total : 0}%`;
  byId("progress-text").textContent = `${decided} of ${total} decided`;
  document.querySelector(".progress").setAttribute("aria-valuemax", String(total));
  document.querySelector(".progress").setAttribute("aria-valuenow", String(decided));
}

function drawFilters() {
  for (const button of document.querySelectorAll("[data-show]")) {
    button.setAttribute("aria-pressed", String(button.dataset.show === model.filters.show));
  }
  const option = (value, text, selected) => make("option", { value, selected }, text);
  byId("class-filter").replaceChildren(
    option("", "Every class", model.filters.label === ""),
    ...model.classes.map((name) => option(name, name, model.filters.label === name)),
  );
  const splits = model.splits;
  byId("split-filter").hidden = splits.length < 2;
  byId("split-filter").replaceChildren(
    option("any", "Every split", model.filters.split === null),
    ...splits.map((name) => option(`=${name}`, name || "no split", model.filters.split === name)),
  );
}

function choose(key) {
  model.choose(key);
  history.replaceState(null, "", `#${encodeURIComponent(key)}`);
  drawAll();
}

function refilter(changes) {
  Object.assign(model.filters, changes);
  model.filter();
  drawAll();
}

function go(place) {
  if (place < 0 || place >= model.entries.length) return;
  model.cursor = place;
  drawCurrent();
}

async function decide(action, label = "") {
  const entry = model.current;
  if (!entry) return;
  const { n } = entry;
  const before = model.decisions.get(n);
  const reason = model.reason(n);
  made += 1;
  madeAt.set(n, made);
  model.decisions.set(n, [action, label]);
  const next = model.next(model.cursor);
  if (next >= 0) model.cursor = next;
  else tell("Everything in this list is decided.");
  drawTopics();
  drawCurrent();
  try {
    await server.decide(n, action, label, reason);
  } catch (error) {
    if (before) model.decisions.set(n, before);
    else model.decisions.delete(n);
    drawTopics();
    drawCurrent();
    tell(`Not written: ${error.message}`, true);
  }
}

async function undo() {
  const asked = made;
  try {
    const { picture, decision } = await server.undo();
    if (picture === null) return tell("There is nothing to undo.");
    if ((madeAt.get(picture) ?? 0) > asked) return; // decided anew meanwhile
    if (decision) model.decisions.set(picture, decision);
    else model.decisions.delete(picture);
    const place = model.placeOf(picture);
    if (place >= 0) model.cursor = place;
    drawTopics();
    drawCurrent();
    tell(`Undone: ${model.pictures[picture].id}`);
  } catch (error) {
    tell(`Not undone: ${error.message}`, true);
  }
}

function act(action) {
  if (!model.current) return;
  if (action !== "relabel") return decide(action);
  const { n } = model.current;
  const hint = model.hint(n);
  picker.ask(model.pictures[n].label, hint?.suggested, hint?.score);
}

function toggle() {
  const { dataset } = document.body;
  dataset.view = dataset.view === "grid" ? "stage" : "grid";
  byId("toggle").firstChild.textContent = dataset.view === "grid" ? "Single " : "Grid ";
  grid.layout();
  drawCurrent();
}

function listen() {
  for (const button of document.querySelectorAll("[data-action]")) {
    button.addEventListener("click", () => act(button.dataset.action));
  }
  for (const button of document.querySelectorAll("[data-show]")) {
    button.addEventListener("click", () => refilter({ show: button.dataset.show }));
  }
  byId("undo").addEventListener("click", undo);
  byId("toggle").addEventListener("click", toggle);
  byId("help").addEventListener("click", () => byId("keys").showModal());
  byId("topic-select").addEventListener("change", (event) => choose(event.target.value));
  byId("class-filter").addEventListener("change", (event) => refilter({ label: event.target.value }));
  byId("split-filter").addEventListener("change", (event) => {
    const { value } = event.target;
    refilter({ split: value === "any" ? null : value.slice(1) });
  });
  let typing = 0;
  byId("search").addEventListener("input", (event) => {
    clearTimeout(typing);
    typing = setTimeout(() => refilter({ text: event.target.value.trim() }), 120);
  });
  byId("grid").addEventListener("dblclick", () => {
    if (document.body.dataset.view === "grid") toggle();
  });
  addEventListener("keydown", key);
}

function key(event) {
  // The field of a dialog that was closed a moment ago may still have the focus.
  const writing = event.target.matches("input, select") && !event.target.closest("dialog") && event.key !== "Escape";
  if (document.querySelector("dialog[open]") || writing || event.ctrlKey || event.metaKey || event.altKey) return;
  const up = grid.columns ?? 1;
  const keys = {
    k: () => act("keep"),
    r: () => act("relabel"),
    d: () => act("drop"),
    u: () => act("unsure"),
    z: undo,
    n: () => go(model.next(model.cursor)),
    g: toggle,
    "/": () => {
      if (getComputedStyle(byId("list")).display === "none") toggle();
      byId("search").focus();
    },
    "?": () => byId("keys").showModal(),
    Escape: () => document.activeElement.blur(),
    ArrowLeft: () => go(model.cursor - 1),
    ArrowRight: () => go(model.cursor + 1),
    ArrowUp: () => go(model.cursor - up),
    ArrowDown: () => go(Math.min(model.cursor + up, model.entries.length - 1)),
    Home: () => go(0),
    End: () => go(model.entries.length - 1),
  };
  const run = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!run || event.repeat && ["k", "d", "u", "r"].includes(event.key.toLowerCase())) return;
  event.preventDefault();
  run();
}
