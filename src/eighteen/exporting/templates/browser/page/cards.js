// What is shown of an answer.

const SHOWN = 5;

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function percent(share) {
  if (share > 0 && share < 0.001) return "< 0.1 %";
  if (share < 1 && share > 0.999) return "> 99.9 %";
  return `${(100 * share).toFixed(1)} %`;
}

/** Class indices, the likeliest first. */
export function ranked(probabilities) {
  return probabilities.map((_, index) => index).sort((a, b) => probabilities[b] - probabilities[a]);
}

/** The likeliest classes as bars, and the rest behind a switch. */
export function bars(probabilities, classes, shown = SHOWN) {
  const rows = ranked(probabilities).map((index) => row(classes[index], probabilities[index]));
  const few = element("ol", { class: "bars" }, ...rows.slice(0, shown));
  if (rows.length <= shown) return [few];
  const rest = element("ol", { class: "bars" }, ...rows.slice(shown));
  const more = element("details", {}, element("summary", {}, `${rows.length - shown} more`), rest);
  return [few, more];
}

function row(name, share) {
  const fill = element("i");
  fill.style.width = `${100 * share}%`;
  const track = element("span", { class: "track", "aria-hidden": "true" }, fill);
  return element(
    "li",
    {},
    element("span", { class: "name", title: name }, name),
    element("span", { class: "value" }, percent(share)),
    track,
  );
}

/** The likeliest class in a line of its own. */
export function headline(probabilities, classes) {
  const best = ranked(probabilities)[0];
  const line = element("p", { class: "best" }, element("b", {}, classes[best]), " ");
  // Below one half the model itself expects to be wrong more often than right.
  if (probabilities[best] < 0.5) line.append(element("span", { class: "unsure" }, "unsure"));
  return line;
}

/** A card that waits; `answered` and `failed` fill it. */
export function card(name) {
  const picture = element("div", { class: "picture" });
  const caption = element("p", { class: "file soft" }, element("span", { title: name }, name));
  const body = element("div", { class: "said" }, element("p", { class: "soft" }, "waiting …"));
  const attributes = { class: "card", "data-name": name, "aria-label": name, "aria-busy": "true" };
  return element("article", attributes, picture, element("div", {}, caption, body));
}

export function answered(made, { answer, small }, classes) {
  const size = { width: small.width, height: small.height };
  const canvas = element("canvas", { ...size, role: "img", "aria-label": made.dataset.name });
  if (answer.width * answer.height <= 64 * 64) canvas.className = "pixels";
  canvas.getContext("bitmaprenderer").transferFromImageBitmap(small);
  made.querySelector(".picture").append(canvas);
  made.querySelector(".file").append(element("span", {}, `${answer.width} × ${answer.height}`));
  const said = [headline(answer.probabilities, classes), ...bars(answer.probabilities, classes)];
  made.querySelector(".said").replaceChildren(...said);
  made.dataset.probabilities = JSON.stringify(answer.probabilities);
  made.removeAttribute("aria-busy");
}

export function failed(made, reason) {
  made.classList.add("failed");
  made.querySelector(".said").replaceChildren(element("p", {}, reason));
  made.dataset.reason = reason;
  made.removeAttribute("aria-busy");
}
