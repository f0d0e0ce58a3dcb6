// The page: what a person does, and what is shown then.

import { Browser } from "./browser.js";
import { Camera } from "./camera.js";
import { Faces } from "./faces.js";
import { Records, save } from "./records.js";
import { complain, say, sayChanges, sayReading, summary, told, where, words } from "./said.js";
import { load, Problem, Server, takeToken } from "./server.js";
import { instead, preview, still, waiting } from "./stage.js";
import { Timeline } from "./timeline.js";

const $ = (id) => document.getElementById(id);
const TRIES = 4;
const WAITS = [0, 1, 2, 4, 8]; // seconds before a camera's stream is opened again; a server takes some to start anew
const PASSES = ["busy", "gone", "closed", "not_ready", "too_many_requests"];

let reader, faces, timeline, records;
let about; // what /v1/models said
let task = null; // the work that is going on; a newer one ends it
let shown = null; // the photo that is shown, to read it again: {blob, name}, `whole` if as one face, `frame` if a camera's
let recording = null; // of the camera: {began, time: of its last frame, faces: how many numbers were given}
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
  $("file").accept = reader.accept;
  $("model").append(...about.models.map(({ name }) => new Option(name, name)));
  $("model").value = about.default;
  $("model").disabled = about.models.length < 2;
  $("model").addEventListener("change", () => words(page, classes()));
  words(page, classes());
  for (const id of ["choose", "camera", "cropped"]) $(id).disabled = false;
  document.documentElement.dataset.ready = "";
  return true;
}

const choice = () => ({ model: $("model").value, detect: !$("cropped").checked });
const classes = () => about.models.find(({ name }) => name === choice().model).classes;

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
  shown = recording = null;
  faces.clear();
  timeline.hide();
  summary(null);
  $("frame").hidden = $("unseen-photo").hidden = true;
}

/** Where what has the focus is hidden: it would fall to the top of the page. */
const toResults = () => $("results").focus({ preventScroll: true });

// a photo

async function read(picture) {
  const { blob, name, whole, frame } = picture;
  const signal = begin("photo");
  shown = picture;
  faces.clear();
  if (!frame) {
    recording = null;
    timeline.hide();
    summary(null);
    waiting(true);
    if ($("frame").hidden) instead("Reading…");
    await preview(blob, name, signal);
    if (signal.aborted) return;
  }
  waiting(true, reader.loading ? "Loading the networks (once)…" : undefined);
  sayReading();
  try {
    const how = whole ? { ...choice(), detect: false } : choice();
    const answer = await patiently(() => reader.read(blob, { ...how, signal }), signal);
    if (signal.aborted) return;
    if (!frame) records.start(name);
    records.add(answer, frame ? recording.time : null);
    faces.show(answer, $("photo").hidden ? null : $("photo"), $("frame").classList.contains("mirrored"));
    summary(answer, about.models, () => wholly(picture));
    say(answer);
  } catch (problem) {
    if (!signal.aborted) refused(problem, picture);
  }
  if (!signal.aborted) waiting(false);
}

