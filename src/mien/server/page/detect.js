// A picture -> where its faces are. The same steps as mien.recognition.detect, whose constants the server hands on.

import { part, resize, round } from "./pixels.js";

/**
 * The faces of an RGB picture, the largest first: {box: [x, y, w, h], landmarks: [[x, y] × 5], score}.
 * `run` takes the network's input, {planes: float32 (3, height, width) BGR, height, width}, and gives its outputs by
 * name.
 */
export async function detect(rgb, run, settings, photo) {
  const found = [];
  for (const [left, top, side] of windows(rgb.width, rgb.height, photo, settings)) {
    found.push(...(await look(rgb, left, top, side, run, settings, photo)));
  }
  const distinct = withoutOverlaps(found, settings.same);
  distinct.sort((one, other) => other.box[2] * other.box[3] - one.box[2] * one.box[3]);
  return notInside(distinct);
}

async function look(rgb, left, top, length, run, { side, strides, enlarge, certain }, square) {
  const width = Math.min(length, rgb.width - left);
  const height = Math.min(length, rgb.height - top);
  const scale = Math.min(side / Math.max(width, height), enlarge);
  const [across, down] = [width, height].map((size) => Math.max(1, round(size * scale)));
  const window = width === rgb.width && height === rgb.height ? rgb : part(rgb, left, top, width, height);
  const input = blob(resize(window, across, down, scale < 1 ? "area" : "linear"), square ? side : strides.at(-1));
  return decoded(await run(input), input.width, strides, certain)
    .map(({ box, landmarks, score }) => ({
      score,
      box: box.map((value) => value / scale),
      landmarks: landmarks.map(([x, y]) => [x / scale, y / scale]),
    }))
    .filter(({ box: [x, y, wide, high] }) => {
      const inner = [left > 0, top > 0, left + width < rgb.width, top + height < rgb.height];
      const touched = [x < 1, y < 1, x + wide > width - 1, y + high > height - 1];
      return !inner.some((cut, at) => cut && touched[at]); // another window has that face whole
    })
    .map(({ score, box: [x, y, ...size], landmarks }) => ({
      score,
      box: [x + left, y + top, ...size],
      landmarks: landmarks.map(([px, py]) => [px + left, py + top]),
    }));
}

/** The whole, then tiles where the whole must shrink a lot: [left, top, side]. */
function windows(width, height, photo, { tile, overlap }) {
  const all = [[0, 0, Math.max(width, height)]];
  if (photo && Math.max(width, height) > tile) {
    for (const top of steps(height, tile, overlap)) {
      for (const left of steps(width, tile, overlap)) all.push([left, top, tile]);
    }
  }
  return all;
}

function steps(length, tile, overlap) {
  if (length <= tile) return [0];
  const count = 1 + Math.ceil((length - tile) / (tile - overlap));
  return Array.from({ length: count }, (_, place) => round((place * (length - tile)) / (count - 1)));
}

/** The picture in BGR, in the upper left of the fewest whole cells that hold it; a photo's is the whole square. */
function blob({ data, width, height }, cell) {
  const [wide, high] = [width, height].map((size) => Math.ceil(size / cell) * cell);
  const planes = new Float32Array(3 * high * wide);
  for (let channel = 0; channel < 3; channel++) {
    for (let y = 0; y < height; y++) {
      let to = ((2 - channel) * high + y) * wide;
      for (let at = y * width * 3 + channel, end = at + width * 3; at < end; at += 3) planes[to++] = data[at];
    }
  }
  return { planes, height: high, width: wide };
}

/** The network's answers on its three grids over an input so wide, in its pixels. */
function decoded(outputs, width, strides, certain) {
  const found = [];
  for (const stride of strides) {
    const [cls, obj, box, points] = ["cls", "obj", "bbox", "kps"].map((name) => outputs[`${name}_${stride}`]);
    const columns = width / stride;
    for (let cell = 0; cell < cls.length; cell++) {
      const score = Math.sqrt(unit(cls[cell]) * unit(obj[cell]));
      if (score < certain) continue;
      const [column, row] = [cell % columns, Math.floor(cell / columns)];
      const [dx, dy, wide, high] = box.subarray(4 * cell, 4 * cell + 4);
      const size = [Math.exp(wide) * stride, Math.exp(high) * stride];
      const corner = [(column + dx) * stride - size[0] / 2, (row + dy) * stride - size[1] / 2];
      const landmarks = Array.from({ length: 5 }, (_, place) => [
        (points[10 * cell + 2 * place] + column) * stride,
        (points[10 * cell + 2 * place + 1] + row) * stride,
      ]);
      found.push({ score, box: [...corner, ...size], landmarks });
    }
  }
  return found;
}

const unit = (value) => Math.min(Math.max(value, 0), 1);

/** Of boxes that overlap by more than `most`, intersection over union, the one with the highest score. */
function withoutOverlaps(found, most) {
  const kept = [];
  for (const face of [...found].sort((one, other) => other.score - one.score)) {
    const area = face.box[2] * face.box[3];
    const alone = kept.every(({ box }) => {
      const both = common(face.box, box);
      return both <= most * (area + box[2] * box[3] - both);
    });
    if (alone) kept.push(face);
  }
  return kept;
}

/** Of boxes, the largest first, those that don't lie mostly within a larger one: a mouth found in a face is no face. */
function notInside(faces) {
  const kept = [];
  for (const face of faces) {
    const area = face.box[2] * face.box[3];
    if (kept.every(({ box }) => common(face.box, box) <= 0.7 * area)) kept.push(face);
  }
  return kept;
}

function common([x, y, width, height], [left, top, wide, high]) {
  const across = Math.min(x + width, left + wide) - Math.max(x, left);
  const down = Math.min(y + height, top + high) - Math.max(y, top);
  return Math.max(across, 0) * Math.max(down, 0);
}
