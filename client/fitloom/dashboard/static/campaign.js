// One campaign in the browser: a snapshot, and the frames that change it.
//
// A frame says from which position of the journals to which it leads. It is taken only where it continues what is
// already here; anything else means that something is missing, and the snapshot is fetched again.

const GOING = ['sent', 'running', 'retrying'];
const KEPT_ERRORS = 500;

/** Fires `change` ({points}), `run`, `contour`, `plan` and `status`. */
export class Campaign extends EventTarget {
  constructor(n, source) {
    super();
    this.n = n;
    this.source = source;
    this.points = [];
    this.errors = [];
    this.run = null;
    this.contour = null;
    this.at = null;
    this.status = 'opening';
    /** What arrived over the wire, for whoever wants to check that nothing is lost or doubled. */
    this.tally = { frames: 0, results: 0, events: 0, refused: 0, snapshots: 0 };
  }

  async load() {
    this.adopt(await this.source.snapshot(this.n));
    return this;
  }

  /** Start over from a snapshot. */
  adopt(snapshot) {
    const { campaign, fields, plan, rows, run, errors, planes, titles, at } = snapshot;
    Object.assign(this, { facts: campaign, fields, planes, titles, at, errors, run });
    this.points = [];
    this.extend(plan);
    for (const row of rows) this.write(row);
    this.tally.snapshots += 1;
    this.tally.results = run.results_seen;
    this.tally.events = run.events_seen;
    this.tell('plan');
    this.tell('run');
    this.tell('change', { points: this.points });
  }

  /** Take a frame; false where it does not continue what is here. */
  apply(frame) {
    if (frame.from !== this.at) {
      this.tally.refused += 1;
      return false;
    }
    this.at = frame.to;
    this.tally.frames += 1;
    this.tally.results += frame.results;
    this.tally.events += frame.events;
    this.extend(frame.plan);
    const changed = frame.rows.map((row) => this.write(row));
    if (frame.errors.length) this.errors = [...this.errors, ...frame.errors].slice(-KEPT_ERRORS);
    if (frame.plan.length) this.tell('plan');
    this.tell('change', { points: changed });
    return true;
  }

  setRun(run) {
    const before = this.run?.attached;
    this.run = { ...this.run, ...run, problem: run.problem ?? null };
    this.tell('run');
    if (before !== this.run.attached) this.tell('change', { points: this.points });
  }

  setContour(contour) {
    this.contour = contour;
    this.tell('contour');
  }

  setStatus(status) {
    if (status === this.status) return;
    this.status = status;
    this.tell('status');
  }

  /** A point's state as it is drawn: without a driver nobody is working on it. */
  stateOf(point) {
    return GOING.includes(point.state) && !this.run?.attached ? 'waiting' : point.state;
  }

  /** How many points are shown in each state. */
  counts() {
    const found = { converged: 0, not_converged: 0, failed: 0, running: 0, sent: 0, retrying: 0, waiting: 0 };
    for (const point of this.points) found[this.stateOf(point)] += 1;
    return found;
  }

  /** The point of a number in the plan, as selections keep it. */
  point(i) {
    return i === null || i === undefined ? null : (this.points[i] ?? null);
  }

  /** The same point of another campaign: by region, name and values. */
  counterpart(point) {
    return this.keyed().get(keyOf(point)) ?? null;
  }

  keyed() {
    this.keys ??= new Map(this.points.map((point) => [keyOf(point), point]));
    return this.keys;
  }

  extend(plan) {
    for (const [i, id, name, region, values] of plan) {
      const point = { i, id, name, region, values, state: 'waiting', attempt: 1 };
      this.points[i] = point;
    }
    this.keys = null;
  }

  write(row) {
    const point = this.points[row[0]];
    for (let column = 1; column < row.length; column += 1) point[this.fields[column]] = row[column];
    return point;
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** The value of a label, or of the difference `A-B` of two. */
export function valueOf(point, key) {
  if (key in point.values) return point.values[key];
  const [left, right] = key.split('-', 2).map((label) => point.values[label.trim()]);
  return typeof left === 'number' && typeof right === 'number' ? left - right : null;
}

/** Whether a point lies in a plane: every condition met, as the server decides it. */
export function inPlane(point, where) {
  return Object.entries(where ?? {}).every(([key, wanted]) => {
    const value = valueOf(point, key);
    if (value === null || value === undefined) return false;
    if (typeof value === 'string' || typeof wanted === 'string') return String(value) === String(wanted);
    return Math.abs(value - wanted) <= Math.max(1e-9 * Math.max(Math.abs(value), Math.abs(wanted)), 1e-9);
  });
}

function keyOf(point) {
  return JSON.stringify([point.region, Object.entries(point.values).sort(([a], [b]) => (a < b ? -1 : 1))]);
}
