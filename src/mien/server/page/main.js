// The page: what a person does, and what is shown then.

import { Browser, decode } from "./browser.js";
import { Camera } from "./camera.js";
import { Faces } from "./faces.js";
import { Records, save } from "./records.js";
import { complain, say, sayNowAndThen, sayReading, summary, where, word } from "./said.js";
import { load } from "./settings.js";
import { Problem, Server, takeToken } from "./server.js";
import { Timeline } from "./timeline.js";

const $ = (id) => document.getElementById(id);
const LARGEST = 2048; // side of a photo as it is shown
const TRIES = 4;

let reader, faces, timeline, records;
let about; // what /v1/models said
let task = null; // the work that is going on; a newer one ends it
let shown = null; // the photo that is shown, to read it again: {blob, name}
const camera = new Camera($("video"));

/** Whether the page can be used now; if not, it says why. */
async function open() {
  takeToken();
  let page;
  try {
    ({ page, models: about } = await load());
  } catch (problem) {
    complain(problem, () => location.reload());
    return false;
  }
  reader = about.in_browser ? new Browser(page, about) : new Server(about);
  faces = new Faces(page, $("faces"), $("boxes"));
  timeline = new Timeline(page, { section: $("timeline"), legend: $("legend"), lanes: $("lanes") });
  records = new Records(page.landmarks);
  $("where").textContent = where(about.in_browser);
  $("words").append(...about.models[0].classes.map((name, place) => word(page, name, place)));
  $("model").append(...about.models.map(({ name }) => new Option(name, name)));
  $("model").value = about.default;
  $("model").disabled = about.models.length < 2;
  document.documentElement.dataset.ready = "";
  return true;
}

const choice = () => ({ model: $("model").value, detect: !$("cropped").checked });

/** Begin something new: what went on before ends, its troubles are forgotten. */
function begin(mode) {
  task?.abort();
  task = new AbortController();
  camera.close();
  $("problem").hidden = true;
  $("said").textContent = "";
  waiting(false);
  $("stage").dataset.mode = mode;
  $("camera").textContent = mode === "camera" ? "Stop the camera" : "Use the camera";
  $("choose").classList.toggle("primary", mode !== "camera");
  if (mode !== "camera") $("cameras").hidden = true;
  if (document.activeElement?.closest("[hidden]")) toResults();
  return task.signal;
}

/** What was begun came to nothing: the page is as it was when it opened. */
function blank() {
  begin("empty");
  shown = null;
  faces.clear();
  timeline.hide();
  summary(null);
  $("frame").hidden = $("unseen-photo").hidden = true;
}

function waiting(on) {
  for (const id of ["frame", "unseen-photo"]) $(id).classList.toggle("waiting", on);
}

/** Where what has the focus is hidden: it would fall to the top of the page. */
const toResults = () => $("results").focus({ preventScroll: true });

// a photo

async function read(blob, name) {
  const signal = begin("photo");
  shown = { blob, name };
  faces.clear();
  timeline.hide();
  summary(null);
  await preview(blob, name, signal);
  if (signal.aborted) return;
  waiting(true);
  sayReading();
  try {
    const answer = await patiently(() => reader.read(blob, { ...choice(), signal }), signal);
    if (signal.aborted) return;
    records.start(name, answer);
    records.add(answer);
    faces.show(answer, $("photo").hidden ? null : $("photo"));
    summary(answer, about.models, wholly);
    say(answer);
  } catch (problem) {
    if (!signal.aborted) refused(problem, blob, name);
  }
  if (!signal.aborted) waiting(false);
}

/** Say why a photo wasn't read; one that never can be isn't shown any longer. */
function refused(problem, blob, name) {
  if (problem.code !== "bad_picture") return complain(problem, problem.final ? null : () => read(blob, name));
  blank();
  complain(new Problem(problem.message.replace(/^the image:/, `${name}:`)));
}

async function preview(blob, name, signal) {
  $("video").hidden = true;
  $("frame").classList.remove("mirrored");
  let bitmap = null;
  try {
    bitmap = await decode(blob);
  } catch {
    // only the server knows this kind of file, or it is no picture: its answer will tell
  }
  if (signal.aborted) return bitmap?.close(); // a newer photo may have been decoded sooner
  $("unseen-photo").hidden = bitmap !== null;
  $("frame").hidden = $("photo").hidden = bitmap === null;
  if (!bitmap) return;
  const scale = Math.min(1, LARGEST / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  Object.assign($("photo"), { width, height, ariaLabel: `The photo ${name}` });
  $("photo").getContext("2d").drawImage(bitmap, 0, 0, width, height);
  $("frame").style.setProperty("--ratio", width / height);
  bitmap.close();
}

/** Try again while the server only says that it is busy. */
async function patiently(work, signal) {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (problem) {
      if (signal.aborted || !problem.retry || tries === TRIES) throw problem;
      complain(new Problem(`${problem.message} Trying again in ${problem.retry} s.`));
      await new Promise((done) => setTimeout(done, 1000 * problem.retry));
      if (signal.aborted) throw problem;
      $("problem").hidden = true;
    }
  }
}

