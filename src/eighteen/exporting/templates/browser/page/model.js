// The model as the page sees it: pictures in, answers out, one after the other.

export class Model {
  #worker;
  #waiting = new Map();
  #next = 1;
  #settled;

  /** `told` hears how much of the model has been loaded. */
  constructor(settings, told) {
    const started = new Promise((resolve, reject) => (this.#settled = { resolve, reject }));
    this.ready = started;
    // A worker of its own address would have no policy; one made by the page has the page's, and can ask nobody else.
    const program = `import ${JSON.stringify(new URL("worker.js", import.meta.url).href)};`;
    const address = URL.createObjectURL(new Blob([program], { type: "text/javascript" }));
    this.#worker = new Worker(address, { type: "module" });
    this.#worker.onmessage = ({ data }) => this.#heard(data, told);
    this.#worker.onerror = (event) =>
      this.#settled.reject(new Error(event.message || "the program in runtime/ cannot be loaded"));
    this.#worker.postMessage({ kind: "start", ...settings });
  }

  #heard({ kind, id, ...rest }, told) {
    if (kind === "progress") told(rest.loaded, rest.total);
    else if (kind === "ready") this.#settled.resolve(rest);
    else if (id === undefined) this.#settled.reject(new Error(rest.reason));
    else {
      const asked = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (kind === "answer") asked.resolve(rest);
      else asked.reject(new Error(rest.reason));
    }
  }

  /** `source`: a file, or a bitmap, which is handed over. Gives `{answer, small}`. */
  async ask(source, live = false) {
    await this.ready;
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ kind: "ask", id, source, live }, source instanceof Blob ? [] : [source]);
    });
  }
}
