// The picture's place: a photo, a camera's frame, or words instead; and that something is worked on.

import { decode } from "./browser.js";

const $ = (id) => document.getElementById(id);
const LARGEST = 2048; // side of a photo as it is shown

/** Whether something is worked on: at the picture, and in the words `said`. */
export function waiting(on, said = "Reading…") {
  for (const id of ["frame", "unseen-photo"]) $(id).classList.toggle("waiting", on);
  $("results").setAttribute("aria-busy", on);
  if (on) $("count").textContent = said;
}

/** Words in the picture's place where there is none, so that the page doesn't jump. */
export function instead(text) {
  $("unseen-photo").textContent = text;
  $("unseen-photo").hidden = !$("frame").hidden;
}

/** Show a photo, if this browser can. */
export async function preview(blob, name, signal) {
  $("video").hidden = true;
  $("frame").classList.remove("mirrored");
  let bitmap = null;
  try {
    bitmap = await decode(blob);
  } catch {
    // only the server knows this kind of file, or it is no picture: its answer will tell
  }
  if (signal.aborted) return bitmap?.close(); // a newer photo may have been decoded sooner
  $("frame").hidden = $("photo").hidden = bitmap === null;
  instead("This browser can't show this kind of file.");
  if (!bitmap) return;
  const scale = Math.min(1, LARGEST / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  Object.assign($("photo"), { width, height, ariaLabel: `The photo ${name}` });
  $("photo").getContext("2d").drawImage(bitmap, 0, 0, width, height);
  $("frame").style.setProperty("--ratio", width / height);
  bitmap.close();
}

/** Show the frame that was just read, so that boxes lie where the faces are. */
export function still(frame) {
  const photo = $("photo");
  if (photo.width !== frame.width || photo.height !== frame.height) Object.assign(photo, { width: frame.width, height: frame.height });
  photo.ariaLabel = "What the camera sees";
  photo.getContext("2d").drawImage(frame, 0, 0);
  photo.hidden = false;
  waiting(false);
}
