// The table of all points: sorted, filtered, linked with the plane; only the rows in sight exist.

import { valueOf } from './campaign.js';
import { atMost, h, perFrame, put, say, set } from './dom.js';
import { cls, count, duration, number, STATES } from './format.js';
import { matcher } from './filter.js';
import { glyph } from './glyph.js';
import { titled } from './tex.js';

const AROUND = 8;
const ORDER = Object.keys(STATES);

export class Table {
  constructor(root, board, actions) {
    this.board = board;
    this.sort = { key: 'plan', down: false };
    this.rows = [];
    this.input = h('input', {
      type: 'search', id: 'filter', placeholder: 'Filter: name, state, worker, cls_obs<0.05 …', autocomplete: 'off',
      spellcheck: 'false', 'aria-describedby': 'matches', oninput: () => board.choose({ filter: this.input.value }),
    });
    this.matches = h('span', { id: 'matches', class: 'matches', role: 'status' });
    this.head = h('thead');
    this.body = h('tbody');
    this.above = h('tr', { class: 'spacer', 'aria-hidden': 'true' }, h('td'));
    this.below = h('tr', { class: 'spacer', 'aria-hidden': 'true' }, h('td'));
    this.grid = h('table', { role: 'grid', tabindex: '0', id: 'points', 'aria-label': 'All points', onkeydown: (event) => this.key(event) }, this.head, this.body);
    this.scroller = h('div', { class: 'scroller', onscroll: perFrame(() => this.paint()) }, this.grid);
    put(root,
      h('div', { class: 'table-tools' }, h('label', { class: 'unseen', for: 'filter' }, 'Filter the points'), this.input, this.matches,
        actions.forRows(() => this.rows)),
      this.scroller);
    this.refresh = atMost(400, () => this.collect());
    this.repaint = perFrame(() => this.paint());
    new ResizeObserver(this.repaint).observe(this.scroller);
  }

  /** Other columns: another campaign, other labels, something to compare with. */
  rebuild() {
    const { campaign } = this.board;
    this.columns = campaign ? columnsOf(campaign, this.board) : [];
    put(this.head, h('tr', { 'aria-rowindex': '1' }, this.columns.map((column) => this.header(column))));
    this.collect();
  }

  header(column) {
    const label = column.title ? titled(column.title) : column.text;
    const button = h('button', { type: 'button', onclick: () => this.sortBy(column.key) }, label);
    return h('th', { scope: 'col', class: column.class, 'data-key': column.key, 'aria-sort': 'none' }, button);
  }

  sortBy(key) {
    this.sort = { key, down: this.sort.key === key ? !this.sort.down : false };
    this.collect();
  }

  /** Filter and sort again. */
  collect() {
    const { campaign, choices } = this.board;
    if (!campaign) return;
    if (this.input.value !== choices.filter) this.input.value = choices.filter;
    const { test, problem } = matcher(choices.filter, campaign);
    this.rows = campaign.points.filter(test);
    const column = this.columns.find((candidate) => candidate.key === this.sort.key);
    if (column) this.rows.sort(comparer(column, this.sort.down));
    for (const cell of this.head.querySelectorAll('th')) {
      const sorted = cell.dataset.key === this.sort.key;
      cell.setAttribute('aria-sort', sorted ? (this.sort.down ? 'descending' : 'ascending') : 'none');
    }
    const all = campaign.points.length;
    say(this.matches, problem ?? (this.rows.length === all ? `${count(all)} points` : `${count(this.rows.length)} of ${count(all)} points`));
    this.grid.setAttribute('aria-rowcount', String(this.rows.length + 1));
    this.paint();
  }

