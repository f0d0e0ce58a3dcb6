// The server as the one who reads faces: pictures go to it over HTTP, camera frames over a WebSocket.

const KEY = "mien.token";

/**
 * What went wrong, in a sentence for people. `retry` is in how many seconds it may go well, null if that isn't known;
 * `final` says that the same picture will never do.
 */
export class Problem extends Error {
  constructor(message, { code = "", retry = null, final = code === "too_large" } = {}) {
    super(message);
    Object.assign(this, { code, retry, final });
  }
}

const GONE = "The server doesn't answer. Is mien serve still running?";

let token = null;
try {
  token = sessionStorage.getItem(KEY);
} catch {
  // a browser that stores nothing: the token lasts as long as the page
}

/** A server that wants a token is opened with it after a #, which browsers send nowhere: http://host:8000/#TOKEN */
export function takeToken() {
  const given = () => location.hash.match(/^#([\w.~-]{16,256})$/)?.[1];
  addEventListener("hashchange", () => given() && location.reload()); // given in the tab where the page is open already
  if (!given()) return;
  token = given();
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // as above
  }
  history.replaceState(null, "", location.pathname);
}

export const headers = () => (token ? { authorization: `Bearer ${token}` } : {});

/** A request's JSON. Throws a Problem. */
async function json(path, options) {
  let response, body;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(GONE, { code: "gone" });
  }
  try {
    body = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (response.ok) throw new Problem(GONE, { code: "gone" }); // it broke off
    body = {};
  }
  if (response.ok) return body;
  const { code = "", message = `The server answered with status ${response.status}.` } = body.error ?? {};
  if (code === "no_token") throw new Problem("This server wants its token: open the page as …/#TOKEN.", { code });
  const wait = Number(response.headers.get("retry-after"));
  const retry = response.status === 429 || response.status === 503 ? wait || 1 : null;
  throw new Problem(retry ? `The server is busy. ${message}` : message, { code, retry });
}

/** What the server tells the page when it opens: colours, constants, networks, limits. */
export async function load() {
  const [page, models] = await Promise.all([json("page.json"), json("v1/models", { headers: headers() })]);
  return { page, models };
}

export class Server {
  accept = "image/*,.tif,.tiff,.ppm,.pgm,.heic,.heif,.avif";
  loading = false;

  constructor({ limits }) {
    this.limits = limits;
  }

  /** Read a picture file. */
  async read(blob, { model, detect, signal }) {
    const { bytes } = this.limits;
    if (blob.size > bytes) throw new Problem(`This file has ${size(blob.size)}; the limit is ${size(bytes)}.`, { code: "too_large" });
    const form = new FormData();
    form.append("file", await held(blob), "picture"); // its name stays here
    return json(`v1/predict?${query(model, detect)}`, { method: "POST", body: form, headers: headers(), signal });
  }

  /** Read a camera's frames: `frame(canvas)` sends one and gives its answer. */
  follow({ model, detect }) {
    const address = new URL(`v1/stream?${query(model, detect)}`, location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    return new Stream(address, token);
  }
}

/** A file's bytes in memory: one that can't be read while it is sent looks as if the server were gone. */
async function held(blob) {
  try {
    return new Blob([await blob.arrayBuffer()], { type: blob.type });
  } catch {
    const message = "This file can't be read: it's a folder, or was moved or changed since. Choose it again.";
    throw new Problem(message, { code: "bad_picture" });
  }
}

const TRY_LATER = 1013; // the code of a WebSocket that is closed since there are too many
const LATE = 20_000; // ms after which no answer will come: a connection that a sleep or another network cut isn't closed

class Stream {
  #waiting = null;

  constructor(address, key) {
    this.socket = new WebSocket(address, key ? ["mien", `bearer.${key}`] : ["mien"]);
    this.why = new Promise((tell) => {
      this.socket.onclose = async ({ code, reason }) => {
        tell(code === TRY_LATER ? new Problem(`The server is busy: ${reason}`, { code: "busy" }) : await whyClosed());
      };
    });
    this.opened = new Promise((open, fail) => {
      this.socket.onopen = open;
      this.why.then((problem) => {
        fail(problem);
        this.#waiting?.fail(problem);
      });
    });
    this.opened.catch(() => {}); // told to whoever sends a frame
    this.socket.onmessage = ({ data }) => {
      const answer = JSON.parse(data);
      const waiting = this.#waiting;
      this.#waiting = null;
      if (!answer.error) waiting?.done(answer);
      else waiting?.fail(new Problem(answer.error.message, { code: answer.error.code, retry: 1 }));
    };
  }

  /** Whether no frame can be sent any more. */
  get lost() {
    return this.socket.readyState > WebSocket.OPEN;
  }

  async frame(canvas) {
    let late;
    const gone = new Promise((_, fail) => {
      late = setTimeout(() => {
        this.close();
        fail(new Problem(GONE, { code: "gone" }));
      }, LATE);
    });
    return Promise.race([this.#asked(canvas), gone]).finally(() => clearTimeout(late));
  }

  async #asked(canvas) {
    await this.opened;
    const jpeg = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
    if (this.socket.readyState !== WebSocket.OPEN) throw await this.why; // it may be closing, and not say yet why
    return new Promise((done, fail) => {
      this.#waiting = { done, fail };
      this.socket.send(jpeg);
    });
  }

  close() {
    this.socket.onclose = null;
    this.#waiting = null;
    this.socket.close();
  }
}

/** A browser doesn't say why a WebSocket was refused; a plain request does. */
async function whyClosed() {
  try {
    await json("v1/models", { headers: headers() });
    return new Problem("The server closed the stream.", { code: "closed" });
  } catch (problem) {
    return problem;
  }
}

const query = (model, detect) => new URLSearchParams({ model, detect }).toString();
const size = (bytes) => (bytes < 1 << 20 ? `${Math.round(bytes / 1024)} kB` : `${(bytes / (1 << 20)).toFixed(1)} MB`);
