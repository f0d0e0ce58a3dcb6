// Where a face is -> the crop that the networks know. The same steps as mien.recognition.align.

import { gray, part, resize, round, warp } from "./pixels.js";

/** The faces of an RGB picture as uint8 (N, C, H, W) for a network's input shape [C, H, W]. */
export function crops(rgb, faces, [channels, height, width], settings) {
  const seen = channels === 3 ? rgb : gray(rgb);
  const size = channels * height * width;
  const all = new Uint8Array(faces.length * size);
  faces.forEach((face, place) => {
    all.set(channelsFirst(cut(seen, upright(face, width, height, settings.share), width, height, settings.finest)), place * size);
  });
  return all;
}

/** A picture that is itself a crop: the square in its middle, uint8 (1, C, H, W). */
export function whole(rgb, [channels, height, width]) {
  const seen = channels === 3 ? rgb : gray(rgb);
  const scale = Math.min(seen.height / height, seen.width / width);
  const [down, across] = [round(height * scale), round(width * scale)];
  const [top, left] = [Math.floor((seen.height - down) / 2), Math.floor((seen.width - across) / 2)];
  return channelsFirst(resize(part(seen, left, top, across, down), width, height, scale > 1 ? "area" : "cubic"));
}

/** Whether each of these crops has hardly any contrast. */
export function flat(all, [channels, height, width], settings) {
  const size = height * width;
  const deviations = Array.from({ length: all.length / size }, (_, plane) => {
    const pixels = all.subarray(plane * size, (plane + 1) * size);
    const mean = pixels.reduce((sum, pixel) => sum + pixel, 0) / size;
    return Math.sqrt(pixels.reduce((sum, pixel) => sum + (pixel - mean) ** 2, 0) / size);
  });
  return Array.from({ length: deviations.length / channels }, (_, place) =>
    deviations.slice(place * channels, (place + 1) * channels).every((deviation) => deviation < settings.flat));
}

/** The turn, scale and shift from the picture's pixels to those of an upright crop. */
function upright({ box: [x, y, across, down], landmarks }, width, height, share) {
  const [rightEye, leftEye, , rightMouth, leftMouth] = landmarks;
  const level = [0, 1].map((axis) => leftEye[axis] - rightEye[axis] + leftMouth[axis] - rightMouth[axis]);
  const angle = -Math.atan2(level[1], level[0]);
  const scale = Math.min(width, height) / (share * Math.sqrt(Math.max(across * down, 1)));
  const [cos, sin] = [scale * Math.cos(angle), scale * Math.sin(angle)];
  const [midX, midY] = [x + across / 2 - 0.5, y + down / 2 - 0.5];
  return [
    [cos, -sin, (width - 1) / 2 - (cos * midX - sin * midY)],
    [sin, cos, (height - 1) / 2 - (sin * midX + cos * midY)],
  ];
}

/** The crop that `toCrop` maps onto. A pixel of it may cover many of the picture: sampled finely, then averaged. */
function cut(seen, toCrop, width, height, finest) {
  const scale = Math.hypot(toCrop[0][0], toCrop[1][0]);
  const fine = Math.min(Math.max(1, Math.ceil(1 / Math.max(scale, 1e-6))), finest);
  const finer = toCrop.map(([a, b, c]) => [a * fine, b * fine, c * fine + (fine - 1) / 2]);
  return resize(warp(seen, finer, width * fine, height * fine), width, height, "area");
}

function channelsFirst({ data, width, height, channels }) {
  const size = width * height;
  const planes = new Uint8Array(data.length);
  for (let pixel = 0; pixel < size; pixel++) {
    for (let channel = 0; channel < channels; channel++) planes[channel * size + pixel] = data[pixel * channels + channel];
  }
  return planes;
}
