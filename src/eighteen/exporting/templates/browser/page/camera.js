// The camera, where the browser has one and the page may ask for it.
import { bars, headline } from "./cards.js";

const SHOWN_LIVE = 3;

export class Camera {
  #stream = null;
  #facing = "environment";

  /** `part`: finds an element of the page by id. `keep`: takes a picture file. */
  constructor(part, model, classes, keep) {
    Object.assign(this, { part, model, classes, keep });
    part("camera-start").onclick = () => this.start();
    part("camera-stop").onclick = () => this.stop();
    part("camera-take").onclick = () => this.take();
    part("camera-turn").onclick = () => this.turn();
    part("camera-start").hidden = !navigator.mediaDevices?.getUserMedia;
  }

  get open() {
    return this.#stream !== null;
  }

  async start() {
    const video = { facingMode: this.#facing, width: { ideal: 1280 }, height: { ideal: 720 } };
    this.#stream = await navigator.mediaDevices.getUserMedia({ video });
    this.part("video").srcObject = this.#stream;
    await this.part("video").play();
    this.#shown(true);
    this.part("camera-take").focus();
    const devices = await navigator.mediaDevices.enumerateDevices();
    this.part("camera-turn").hidden = devices.filter((one) => one.kind === "videoinput").length < 2;
    this.#watch(this.#stream);
  }

  stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.part("video").srcObject = null;
    this.part("live").replaceChildren();
    this.#shown(false);
    this.part("camera-start").focus();
  }

  #shown(open) {
    this.part("camera").hidden = !open;
    this.part("camera-start").hidden = open;
    document.body.classList.toggle("with-camera", open);
  }

  async turn() {
    this.#facing = this.#facing === "user" ? "environment" : "user";
    this.stop();
    await this.start();
  }

  /** Keeps what is seen now, as a picture like any other. */
  async take() {
    const video = this.part("video");
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    canvas.getContext("2d").drawImage(video, 0, 0);
    const time = new Date().toTimeString().slice(0, 8).replaceAll(":", "-");
    this.keep([new File([await canvas.convertToBlob()], `camera ${time}.png`, { type: "image/png" })]);
  }

  /** Answers as fast as the model does, for as long as this stream is the open one. */
  async #watch(stream) {
    while (this.#stream === stream) {
      await new Promise(requestAnimationFrame); // stands still while the page is hidden
      const video = this.part("video");
      if (this.#stream !== stream || !video.videoWidth) continue;
      const { answer } = await this.model.ask(await createImageBitmap(video), true);
      if (this.#stream !== stream) return;
      const shown = [headline(answer.probabilities, this.classes), bars(answer.probabilities, this.classes, SHOWN_LIVE)[0]];
      this.part("live").replaceChildren(...shown);
    }
  }
}
