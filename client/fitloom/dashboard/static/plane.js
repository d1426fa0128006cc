// The mass plane: bands and lines as SVG, the points between them on a canvas, axes with their titles around them.

import { contourInView, eachRegion, others } from './beside.js';
import { h, perFrame, put, say, set, svg } from './dom.js';
import { bands, border, definitions, grid, line, outside } from './drawing.js';
import { palette, Stamps } from './marks.js';
import { placesOf, quantityOf, shownAt } from './places.js';
import { Pointer } from './pointer.js';
import { extent, linear } from './scale.js';
import { titled } from './tex.js';
import { writeValues } from './values.js';

const CLS = { text: 'CLs', tex: '\\mathrm{CL}_{s}', unit: '' };
const POINT = { text: 'point', tex: null, unit: '' };
const LEVEL = 0.05;

export class Plane {
  constructor(root, board) {
    this.board = board;
    this.zoom = null;
    this.places = [];
    this.nearby = new Map();
    const layer = { class: 'layer', 'aria-hidden': 'true' };
    [this.back, this.canvas, this.front] = [svg('svg', layer), h('canvas', layer), svg('svg', layer)];
    this.ringed = svg('g');
    this.stage = h('div', { class: 'stage', id: 'stage', tabindex: '0', role: 'application', 'aria-roledescription': 'mass plane' },
      this.back, this.canvas, this.front);
    this.xTitle = h('div', { class: 'axis-title x' });
    this.yTitle = h('div', { class: 'axis-title y' });
    this.empty = h('p', { class: 'empty', hidden: true });
    this.all = h('button', { class: 'fit', hidden: true, onclick: () => this.zoomTo(null) }, 'Show all');
    this.pointer = new Pointer(this, board);
    put(root, this.stage, this.yTitle, this.xTitle, this.pointer.tip, this.empty, this.all, this.pointer.heard);
    this.draw = perFrame(() => this.render());
    this.redraw = perFrame(() => this.renderPoints());
    this.mark = perFrame(() => this.renderRings());
    this.relayout = perFrame(() => this.layout());
    new ResizeObserver(this.relayout).observe(this.stage);
  }

  // Where things are.

  /** Look at the board again: other campaign, plane or region. */
  arrange() {
    const { campaign, view, region } = this.board;
    this.places = campaign ? placesOf(campaign, view, region) : [];
    this.flat = view.axes.length === 2;
    this.nearby = new Map(this.places.flatMap((place) => place.points.map((point) => [point.i, place])));
    const [x, y] = view.axes.map((label) => campaign?.titles?.[label] ?? { text: label, tex: null, unit: '' });
    this.entitle(x ?? POINT, y ?? CLS);
    this.relayout();
  }

  entitle(x, y) {
    put(this.xTitle, titled(x));
    put(this.yTitle, h('span', { class: 'turned' }, titled(y)));
    const what = `${y.text} against ${x.text}, ${this.places.length} points`;
    this.stage.setAttribute('aria-label', `${what}. Arrow keys go from point to point, Enter selects, Escape lets go.`);
  }

