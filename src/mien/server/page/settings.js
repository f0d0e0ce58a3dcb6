// What the server tells the page when it opens: colours, constants, networks, limits.

import { headers, json } from "./server.js";

/** @returns {Promise<{page: object, models: object}>} */
export async function load() {
  const [page, models] = await Promise.all([json("page.json"), json("v1/models", { headers: headers() })]);
  return { page, models };
}

/** A class's colour: its own, or for a class of one's own data the one at its place in the palette. */
export function colourOf(page, name, place) {
  const all = Object.values(page.colours);
  return page.colours[name] ?? all[place % all.length];
}

/** Black or white, whichever is easier to read on a colour (WCAG's contrast). */
export function inkOn(colour) {
  const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
  const [red, green, blue] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}