/** Say why a photo wasn't read; one that never can be isn't shown any longer. */
function refused(problem, picture) {
  const { name } = picture;
  if (problem.code !== "bad_picture") {
    told();
    return complain(problem, problem.final ? null : () => read(picture));
  }
  blank();
  complain(new Problem(problem.message.replace(/^the image:/, `${name}:`)));
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

/** Watch a camera; `goOn` with the recording that there is: with another network, say, or after a trouble. */
async function watch(device, goOn = false) {
  const signal = begin("camera");
  shown = null;
  if (!goOn || $("json").disabled) {
    recording = null;
    faces.clear();
    summary(null);
  }
  waiting(true, "Allow the camera in the browser…");
  instead("Allow the camera in the browser…");
  try {
    await camera.open(device, signal);
  } catch (problem) {
    if (signal.aborted) return;
    stop();
    return complain(problem, () => watch(device, goOn));
  }
  camera.whenLost(() => signal.aborted || lost(device));
  const { video } = camera;
  $("unseen-photo").hidden = $("photo").hidden = true;
  $("frame").hidden = video.hidden = false;
  waiting(true, reader.loading ? "Loading the networks (once)…" : undefined);
  $("frame").style.setProperty("--ratio", video.videoWidth / video.videoHeight);
  $("frame").classList.toggle("mirrored", camera.mirrored);
  await offerCameras(signal);
  if (signal.aborted) return;
  if (!recording) {
    recording = { began: performance.now(), time: 0, faces: 0 };
    records.start("camera");
    timeline.start(classes());
  } else if (String(timeline.classes) !== String(classes())) timeline.start(classes());
  await follow(signal, device);
}

function lost(device) {
  stop();
  complain(new Problem("The camera is gone: unplugged, or taken away by the browser."), () => watch(device, true));
}

async function follow(signal, device) {
  const ended = new Promise((done) => signal.addEventListener("abort", done));
  let stream = null;
  let before; // how many numbers faces had been given when this stream began, which gives them from 1
  let tries = 0;
  signal.addEventListener("abort", () => stream?.close());
  while (!signal.aborted) {
    const frame = await camera.next();
    if (signal.aborted) return;
    const time = (performance.now() - recording.began) / 1000;
    try {
      if (!stream) [stream, before] = [reader.follow(choice()), recording.faces];
      const answer = await Promise.race([stream.frame(frame), ended]);
      if (signal.aborted) return;
      if (tries) $("problem").hidden = true;
      tries = 0;
      for (const face of answer.faces) if (face.face !== null) face.face += before;
      recording.faces = Math.max(recording.faces, ...answer.faces.map((face) => face.face ?? 0));
      recording.time = time;
      records.add(answer, time);
      still(frame);
      faces.show(answer, $("photo"), camera.mirrored);
      timeline.add(time, answer.faces);
      summary(answer, about.models);
      sayChanges(answer);
    } catch (problem) {
      if (signal.aborted) return;
      if (!PASSES.includes(problem.code) || tries === WAITS.length) {
        stop();
        return complain(problem, () => watch(device, true));
      }
      if (stream?.lost) stream = stream.close();
      const seconds = WAITS[tries++];
      if (!seconds && problem.code !== "gone") continue;
      complain(new Problem(`${problem.message} Trying again${seconds ? ` in ${seconds} s` : ""}.`, problem));
      await Promise.race([new Promise((done) => setTimeout(done, 1000 * seconds)), ended]);
    }
  }
}

/** Let go of the camera; what it saw last stays on the page, and may be read again. */
function stop() {
  $("video").hidden = true;
  if ($("json").disabled) return blank(); // no frame was read yet
  const signal = begin("photo");
  $("unseen-photo").hidden = true;
  $("frame").hidden = $("photo").hidden = false;
  told();
  $("photo").toBlob((blob) => signal.aborted || (shown = { blob, name: "camera", frame: true }));
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
  if (camera.on) watch(camera.device, true);
  else if (shown) read(shown);
}

/** This picture as one face; the next is searched again. */
function wholly(picture) {
  toResults();
  read({ ...picture, whole: true });
}

async function take(list) {
  const files = [...list]; // the browser empties the list
  const [file] = files;
  if (!file || !(await opened)) return;
  const name = file.name || "pasted picture";
  if (file.type.startsWith("video/")) return complain(new Problem(`${name}: a video. From a terminal, mien predict reads it.`));
  if (/^(audio|text)\/|^application\/(pdf|zip|json)/.test(file.type)) return complain(new Problem(`${name}: not a photo.`));
  read({ blob: file, name });
  if (files.length > 1) complain(new Problem(`One photo at a time: of these ${files.length} files the first was taken.`));
}

$("choose").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  take($("file").files);
  $("file").value = ""; // the same file may be chosen again
});
$("camera").addEventListener("click", async () => (await opened) && (watching() ? stop() : watch()));
$("cameras").addEventListener("change", (event) => watch(event.target.value, true));
$("model").addEventListener("change", again);
$("cropped").addEventListener("change", () => {
  if (shown) shown = { ...shown, whole: false };
  again();
});
$("json").addEventListener("click", () => save(records.json(), "mien.json", "application/json"));
$("csv").addEventListener("click", () => save(records.csv(), "mien.csv", "text/csv"));

document.addEventListener("paste", ({ clipboardData }) => take(clipboardData.files));
const over = (on) => $("stage").classList.toggle("over", on);
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  const files = event.dataTransfer.types.includes("Files");
  if (!files) event.dataTransfer.dropEffect = "none"; // words or a link
  over(files);
});
document.addEventListener("dragleave", (event) => event.relatedTarget || over(false));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  over(false);
  take(event.dataTransfer.files);
});

const opened = open(); // what a person does sooner waits for it
