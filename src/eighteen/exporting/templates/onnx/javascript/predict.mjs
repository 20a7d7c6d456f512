// Names what is in pictures: npm install && node predict.mjs PICTURE...
//
// Everything from the decoded picture on is inside model.onnx: it takes RGB bytes of any size.
import { readFile } from "node:fs/promises";
import * as ort from "onnxruntime-node";
import sharp from "sharp";

const folder = new URL("../", import.meta.url);
const { class_names: classes } = JSON.parse(await readFile(new URL("artifact.json", folder), "utf8"));
const { background } = JSON.parse(await readFile(new URL("inputs.json", folder), "utf8"));
const session = await ort.InferenceSession.create(await readFile(new URL("model.onnx", folder)));

/** RGB bytes, upright, transparency laid over the background that the model was trained with. */
async function read(path) {
  // Colour profiles are not applied: the model was trained without applying them.
  const picture = sharp(path, { ignoreIcc: true }).rotate().toColourspace("srgb").ensureAlpha().raw();
  const { data: rgba, info } = await picture.toBuffer({ resolveWithObject: true });
  const rgb = new Uint8Array(info.height * info.width * 3);
  for (let pixel = 0, to = 0; to < rgb.length; pixel += 4) {
    const share = rgba[pixel + 3] / 255;
    for (let c = 0; c < 3; c++) rgb[to++] = Math.round(rgba[pixel + c] * share + background[c] * (1 - share));
  }
  return new ort.Tensor("uint8", rgb, [1, info.height, info.width, 3]);
}

for (const path of process.argv.slice(2)) {
  const { probabilities } = await session.run({ image: await read(path) }, ["probabilities"]);
  const best = probabilities.data.indexOf(Math.max(...probabilities.data));
  console.log(`${path}\t${classes[best]}\t${probabilities.data[best].toFixed(4)}`);
}