// the camera

async function watch(device) {
  const signal = begin("camera");
  shown = null;
  faces.clear();
  summary(null);
  try {
    await camera.open(device, signal);
  } catch (problem) {
    if (signal.aborted) return;
    blank();
    return complain(problem, () => watch(device));
  }
  camera.whenLost(() => signal.aborted || lost(device));
  const { video } = camera;
  $("unseen-photo").hidden = $("photo").hidden = true;
  $("frame").hidden = video.hidden = false;
  $("frame").classList.add("waiting");
  $("frame").style.setProperty("--ratio", video.videoWidth / video.videoHeight);
  $("frame").classList.toggle("mirrored", camera.mirrored);
  await offerCameras(signal);
  if (signal.aborted) return;
  records.start("camera", null);
  timeline.start(about.models.find(({ name }) => name === choice().model).classes);
  await follow(signal, device);
}

function lost(device) {
  stop();
  complain(new Problem("The camera is gone: unplugged, or taken away by the browser."), () => watch(device));
}

async function follow(signal, device) {
  const stream = reader.follow(choice());
  signal.addEventListener("abort", () => stream.close());
  const ended = new Promise((done) => signal.addEventListener("abort", done));
  const began = performance.now();
  let tries = 0;
  while (!signal.aborted) {
    const frame = await camera.next();
    if (signal.aborted) return;
    const time = (performance.now() - began) / 1000;
    try {
      const answer = await Promise.race([stream.frame(frame), ended]);
      if (signal.aborted) return;
      tries = 0;
      records.add(answer, time);
      still(frame);
      faces.show(answer, $("photo"), camera.mirrored);
      timeline.add(time, answer.faces);
      summary(answer, about.models);
      sayNowAndThen(answer);
    } catch (problem) {
      if (signal.aborted) return;
      if (problem.code === "busy" && ++tries < TRIES) {
        await new Promise((done) => setTimeout(done, 500 * tries));
        continue;
      }
      stop();
      return complain(problem, () => watch(device));
    }
  }
}

/** Show the frame that was just read, so that boxes lie where the faces are. */
function still(frame) {
  const photo = $("photo");
  if (photo.width !== frame.width || photo.height !== frame.height) Object.assign(photo, { width: frame.width, height: frame.height });
  photo.ariaLabel = "What the camera sees";
  photo.getContext("2d").drawImage(frame, 0, 0);
  photo.hidden = false;
  waiting(false);
}

/** Let go of the camera; what it saw last stays on the page. */
function stop() {
  $("video").hidden = true;
  if ($("json").disabled) blank(); // no frame was read yet
  else begin("photo");
}

async function offerCameras(signal) {
  const all = await camera.all();
  if (signal.aborted) return;
  const select = $("cameras").querySelector("select");
  select.replaceChildren(...all.map(({ label, deviceId }, place) => new Option(label || `Camera ${place + 1}`, deviceId)));
  select.value = camera.device;
  $("cameras").hidden = all.length < 2;
}

// what people do

/** Also while the browser still asks whether it may. */
const watching = () => $("stage").dataset.mode === "camera";

function again() {
  if (camera.on) watch(camera.device);
  else if (shown) read(shown.blob, shown.name);
}

function wholly() {
  $("cropped").checked = true;
  toResults();
  again();
}

async function take(list) {
  const files = [...list]; // the browser empties the list
  const [file] = files;
  if (!file || !(await opened)) return;
  read(file, file.name || "pasted picture");
  if (files.length > 1) complain(new Problem(`One photo at a time: of these ${files.length} files the first was taken.`));
}

$("choose").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  take($("file").files);
  $("file").value = ""; // the same file may be chosen again
});
$("camera").addEventListener("click", async () => (await opened) && (watching() ? stop() : watch()));
$("cameras").addEventListener("change", (event) => watch(event.target.value));
$("model").addEventListener("change", again);
$("cropped").addEventListener("change", again);
$("json").addEventListener("click", () => save(records.json(), "mien.json", "application/json"));
$("csv").addEventListener("click", () => save(records.csv(), "mien.csv", "text/csv"));

document.addEventListener("paste", ({ clipboardData }) => take(clipboardData.files));
const over = (on) => $("stage").classList.toggle("over", on);
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  over(true);
});
document.addEventListener("dragleave", (event) => event.relatedTarget || over(false));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  over(false);
  take(event.dataTransfer.files);
});

const opened = open(); // what a person does sooner waits for it
