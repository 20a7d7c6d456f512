// The picture to decide about, large, beside those of its set, and examples of the classes in question.

import { byId, make, mark, sharpen } from "./elements.js";
import { large, thumbnail } from "./server.js";

const EXAMPLES = 8;
const SIDE_BY_SIDE = 4;

export class Stage {
  constructor(model, choose, accept) {
    this.model = model;
    this.choose = choose;
    this.accept = accept;
    this.shown = "";
  }

  draw() {
    const entry = this.model.current;
    byId("stage").style.visibility = entry ? "visible" : "hidden";
    for (const button of document.querySelectorAll("#actions button")) {
      button.disabled = !entry;
      const decision = entry && this.model.decisions.get(entry.n);
      button.setAttribute("aria-pressed", String(decision?.[0] === button.dataset.action));
    }
    if (!entry) return;
    byId("facts").replaceChildren(...this.facts(entry.n));
    this.figures(entry);
    this.examples(entry);
    this.prefetch();
  }

  facts(n) {
    const picture = this.model.pictures[n];
    const decision = this.model.decisions.get(n);
    const hint = this.model.hint(n);
    const changed = decision && ["relabel", "drop"].includes(decision[0]);
    const parts = [
      make("span", { className: "path name", title: picture.id }, picture.id),
      make("span", { className: `given name${changed ? " gone" : ""}` }, picture.label || "no label"),
    ];
    if (decision?.[0] === "relabel") parts.push(make("span", { className: "becomes name" }, `→ ${decision[1]}`));
    else if (decision) parts.push(mark(decision));
    if (hint && decision?.[1] !== hint.suggested) {
      const sure = hint.score === null ? "" : ` ${Math.round(100 * hint.score)} %`;
      const button = make("button", { type: "button", className: "hint name" }, `${hint.suggested}?${sure}`);
      button.title = `Relabel to ${hint.suggested}`;
      button.addEventListener("click", () => this.accept(hint.suggested));
      parts.push(button);
    }
    parts.push(this.steps());
    if (picture.split) parts.push(make("span", { className: "split" }, picture.split));
    if (picture.why) parts.push(make("span", { className: "why name" }, `Not used: ${picture.why}`));
    return parts;
  }

  // Where one is in the list, and the way on without a keyboard.
  steps() {
    const { cursor, entries } = this.model;
    const step = (text, name, to) => {
      const button = make("button", { type: "button", title: name, disabled: to < 0 || to >= entries.length }, text);
      button.setAttribute("aria-label", name);
      button.addEventListener("click", () => this.choose(to));
      return button;
    };
    const place = make("span", {}, `${cursor + 1} of ${entries.length}`);
    return make(
      "span",
      { className: "steps" },
      step("‹", "The picture before", cursor - 1),
      place,
      step("›", "The next picture", cursor + 1),
    );
  }

  // Figures are made anew only when other pictures are to be seen, so that a decision does not flicker.
  figures({ n, set }) {
    const box = byId("figures");
    const wanted = set.join(",");
    if (wanted !== this.shown) {
      box.className = set.length === 1 ? "single" : set.length > SIDE_BY_SIDE ? "many" : "";
      box.replaceChildren(...set.map((number) => this.figure(number)));
      this.shown = wanted;
    }
    set.forEach((number, place) => {
      const figure = box.children[place];
      figure.setAttribute("aria-current", String(number === n));
      figure.querySelector(".mark")?.remove();
      const decision = this.model.decisions.get(number);
      if (decision) figure.querySelector("figcaption").prepend(mark(decision));
      if (number === n && set.length > SIDE_BY_SIDE) figure.scrollIntoView({ block: "nearest" });
    });
  }

  figure(n) {
    const picture = this.model.pictures[n];
    const image = make("img", { alt: picture.id, decoding: "async", draggable: false });
    const well = make("div", { className: "well" }, image);
    // The small one is most likely there already; the large one takes its place once it is decoded.
    image.src = thumbnail(n);
    image.addEventListener("load", () => sharpen(image));
    const whole = new Image();
    whole.src = large(n);
    whole.decode().then(
      () => (image.src = whole.src),
      () => {
        image.className = "missing";
        well.append(make("p", { className: "missing-text" }, "This picture cannot be read."));
      },
    );
    const caption = make(
      "figcaption",
      {},
      make("b", { className: "name" }, picture.label || "no label"),
      make("span", {}, picture.split),
      make("span", { className: "name" }, `\u200e${picture.id}`),
    );
    const figure = make("figure", { title: picture.id }, well, caption);
    figure.addEventListener("click", () => this.choose(this.model.cursor + this.offset(n)));
    return figure;
  }

  offset(n) {
    const { n: current, set } = this.model.current;
    return set.indexOf(n) - set.indexOf(current);
  }

  examples({ n, set }) {
    const hint = this.model.hint(n);
    const given = [n, ...set].map((number) => this.model.pictures[number].label);
    const labels = [...new Set([given[0], hint?.suggested, ...given])].filter(Boolean).slice(0, 2);
    const key = `${labels.join("\n")}|${set.join(",")}`;
    if (key === this.exampled) return;
    this.exampled = key;
    byId("examples").replaceChildren(
      ...labels.map((label) => {
        const pictures = this.model.examples(label, EXAMPLES, set);
        const images = pictures.map((m) => {
          const image = make("img", { alt: "", decoding: "async", title: this.model.pictures[m].id });
          image.addEventListener("load", () => sharpen(image), { once: true });
          image.src = thumbnail(m);
          return image;
        });
        const strip = make("div", { className: "strip" }, ...images);
        return make("div", {}, make("p", {}, "Others of ", make("b", { className: "name" }, label)), strip);
      }),
    );
  }

  prefetch() {
    const { entries, cursor } = this.model;
    for (const entry of entries.slice(cursor + 1, cursor + 3)) new Image().src = large(entry.n);
  }
}
