// The colours of classes: which each has, and what can be read on it.

/** The classes' colours: each its own, and those of one's own data what the others leave of the palette, in order. */
export function coloursOf({ colours }, classes) {
  const left = Object.keys(colours).filter((name) => !classes.includes(name));
  const others = left.length ? left : Object.keys(colours);
  let next = 0;
  return classes.map((name) => colours[name] ?? colours[others[next++ % others.length]]);
}

/** The classes' names with their colours, as items of a list. */
export function legend(page, classes) {
  return coloursOf(page, classes).map((colour, place) => {
    const item = Object.assign(document.createElement("li"), { textContent: classes[place] });
    item.style.setProperty("--colour", colour);
    return item;
  });
}

/** Black or white, whichever is easier to read on a colour (WCAG's contrast). */
export function inkOn(colour) {
  const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
  const [red, green, blue] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}
