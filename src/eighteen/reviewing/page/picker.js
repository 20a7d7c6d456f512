// The dialog that asks for the right class: by number, by typing a part of the name, or by a click.

import { byId, make } from "./elements.js";

export class Picker {
  constructor(classes, chosen) {
    this.classes = classes;
    this.chosen = chosen;
    this.dialog = byId("picker");
    this.input = byId("picker-input");
    this.list = byId("picker-list");
    // Where classes are called 0, 1, 2 …, digits are names and not places.
    this.numbered = !classes.some((name) => /^[0-9]/.test(name));
    this.input.addEventListener("input", () => this.draw());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("click", (event) => {
      const item = event.target.closest("li");
      if (item) this.take(item.label);
    });
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
  }

  get open() {
    return this.dialog.open;
  }

  ask(current, suggested, score) {
    this.current = current;
    this.suggested = suggested;
    this.score = score;
    this.input.value = "";
    this.draw();
    this.dialog.showModal();
    this.input.focus();
  }

  draw() {
    const typed = this.input.value.trim().toLowerCase();
    const rank = (name) => {
      const lower = name.toLowerCase();
      if (!typed) return name === this.suggested ? 0 : 1;
      return lower === typed ? 0 : lower.startsWith(typed) ? 1 : lower.includes(typed) ? 2 : 3;
    };
    // Numbers belong to the class, not to its place here: the hand learns them.
    const places = new Map(this.classes.map((name, place) => [name, place]));
    this.found = this.classes
      .filter((name) => name !== this.current && rank(name) < 3)
      .sort((one, other) => rank(one) - rank(other));
    this.selected = 0;
    this.list.replaceChildren(
      ...this.found.map((name, place) => {
        const item = make("li", { role: "option", id: `class-${place}` });
        item.label = name;
        if (this.numbered && places.get(name) < 9) item.append(make("kbd", {}, String(places.get(name) + 1)));
        item.append(make("span", { className: "name" }, name));
        if (name === this.suggested) item.append(make("span", { className: "soft" }, "suggested"));
        return item;
      }),
    );
    this.select(0);
  }

  select(place) {
    const count = this.found.length;
    if (!count) return;
    this.selected = (place + count) % count;
    [...this.list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === this.selected)));
    this.list.children[this.selected].scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", `class-${this.selected}`);
  }

  key(event) {
    if (event.key === "ArrowDown") this.select(this.selected + 1);
    else if (event.key === "ArrowUp") this.select(this.selected - 1);
    else if (event.key === "Enter") this.take(this.found[this.selected]);
    else if (this.numbered && !this.input.value && /^[1-9]$/.test(event.key)) this.take(this.classes[event.key - 1]);
    else return;
    event.preventDefault();
  }

  take(label) {
    if (label === undefined || label === this.current) return;
    this.dialog.close();
    this.chosen(label);
  }
}
