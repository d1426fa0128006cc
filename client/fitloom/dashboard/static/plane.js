// The mass plane: axes, bands and lines as SVG, the points between them on a canvas, and what the pointer and the keys do.

import { atMost, h, perFrame, put, say, set, svg } from './dom.js';
import { brief, cls, number, STATES } from './format.js';
import { palette, Stamps } from './marks.js';
import { placesOf, quantityOf, shownAt } from './places.js';
import { extent, linear, ticks } from './scale.js';
import { titled } from './tex.js';

const REACH = 22;

export class Plane {
  constructor(root, board) {
    this.board = board;
    this.zoom = null;
    this.places = [];
    this.nearby = new Map();
    this.back = svg('svg', { class: 'layer', 'aria-hidden': 'true' });
    this.canvas = h('canvas', { class: 'layer', 'aria-hidden': 'true' });
    this.front = svg('svg', { class: 'layer', 'aria-hidden': 'true' });
    this.xTitle = h('div', { class: 'axis-title x' });
    this.yTitle = h('div', { class: 'axis-title y' });
    this.tip = h('div', { class: 'tip', hidden: true });
    this.empty = h('p', { class: 'empty', hidden: true });
    this.fit = h('button', { class: 'fit', hidden: true, onclick: () => this.zoomTo(null) }, 'Show all');
    this.heard = h('div', { class: 'unseen', 'aria-live': 'polite' });
    this.stage = h('div', { class: 'stage', id: 'stage', tabindex: '0', role: 'application', 'aria-roledescription': 'mass plane' },
      this.back, this.canvas, this.front);
    put(root, this.stage, this.yTitle, this.xTitle, this.tip, this.empty, this.fit, this.heard);
    this.root = root;
    this.draw = perFrame(() => this.render());
    this.redraw = perFrame(() => this.renderPoints());
    this.mark = perFrame(() => this.renderRings());
    this.ringed = svg('g');
    this.relayout = perFrame(() => this.layout());
    this.replace = atMost(200, () => this.arrange());
    new ResizeObserver(this.relayout).observe(this.stage);
    this.listen();
  }

  // What is shown.

  /** Look at the board again: other campaign, plane or region. */
  arrange() {
    const { campaign, view, region } = this.board;
    this.places = campaign ? placesOf(campaign, view, region) : [];
    this.flat = view.axes.length === 2;
    this.nearby = new Map(this.places.flatMap((place) => place.points.map((point) => [point.i, place])));
    this.entitle(campaign, view);
    this.relayout();
  }

  entitle(campaign, view) {
    const [x, y] = view.axes.map((label) => campaign?.titles?.[label] ?? { text: label, tex: null, unit: '' });
    put(this.xTitle, titled(x ?? { text: 'point', tex: null, unit: '' }));
    put(this.yTitle, h('span', { class: 'turned' }, titled(y ?? { text: 'CLs', tex: '\\mathrm{CL}_{s}', unit: '' })));
    this.titles = [x?.text ?? 'point', y?.text ?? 'CLs'];
    const what = `${this.titles[1]} against ${this.titles[0]}, ${this.places.length} points`;
    this.stage.setAttribute('aria-label', `${what}. Arrow keys go from point to point, Enter selects, Escape lets go.`);
  }

