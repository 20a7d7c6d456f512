// Makes elements; text is always text, never markup.

export const byId = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in element && name !== "list") element[name] = value;
    else if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function mark(decision) {
  const [action, label] = decision;
  const words = { keep: "kept", drop: "dropped", unsure: "unsure" };
  return make("span", { className: `mark ${action}` }, words[action] ?? `→ ${label}`);
}

// Pictures of few pixels are shown as squares, not as a blur.
export function sharpen(image) {
  image.classList.toggle("tiny", image.naturalWidth > 0 && Math.max(image.naturalWidth, image.naturalHeight) <= 96);
}

let hiding = 0;

export function tell(text, bad = false) {
  const box = byId("message");
  box.textContent = text;
  box.className = bad ? "shown bad" : "shown";
  clearTimeout(hiding);
  hiding = setTimeout(() => (box.className = ""), bad ? 10000 : 2500);
}
