// This browser as the one who reads faces: pictures go to a worker of this page, and nowhere else.

import { headers, Problem } from "./server.js";

export class Browser {
  #worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  #asked = new Map();
  #next = 1;

  constructor(page, { limits, models }) {
    this.limits = limits;
    this.#worker.onmessage = ({ data: { id, answer, problem } }) => {
      const { done, fail } = this.#asked.get(id);
      this.#asked.delete(id);
      if (problem) fail(new Problem(problem));
      else done(answer);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      for (const { fail } of this.#asked.values()) fail(new Problem(`The networks don't run in this browser: ${event.message}`));
      this.#asked.clear();
    };
    this.#ask({ start: { page, models, headers: headers(), at: document.baseURI } }).catch(() => {}); // asked again with the first picture
  }

  /** Read a picture file. */
  async read(blob, { model, detect }) {
    let bitmap;
    try {
      bitmap = await decode(blob);
    } catch {
      throw new Problem("This isn't a picture that this browser can read.", { code: "bad_picture" });
    }
    const { width, height } = bitmap;
    if (width * height > this.limits.pixels) {
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
      close: () => this.#worker.postMessage({ end: stream }),
    };
  }

  #ask(message, handed = []) {
    const id = this.#next++;
    this.#worker.postMessage({ id, ...message }, handed);
    return new Promise((done, fail) => this.#asked.set(id, { done, fail }));
  }
}

/** A file's pixels: upright as its EXIF data says, its colours as they stand in the file, as the server has them. */
export function decode(blob) {
  return createImageBitmap(blob, { imageOrientation: "from-image", colorSpaceConversion: "none", premultiplyAlpha: "none" });
}
