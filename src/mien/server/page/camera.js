// A camera: opened, chosen, closed, and its frames handed on one after another, the newest whenever one is wanted.

import { Problem } from "./server.js";

export class Camera {
  constructor(video) {
    this.video = video;
    this.stream = null;
    this.canvas = document.createElement("canvas");
  }

  get on() {
    return this.stream !== null;
  }

  /** Whether it looks at its user, who then expects a mirror. */
  get mirrored() {
    return this.stream?.getVideoTracks()[0].getSettings().facingMode !== "environment";
  }

  async open(device = "", signal = null) {
    this.close();
    if (!navigator.mediaDevices) {
      throw new Problem("Browsers give a camera only to pages on this computer (localhost) or over https (mien serve --certificate).");
    }
    const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: { ...wanted, ...(device ? { deviceId: { exact: device } } : { facingMode: "user" }) },
      });
    } catch (error) {
      throw new Problem(REASONS[error.name] ?? `The camera can't be used: ${error.message}`);
    }
    if (signal?.aborted) {
      for (const track of stream.getTracks()) track.stop();
      throw new Problem("Something else was started in the meantime.");
    }
    this.video.srcObject = this.stream = stream;
    await this.video.play();
  }

  close() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.video.srcObject = null;
    this.stream = null;
  }

  /** Call this once the camera ends by itself; closing it isn't that. */
  whenLost(call) {
    this.stream.getVideoTracks()[0].addEventListener("ended", call);
  }

  /** The cameras there are; their names are known once one was allowed. */
  async all() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    return devices.filter(({ kind }) => kind === "videoinput");
  }

  get device() {
    return this.stream?.getVideoTracks()[0].getSettings().deviceId;
  }

  /** The next frame, on a canvas that is the same each time; in a hidden tab there is none. */
  async next() {
    const { video, canvas } = this;
    await new Promise((done) => {
      if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(done);
      else requestAnimationFrame(done);
    });
    if (canvas.width !== video.videoWidth || canvas.height !== video.videoHeight) {
      [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    }
    canvas.getContext("2d").drawImage(video, 0, 0);
    return canvas;
  }
}

const REASONS = {
  NotAllowedError: "The browser wasn't allowed to use the camera. Allow it beside the page's address, then try again.",
  NotFoundError: "There is no camera here.",
  NotReadableError: "Another program is using the camera.",
  OverconstrainedError: "There is no such camera any more.",
};
