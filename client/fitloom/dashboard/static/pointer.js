// Pointing at a plane, by hand or by keys: what is near is told, what is chosen is selected, a rectangle is gone into.

import { h, put, say, set, svg } from './dom.js';
import { cls, STATES } from './format.js';
import { shownAt } from './places.js';

const REACH = 22;
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Pointer {
  constructor(plane, board) {
    Object.assign(this, { plane, board });
    this.tip = h('div', { class: 'tip', hidden: true });
    this.heard = h('div', { class: 'unseen', 'aria-live': 'polite' });
    const { stage } = plane;
    const on = (type, act) => stage.addEventListener(type, (event) => act.call(this, event));
    on('pointermove', this.move);
    on('pointerdown', this.press);
    on('pointerup', this.release);
    on('pointerleave', () => this.hover(null));
    on('blur', () => this.hover(null));
    on('keydown', this.key);
  }

  move(event) {
    const at = this.where(event);
    if (this.pressed && event.pointerType === 'mouse') this.stretch(at);
    else this.hover(this.nearest(at));
  }

  press(event) {
    if (event.button === 0) this.pressed = this.where(event);
  }

  release(event) {
    const from = this.pressed;
    const at = this.where(event);
    this.pressed = null;
    this.rubber?.remove();
    this.rubber = null;
    if (!from) return;
    if (Math.hypot(at.x - from.x, at.y - from.y) > 12 && event.pointerType === 'mouse') this.enter(from, at);
    else this.select(this.nearest(at));
  }

  /** Draw the rectangle that will be gone into. */
  stretch(at) {
    const from = this.pressed;
    if (Math.hypot(at.x - from.x, at.y - from.y) < 6) return;
    if (!this.rubber) this.plane.front.append((this.rubber = svg('rect', { class: 'rubber' })));
    const size = { width: Math.abs(at.x - from.x), height: Math.abs(at.y - from.y) };
    set(this.rubber, { x: Math.min(from.x, at.x), y: Math.min(from.y, at.y), ...size });
  }

  enter(a, b) {
    if (Math.abs(a.x - b.x) < 8 || Math.abs(a.y - b.y) < 8) return;
    const between = (scale, p, q) => [scale.back(p), scale.back(q)].sort((low, high) => low - high);
    this.plane.zoomTo([between(this.plane.x, a.x, b.x), between(this.plane.y, a.y, b.y)]);
  }

  where(event) {
    const { left, top } = this.plane.stage.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  nearest(at) {
    return closest(this.plane.places, (place) => Math.hypot(place.px - at.x, place.py - at.y), REACH);
  }

  hover(place) {
    const point = place?.shown ?? null;
    this.board.choose({ hovered: point?.i ?? null });
    this.tip.hidden = !place;
    if (!place) return;
    const state = [point.region, this.stateOf(point)].filter(Boolean).join(', ');
    put(this.tip, h('strong', {}, point.name), h('span', {}, state), h('span', {}, gist(point)));
    this.tip.classList.toggle('leftwards', place.px > this.plane.width * 0.6);
    this.tip.style.setProperty('left', `${place.px}px`);
    this.tip.style.setProperty('top', `${place.py}px`);
  }

  select(place) {
    this.board.choose({ selected: place?.shown.i ?? null });
  }

  key(event) {
    const { hovered } = this.board.choices;
    if (event.key in STEPS) this.step(...STEPS[event.key]);
    else if (event.key === 'Escape' && this.plane.zoom) this.plane.zoomTo(null);
    else if (event.key === 'Escape') this.select(null);
    else if (event.key === 'Home') this.go(this.plane.places[0]);
    else if (event.key === 'Enter' && hovered !== null) this.board.choose({ selected: hovered });
    else return;
    event.preventDefault();
  }

  /** To the next point in a direction: near, and not far off to the side. */
  step(dx, dy) {
    const from = this.plane.nearby.get(this.board.choices.selected);
    if (!from) return this.go(this.plane.places[0]);
    return this.go(closest(this.plane.places, (place) => {
      const along = (place.px - from.px) * dx + (place.py - from.py) * dy;
      const aside = Math.abs((place.px - from.px) * dy) + Math.abs((place.py - from.py) * dx);
      return along > 0.5 ? along + 3 * aside : Infinity;
    }, Infinity));
  }

  go(place) {
    if (!place) return;
    place.shown ??= shownAt(place);
    this.select(place);
    say(this.heard, `${place.shown.name}: ${this.stateOf(place.shown)}. ${gist(place.shown)}`);
  }

  stateOf(point) {
    return STATES[this.board.campaign.stateOf(point)];
  }
}

/** A point in one sentence. */
function gist(point) {
  if (typeof point.cls_obs !== 'number') return point.message ?? '';
  return `CLs observed ${cls(point.cls_obs)}, expected ${cls(point.cls_exp?.[2])}`;
}

/** The place of the least cost below a limit. */
function closest(places, costOf, limit) {
  let best = null;
  let least = limit;
  for (const place of places) {
    const cost = costOf(place);
    if (cost < least) [best, least] = [place, cost];
  }
  return best;
}
