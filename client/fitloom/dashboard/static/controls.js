// What the viewer chooses with: campaign, plane, region, quantity; what is compared; files; the look of the page.

import { h, put, say, svg } from './dom.js';
import { number } from './format.js';
import { menu } from './menu.js';
import { Refusal } from './source.js';

const THEMES = { auto: 'Theme: as the system', light: 'Theme: light', dark: 'Theme: dark' };
const MAX_OVERLAY = 2 * 1024 * 1024;

/** The choice of the campaign, in the header. */
export class CampaignChoice {
  constructor(root, board) {
    Object.assign(this, { root, board });
    this.select = h('select', { id: 'campaign', onchange: () => this.go(Number(this.select.value)) });
    put(root, h('label', { class: 'unseen', for: 'campaign' }, 'Campaign'), this.select);
  }

  update() {
    const { campaigns, choices } = this.board;
    put(this.select, campaigns.map((entry) => h('option', { value: entry.n, selected: entry.n === choices.campaign }, nameOf(entry, campaigns))));
    this.select.classList.toggle('only', campaigns.length < 2);
    this.select.disabled = campaigns.length < 2;
  }

  go(n) {
    this.board.choose({ campaign: n, plane: 0, selected: null, hovered: null, region: null, compare: this.board.choices.compare.filter((other) => other !== n) });
  }
}

/** Plane, region, quantity and switches, above the plane. */
export class Toolbar {
  constructor(root, board) {
    Object.assign(this, { root, board });
    this.plane = h('select', { id: 'slice', onchange: () => board.choose({ plane: Number(this.plane.value) }) });
    this.region = h('select', { id: 'region', onchange: () => board.choose({ region: this.region.value }) });
    this.planeField = field('Plane', 'slice', this.plane);
    this.regionField = field('Region', 'region', this.region);
    this.quantity = h('fieldset', { class: 'pills' }, h('legend', { class: 'unseen' }, 'Colour of the points'),
      [['observed', 'Observed'], ['expected', 'Expected']].map(([name, text]) => radio('quantity', name, text, () => board.choose({ quantity: name }))));
    this.numbers = toggle('numbers', 'Values', (on) => board.choose({ numbers: on }));
    this.each = toggle('each', 'Each region', (on) => board.choose({ each: on }));
    put(root, this.planeField, this.regionField, this.quantity, this.numbers, this.each);
  }

  update() {
    const { board } = this;
    const planes = board.campaign?.planes ?? [];
    this.planeField.hidden = planes.length < 2;
    put(this.plane, planes.map((plane, i) => h('option', { value: i, selected: i === board.choices.plane }, planeName(plane, board.campaign.titles))));
    const { regions } = board;
    this.regionField.hidden = regions.length < 2;
    this.each.hidden = regions.length < 2;
    put(this.region, ['combined', ...regions].map((name) => h('option', { value: name, selected: name === board.region }, name === 'combined' ? 'best expected of all' : name)));
    for (const input of this.quantity.querySelectorAll('input')) input.checked = input.value === board.choices.quantity;
    this.numbers.querySelector('input').checked = board.choices.numbers;
    this.each.querySelector('input').checked = board.choices.each;
  }
}

/** Other campaigns and published contours to draw as well. */
export class Compare {
  constructor(root, board, source, notify) {
    Object.assign(this, { root, board, source, notify });
    this.list = h('ul', { class: 'choices' });
    this.file = h('input', { type: 'file', id: 'overlay', accept: '.json,.csv,.txt,.tsv', class: 'unseen', onchange: () => this.take(this.file.files[0]) });
    this.menu = menu('Compare', this.list, source.live ? [h('label', { for: 'overlay', class: 'file' }, 'Add a published contour …'), this.file, h('p', { class: 'hint' }, 'A HEPData table (JSON or CSV), two columns of numbers, or a contour.json.')] : null);
    put(root, this.menu);
  }

  update() {
    const { campaigns, choices, overlays, campaign } = this.board;
    const others = campaigns.filter((entry) => entry.n !== campaign?.n);
    const rows = [
      ...others.map((entry) => this.row(`compare-${entry.n}`, nameOf(entry, campaigns), choices.compare.includes(entry.n), (on) => this.toggle(entry.n, on))),
      ...overlays.map((overlay) => this.row(`overlay-${overlay.id}`, overlay.name, overlay.shown, (on) => this.show(overlay, on))),
    ];
    put(this.list, rows.length ? rows : h('li', { class: 'none' }, 'No other campaign is served here.'));
  }

  row(id, name, checked, change) {
    const input = h('input', { type: 'checkbox', id, checked, onchange: () => change(input.checked) });
    return h('li', {}, input, h('label', { for: id }, name));
  }

  toggle(n, on) {
    const rest = this.board.choices.compare.filter((other) => other !== n);
    this.board.choose({ compare: on ? [...rest, n].slice(-4) : rest });
  }

  show(overlay, on) {
    overlay.shown = on;
    this.board.tell(['overlays']);
  }

  async take(file) {
    if (!file) return;
    try {
      if (file.size > MAX_OVERLAY) throw new Refusal(413, `${file.name} is larger than 2 MB; that is no contour`);
      const { name, lines } = await this.source.parseOverlay(file.name, await file.arrayBuffer());
      this.board.overlays.push({ id: `${Date.now()}`, name, lines, shown: true });
      this.board.tell(['overlays']);
      this.notify(`${name}: ${lines.length === 1 ? 'one line' : `${lines.length} lines`} added.`);
    } catch (error) {
      this.notify(error.message, true);
    }
    this.file.value = '';
  }
}

