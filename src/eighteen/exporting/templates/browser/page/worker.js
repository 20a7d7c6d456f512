// Decodes and answers, off the page's own thread, so that the page never stands still.
import * as ort from "../runtime/ort.wasm.bundle.min.mjs";
import { decoded, rgb, thumbnail } from "./pixels.js";

const FOLDER = new URL("../", import.meta.url);
let session, settings;

/** The model's bytes, with word of how far it is. */
async function fetched(name) {
  const answer = await fetch(new URL(name, FOLDER));
  if (!answer.ok) throw new Error(`${name} is missing from the folder (${answer.status})`);
  const total = answer.headers.get("content-encoding") ? 0 : Number(answer.headers.get("content-length"));
  const parts = [];
  let loaded = 0;
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
    parts.push(value);
    loaded += value.length;
    postMessage({ kind: "progress", loaded, total });
  }
}

async function start(asked) {
  settings = asked;
  ort.env.wasm.wasmPaths = { wasm: new URL("runtime/ort-wasm-simd-threaded.wasm", FOLDER).href };
  // Threads share memory, which browsers allow only to pages that their server isolates from others.
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
  session = await ort.InferenceSession.create(await fetched(asked.model));
  postMessage({ kind: "ready", threads: ort.env.wasm.numThreads });
}

async function ask({ id, source, live }) {
  const bitmap = await decoded(source, settings.maxPixels).catch((error) => {
    const why = error.message.replace(/\.$/, "");
    throw new Error(`This browser cannot read it (${why}). Save it as JPEG or PNG.`);
  });
  const { width, height } = bitmap;
  const small = live ? undefined : await thumbnail(bitmap);
  const image = new ort.Tensor("uint8", rgb(bitmap, settings.background), [1, height, width, 3]);
  bitmap.close();
  const begun = performance.now();
  const { probabilities } = await session.run({ image }, ["probabilities"]);
  const answer = { probabilities: Array.from(probabilities.data), width, height, ms: performance.now() - begun };
  postMessage({ kind: "answer", id, answer, small }, small ? [small] : []);
}

self.onmessage = async ({ data }) => {
  try {
    await (data.kind === "start" ? start(data) : ask(data));
  } catch (error) {
    postMessage({ kind: "failed", id: data.id, reason: error.message || String(error) });
  }
};
