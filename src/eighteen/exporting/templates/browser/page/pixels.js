// From a picture file to what the model takes: uint8 RGB, upright, transparency laid over the background.
//
// Colour profiles are not applied, because the model was trained without applying them. The browser itself turns
// pictures upright by their EXIF orientation.

const STRIP_PIXELS = 1 << 21; // a phone refuses a canvas of the size of its own photos, so they pass in strips
const THUMBNAIL = 480;

/** An ImageBitmap of a file or of a camera's frame. Fails where the browser does not know the format. */
export async function decoded(source, maxPixels) {
  const bitmap = source instanceof Blob ? await createImageBitmap(source, { colorSpaceConversion: "none" }) : source;
  if (bitmap.width * bitmap.height > maxPixels) {
    bitmap.close();
    throw new Error(`more than ${maxPixels} pixels`);
  }
  return bitmap;
}

/** RGB bytes [height, width, 3] of a bitmap. */
export function rgb(bitmap, background) {
  const { width, height } = bitmap;
  const rows = Math.min(height, Math.max(1, Math.floor(STRIP_PIXELS / width)));
  const context = new OffscreenCanvas(width, rows).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = false;
  context.fillStyle = `rgb(${background.join(" ")})`;
  const out = new Uint8Array(width * height * 3);
  for (let top = 0, to = 0; top < height; top += rows) {
    const count = Math.min(rows, height - top);
    context.fillRect(0, 0, width, rows);
    context.drawImage(bitmap, 0, top, width, count, 0, 0, width, count);
    const rgba = context.getImageData(0, 0, width, count).data;
    for (let from = 0; from < rgba.length; from += 4) {
      out[to++] = rgba[from];
      out[to++] = rgba[from + 1];
      out[to++] = rgba[from + 2];
    }
  }
  return out;
}

/** A small ImageBitmap to show, so that a hundred large photos fit into memory. */
export function thumbnail(bitmap) {
  const scale = Math.min(1, THUMBNAIL / Math.max(bitmap.width, bitmap.height));
  return createImageBitmap(bitmap, {
    resizeWidth: Math.max(1, Math.round(bitmap.width * scale)),
    resizeHeight: Math.max(1, Math.round(bitmap.height * scale)),
    resizeQuality: "high",
  });
}