  paint() {
    if (!this.columns || !this.scroller.clientHeight) return;
    const height = this.rowHeight();
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / height) - AROUND);
    const last = Math.min(this.rows.length, first + Math.ceil(this.scroller.clientHeight / height) + 2 * AROUND);
    this.above.firstChild.style.setProperty('height', `${first * height}px`);
    this.below.firstChild.style.setProperty('height', `${(this.rows.length - last) * height}px`);
    const lines = this.rows.slice(first, last).map((point, i) => this.line(point, first + i));
    put(this.body, this.above, lines, this.below);
    const chosen = this.board.choices.selected;
    set(this.grid, { 'aria-activedescendant': lines.some((line) => line.dataset.point === String(chosen)) ? rowId(this.board.selected) : null });
  }

  rowHeight() {
    const style = getComputedStyle(document.documentElement);
    return Number.parseFloat(style.getPropertyValue('--row')) * Number.parseFloat(style.fontSize) || 34;
  }

  line(point, index) {
    const chosen = point.i === this.board.choices.selected;
    return h('tr', {
      id: rowId(point), 'data-point': point.i, 'aria-rowindex': String(index + 2), 'aria-selected': String(chosen),
      class: point.i === this.board.choices.hovered ? 'hovered' : null,
      onclick: () => this.board.choose({ selected: point.i }),
      onpointerenter: () => this.board.choose({ hovered: point.i }),
    }, this.columns.map((column) => h('td', { class: column.class }, column.cell(point))));
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.rowHeight()) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.target !== this.grid || !(event.key in steps) || !this.rows.length) return;
    const now = this.rows.indexOf(this.board.selected);
    const next = Math.min(this.rows.length - 1, Math.max(0, now + steps[event.key]));
    this.board.choose({ selected: this.rows[next].i });
    event.preventDefault();
  }

  /** Bring the selected point into sight. */
  reveal() {
    const place = this.rows.indexOf(this.board.selected);
    if (place < 0) return this.repaint();
    const height = this.rowHeight();
    const top = place * height;
    const { scrollTop, clientHeight } = this.scroller;
    const head = this.head.offsetHeight;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + height + head > scrollTop + clientHeight) this.scroller.scrollTop = top + height + head - clientHeight;
    return this.repaint();
  }
}

function columnsOf(campaign, board) {
  const state = (point) => campaign.stateOf(point);
  const labels = campaign.facts.labels.map((label) => ({
    key: `label:${label}`, title: campaign.titles[label], class: 'number', value: (point) => valueOf(point, label), cell: (point) => number(valueOf(point, label), 6),
  }));
  const region = campaign.facts.regions.length > 1
    ? [{ key: 'region', text: 'region', class: 'text', value: (point) => point.region ?? '', cell: (point) => point.region ?? '' }] : [];
  return [
    { key: 'state', text: 'state', class: 'state', value: (point) => ORDER.indexOf(state(point)), cell: (point) => [glyph(state(point)), h('span', {}, STATES[state(point)])] },
    { key: 'name', text: 'point', class: 'text name', value: (point) => point.name, cell: (point) => point.name },
    ...region,
    ...labels,
    numeric('cls_obs', 'CLs observed', (point) => point.cls_obs, cls),
    numeric('cls_exp', 'CLs expected', (point) => point.cls_exp?.[2], cls),
    ...differences(board),
    numeric('mu_hat', 'μ̂', (point) => point.mu_hat, number),
    numeric('seconds', 'time', (point) => point.seconds, duration),
    numeric('attempt', 'attempt', (point) => point.attempt, number),
    { key: 'worker', text: 'worker', class: 'text', value: (point) => point.worker ?? '', cell: (point) => point.worker ?? '' },
    { key: 'message', text: 'why', class: 'text why', value: (point) => point.message ?? '', cell: (point) => point.message ?? '' },
  ];
}

function differences(board) {
  return [...board.compared.values()].map(({ campaign }) => {
    const value = (point) => {
      const other = campaign.counterpart(point);
      return typeof other?.cls_obs === 'number' && typeof point.cls_obs === 'number' ? point.cls_obs - other.cls_obs : null;
    };
    return numeric(`difference:${campaign.n}`, `− ${campaign.facts.name}`, value, (x) => (x === null ? '–' : number(x, 2)));
  });
}

function numeric(key, text, value, form) {
  return { key, text, class: 'number', value, cell: (point) => form(value(point)) };
}

/** By a column, what has no value last, and the plan's order among equals. */
function comparer(column, down) {
  const sign = down ? -1 : 1;
  return (a, b) => {
    const [left, right] = [column.value(a), column.value(b)];
    const [none, nor] = [left, right].map((value) => value === null || value === undefined || value === '');
    if (none || nor) return none === nor ? a.i - b.i : none ? 1 : -1;
    if (left === right) return a.i - b.i;
    if (typeof left === 'string') return sign * left.localeCompare(right, undefined, { numeric: true }) || a.i - b.i;
    return sign * (left - right);
  };
}

function rowId(point) {
  return `row-${point.i}`;
}
