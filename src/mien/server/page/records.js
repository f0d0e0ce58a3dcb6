// What was read, to take away: the rows that `mien predict` writes, as JSON or as CSV with the same columns.

const MOST = 50_000; // rows of a camera that are kept for a download; of more the oldest go

export class Records {
  constructor(landmarks) {
    this.landmarks = landmarks;
    this.start("");
  }

  start(source) {
    Object.assign(this, { source, networks: new Map(), rows: [], frames: 0, dropped: 0 });
  }

  add(answer, time = null) {
    const { model, device, classes, uncertain_below } = answer;
    this.networks.set(model, { model, device, classes, uncertain_below });
    const where = { source: this.source, frame: this.frames++, time: time === null ? null : Number(time.toFixed(3)) };
    const size = { width: answer.width, height: answer.height, error: null };
    const none = { face: null, label: null, confidence: null, uncertain: null, probabilities: null, box: null };
    const faces = answer.faces.length
      ? answer.faces.map((face) => ({ ...where, status: "face", ...face, ...size }))
      : [{ ...where, status: "no face", ...none, landmarks: null, detection: null, ...size }];
    for (const row of faces) this.rows.push({ ...row, model });
    if (this.rows.length > 1.1 * MOST) this.dropped += this.rows.splice(0, this.rows.length - MOST).length;
  }

  /** Of several networks, one after another, each row says by which it was read. */
  json() {
    const networks = [...this.networks.values()];
    const head = networks.length > 1 ? { networks } : networks[0];
    const rows = networks.length > 1 ? this.rows : this.rows.map(({ model, ...row }) => row);
    return `${JSON.stringify({ ...head, rows_dropped: this.dropped, rows }, null, 1)}\n`;
  }

  csv() {
    const points = this.landmarks.flatMap((name) => [`${name}_x`, `${name}_y`]);
    const plain = ["source", "frame", "time", "status", "face", "label", "confidence", "uncertain"];
    const networks = [...this.networks.values()];
    const classes = [...new Set(networks.flatMap((network) => network.classes))];
    const several = networks.length > 1 ? ["model"] : [];
    const columns = [
      ...plain, "x", "y", "box_width", "box_height", "detection", "width", "height", "error",
      ...classes.map((name) => `p_${name}`), ...points, ...several,
    ];
    const lines = this.rows.map((row) => [
      ...plain.map((name) => row[name]),
      ...(row.box ?? Array(4).fill(null)),
      row.detection, row.width, row.height, row.error,
      ...classes.map((name) => row.probabilities?.[name]),
      ...(row.landmarks?.flat() ?? points.map(() => null)),
      ...several.map((name) => row[name]),
    ]);
    return [columns, ...lines].map((line) => `${line.map(cell).join(",")}\r\n`).join("");
  }
}

function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "boolean") return value ? "True" : "False"; // as Python writes them
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function save(text, name, kind) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: kind }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
