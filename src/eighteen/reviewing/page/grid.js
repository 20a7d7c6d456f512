// The list of pictures: only the rows that can be seen exist, so that any number of them scrolls.

import { byId, make, mark, sharpen } from "./elements.js";
import { thumbnail } from "./server.js";

const AROUND_ROWS = 3;
const LABEL_PX = 26;

export class Grid {
  constructor(model, choose) {
    this.model = model;
    this.choose = choose;
    this.box = byId("grid");
    this.sizer = byId("sizer");
    this.tiles = new Map();
    this.box.addEventListener("scroll", () => this.later(), { passive: true });
    new ResizeObserver(() => this.layout()).observe(this.box);
    this.box.addEventListener("click", (event) => {
      const tile = event.target.closest(".tile");
      if (tile) this.choose(tile.place);
    });
  }

  // After other entries: everything anew.
  reset() {
    for (const tile of this.tiles.values()) tile.remove();
    this.tiles.clear();
    this.box.scrollTop = 0;
    this.sizer.replaceChildren();
    if (!this.model.entries.length) this.sizer.append(make("p", { className: "empty" }, this.nothing()));
    this.layout();
  }

  nothing() {
    const { show, label, split, text } = this.model.filters;
    if (show === "open" && !label && split === null && !text) return "Everything here is decided.";
    return "No picture passes these filters.";
  }

  layout() {
    const width = this.box.clientWidth;
    if (!width) return;
    this.columns = Math.max(2, Math.floor(width / (document.body.dataset.view === "grid" ? 140 : 104)));
    this.side = Math.floor((width - 12) / this.columns);
    this.row = this.side + LABEL_PX - 8;
    const rows = Math.ceil(this.model.entries.length / this.columns);
    this.sizer.style.height = this.model.entries.length ? `${rows * this.row + 12}px` : "auto";
    for (const [place, tile] of this.tiles) this.put(tile, place);
    this.draw();
  }

  later() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = undefined;
      this.draw();
    });
  }

  draw() {
    if (!this.row) return;
    const first = Math.max(0, Math.floor(this.box.scrollTop / this.row) - AROUND_ROWS) * this.columns;
    const seen = Math.ceil(this.box.clientHeight / this.row) + 2 * AROUND_ROWS + 1;
    const last = Math.min(this.model.entries.length, first + seen * this.columns);
    for (const [place, tile] of this.tiles) {
      if (place >= first && place < last) continue;
      tile.image.removeAttribute("src");
      tile.remove();
      this.tiles.delete(place);
    }
    for (let place = first; place < last; place += 1) if (!this.tiles.has(place)) this.add(place);
  }

  add(place) {
    const { n, set } = this.model.entries[place];
    const image = make("img", { alt: "", decoding: "async", draggable: false });
    image.addEventListener("load", () => sharpen(image), { once: true });
    image.src = thumbnail(n);
    const frame = make("span", { className: "frame" }, image);
    if (set.length > 1) frame.append(make("span", { className: "set" }, `${set.indexOf(n) + 1}/${set.length}`));
    const picture = this.model.pictures[n];
    const label = make("span", { className: "label name" }, picture.label || "no label");
    const tile = make("button", { type: "button", className: "tile", title: picture.id, tabIndex: -1 }, frame, label);
    tile.place = place;
    tile.image = image;
    tile.frame = frame;
    tile.classList.toggle("joined", set.length > 1 && this.model.entries[place].odd);
    this.put(tile, place);
    this.dress(tile, place);
    this.tiles.set(place, tile);
    this.sizer.append(tile);
  }

  put(tile, place) {
    const column = place % this.columns;
    const row = Math.floor(place / this.columns);
    tile.style.width = `${this.side}px`;
    tile.style.height = `${this.row}px`;
    tile.style.transform = `translate(${6 + column * this.side}px, ${6 + row * this.row}px)`;
  }

  dress(tile, place) {
    const decision = this.model.decisions.get(this.model.entries[place].n);
    tile.setAttribute("aria-current", String(place === this.model.cursor));
    tile.classList.toggle("decided", decision !== undefined);
    tile.frame.querySelector(".mark")?.remove();
    if (decision) tile.frame.append(mark(decision));
  }

  // After a decision or a step: what can be seen is brought up to date, and the current tile into view.
  refresh() {
    for (const [place, tile] of this.tiles) this.dress(tile, place);
    if (!this.row) return;
    const top = Math.floor(this.model.cursor / this.columns) * this.row;
    const { scrollTop, clientHeight } = this.box;
    if (top < scrollTop) this.box.scrollTop = top;
    else if (top + this.row + 12 > scrollTop + clientHeight) this.box.scrollTop = top + this.row + 12 - clientHeight;
  }
}