  layout() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height) return;
    this.colours = palette();
    this.ratio = Math.min(3, devicePixelRatio || 1);
    const em = Number.parseFloat(getComputedStyle(this.stage).fontSize);
    this.box = { left: 3.4 * em, right: width - 0.9 * em, top: 0.8 * em, bottom: height - 1.7 * em };
    Object.assign(this, { width, height, em });
    for (const layer of [this.back, this.front]) set(layer, { viewBox: `0 0 ${width} ${height}` });
    this.canvas.width = Math.round(width * this.ratio);
    this.canvas.height = Math.round(height * this.ratio);
    this.rescale();
    this.render();
  }

  rescale() {
    const { box } = this;
    const [xs, ys] = this.zoom ?? this.whole();
    this.x = linear(...xs, box.left, box.right);
    this.y = linear(...ys, box.bottom, box.top);
    const shown = Math.max(1, this.places.length);
    const room = Math.sqrt(((box.right - box.left) * (box.bottom - box.top)) / shown);
    const radius = Math.min(0.52 * this.em, Math.max(1.6, room * 0.24)) * (this.zoom ? 1.4 : 1);
    this.stamps = new Stamps(radius, this.ratio, this.colours);
    set(this.front, {
      'data-x': [xs[0], xs[1], box.left, box.right].join(' '),
      'data-y': [ys[0], ys[1], box.bottom, box.top].join(' '),
    });
  }

  whole() {
    const xs = extent(this.places.map((place) => place.x), 0.06);
    return [xs, this.flat ? extent(this.places.map((place) => place.y), 0.08) : [0, 1.02]];
  }

  zoomTo(range) {
    this.zoom = range;
    this.fit.hidden = !range;
    if (!range && document.activeElement === this.fit) this.stage.focus();
    this.relayout();
  }

  yOf(place, point) {
    return this.flat ? place.y : (quantityOf(point, this.board.choices.quantity) ?? 0.5);
  }

  // Drawing.

  /** Everything: another scale, contour or theme. */
  render() {
    if (!this.box) return;
    const { contour } = this.board.campaign ?? {};
    const current = contour && isOf(contour, this.board.view) ? this.board.drawn(contour) : null;
    put(this.back, this.clip('back'), this.grid(), this.hatch(current), this.bands(current));
    put(this.front, this.clip('front'), this.lines(current), this.frame(), this.ringed);
    this.empty.hidden = this.places.length > 0;
    say(this.empty, this.board.campaign ? 'No point of this region lies in this plane.' : '');
    this.renderPoints();
  }

  /** The points alone, as results arrive. */
  renderPoints() {
    if (!this.box) return;
    this.points();
    this.renderRings();
  }

  /** What is hovered over and selected. */
  renderRings() {
    if (this.box) put(this.ringed, this.rings());
  }

  clip(id) {
    const { left, right, top, bottom } = this.box;
    const area = svg('rect', { x: left, y: top, width: right - left, height: bottom - top });
    const stripe = svg('pattern', { id: `hatch-${id}`, width: 7, height: 7, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' },
      svg('line', { class: 'hatch', x1: 0, y1: 0, x2: 0, y2: 7 }));
    return svg('defs', {}, svg('clipPath', { id: `clip-${id}` }, area), stripe);
  }

  grid() {
    const { left, right, top, bottom } = this.box;
    const xs = ticks(this.x.low, this.x.high, (right - left) / (6.5 * this.em));
    const ys = ticks(this.y.low, this.y.high, (bottom - top) / (3.6 * this.em));
    return svg('g', { class: 'grid' },
      xs.map((value) => svg('line', { x1: this.x.at(value), x2: this.x.at(value), y1: top, y2: bottom })),
      ys.map((value) => svg('line', { x1: left, x2: right, y1: this.y.at(value), y2: this.y.at(value) })),
      xs.map((value) => svg('text', { x: this.x.at(value), y: bottom + 1.35 * this.em, class: 'tick middle' }, number(value, 6))),
      ys.map((value) => svg('text', { x: left - 0.55 * this.em, y: this.y.at(value) + 0.34 * this.em, class: 'tick end' }, number(value, 6))));
  }

  frame() {
    const { left, right, top, bottom } = this.box;
    const level = this.flat ? null : svg('line', { class: 'level', x1: left, x2: right, y1: this.y.at(0.05), y2: this.y.at(0.05) });
    return svg('g', {}, level, svg('rect', { class: 'frame', x: left, y: top, width: right - left, height: bottom - top }));
  }

  hatch(current) {
    if (!this.flat || !current?.hull?.length) return null;
    const { left, right, top, bottom } = this.box;
    const outer = `M${left} ${top}H${right}V${bottom}H${left}Z`;
    const d = `${outer}${this.path(current.hull, true)}`;
    return svg('path', { class: 'outside', d, 'fill-rule': 'evenodd', fill: 'url(#hatch-back)', 'clip-path': 'url(#clip-back)' });
  }

  bands(current) {
    if (!current?.bands) return null;
    return svg('g', { 'clip-path': 'url(#clip-back)' }, ['2', '1'].map((width) =>
      svg('path', { class: `band sigma-${width}`, 'data-band': width, 'fill-rule': 'evenodd', d: this.paths(current.bands[width], true) })));
  }

  lines(current) {
    const group = svg('g', { 'clip-path': 'url(#clip-front)' });
    if (current) {
      for (const { name, slot, lines } of this.eachRegion()) {
        group.append(this.line(lines.observed, `each slot-${slot}`, { 'data-region': name }));
      }
      group.append(this.line(current.lines.expected, 'expected', { 'data-line': 'expected' }));
      group.append(this.line(current.lines.observed, 'observed', { 'data-line': 'observed' }));
    }
    for (const other of this.others()) {
      const at = { 'data-other': other.name, 'data-slot': other.slot };
      for (const line of other.expected) group.append(this.line([line], `other slot-${other.slot} dashed`, at));
      for (const line of other.observed) group.append(this.line([line], `other slot-${other.slot}`, at));
    }
    return group;
  }

  /** The regions behind a combination, where they are asked for. */
  eachRegion() {
    const { campaign, choices, view } = this.board;
    const { contour } = campaign ?? {};
    if (!choices.each || !contour || !isOf(contour, view)) return [];
    const regions = contour.regions.filter((entry) => !entry.combined);
    return regions.map((entry, i) => ({ name: entry.region ?? '', slot: (i % 4) + 1, lines: entry.lines }));
  }

  /** Compared campaigns and published contours, each with the slot that gives it its colour. */
  others() {
    const found = [];
    let slot = 0;
    for (const [, other] of this.board.compared) {
      const drawn = other.campaign.contour && isOf(other.campaign.contour, this.board.view) ? this.board.drawn(other.campaign.contour) : null;
      found.push({ name: other.campaign.facts?.name ?? '', slot: (slot % 4) + 1, observed: drawn?.lines.observed ?? [], expected: drawn?.lines.expected ?? [] });
      slot += 1;
    }
    for (const overlay of this.board.overlays) {
      if (overlay.shown) found.push({ name: overlay.name, slot: (slot % 4) + 1, observed: overlay.lines.map((line) => line.vertices), expected: [] });
      slot += 1;
    }
    return found;
  }

  line(lines, name, more = {}) {
    return svg('path', { class: `line ${name}`, d: this.paths(lines, false), ...more });
  }

  paths(lines, closed) {
    return (lines ?? []).map((line) => this.path(line, closed)).join('');
  }

  /** Vertices as an SVG path, unrounded: the drawing is as exact as the numbers. */
  path(line, closed) {
    if (!line.length) return '';
    return `M${line.map(([x, y]) => `${this.x.at(x)} ${this.y.at(y)}`).join('L')}${closed ? 'Z' : ''}`;
  }

  points() {
    const context = this.canvas.getContext('2d');
    const { campaign, choices } = this.board;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    context.save();
    context.beginPath();
    context.rect(this.box.left - 8, this.box.top - 8, this.box.right - this.box.left + 16, this.box.bottom - this.box.top + 16);
    context.clip();
    for (const place of this.places) {
      const point = shownAt(place);
      const value = quantityOf(point, choices.quantity);
      place.shown = point;
      place.px = this.x.at(place.x);
      place.py = this.y.at(this.yOf(place, point));
      const state = campaign.stateOf(point);
      if (!this.flat && (value === null || value === undefined) && state !== 'failed') continue;
      this.stamps.draw(context, place.px, place.py, state, value);
    }
    if (choices.numbers) this.write(context);
    context.restore();
  }

  /** The value of CLs under each point, where there is room for it. */
  write(context) {
    context.font = `${0.68 * this.em}px ${getComputedStyle(this.stage).fontFamily}`;
    context.textAlign = 'center';
    context.textBaseline = 'top';
    context.lineWidth = 3;
    context.strokeStyle = this.colours.paper;
    context.fillStyle = this.colours.ink;
    const taken = new Map();
    for (const place of this.places) {
      const value = quantityOf(place.shown, this.board.choices.quantity);
      if (value === null || value === undefined) continue;
      const text = brief(value);
      const top = place.py + this.stamps.radius + 2;
      if (!claim(taken, place.px, top, context.measureText(text).width + 0.3 * this.em, 0.8 * this.em)) continue;
      const at = [text, place.px, top];
      context.strokeText(...at);
      context.fillText(...at);
    }
  }

  rings() {
    const { selected, choices } = this.board;
    const hovered = this.board.campaign?.point(choices.hovered);
    return [[hovered, 'hovered'], [selected, 'selected']].map(([point, name]) => {
      const place = point && this.nearby.get(point.i);
      if (!place || place.px === undefined) return null;
      return svg('circle', { class: `ring ${name}`, cx: place.px, cy: place.py, r: this.stamps.radius + 4, 'data-point': point.i });
    });
  }

  // Pointer and keys.

  listen() {
    const { stage } = this;
    stage.addEventListener('pointermove', (event) => this.move(event));
    stage.addEventListener('pointerleave', () => this.hover(null));
    stage.addEventListener('pointerdown', (event) => this.press(event));
    stage.addEventListener('pointerup', (event) => this.release(event));
    stage.addEventListener('keydown', (event) => this.key(event));
    stage.addEventListener('blur', () => this.hover(null));
  }

  move(event) {
    const at = this.where(event);
    if (this.pressed && event.pointerType === 'mouse') this.stretch(at);
    else this.hover(this.nearest(at), at);
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
    if (Math.hypot(at.x - from.x, at.y - from.y) > 12 && event.pointerType === 'mouse') this.zoomBetween(from, at);
    else this.select(this.nearest(at));
  }

  stretch(at) {
    const from = this.pressed;
    if (Math.hypot(at.x - from.x, at.y - from.y) < 6) return;
    if (!this.rubber) this.front.append((this.rubber = svg('rect', { class: 'rubber' })));
    set(this.rubber, { x: Math.min(from.x, at.x), y: Math.min(from.y, at.y), width: Math.abs(at.x - from.x), height: Math.abs(at.y - from.y) });
  }

  zoomBetween(a, b) {
    const sorted = (p, q) => [Math.min(p, q), Math.max(p, q)];
    const xs = sorted(this.x.back(a.x), this.x.back(b.x));
    const ys = sorted(this.y.back(a.y), this.y.back(b.y));
    if (Math.abs(a.x - b.x) > 8 && Math.abs(a.y - b.y) > 8) this.zoomTo([xs, ys]);
  }

  where(event) {
    const { left, top } = this.stage.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  nearest(at) {
    let best = null;
    let least = REACH;
    for (const place of this.places ?? []) {
      const distance = Math.hypot(place.px - at.x, place.py - at.y);
      if (distance < least) [best, least] = [place, distance];
    }
    return best;
  }

  hover(place) {
    const point = place?.shown ?? null;
    this.board.choose({ hovered: point?.i ?? null });
    this.tip.hidden = !place;
    if (!place) return;
    const { campaign } = this.board;
    const facts = point.cls_obs === null || point.cls_obs === undefined
      ? (point.message ?? '')
      : `CLs ${cls(point.cls_obs)}, expected ${cls(point.cls_exp?.[2])}`;
    put(this.tip, h('strong', {}, point.name), h('span', {}, [point.region, STATES[campaign.stateOf(point)]].filter(Boolean).join(', ')), h('span', {}, facts));
    const right = place.px > this.width * 0.6;
    this.tip.classList.toggle('leftwards', right);
    this.tip.style.setProperty('left', `${place.px}px`);
    this.tip.style.setProperty('top', `${place.py}px`);
  }

  select(place) {
    this.board.choose({ selected: place?.shown.i ?? null });
  }

  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key in steps) this.step(...steps[event.key]);
    else if (event.key === 'Escape') this.zoom ? this.zoomTo(null) : this.select(null);
    else if (event.key === 'Home') this.go(this.places[0]);
    else if (event.key === 'Enter' && this.board.choices.hovered !== null) this.board.choose({ selected: this.board.choices.hovered });
    else return;
    event.preventDefault();
  }

  /** To the next point in a direction: near, and not far off to the side. */
  step(dx, dy) {
    const from = this.nearby.get(this.board.choices.selected);
    if (!from || from.px === undefined) return this.go(this.places[0]);
    let best = null;
    let least = Infinity;
    for (const place of this.places) {
      const along = (place.px - from.px) * dx + (place.py - from.py) * dy;
      const aside = Math.abs((place.px - from.px) * dy) + Math.abs((place.py - from.py) * dx);
      const cost = along + 3 * aside;
      if (along > 0.5 && cost < least) [best, least] = [place, cost];
    }
    return this.go(best);
  }

  go(place) {
    if (!place) return;
    this.select(place);
    const point = shownAt(place);
    const value = point.cls_obs === null || point.cls_obs === undefined ? (point.message ?? '') : `CLs observed ${cls(point.cls_obs)}, expected ${cls(point.cls_exp?.[2])}`;
    say(this.heard, `${point.name}: ${STATES[this.board.campaign.stateOf(point)]}. ${value}`);
  }
}

/** Take a place for a text, unless another text or its like is there already. */
function claim(taken, x, y, width, height) {
  const line = Math.round(y / height);
  for (const near of [line - 1, line, line + 1]) {
    for (const [other, half, top] of taken.get(near) ?? []) {
      if (Math.abs(top - y) < height && Math.abs(other - x) < half + width / 2) return false;
    }
  }
  taken.set(line, [...(taken.get(line) ?? []), [x, width / 2, y]]);
  return true;
}

/** Whether a contour is of the plane in view: it comes a moment after the choice. */
function isOf(contour, view) {
  const sorted = (where) => JSON.stringify(Object.entries(where ?? {}).sort());
  return view.axes.every((label, i) => contour.axes?.[i]?.label === label) && sorted(contour.where) === sorted(view.where);
}
