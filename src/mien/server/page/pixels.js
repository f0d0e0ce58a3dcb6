// Pixels: what cv2.resize, cv2.warpAffine and cv2.cvtColor do in mien.recognition, so that a crop made in the browser
// is the crop that Python makes. A picture is {data, width, height, channels}; data is uint8, row by row.

export function picture(width, height, channels, data = new Uint8ClampedArray(width * height * channels)) {
  return { data, width, height, channels };
}

/** RGB from a canvas's ImageData, whose alpha is 255 everywhere. */
export function fromCanvas({ data, width, height }) {
  const rgb = picture(width, height, 3);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    rgb.data[to++] = data[from];
    rgb.data[to++] = data[from + 1];
    rgb.data[to++] = data[from + 2];
  }
  return rgb;
}

/** One channel, ITU-R 601 luma in 15 bits, as OpenCV has it. */
export function gray(rgb) {
  const one = picture(rgb.width, rgb.height, 1);
  for (let from = 0, to = 0; from < rgb.data.length; from += 3) {
    one.data[to++] = (9798 * rgb.data[from] + 19235 * rgb.data[from + 1] + 3735 * rgb.data[from + 2] + 16384) >> 15;
  }
  return one;
}

/** A part of a picture; it must lie within it. */
export function part(from, left, top, width, height) {
  const cut = picture(width, height, from.channels);
  const line = width * from.channels;
  for (let y = 0; y < height; y++) {
    const start = ((top + y) * from.width + left) * from.channels;
    cut.data.set(from.data.subarray(start, start + line), y * line);
  }
  return cut;
}

/** Resized; `how` is "area", "linear" or "cubic". */
export function resize(from, width, height, how) {
  if (from.width === width && from.height === height) return from;
  const taps = { area: areaTaps, linear: linearTaps, cubic: cubicTaps }[how];
  const [across, down] = [taps(from.width, width), taps(from.height, height)];
  const { channels } = from;
  const sums = new Float32Array(width * channels);
  const to = picture(width, height, channels);
  const rows = new Map(); // source rows already resized across; neighbours of one target row share them
  for (let y = 0; y < height; y++) {
    sums.fill(0);
    const [first, weights] = down[y];
    for (const row of rows.keys()) if (row < first) rows.delete(row);
    weights.forEach((weight, at) => {
      const row = clamp(first + at, from.height);
      if (!rows.has(row)) rows.set(row, resizedRow(from, row, across));
      const line = rows.get(row);
      for (let i = 0; i < sums.length; i++) sums[i] += weight * line[i];
    });
    to.data.set(sums, y * sums.length); // a clamped array rounds to the nearest, halves to even, as OpenCV does
  }
  return to;
}

function resizedRow(from, row, across) {
  const { channels, width, data } = from;
  const line = new Float32Array(across.length * channels);
  const start = row * width;
  for (let x = 0; x < across.length; x++) {
    const [first, weights] = across[x];
    for (let at = 0; at < weights.length; at++) {
      const pixel = (start + clamp(first + at, width)) * channels;
      for (let c = 0; c < channels; c++) line[x * channels + c] += weights[at] * data[pixel + c];
    }
  }
  return line;
}

// For every target pixel: the first source pixel that it takes from, and the weights of that and the following ones.

function areaTaps(from, to) {
  const scale = from / to;
  return Array.from({ length: to }, (_, place) => {
    const [start, end] = [place * scale, Math.min((place + 1) * scale, from)];
    const first = Math.floor(start + 1e-3);
    const last = Math.max(first + 1, Math.ceil(end - 1e-3));
    const weights = new Float32Array(last - first);
    for (let at = first; at < last; at++) {
      weights[at - first] = (Math.min(at + 1, end) - Math.max(at, start)) / (end - start);
    }
    return [first, weights];
  });
}

function linearTaps(from, to) {
  return Array.from({ length: to }, (_, place) => {
    const at = (place + 0.5) * (from / to) - 0.5;
    const share = at - Math.floor(at);
    return [Math.floor(at), new Float32Array([1 - share, share])];
  });
}

function cubicTaps(from, to) {
  const a = -0.75; // OpenCV's
  const near = (t) => ((a + 2) * t - (a + 3)) * t * t + 1;
  const far = (t) => ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
  return Array.from({ length: to }, (_, place) => {
    const at = (place + 0.5) * (from / to) - 0.5;
    const share = at - Math.floor(at);
    return [Math.floor(at) - 1, new Float32Array([far(1 + share), near(share), near(1 - share), far(2 - share)])];
  });
}

/** The picture under `matrix` [[a, b, c], [d, e, f]], sampled between four pixels; past an edge its pixel goes on. */
export function warp(from, [[a, b, c], [d, e, f]], width, height) {
  const { channels, data } = from;
  const area = a * e - b * d;
  const to = picture(width, height, channels);
  for (let y = 0, place = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const u = nearby((e * (x - c) - b * (y - f)) / area);
      const v = nearby((a * (y - f) - d * (x - c)) / area);
      const [left, top] = [Math.floor(u), Math.floor(v)];
      const [right, down] = [u - left, v - top];
      const [x0, x1] = [clamp(left, from.width), clamp(left + 1, from.width)];
      const [y0, y1] = [clamp(top, from.height) * from.width, clamp(top + 1, from.height) * from.width];
      for (let channel = 0; channel < channels; channel++) {
        const upper = data[(y0 + x0) * channels + channel] * (1 - right) + data[(y0 + x1) * channels + channel] * right;
        const lower = data[(y1 + x0) * channels + channel] * (1 - right) + data[(y1 + x1) * channels + channel] * right;
        to.data[place++] = upper * (1 - down) + lower * down;
      }
    }
  }
  return to;
}

// OpenCV looks between pixels in steps of a 32nd.
const nearby = (place) => Math.floor(place * 32 + 0.5) / 32;

/** Python's round: halves go to the even neighbour. */
export function round(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 ? below + 1 : below;
}

function clamp(place, length) {
  return place < 0 ? 0 : place >= length ? length - 1 : place;
}
