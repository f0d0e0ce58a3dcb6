// The last minute of a camera: a lane for each face, its expressions stacked to one, a gap while it was away.

import { coloursOf, legend } from "./colours.js";
import { made, percent } from "./faces.js";

const SECONDS = 60;
const LANES = 3;

export class Timeline {
  #courses = new Map(); // a face's number -> {points: [{time, shares}], lane}

  constructor(page, { section, legend, lanes }) {
    Object.assign(this, { page, section, legend, lanes });
  }

  start(classes) {
    this.classes = classes;
    this.colours = coloursOf(this.page, classes);
    this.#courses.clear();
    const ends = ["60 s ago", "now"].map((textContent) => made("span", { textContent }));
    this.lanes.replaceChildren(made("p", { className: "axis" }, ...ends));
    this.legend.replaceChildren(...legend(this.page, classes));
    this.section.hidden = false;
  }

  add(time, faces) {
    for (const face of faces) {
      if (!this.#courses.has(face.face)) this.#courses.set(face.face, { points: [], lane: null });
      const shares = this.classes.map((name) => face.probabilities[name]);
      this.#courses.get(face.face).points.push({ time, shares });
    }
    for (const [id, course] of this.#courses) {
      while (course.points.length && course.points[0].time < time - SECONDS) course.points.shift();
      if (course.points.length) continue;
      course.lane?.line.remove();
      this.#courses.delete(id);
    }
    this.#draw(time);
  }

  hide() {
    this.section.hidden = true;
  }

  /** Draw the lanes: faces in sight first, then those that were seen longest. */
  #draw(now) {
    const seen = ({ points }) => (points.at(-1).time === now ? 1e9 : 0) + points.length;
    const order = [...this.#courses].sort(([, one], [, other]) => seen(other) - seen(one));
    for (const [, course] of order.splice(LANES)) {
      course.lane?.line.remove();
      course.lane = null;
    }
    order.forEach(([id, course], place) => {
      course.lane ??= this.#lane(id);
      const { line, canvas } = course.lane;
      if (this.lanes.children[place] !== line) this.lanes.insertBefore(line, this.lanes.children[place]);
      paint(canvas, course.points, now, this.colours);
      canvas.ariaLabel = this.#said(course.points);
    });
  }

  #lane(id) {
    const canvas = made("canvas");
    canvas.setAttribute("role", "img");
    const line = made("div", { className: "lane" }, made("span", { textContent: `face ${id ?? ""}` }), canvas);
    return { line, canvas };
  }

  /** A lane for those who don't see it: what the face showed on average. */
  #said(points) {
    const means = this.classes.map((_, place) => points.reduce((sum, { shares }) => sum + shares[place], 0) / points.length);
    const order = this.classes.map((name, place) => [name, means[place]]).sort((one, other) => other[1] - one[1]);
    return `On average ${order.slice(0, 3).map(([name, mean]) => `${name} ${percent(mean)}`).join(", ")}`;
  }
}

function paint(canvas, points, now, colours) {
  const fine = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(canvas.clientWidth * fine), Math.round(canvas.clientHeight * fine)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  const across = (time) => width * (1 - (now - time) / SECONDS);
  for (const run of runs(points)) {
    let below = run.map(() => 0);
    colours.forEach((colour, place) => {
      const above = run.map(({ shares }, at) => below[at] + shares[place]);
      context.fillStyle = colour;
      context.beginPath();
      run.forEach(({ time }, at) => context.lineTo(across(time), height * (1 - above[at])));
      for (let at = run.length - 1; at >= 0; at--) context.lineTo(across(run[at].time), height * (1 - below[at]));
      context.fill();
      below = above;
    });
  }
}

/** Points in stretches without a gap, which is four times the usual step or more; one alone lasts a moment. */
function runs(points) {
  const steps = points.slice(1).map(({ time }, at) => time - points[at].time);
  const usual = [...steps].sort((one, other) => one - other)[steps.length >> 1] ?? 0;
  const all = [];
  points.forEach((point, at) => {
    if (!at || steps[at - 1] > Math.max(4 * usual, 0.5)) all.push([]);
    all.at(-1).push(point);
  });
  return all.map((run) => (run.length > 1 ? run : [run[0], { ...run[0], time: run[0].time - 0.25 }]));
}
