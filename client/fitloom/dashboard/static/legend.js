// What the lines, bands, marks and colours of the plane mean.

import { eachRegion, others } from './beside.js';
import { h, put, svg } from './dom.js';
import { STATES } from './format.js';
import { glyph } from './glyph.js';
import { share } from './marks.js';

const TICKS = [[1e-4, '10⁻⁴'], [1e-3, '0.001'], [1e-2, '0.01'], [0.05, '0.05'], [0.3, '0.3'], [1, '1']];

export class Legend {
  constructor(root, board) {
    this.board = board;
    this.lines = h('ul', { class: 'lines' });
    this.scale = h('div', { class: 'scale' });
    put(root, this.lines, this.scale);
  }

  update() {
    const { choices, region, regions } = this.board;
    const level = this.board.campaign?.contour?.level ?? 0.05;
    const of = regions.length > 1 ? (region === 'combined' ? ', best expected' : `, ${region}`) : '';
    const entries = [
      entry(sample('line observed'), `observed, CLs = ${level}${of}`),
      entry(sample('line expected'), 'expected'),
      entry(bands(), '± 1σ, ± 2σ'),
      ...eachRegion(this.board).map((each) => entry(sample(`line each slot-${each.slot}`), each.name)),
      ...others(this.board).map((other) => entry(sample(`line other slot-${other.slot}`), other.name)),
      ...this.states().map((state) => entry(glyph(state), STATES[state])),
    ];
    put(this.lines, entries);
    put(this.scale, h('span', {}, `CLs ${choices.quantity}`), ramp());
  }

  /** States worth a word: all but the one that a filled disc stands for. */
  states() {
    const { campaign } = this.board;
    const present = new Set(campaign?.points.map((point) => campaign.stateOf(point)));
    return ['not_converged', 'failed', 'running', 'sent', 'retrying', 'waiting'].filter((state) => present.has(state));
  }
}

function entry(picture, text) {
  return h('li', {}, picture, h('span', {}, text));
}

function sample(name) {
  return svg('svg', { viewBox: '0 0 30 12', class: 'sample', 'aria-hidden': 'true' }, svg('path', { class: name, d: 'M1 6H29' }));
}

function bands() {
  return svg('svg', { viewBox: '0 0 30 12', class: 'sample', 'aria-hidden': 'true' },
    svg('rect', { class: 'band sigma-2', x: 0, y: 0, width: 30, height: 12 }), svg('rect', { class: 'band sigma-1', x: 0, y: 3, width: 30, height: 6 }));
}

/** The colour scale, with the level that decides marked. */
function ramp() {
  const stops = [0, 1, 2, 3, 4].map((i) => svg('stop', { offset: `${i * 25}%`, class: `ramp-${i}` }));
  const at = (value) => 6 + 188 * share(value);
  return svg('svg', { viewBox: '0 0 200 30', class: 'ramp', role: 'img', 'aria-label': 'Colours from strongly excluded, CLs 0.0001, to not excluded, CLs 1' },
    svg('defs', {}, svg('linearGradient', { id: 'ramp' }, stops)),
    svg('rect', { x: 6, y: 2, width: 188, height: 9, rx: 2, fill: 'url(#ramp)' }),
    svg('line', { class: 'mark', x1: at(0.05), x2: at(0.05), y1: 0, y2: 13 }),
    TICKS.map(([value, text]) => svg('text', { x: at(value), y: 25, class: value === 0.05 ? 'tick middle strong' : 'tick middle' }, text)));
}
