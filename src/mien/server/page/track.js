// The same face from frame to frame: numbers that stay, probabilities smoothed over time. As mien.recognition.track.

export class Tracker {
  constructor({ half_life: halfLife, patience, missed, near, steady, shrinks }) {
    Object.assign(this, { halfLife, patience, missed, near, steady, shrinks, tracks: [], next: 1, last: -Infinity, gap: Infinity });
  }

  /** For a frame at `time` seconds: each face's number and smoothed probabilities, [{id, probabilities}]. */
  update(time, faces, probabilities) {
    const [gap, before] = [time - this.last, this.gap];
    [this.last, this.gap] = [time, gap];
    const patience = Math.max(this.patience, this.missed * Math.min(gap, before));
    this.tracks = this.tracks.filter((track) => time - track.time <= patience);
    const matched = this.#matched(time, faces);
    return faces.map((face, place) => {
      let track = matched.get(place);
      const seen = { time, points: face.landmarks, size: sizeOf(face) };
      if (!track) {
        track = { id: this.next++, speed: [0, 0], probabilities: [...probabilities[place]], ...seen };
        this.tracks.push(track);
      } else {
        const passed = Math.max(time - track.time, 1e-3);
        const weight = this.halfLife ? 1 - 0.5 ** (passed / this.halfLife) : 1;
        track.probabilities = track.probabilities.map((old, at) => old + weight * (probabilities[place][at] - old));
        const share = 1 - 0.5 ** (passed / this.steady);
        seen.size = track.size + share * (seen.size - track.size);
        if (seen.size > (1 - this.shrinks * passed) * track.size) { // else it is being covered: what is seen moves otherwise
          const [now, before] = [middle(face.landmarks), middle(track.points)];
          track.speed = track.speed.map((old, axis) => old + share * ((now[axis] - before[axis]) / passed - old));
        }
        Object.assign(track, seen);
      }
      return { id: track.id, probabilities: [...track.probabilities] };
    });
  }

  /** Which known face each of these is; the nearest pairs first, nobody twice. */
  #matched(time, faces) {
    const pairs = [];
    faces.forEach((face, place) => {
      for (const track of this.tracks) {
        const [larger, smaller] = [Math.max(sizeOf(face), track.size), Math.min(sizeOf(face), track.size)];
        const distance = this.#distance(face.landmarks, track, time) / larger;
        if (distance < this.near && larger < 2 * smaller) pairs.push({ distance, place, track });
      }
    });
    pairs.sort((one, other) => one.distance - other.distance || one.place - other.place);
    const matched = new Map();
    const taken = new Set();
    for (const { place, track } of pairs) {
      if (matched.has(place) || taken.has(track)) continue;
      matched.set(place, track);
      taken.add(track);
    }
    return matched;
  }

  /** How far landmarks lie on average from where the track's are expected; a face out of sight slows down. */
  #distance(landmarks, track, time) {
    const passed = Math.min(time - track.time, this.patience / 2);
    const away = landmarks.map(([x, y], place) => {
      const [px, py] = track.points[place];
      return Math.hypot(x - px - track.speed[0] * passed, y - py - track.speed[1] * passed);
    });
    return away.reduce((sum, value) => sum + value) / away.length;
  }
}

const sizeOf = ({ box }) => Math.sqrt(Math.max(box[2] * box[3], 1));
const middle = (points) => [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