/** Files to take away. */
export class Downloads {
  constructor(root, board, source) {
    Object.assign(this, { board, source });
    this.list = h('ul', { class: 'choices' });
    put(root, menu('Download', this.list));
  }

  update() {
    const { campaign, view } = this.board;
    if (!campaign) return;
    const files = this.source.live ? this.served(campaign, view) : this.embedded(campaign);
    put(this.list, files.map(([text, href, name]) => h('li', {}, h('a', { href, download: name ?? '' }, text))));
  }

  served(campaign, view) {
    const at = (name) => this.source.address(campaign.n, name, view);
    return [
      ['Figure, PDF', at('figure.pdf')], ['Figure, PNG', at('figure.png')], ['Figure, SVG', at('figure.svg')],
      ['Contour, JSON', at('contour.json')], ['Results, JSON lines', this.source.address(campaign.n, 'results.jsonl')],
      ['Results, CSV', this.source.address(campaign.n, 'results.csv')], ['This page as one file', this.source.address(campaign.n, 'report.html')],
    ];
  }

  embedded(campaign) {
    const file = (content) => URL.createObjectURL(new Blob([JSON.stringify(content)], { type: 'application/json' }));
    for (const url of this.made ?? []) URL.revokeObjectURL(url);
    const points = campaign.points.map(({ i, ...point }) => point);
    this.made = [file(points), ...(campaign.contour ? [file(campaign.contour)] : [])];
    return [['Results, JSON', this.made[0], 'results.json'], ...(this.made[1] ? [['Contour, JSON', this.made[1], 'contour.json']] : [])];
  }
}

/** Light or dark, and the view for a projector. */
export class Look {
  constructor(root) {
    this.theme = h('button', { type: 'button', class: 'icon', id: 'theme', onclick: () => this.next() });
    this.present = h('button', { type: 'button', class: 'icon', id: 'present', 'aria-pressed': 'false', title: 'For a projector: larger, only the plane and the run (P)', onclick: () => this.project() }, picture('M2 3h12v8H2zM8 11v3M5 14h6'), h('span', { class: 'unseen' }, 'Projector view'));
    put(root, this.present, this.theme);
    this.apply(remembered('fitloom-theme') ?? 'auto');
    document.addEventListener('keydown', (event) => {
      if (event.key === 'p' && !event.ctrlKey && !event.metaKey && !/INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) this.project();
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.tell());
  }

  next() {
    const names = Object.keys(THEMES);
    this.apply(names[(names.indexOf(this.name) + 1) % names.length]);
    remember('fitloom-theme', this.name);
  }

  apply(name) {
    this.name = name in THEMES ? name : 'auto';
    document.documentElement.dataset.theme = this.name;
    const paths = { auto: 'M8 2a6 6 0 1 0 0 12A6 6 0 1 0 8 2M8 2v12', light: 'M8 5a3 3 0 1 0 0 6 3 3 0 1 0 0-6M8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.1 1.1M11.9 11.9 13 13M13 3l-1.1 1.1M4.1 11.9 3 13', dark: 'M13 9.6A5.6 5.6 0 1 1 6.4 3 4.6 4.6 0 0 0 13 9.6Z' };
    put(this.theme, picture(paths[this.name]), h('span', { class: 'unseen' }, THEMES[this.name]));
    this.theme.title = THEMES[this.name];
    this.tell();
  }

  project() {
    const on = document.documentElement.toggleAttribute('data-projector');
    this.present.setAttribute('aria-pressed', String(on));
    this.tell();
  }

  tell() {
    dispatchEvent(new Event('look'));
  }
}

/** A plane by its axes, its conditions and how many points it holds. */
export function planeName({ axes, where, count }, titles) {
  const title = (label) => titles[label]?.text ?? label;
  const name = (key) => (key in titles ? title(key) : key.split('-').map(title).join(' − '));
  const conditions = Object.entries(where).map(([key, value]) => `${name(key)} = ${number(value, 6)}${titles[key]?.unit ? ` ${titles[key].unit}` : ''}`);
  return [`${axes.map(title).join(' × ') || 'all points'}`, ...conditions].join(', ') + ` · ${count} points`;
}

function nameOf(entry, all) {
  const same = all.filter((other) => other.name === entry.name).length > 1;
  return same ? `${entry.name} (${entry.folder})` : entry.name;
}

function field(text, id, input) {
  return h('div', { class: 'field' }, h('label', { for: id }, text), input);
}

function radio(group, value, text, change) {
  const id = `${group}-${value}`;
  return [h('input', { type: 'radio', name: group, id, value, onchange: change }), h('label', { for: id }, text)];
}

function toggle(id, text, change) {
  const input = h('input', { type: 'checkbox', id, onchange: () => change(input.checked) });
  return h('div', { class: 'toggle' }, input, h('label', { for: id }, text));
}

function picture(d) {
  return svg('svg', { viewBox: '0 0 16 16', class: 'picture', 'aria-hidden': 'true' }, svg('path', { d }));
}

function remembered(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Storage is switched off.
  }
}

/** A sentence that comes and goes. */
export class Notices {
  constructor(root) {
    this.root = root;
    this.show = this.show.bind(this);
  }

  show(text, bad = false) {
    clearTimeout(this.timer);
    this.root.hidden = false;
    this.root.classList.toggle('bad', bad);
    say(this.root, text);
    this.timer = setTimeout(() => (this.root.hidden = true), bad ? 9000 : 5000);
  }
}
