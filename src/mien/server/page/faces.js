// The faces of an answer: a card with a chart for each, and a box in the picture. Elements stay with their face from
// frame to frame, so that bars move rather than jump.

import { coloursOf, inkOn } from "./colours.js";

const TINY = 24; // pixels of a box's shorter side below which its label would cover the face and its neighbours
const SMALL = 88;

export const percent = (share) => `${Math.round(100 * share)} %`;

export class Faces {
  #cards = new Map();

  constructor(page, list, boxes) {
    Object.assign(this, { page, list, boxes });
    new ResizeObserver(() => this.#label()).observe(boxes);
  }

  /**
   * Show an answer's faces. `picture` is what they were found in (a canvas or video, null if it can't be shown),
   * `mirrored` says that it is shown so.
   */
  show(answer, picture, mirrored = false) {
    const names = answer.faces.map((face, place) => face.face ?? `place ${place}`);
    for (const [name, card] of this.#cards) {
      if (names.includes(name)) continue;
      card.item.remove();
      card.box.remove();
      this.#cards.delete(name);
    }
    answer.faces.forEach((face, place) => {
      let card = this.#cards.get(names[place]);
      if (!card) {
        card = new Card(this.page, answer);
        this.#cards.set(names[place], card);
        this.list.append(card.item);
        this.boxes.append(card.box);
      }
      card.show(face, answer, place);
      card.where(face.box, answer, mirrored, picture !== null);
      card.place(face.box, answer, mirrored);
      if (picture) card.portrait(picture, face.box, answer);
    });
    this.#label();
  }

  #label() {
    for (const card of this.#cards.values()) card.label();
  }

  clear() {
    this.list.replaceChildren();
    this.boxes.replaceChildren();
    this.#cards.clear();
  }
}

class Card {
  constructor(page, { classes, uncertain_below: threshold }) {
    this.canvas = made("canvas", { width: 112, height: 112, ariaHidden: "true" });
    this.title = made("h3");
    this.sure = made("span", { className: "sure" });
    this.more = made("p", { className: "more" });
    this.colours = coloursOf(page, classes);
    this.rows = classes.map((name, place) => row(name, this.colours[place]));
    const chart = made("ul", { className: "chart", ariaLabel: "How likely each is" }, ...this.rows.map(({ line }) => line));
    chart.style.setProperty("--threshold", `${100 * threshold}%`);
    chart.classList.toggle("certain", threshold === 0); // nothing is ever called uncertain
    const who = made("div", { className: "who" }, this.canvas, this.title, this.sure, this.more);
    this.item = made("li", { className: "face" }, who, chart);
    this.number = made("b");
    this.caption = made("em");
    this.tag = made("span", {}, this.number, this.caption);
    this.box = made("div", { className: "box" }, this.tag);
    for (const one of [this.item, this.box]) {
      one.addEventListener("pointerenter", () => this.#mark(true));
      one.addEventListener("pointerleave", () => this.#mark(false));
    }
    this.item.addEventListener("focus", () => this.#mark(true));
    this.item.addEventListener("blur", () => this.#mark(false));
    this.box.addEventListener("click", () => this.item.scrollIntoView({ block: "nearest" }));
  }

  show(face, { classes, faces: { length: count } }, place) {
    const colour = this.colours[classes.indexOf(face.label)];
    for (const [name, value] of [["--colour", colour], ["--on-colour", inkOn(colour)]]) this.box.style.setProperty(name, value);
    const number = face.face ?? place + 1;
    this.number.textContent = count > 1 ? number : "";
    this.box.classList.toggle("among", count > 1);
    if (count > 1) this.item.tabIndex = 0; // its box is marked then
    else this.item.removeAttribute("tabindex");
    this.title.replaceChildren(face.uncertain ? "uncertain" : called(face.label));
    this.sure.textContent = face.uncertain ? "" : percent(face.confidence);
    this.more.replaceChildren(
      ...(face.uncertain
        ? [`${count > 1 ? `face ${number}: ` : ""}most likely `, called(face.label), `, but only ${percent(face.confidence)}`]
        : [`face ${number}`]),
    );
    this.caption.replaceChildren(called(face.label), face.uncertain ? "?" : ` ${percent(face.confidence)}`);
    for (const one of [this.item, this.box]) one.classList.toggle("uncertain", face.uncertain);
    this.rows.forEach(({ line, fill, value }, at) => {
      const share = face.probabilities[classes[at]];
      fill.style.width = `${100 * share}%`;
      value.textContent = percent(share);
      line.classList.toggle("most", classes[at] === face.label);
    });
  }

  /** Say where in the picture the face is; where it is `shown`, only to those who don't see it. */
  where(box, { width, height }, mirrored, shown) {
    if (!box) return;
    const third = (middle, all) => Math.min(2, Math.floor((3 * middle) / all));
    const [x, y, wide, high] = box;
    const middle = x + wide / 2;
    const [across, down] = [third(mirrored ? width - middle : middle, width), third(y + high / 2, height)];
    const said = [["top ", "", "bottom "][down], ["left", "middle", "right"][across]].join("");
    this.more.append(made("span", { className: shown ? "unseen" : "", textContent: `, at the ${said} of the picture` }));
  }

  /** Put the box where it belongs, in shares of the picture. */
  place(box, { width, height }, mirrored) {
    this.box.hidden = !box;
    if (!box) return;
    const [x, y, wide, high] = box;
    const left = mirrored ? width - x - wide : x;
    const inset = { left: left / width, top: y / height, width: wide / width, height: high / height };
    for (const [name, share] of Object.entries(inset)) this.box.style[name] = `${100 * share}%`;
  }

  /** Put the label where it is seen: above the box, else inside; of a small one below or above. Always in the frame. */
  label() {
    if (this.box.hidden) return;
    const { clientWidth: across, clientHeight: down } = this.box.parentElement;
    const { offsetLeft: left, offsetTop: top, offsetWidth: wide, offsetHeight: high } = this.box;
    this.box.classList.toggle("small", wide < SMALL);
    this.box.classList.toggle("tiny", Math.min(wide, high) < TINY);
    const { offsetWidth: width, offsetHeight: height } = this.tag;
    const [above, below, inside] = [-height - 4, high + 4, 4];
    const fits = (at) => top + at >= 0 && top + at + height <= down;
    const at = (wide < SMALL ? [below, above, inside] : [above, inside]).find(fits) ?? Math.max(-top, inside);
    const from = Math.max(-left, Math.min(0, across - width - left));
    this.tag.style.transform = `translate(${from}px, ${at}px)`;
  }

  portrait(picture, box, { width, height }) {
    const [x, y, wide, high] = box ?? [0, 0, width, height];
    const shown = (picture.videoWidth ?? picture.width) / width; // a photo may be shown smaller than it is
    const side = (box ? 1.35 : 1) * Math.max(wide, high);
    const [left, top] = [x + wide / 2 - side / 2, y + high / 2 - side / 2];
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, left * shown, top * shown, side * shown, side * shown, 0, 0, this.canvas.width, this.canvas.height);
  }

  #mark(on) {
    for (const one of [this.item, this.box]) one.classList.toggle("marked", on);
  }
}

function row(name, colour) {
  const fill = made("i");
  const value = made("span", { className: "value" });
  const line = made("li", {}, made("span", {}, called(name)), made("span", { className: "bar" }, fill), value);
  line.style.setProperty("--colour", colour);
  return { line, fill, value };
}

/** A class's name: one that is written from right to left turns nothing beside it. */
const called = (textContent) => made("bdi", { textContent });

export function made(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
