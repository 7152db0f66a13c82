// A clip's skeletons on a canvas. Points are whole numbers from the clip's middle; -32768 is a joint that is not there.
"use strict";

const ABSENT = -32768;
const STEPS = 32767;

function decode(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Kind(bytes.buffer);
}

/** A clip of the findings, ready to be drawn: persons M, frames T, joints V, axes D. */
class Skeleton {
  constructor(clip) {
    this.clip = clip;
    [this.M, this.T, this.V, this.D] = clip.shape;
    this.points = decode(clip.points, Int16Array);
    this.levels = clip.views.map((view) => decode(view.levels, Uint8Array));
  }

  isThere(m, t, v) {
    return this.points[((m * this.T + t) * this.V + v) * this.D] !== ABSENT;
  }

  /** Returns x to the right, y up and depth towards the reader of a joint, about -1..1, after a turn of the head. */
  place(m, t, v, yaw, pitch) {
    const at = ((m * this.T + t) * this.V + v) * this.D;
    const x = this.points[at] / STEPS, y = this.points[at + 1] / STEPS;
    return turn(x, y, this.D > 2 ? this.points[at + 2] / STEPS : 0, yaw, pitch);
  }

  /** Returns the frame with somebody in it that is nearest to the middle. */
  middle() {
    const half = this.T >> 1;
    const order = [...Array(this.T).keys()].sort((a, b) => Math.abs(a - half) - Math.abs(b - half));
    return order.find((t) => this.clip.persons.some((m) => this.#isSeen(m, t))) ?? half;
  }

  #isSeen(m, t) {
    for (let v = 0; v < this.V; v++) if (this.isThere(m, t, v)) return true;
    return false;
  }

  /** Returns the pixels of one unit, such that the whole clip stays in sight however it is turned. */
  unit(width, height, pitch) {
    const [x, y, z = 0] = this.clip.extent;
    const across = Math.hypot(x, z);
    const up = y * Math.cos(pitch) + across * Math.abs(Math.sin(pitch));
    return 0.45 * Math.min(width / (across || 1), height / (up || 1));
  }
}

function turn(x, y, z, yaw, pitch) {
  const right = x * Math.cos(yaw) + z * Math.sin(yaw);
  const near = z * Math.cos(yaw) - x * Math.sin(yaw);
  return [right, y * Math.cos(pitch) - near * Math.sin(pitch), y * Math.sin(pitch) + near * Math.cos(pitch)];
}

/** Returns the colour of a level 0..255. */
function heat(level) {
  const stops = ["--low", "--mid", "--high"].map((name) => colour(name).match(/[\d.]+/g).map(Number));
  const at = (level / 255) * 2, from = stops[Math.min(1, Math.floor(at))], to = stops[Math.min(1, Math.floor(at)) + 1];
  const part = at - Math.min(1, Math.floor(at));
  return `rgb(${from.slice(0, 3).map((low, i) => Math.round(low + part * (to[i] - low))).join(" ")})`;
}

/** Draws a frame. `look`: yaw, pitch, view (which class's activation), person (a number, or null for all). */
function drawSkeleton(canvas, skeleton, bones, t, look) {
  const sharp = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * sharp) || canvas.height !== Math.round(height * sharp)) {
    canvas.width = Math.round(width * sharp);
    canvas.height = Math.round(height * sharp);
  }
  const paper = canvas.getContext("2d");
  paper.setTransform(sharp, 0, 0, sharp, 0, 0);
  paper.clearRect(0, 0, width, height);
  const unit = skeleton.unit(width, height, look.pitch);
  const size = Math.max(1.1, Math.min(width, height) / 105);
  const toPixels = ([x, y, near]) => [width / 2 + x * unit, height / 2 - y * unit, near];
  if (skeleton.D > 2) drawFloor(paper, skeleton, toPixels, look);
  const persons = look.person === null ? skeleton.clip.persons : [look.person];
  for (const m of persons) drawPerson(paper, skeleton, bones, m, t, look, toPixels, size);
}

function drawFloor(paper, skeleton, toPixels, look) {
  const [x, y, z] = skeleton.clip.extent;
  const round = Math.hypot(x, z);
  paper.beginPath();
  for (let step = 0; step <= 48; step++) {
    const angle = (step / 24) * Math.PI;
    const [left, top] = toPixels(turn(round * Math.cos(angle), -y, round * Math.sin(angle), 0, look.pitch));
    paper.lineTo(left, top);
  }
  paper.fillStyle = colour("--floor");
  paper.fill();
}

function drawPerson(paper, skeleton, bones, m, t, look, toPixels, size) {
  const joints = [];
  for (let v = 0; v < skeleton.V; v++) {
    joints.push(skeleton.isThere(m, t, v) ? toPixels(skeleton.place(m, t, v, look.yaw, look.pitch)) : null);
  }
  paper.strokeStyle = colour(m % 2 ? "--other-bone" : "--bone"); // two persons are told apart
  paper.lineWidth = size * 0.9;
  paper.lineCap = "round";
  for (const [a, b] of bones) {
    if (!joints[a] || !joints[b]) continue;
    paper.beginPath();
    paper.moveTo(joints[a][0], joints[a][1]);
    paper.lineTo(joints[b][0], joints[b][1]);
    paper.stroke();
  }
  const levels = skeleton.levels[look.view];
  const order = [...joints.keys()].filter((v) => joints[v]).sort((a, b) => joints[a][2] - joints[b][2]); // far ones first
  for (const v of order) {
    const level = levels ? levels[(m * skeleton.T + t) * skeleton.V + v] : 0;
    paper.beginPath();
    paper.arc(joints[v][0], joints[v][1], size * (0.9 + 1.5 * level / 255), 0, 2 * Math.PI);
    paper.fillStyle = heat(level);
    paper.fill();
    paper.lineWidth = size * 0.2;
    paper.strokeStyle = colour("--panel");
    paper.stroke();
  }
}
