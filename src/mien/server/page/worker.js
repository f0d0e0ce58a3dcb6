// The detector and the networks on onnxruntime-web, away from the page's own thread. Only its own files are fetched;
// no picture leaves.

import { crops, flat, whole } from "./align.js";
import { detect } from "./detect.js";
import { fromCanvas } from "./pixels.js";
import { Tracker } from "./track.js";

let ort, setup, detector;
const networks = new Map();
const trackers = new Map();
let turn = Promise.resolve();

onmessage = ({ data }) => {
  if (data.start) setup = data.start;
  turn = turn.then(async () => {
    if (data.end) return trackers.delete(data.end); // in turn: a frame that is still being read would make a new one
    try {
      postMessage({ id: data.id, answer: await (data.start ? start() : read(data)) });
    } catch (error) {
      postMessage({ id: data.id, problem: error.message });
    }
  });
};

async function start() {
  ort = await import(new URL("browser/ort.wasm.min.mjs", setup.at));
  ort.env.wasm.wasmPaths = new URL("browser/", setup.at).href;
  ort.env.wasm.numThreads = crossOriginIsolated ? Math.min(4, Math.ceil(navigator.hardwareConcurrency / 2)) : 1;
  ort.env.logLevel = "error";
  detector = await open(await bytes("v1/networks/detector"));
  const [first] = setup.models;
  const { side } = setup.page.detect;
  // the first call of each takes longer: not with somebody's photo
  await look({ planes: new Float32Array(3 * side * side), height: side, width: side });
  await ask(await network(first), new Uint8Array(first.input_shape.reduce((one, other) => one * other)), first);
}

async function network({ name: model, files }) {
  if (!networks.has(model)) {
    const fetched = files.map((name) => bytes(`v1/networks/file?${new URLSearchParams({ model, name })}`));
    const [graph, ...weights] = await Promise.all(fetched);
    networks.set(model, await open(graph, weights.map((data, place) => ({ path: files[place + 1], data }))));
  }
  return networks.get(model);
}

/** An ONNX file ready to run; `externalData` are the files that it takes its weights from. */
function open(graph, externalData = []) {
  const logSeverityLevel = 3; // errors: the detector's outputs have other sizes than its file says, as its input has
  return ort.InferenceSession.create(graph, { executionProviders: ["wasm"], externalData, logSeverityLevel });
}

async function bytes(path) {
  const response = await fetch(new URL(path, setup.at), { headers: setup.headers }).catch(() => {
    throw new Error("The networks can't be fetched: the server doesn't answer.");
  });
  if (!response.ok) throw new Error((await response.json()).error.message);
  return new Uint8Array(await response.arrayBuffer());
}

async function read({ picture, model, detect: find, photo, stream, time }) {
  const { page, models } = setup;
  const about = models.find(({ name }) => name === model);
  const session = await network(about);
  const began = performance.now();
  const rgb = pixelsOf(picture);
  const decoded = performance.now();
  const found = find ? await detect(rgb, look, page.detect, photo) : [];
  const input = find ? crops(rgb, found, about.input_shape, page.align) : whole(rgb, about.input_shape);
  const doubtful = flat(input, about.input_shape, page.align);
  const detected = performance.now();
  let answers = await ask(session, input, about);
  const ended = performance.now();
  let ids = null;
  if (stream && find) {
    if (!trackers.has(stream)) trackers.set(stream, new Tracker(page.track));
    const followed = trackers.get(stream).update(time, found, answers);
    ids = followed.map(({ id }) => id);
    answers = followed.map(({ probabilities }) => probabilities);
  }
  return {
    model,
    device: "browser",
    classes: about.classes,
    uncertain_below: about.uncertain_below,
    width: rgb.width,
    height: rgb.height,
    faces: answers.map((answer, place) => faceOf(answer, about, doubtful[place], found[place], ids?.[place])),
    timings_ms: {
      decode: places(decoded - began, 2),
      detect: places(detected - decoded, 2),
      network: places(ended - detected, 2),
      total: places(ended - began, 2),
    },
  };
}

/** RGB; what is seen through shows white, as Python has it. */
function pixelsOf(bitmap) {
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true, alpha: false });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return fromCanvas(context.getImageData(0, 0, width, height));
}

/** The detector's outputs by name. */
async function look({ planes, height, width }) {
  const outputs = await detector.run({ input: new ort.Tensor("float32", planes, [1, 3, height, width]) });
  return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data]));
}

/** A network's probabilities, one array for each crop. */
async function ask(session, pixels, { input_shape: shape, classes }) {
  const count = pixels.length / (shape[0] * shape[1] * shape[2]);
  if (!count) return [];
  const { probabilities } = await session.run({ pixels: new ort.Tensor("uint8", pixels, [count, ...shape]) });
  return Array.from({ length: count }, (_, place) => [
    ...probabilities.data.subarray(place * classes.length, (place + 1) * classes.length),
  ]);
}

function faceOf(answer, { classes, uncertain_below: threshold }, doubtful, at, id) {
  const likeliest = answer.indexOf(Math.max(...answer));
  return {
    face: id ?? null,
    label: classes[likeliest],
    confidence: places(answer[likeliest], 5),
    uncertain: answer[likeliest] < threshold || threshold === 1 || (doubtful && threshold > 0), // 1: no confidence is enough
    probabilities: Object.fromEntries(classes.map((name, place) => [name, places(answer[place], 5)])),
    box: at ? at.box.map((value) => places(value, 1)) : null,
    landmarks: at ? at.landmarks.map((point) => point.map((value) => places(value, 1))) : null,
    detection: at ? places(at.score, 4) : null,
  };
}

const places = (value, digits) => Number(value.toFixed(digits));
