// What this model is and how it was checked, from the files that lie beside the page.
import { element } from "./cards.js";

async function read(name) {
  const answer = await fetch(new URL(`../${name}`, import.meta.url));
  if (!answer.ok) throw new Error(`${name} is missing from the folder (${answer.status})`);
  return answer.json();
}

/** `artifact.json`, `inputs.json` and `parity.json`. */
export async function description() {
  const [artifact, inputs, parity] = await Promise.all(["artifact.json", "inputs.json", "parity.json"].map(read));
  return { artifact, inputs, parity };
}

function proof({ n, top1_agreement: agreement, max_probability_difference: gap }) {
  return `same answer on ${(100 * agreement).toFixed(2)} % of ${n} real pictures, probabilities differ by at most ${gap.toExponential(1)}`;
}

/** Pairs of a word and what is to be said about it. */
function rows({ artifact, inputs, parity }) {
  const found = [
    ["Model", `${artifact.notes.model}, ${artifact.precision}, ${(parity.size_bytes / 1e6).toFixed(1)} MB`],
    ["Sees", `${inputs.size} × ${inputs.size} pixels, ${inputs.channels === 1 ? "grey" : "colour"}`],
    ["Against the trained model", proof(parity)],
  ];
  if (parity.page?.n) found.push([`This page, in ${parity.page.browser}`, proof(parity.page)]);
  if (artifact.calibration.method !== "none") {
    found.push(["Percentages", `calibrated on ${artifact.calibration.n} pictures`]);
  } else found.push(["Percentages", "as the network gives them, not calibrated"]);
  found.push(["Knows", artifact.class_names.join(", ")]);
  found.push(["Made with", artifact.notes.made_with]);
  found.push(["Runs on", artifact.facts.runtime]);
  return found;
}

export function show(list, known) {
  list.replaceChildren(...rows(known).flatMap(([word, text]) => [element("dt", {}, word), element("dd", {}, text)]));
}

/** The first class names, as one sentence. */
export function inShort(classes, most = 8) {
  const first = classes.slice(0, most).join(", ");
  const rest = classes.length - most;
  return rest > 0 ? `One of ${classes.length}: ${first} and ${rest} more` : `One of ${classes.length}: ${first}`;
}
