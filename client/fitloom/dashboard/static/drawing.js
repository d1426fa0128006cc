// The parts of a plane that are drawn as SVG: grid, bands, lines. Each takes the frame {box, x, y, em} it is drawn in.

import { svg } from './dom.js';
import { number } from './format.js';
import { ticks } from './scale.js';

/** What the layers of a plane clip to and hatch with. */
export function definitions({ left, right, top, bottom }, id) {
  const area = svg('rect', { x: left, y: top, width: right - left, height: bottom - top });
  const turned = { patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' };
  const stripe = svg('line', { class: 'hatch', x1: 0, y1: 0, x2: 0, y2: 7 });
  return svg('defs', {}, svg('clipPath', { id: `clip-${id}` }, area),
    svg('pattern', { id: `hatch-${id}`, width: 7, height: 7, ...turned }, stripe));
}

/** Grid lines with their numbers. */
export function grid({ box: { left, right, top, bottom }, x, y, em }) {
  const xs = ticks(x.low, x.high, (right - left) / (6.5 * em));
  const ys = ticks(y.low, y.high, (bottom - top) / (3.6 * em));
  const tick = (px, py, value, side) => svg('text', { x: px, y: py, class: `tick ${side}` }, number(value, 6));
  return svg('g', { class: 'grid' },
    xs.map((value) => svg('line', { x1: x.at(value), x2: x.at(value), y1: top, y2: bottom })),
    ys.map((value) => svg('line', { x1: left, x2: right, y1: y.at(value), y2: y.at(value) })),
    xs.map((value) => tick(x.at(value), bottom + 1.35 * em, value, 'middle')),
    ys.map((value) => tick(left - 0.55 * em, y.at(value) + 0.34 * em, value, 'end')));
}

/** The border; and in a scan the value of CLs that decides. */
export function border({ box: { left, right, top, bottom }, y }, level) {
  const line = level === null ? null : svg('line', { class: 'level', x1: left, x2: right, y1: y.at(level), y2: y.at(level) });
  return svg('g', {}, line, svg('rect', { class: 'frame', x: left, y: top, width: right - left, height: bottom - top }));
}

/** Hatching where there are no points around, and a contour would be a guess. */
export function outside(frame, hull) {
  if (!hull?.length) return null;
  const { left, right, top, bottom } = frame.box;
  const d = `M${left} ${top}H${right}V${bottom}H${left}Z${paths(frame, [hull], true)}`;
  return svg('path', { class: 'outside', d, 'fill-rule': 'evenodd', fill: 'url(#hatch-back)', 'clip-path': 'url(#clip-back)' });
}

/** The expected bands, the wide one below. */
export function bands(frame, rings) {
  if (!rings) return null;
  return svg('g', { 'clip-path': 'url(#clip-back)' }, ['2', '1'].map((width) => svg('path', {
    class: `band sigma-${width}`, 'data-band': width, 'fill-rule': 'evenodd', d: paths(frame, rings[width], true),
  })));
}

/** One line of a contour, in as many pieces as it has. */
export function line(frame, pieces, name, more = {}) {
  return svg('path', { class: `line ${name}`, d: paths(frame, pieces, false), ...more });
}

/** Vertices as an SVG path, unrounded: the drawing is as exact as the numbers. */
function paths({ x, y }, pieces, closed) {
  return (pieces ?? []).filter((piece) => piece.length).map((piece) =>
    `M${piece.map(([a, b]) => `${x.at(a)} ${y.at(b)}`).join('L')}${closed ? 'Z' : ''}`).join('');
}
