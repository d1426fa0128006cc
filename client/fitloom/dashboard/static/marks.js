// How a point looks: shape for its state, colour for its CLs. Drawn once each onto a small canvas, then stamped.

const LOWEST = -4;
const BINS = 32;

/** Colours of the theme, as the canvas needs them. */
export function palette() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return {
    ramp: [0, 1, 2, 3, 4].map((i) => rgb(of(`--ramp-${i}`))),
    ink: of('--ink'), paper: of('--panel'), faint: of('--faint'), failed: of('--failed'), doubtful: of('--doubtful'),
    running: of('--running'), edge: of('--edge'), muted: of('--muted'),
  };
}

/** The colour of a value of CLs: from strongly excluded (1e-4 and less) to not excluded at all (1). */
export function colour(ramp, value) {
  return css(mix(ramp, share(value)));
}

/** Where on the colour scale a value of CLs stands, from 0 to 1. */
export function share(value) {
  return Math.min(1, Math.max(0, (Math.log10(Math.max(value, 1e-30)) - LOWEST) / -LOWEST));
}

/** Stamps of one size and theme. */
export class Stamps {
  constructor(radius, ratio, colours) {
    this.radius = radius;
    this.ratio = ratio;
    this.colours = colours;
    this.made = new Map();
  }

  /** Stamp a point's mark at a place. */
  draw(context, x, y, state, value) {
    const bin = value === null || value === undefined ? -1 : Math.round(share(value) * BINS);
    const excluded = value < 0.05;
    const key = `${state}/${bin}/${excluded}`;
    let stamp = this.made.get(key);
    if (!stamp) this.made.set(key, (stamp = this.make(state, bin, excluded)));
    const half = stamp.width / this.ratio / 2;
    context.drawImage(stamp, x - half, y - half, half * 2, half * 2);
  }

  make(state, bin, excluded) {
    const { radius, ratio } = this;
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = Math.ceil((radius * 2 + 6) * ratio);
    const context = canvas.getContext('2d');
    context.setTransform(ratio, 0, 0, ratio, canvas.width / 2, canvas.height / 2);
    this.paint(context, state, bin, excluded);
    return canvas;
  }

  paint(context, state, bin, excluded) {
    const { radius: r, colours } = this;
    const fill = bin < 0 ? colours.paper : css(mix(colours.ramp, bin / BINS));
    context.lineWidth = Math.max(1.2, r / 4);
    context.lineCap = 'round';
    if (state === 'converged' && r < 3) disc(context, r, fill, fill);
    else if (state === 'converged') disc(context, r, fill, excluded ? fill : colours.edge);
    else if (state === 'not_converged') diamond(context, r * 1.1, colours.paper, colours.doubtful);
    else if (state === 'failed') cross(context, r * 0.85, colours.failed);
    else if (state === 'running') half(context, r * 0.9, colours.running);
    else if (state === 'sent' || state === 'retrying') disc(context, r * 0.62, colours.paper, colours.running);
    else disc(context, Math.max(1, r * 0.3), colours.faint, colours.faint);
  }
}

function disc(context, r, fill, stroke) {
  context.beginPath();
  context.arc(0, 0, r, 0, 2 * Math.PI);
  context.fillStyle = fill;
  context.fill();
  context.strokeStyle = stroke;
  context.stroke();
}

function half(context, r, colour_) {
  disc(context, r, 'transparent', colour_);
  context.beginPath();
  context.arc(0, 0, r, Math.PI / 2, (3 * Math.PI) / 2);
  context.fillStyle = colour_;
  context.fill();
}

function diamond(context, r, fill, stroke) {
  context.beginPath();
  context.moveTo(0, -r);
  context.lineTo(r, 0);
  context.lineTo(0, r);
  context.lineTo(-r, 0);
  context.closePath();
  context.fillStyle = fill;
  context.fill();
  context.strokeStyle = stroke;
  context.stroke();
}

function cross(context, r, stroke) {
  context.beginPath();
  context.moveTo(-r, -r);
  context.lineTo(r, r);
  context.moveTo(r, -r);
  context.lineTo(-r, r);
  context.strokeStyle = stroke;
  context.lineWidth *= 1.3;
  context.stroke();
}

function mix(ramp, t) {
  const place = t * (ramp.length - 1);
  const left = Math.min(ramp.length - 2, Math.floor(place));
  return ramp[left].map((value, i) => value + (ramp[left + 1][i] - value) * (place - left));
}

function css([r, g, b]) {
  return `rgb(${Math.round(r)} ${Math.round(g)} ${Math.round(b)})`;
}

function rgb(hex) {
  return [1, 3, 5].map((i) => Number.parseInt(hex.slice(i, i + 2), 16));
}