  layout() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height) return;
    const { fontSize, fontFamily } = getComputedStyle(this.stage);
    const em = Number.parseFloat(fontSize);
    Object.assign(this, { width, height, em, font: fontFamily, colours: palette(), ratio: Math.min(3, devicePixelRatio || 1) });
    this.box = { left: 3.4 * em, right: width - 0.9 * em, top: 0.8 * em, bottom: height - 1.7 * em };
    for (const layer of [this.back, this.front]) set(layer, { viewBox: `0 0 ${width} ${height}` });
    set(this.canvas, { width: Math.round(width * this.ratio), height: Math.round(height * this.ratio) });
    this.rescale();
    this.render();
  }

  rescale() {
    const { left, right, top, bottom } = this.box;
    const [xs, ys] = this.zoom ?? this.whole();
    this.x = linear(...xs, left, right);
    this.y = linear(...ys, bottom, top);
    const room = Math.sqrt(((right - left) * (bottom - top)) / Math.max(1, this.places.length));
    const radius = Math.min(0.52 * this.em, Math.max(1.6, room * 0.24)) * (this.zoom ? 1.4 : 1);
    this.stamps = new Stamps(radius, this.ratio, this.colours);
    set(this.front, { 'data-x': [...xs, left, right].join(' '), 'data-y': [...ys, bottom, top].join(' ') });
  }

  whole() {
    const xs = extent(this.places.map((place) => place.x), 0.06);
    return [xs, this.flat ? extent(this.places.map((place) => place.y), 0.08) : [0, 1.02]];
  }

  /** Go into a rectangle [[x, x], [y, y]], or back to everything. */
  zoomTo(range) {
    this.zoom = range;
    this.all.hidden = !range;
    if (!range && document.activeElement === this.all) this.stage.focus();
    this.relayout();
  }

  // Drawing.

  /** Everything: another scale, contour or theme. */
  render() {
    if (!this.box) return;
    const current = this.board.drawn(contourInView(this.board));
    const hull = this.flat ? current?.hull : null;
    put(this.back, definitions(this.box, 'back'), grid(this), outside(this, hull), bands(this, current?.bands));
    put(this.front, definitions(this.box, 'front'), this.lines(current), border(this, this.flat ? null : LEVEL), this.ringed);
    this.empty.hidden = this.places.length > 0;
    say(this.empty, this.board.campaign ? 'No point of this region lies in this plane.' : '');
    this.renderPoints();
  }

  lines(current) {
    const own = current ? [
      ...eachRegion(this.board).map(({ name, slot, lines }) => line(this, lines.observed, `each slot-${slot}`, { 'data-region': name })),
      line(this, current.lines.expected, 'expected', { 'data-line': 'expected' }),
      line(this, current.lines.observed, 'observed', { 'data-line': 'observed' }),
    ] : [];
    const beside = others(this.board).flatMap(({ name, slot, expected, observed }) => [
      ...expected.map((piece) => line(this, [piece], `other slot-${slot} dashed`, { 'data-other': name })),
      ...observed.map((piece) => line(this, [piece], `other slot-${slot}`, { 'data-other': name })),
    ]);
    return svg('g', { 'clip-path': 'url(#clip-front)' }, own, beside);
  }

  /** The points alone, as results arrive. */
  renderPoints() {
    if (!this.box) return;
    const context = this.canvas.getContext('2d');
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    for (const place of this.places) this.stamp(context, place);
    if (this.board.choices.numbers) this.write(context);
    this.renderRings();
  }

  stamp(context, place) {
    const point = shownAt(place);
    const value = quantityOf(point, this.board.choices.quantity);
    place.shown = point;
    place.px = this.x.at(place.x);
    place.py = this.y.at(this.flat ? place.y : (value ?? 0.5));
    const state = this.board.campaign.stateOf(point);
    const nowhere = !this.flat && typeof value !== 'number' && state !== 'failed';
    if (!nowhere && this.inside(place)) this.stamps.draw(context, place.px, place.py, state, value);
  }

  inside({ px, py }) {
    const { left, right, top, bottom } = this.box;
    return px >= left - 1 && px <= right + 1 && py >= top - 1 && py <= bottom + 1;
  }

  /** The value of CLs under each point, where there is room for it. */
  write(context) {
    const { em, font, colours, stamps } = this;
    const values = this.places.filter((place) => this.inside(place)).map((place) => [quantityOf(place.shown, this.board.choices.quantity), place.px, place.py]);
    const known = values.filter(([value]) => typeof value === 'number');
    writeValues(context, known, { radius: stamps.radius, em, font, paper: colours.paper, ink: colours.ink });
  }

  /** What is hovered over and selected. */
  renderRings() {
    if (!this.box) return;
    const { selected, choices, campaign } = this.board;
    put(this.ringed, [[campaign?.point(choices.hovered), 'hovered'], [selected, 'selected']].map(([point, name]) => {
      const place = point && this.nearby.get(point.i);
      if (place?.px === undefined || !this.inside(place)) return null;
      return svg('circle', { class: `ring ${name}`, cx: place.px, cy: place.py, r: this.stamps.radius + 4, 'data-point': point.i });
    }));
  }
}
