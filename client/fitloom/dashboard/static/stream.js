// The event stream of a campaign: kept open, taken up again where it broke off, never asking twice for the same.
//
// The browser itself reconnects with Last-Event-ID after a broken connection. What it gives up on (a proxy's 502, a
// server that restarts, a laptop that slept with the connection half open) is taken up here from the last position.

import { query } from './source.js';

const SILENCE = 25_000;
const LONGEST_WAIT = 15_000;
const HIDDEN_FOR = 60_000;

export class Stream {
  constructor(campaign) {
    this.campaign = campaign;
    this.view = null;
    this.failures = 0;
    this.closed = false;
    this.onVisible = () => this.visibility();
    document.addEventListener('visibilitychange', this.onVisible);
    this.watchdog = setInterval(() => this.check(), 5000);
  }

  /** Open for a view, or open again where the view has changed. */
  open(view) {
    this.view = view;
    this.connect();
  }

  close() {
    this.closed = true;
    clearInterval(this.watchdog);
    clearTimeout(this.hiding);
    document.removeEventListener('visibilitychange', this.onVisible);
    this.drop();
  }

  connect() {
    this.drop();
    if (this.closed) return;
    this.heard = performance.now();
    const since = { since: this.campaign.at };
    const events = new EventSource(`api/campaigns/${this.campaign.n}/events${query(this.view, since)}`);
    this.events = events;
    const on = (type, take) => events.addEventListener(type, (event) => this.hear(events, () => take(JSON.parse(event.data))));
    on('frame', (frame) => this.campaign.apply(frame) || this.startOver());
    on('run', (run) => this.campaign.setRun(run));
    on('contour', (contour) => this.campaign.setContour(contour));
    on('beat', () => {});
    on('reset', () => this.startOver());
    events.onopen = () => this.hear(events, () => {});
    events.onerror = () => this.broken(events);
  }

  hear(events, take) {
    if (events !== this.events) return;
    this.heard = performance.now();
    this.failures = 0;
    this.campaign.setStatus('live');
    take();
  }

  broken(events) {
    if (events !== this.events) return;
    this.campaign.setStatus('reconnecting');
    if (events.readyState === EventSource.CLOSED) this.later();
  }

  later() {
    this.drop();
    this.failures += 1;
    const wait = Math.min(LONGEST_WAIT, 500 * 2 ** this.failures) * (0.75 + Math.random() / 2);
    this.retry = setTimeout(() => this.probe(), wait);
  }

  /** Find out why: whoever is logged out must log in, all else is tried again. */
  async probe() {
    try {
      await this.campaign.source.session();
      this.connect();
    } catch (error) {
      if (error.status === 401) this.campaign.setStatus('logged-out');
      else this.later();
    }
  }

  async startOver() {
    this.drop();
    try {
      await this.campaign.load();
      this.connect();
    } catch {
      this.later();
    }
  }

  /** A connection that says nothing for long is dead, whatever the browser thinks. */
  check() {
    if (!this.events || performance.now() - this.heard < SILENCE) return;
    this.campaign.setStatus('reconnecting');
    this.connect();
  }

  visibility() {
    clearTimeout(this.hiding);
    if (document.hidden) this.hiding = setTimeout(() => this.drop(), HIDDEN_FOR);
    else if (!this.events && !this.closed) this.connect();
  }

  drop() {
    clearTimeout(this.retry);
    this.events?.close();
    this.events = null;
  }
}
