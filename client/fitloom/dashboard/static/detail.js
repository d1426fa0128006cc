// Everything about the selected point: numbers, certificate, attempt, worker, and the same point elsewhere.

import { h, put } from './dom.js';
import { cls, duration, moment, number, STATES } from './format.js';
import { glyph } from './glyph.js';
import { titled } from './tex.js';

const SIGMAS = ['−2σ', '−1σ', 'median', '+1σ', '+2σ'];

export class Detail {
  constructor(root, board, actions) {
    Object.assign(this, { root, board, actions });
  }

  update() {
    const point = this.board.selected;
    this.root.classList.toggle('vacant', !point);
    if (!point) {
      put(this.root, h('h2', { id: 'detail-title' }, 'Point'), h('p', { class: 'none' }, 'Select a point in the plane or in the table.'));
      return;
    }
    const { campaign } = this.board;
    const state = campaign.stateOf(point);
    put(this.root,
      h('header', {}, h('h2', { id: 'detail-title' }, point.name),
        h('button', { type: 'button', class: 'close', 'aria-label': 'Close', onclick: () => this.board.choose({ selected: null }) }, '×')),
      h('p', { class: `state ${state}` }, glyph(state), STATES[state], point.region ? ` in ${point.region}` : '', point.held ? ', held back' : ''),
      this.values(point, campaign),
      point.message ? h('p', { class: 'failure', role: 'note' }, h('code', {}, point.code), ' ', point.message) : null,
      typeof point.cls_obs === 'number' ? this.numbers(point) : null,
      this.siblings(point, campaign),
      this.evidence(point),
      this.actions.forPoint(point));
  }

  values(point, campaign) {
    return h('dl', { class: 'values' }, Object.entries(point.values).map(([label, value]) => {
      const title = campaign.titles[label] ?? { text: label, tex: null, unit: '' };
      return h('div', {}, h('dt', {}, titled(title, { unit: false })), h('dd', {}, number(value, 6), title.unit ? ` ${title.unit}` : ''));
    }));
  }

  numbers(point) {
    const expected = (point.cls_exp ?? []).map((value, i) => h('div', { class: i === 2 ? 'median' : null }, h('dt', {}, SIGMAS[i]), h('dd', {}, cls(value))));
    const verdict = point.cls_obs < 0.05 ? 'excluded at 95% confidence' : 'not excluded';
    return [
      h('div', { class: 'verdict' }, h('b', { class: 'value' }, cls(point.cls_obs)), h('span', {}, h('span', {}, 'CLs observed'), h('span', {}, verdict))),
      h('dl', { class: 'expected', 'aria-label': 'CLs expected' }, expected),
    ];
  }

  /** The same values in the other regions of this campaign and in compared campaigns. */
  siblings(point, campaign) {
    const same = JSON.stringify(Object.entries(point.values).sort());
    const regions = campaign.facts.regions.length < 2 ? [] : campaign.points.filter((other) => other !== point && JSON.stringify(Object.entries(other.values).sort()) === same);
    const others = [...this.board.compared.values()].map((compared) => [compared.campaign.facts.name, compared.campaign.counterpart(point)]);
    const rows = [...regions.map((other) => [other.region, other]), ...others];
    if (!rows.length) return null;
    return h('table', { class: 'plain siblings' }, h('caption', {}, 'Elsewhere'),
      h('thead', {}, h('tr', {}, ['where', 'observed', 'expected'].map((head) => h('th', { scope: 'col' }, head)))),
      h('tbody', {}, rows.map(([name, other]) => h('tr', {}, h('th', { scope: 'row' }, name),
        h('td', { class: 'number' }, cls(other?.cls_obs)), h('td', { class: 'number' }, cls(other?.cls_exp?.[2]))))));
  }

  evidence(point) {
    const facts = [
      ['μ̂', number(point.mu_hat)], ['q', number(point.q)], ['q Asimov', number(point.q_asimov)],
      ['−ln L free', number(point.nll_free, 8)], ['−ln L fixed', number(point.nll_fixed, 8)],
      ['gradient left', number(point.kkt, 2)], ['distance to minimum', number(point.edm, 2)],
      ['Hessian', point.positive_definite === true ? 'positive definite' : point.positive_definite === false ? 'not positive definite' : '–'],
      ['iterations', number(point.iterations)], ['time', duration(point.seconds)], ['attempt', number(point.attempt)],
      ['worker', point.worker || '–'], ['executor', point.pool || '–'], ['last news', moment(point.time)],
    ].filter(([, value]) => value !== '–');
    return h('dl', { class: 'evidence' }, facts.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
  }
}
