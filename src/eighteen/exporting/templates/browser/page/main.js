// The page: takes pictures by button, drop, paste and camera, and shows what the model says.
import { description, inShort, show } from "./about.js";
import { Camera } from "./camera.js";
import { answered, card, failed, ranked } from "./cards.js";
import { Model } from "./model.js";

const part = (id) => document.getElementById(id);
const results = [];
let model, camera, classes;
let generation = 0; // of the list: an answer to a picture that was cleared away counts no more

function tell(title, text) {
  const notice = part("notice");
  const heading = document.createElement("h2");
  const line = document.createElement("p");
  heading.textContent = title;
  line.textContent = text;
  notice.replaceChildren(heading, line);
  notice.hidden = false;
}

function progress(loaded, total) {
  const megabytes = (bytes) => (bytes / 1e6).toFixed(0);
  if (total) part("loaded").value = loaded / total;
  part("loading-text").textContent = total
    ? `Loading the model: ${megabytes(loaded)} of ${megabytes(total)} MB`
    : `Loading the model: ${megabytes(loaded)} MB`;
}

function count() {
  const done = results.filter((one) => one.settled).length;
  const all = results.length;
  const pictures = all === 1 ? "1 picture" : `${all} pictures`;
  part("count").textContent = done === all ? pictures : `${done} of ${pictures}`;
  part("results").hidden = all === 0;
  part("save").disabled = !results.some((one) => one.probabilities);
  document.body.classList.toggle("with-results", all > 0);
}

/** Takes files in the order they came; the newest batch stands first. */
async function take(files) {
  const mine = generation;
  const batch = [...files].map((file) => ({ file, name: file.webkitRelativePath || file.name, made: card(file.name) }));
  part("cards").prepend(...batch.map((one) => one.made));
  results.unshift(...batch);
  count();
  for (const one of batch) {
    if (mine !== generation) return;
    try {
      const said = await model.ask(one.file);
      one.probabilities = said.answer.probabilities;
      answered(one.made, said, classes);
    } catch (error) {
      one.reason = error.message;
      failed(one.made, error.message);
    }
    one.settled = true;
    delete one.file;
    if (mine === generation) count();
  }
}

function clear() {
  generation += 1;
  results.length = 0;
  part("cards").replaceChildren();
  count();
  part("choose").focus();
}

function table() {
  // A leading = + - @ would be a formula to a spreadsheet.
  const cell = (value) => `"${String(value).replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;
  const head = ["file", "class", "probability", "error", ...classes.map((name) => `p:${name}`)];
  const rows = results.filter((one) => one.settled).map(({ name, probabilities, reason }) => {
    if (!probabilities) return [cell(name), "", "", cell(reason)];
    const best = ranked(probabilities)[0];
    return [cell(name), cell(classes[best]), probabilities[best], "", ...probabilities];
  });
  return [head.map(cell), ...rows].map((row) => row.join(",")).join("\r\n");
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", table()], { type: "text/csv" }));
  link.download = "predictions.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function listen() {
  part("choose").onclick = () => part("files").click();
  part("files").onchange = ({ target }) => {
    take(target.files);
    target.value = ""; // the same file may be chosen again
  };
  part("save").onclick = save;
  part("clear").onclick = clear;
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const veil = (shown) => document.body.classList.toggle("dragging", shown);
  addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    veil(true);
  });
  addEventListener("dragleave", (event) => event.relatedTarget === null && veil(false));
  addEventListener("drop", (event) => {
    event.preventDefault();
    veil(false);
    take(event.dataTransfer.files);
  });
  addEventListener("paste", ({ clipboardData }) => clipboardData.files.length && take(clipboardData.files));
  addEventListener("keydown", ({ key }) => key === "Escape" && camera?.open && camera.stop());
  addEventListener("unhandledrejection", ({ reason }) => tell("That did not work", reason.message ?? String(reason)));
}

async function start() {
  const known = await description();
  classes = known.artifact.class_names;
  part("classes").textContent = inShort(classes);
  show(part("facts"), known);
  const settings = {
    model: known.artifact.files.model,
    maxPixels: known.artifact.max_pixels,
    background: known.inputs.background,
  };
  model = new Model(settings, progress);
  camera = new Camera(part, model, classes, take);
  listen(); // pictures may come before the model does: they wait for it
  await model.ready;
  document.body.dataset.state = "ready";
}

start().catch((error) => {
  document.body.dataset.state = "stopped";
  tell("The model could not be started", error.message);
});
