// This browser as the one who reads faces: pictures go to a worker of this page, and nowhere else.

import { headers, Problem } from "./server.js";

export class Browser {
  #setup;
  #worker = null;
  #asked = new Map();
  #next = 1;
  accept = "image/jpeg,image/png,image/webp,image/bmp,image/gif,image/avif"; // what browsers decode
  loading = true;

  constructor(page, { limits, models }) {
    this.limits = limits;
    this.#setup = { page, models, headers: headers(), at: document.baseURI };
    this.#begin();
  }

  /** A new worker. Where it can't start it is given up, and the next question gets another. */
  #begin() {
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.#worker = worker;
    worker.onmessage = ({ data: { id, answer, problem } }) => {
      const asked = this.#asked.get(id);
      this.#asked.delete(id);
      if (problem) asked?.fail(new Problem(problem));
      else asked?.done(answer);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      const missing = "What runs the networks can't be fetched: the server doesn't answer.";
      this.#giveUp(worker, event.message ? `The networks don't run in this browser: ${event.message}` : missing);
    };
    const started = () => (this.loading = false);
    this.#ask({ start: this.#setup }).then(started, ({ message }) => this.#giveUp(worker, message));
  }

  /** What failed once in a worker fails there for good, onnxruntime-web's loading for one. */
  #giveUp(worker, message) {
    if (this.#worker !== worker) return;
    worker.terminate();
    this.#worker = null;
    this.loading = true;
    for (const { fail } of this.#asked.values()) fail(new Problem(message));
    this.#asked.clear();
  }

  /** Read a picture file. */
  async read(blob, { model, detect }) {
    let bitmap;
    try {
      bitmap = await decode(blob);
    } catch {
      throw new Problem("This isn't a picture that this browser can read (JPEG, PNG, WebP, BMP, GIF).", { code: "bad_picture" });
    }
    const { width, height } = bitmap;
    if (width * height > this.limits.pixels) {
      bitmap.close();
      const millions = (pixels) => `${(pixels / 1e6).toFixed(1)} million pixels`;
      throw new Problem(`This picture has ${millions(width * height)}; the limit is ${millions(this.limits.pixels)}.`, { code: "too_large" });
    }
    return this.#ask({ picture: bitmap, model, detect, photo: true }, [bitmap]);
  }

  /** Read a camera's frames: `frame(canvas)` gives one's answer. */
  follow({ model, detect }) {
    const stream = this.#next++;
    const began = performance.now();
    return {
      frame: async (canvas) => {
        const bitmap = await createImageBitmap(canvas);
        const time = (performance.now() - began) / 1000;
        return this.#ask({ picture: bitmap, model, detect, photo: false, stream, time }, [bitmap]);
      },
      close: () => this.#worker?.postMessage({ end: stream }),
    };
  }

  #ask(message, handed = []) {
    if (!this.#worker) this.#begin();
    const id = this.#next++;
    this.#worker.postMessage({ id, ...message }, handed);
    return new Promise((done, fail) => this.#asked.set(id, { done, fail }));
  }
}

/** A file's pixels: upright as its EXIF data says, its colours as they stand in the file, as the server has them. */
export function decode(blob) {
  return createImageBitmap(blob, { imageOrientation: "from-image", colorSpaceConversion: "none", premultiplyAlpha: "none" });
}
