// What the page says in words: where pictures go, what was found and how, what went wrong.

import { legend } from "./colours.js";
import { made, percent } from "./faces.js";

const $ = (id) => document.getElementById(id);

/** Where pictures go. */
export function where(inBrowser) {
  if (inBrowser) return "Pictures never leave this browser: the networks run in this page.";
  const here = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  const server = here ? `on this computer (${location.host})` : `at ${location.host}`;
  return `Pictures go to the mien server ${server}, which keeps none.`;
}

/** On the page as it opens: a network's words with their colours. */
export function words(page, classes) {
  $("words").replaceChildren(...legend(page, classes));
}

let counts = "Faces"; // what stands above the faces while nothing is worked on

/** Say above the faces how many there are; without words again what was said last. */
export const told = (text = counts) => ($("count").textContent = counts = text);

/** The words beside an answer of one of `models`; null while there is none yet. `whole` takes all for one face. */
export function summary(answer, models, whole = null) {
  const found = answer?.faces.length ?? 0;
  for (const id of ["json", "csv"]) $(id).disabled = !answer;
  told(answer ? counted(found) : "Faces");
  $("timings").hidden = !found;
  $("threshold").hidden = !found || !answer.uncertain_below;
  $("nothing").hidden = answer !== null || $("stage").dataset.mode !== "empty";
  $("no-face").hidden = answer === null || found > 0;
  if (!answer) return;
  if (!found) noFace(whole);
  const { total, detect, network } = answer.timings_ms;
  $("threshold").textContent = `The fine line in the bars is at ${percent(answer.uncertain_below)}; an answer below it, or for a very dark face, is called uncertain.`;
  const { accuracy, trained_on: data } = models.find(({ name }) => name === answer.model);
  const whose = /^fer2013\b/i.test(data) ? "FER2013's" : "its own"; // the file of its data
  const right = accuracy ? `, which is right for ${(100 * accuracy).toFixed(0)} in 100 of ${whose} validation faces` : "";
  const on = answer.device === "browser" ? "in this browser" : `on the server (${answer.device})`;
  $("timings").textContent = `Read by ${answer.model}${right}, in ${total.toFixed(0)} ms ${on}: ${detect.toFixed(0)} for finding faces, ${network.toFixed(0)} for reading them.`;
}

function noFace(whole) {
  const button = made("button", { textContent: "Take the whole picture as one face" });
  button.addEventListener("click", whole);
  const said = made("p", { textContent: "mien finds faces that look roughly towards the camera and aren't very small." });
  $("no-face").replaceChildren(said, ...(whole ? [button] : []));
}

const counted = (found) => (found === 0 ? "No face found" : found === 1 ? "1 face" : `${found} faces`);

/** For screen readers: the faces in a sentence. */
export function say(answer) {
  const { faces: found } = answer;
  said = gist(answer);
  const each = found.map(({ label, confidence, uncertain }) => (uncertain ? `uncertain, most likely ${label}` : `${label}, ${percent(confidence)}`));
  $("said").textContent = `${counted(found.length)}${each.length ? `: ${each.join("; ")}` : ""}.`;
}

export const sayReading = () => ($("said").textContent = "Reading…");

let saidAt = 0;
let said = "";

/** What is worth a sentence: how many faces there are, and what they show. */
const gist = ({ faces }) => faces.map(({ label, uncertain }) => `${label}${uncertain ? "?" : ""}`).sort().join();

/** The same of a camera: when something has changed, and not all the time. */
export function sayChanges(answer) {
  if (performance.now() - saidAt < 5000 || (gist(answer) === said && $("said").textContent)) return;
  saidAt = performance.now();
  say(answer);
}

/** Say what went wrong; `again` tries once more. */
export function complain(problem, again = null) {
  const mend = again && made("button", { textContent: "Try again" });
  mend?.addEventListener("click", again);
  $("problem").replaceChildren(made("span", { textContent: problem.message }), ...(mend ? [mend] : []));
  $("problem").classList.toggle("gone", problem.code === "gone");
  $("problem").hidden = false;
  $("said").textContent = "";
}
