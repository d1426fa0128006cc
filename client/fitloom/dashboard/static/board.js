// What the viewer has chosen: campaign, plane, region, quantity, selection, filter, what else is drawn. The address
// behind the # keeps it, so that a link shows the same.

const KEPT = ['campaign', 'plane', 'region', 'quantity', 'selected', 'filter', 'compare', 'numbers', 'each'];

/** Fires `choice` with the names that changed. */
export class Board extends EventTarget {
  constructor() {
    super();
    this.campaigns = [];
    this.campaign = null;
    this.choices = {
      campaign: 0, plane: 0, region: null, quantity: 'observed', selected: null, filter: '', compare: [],
      numbers: false, each: false, hovered: null,
    };
    /** Published contours: {id, name, lines, shown}. */
    this.overlays = [];
    /** Compared campaigns by number: {campaign, stream, contour}. */
    this.compared = new Map();
    this.session = { may_act: false };
    this.read();
    addEventListener('hashchange', () => this.read());
  }

  /** Choose; views that show one of these things hear of it. */
  choose(patch) {
    const changed = Object.keys(patch).filter((name) => JSON.stringify(this.choices[name]) !== JSON.stringify(patch[name]));
    if (!changed.length) return;
    Object.assign(this.choices, patch);
    if (changed.some((name) => KEPT.includes(name))) this.write();
    this.tell(changed);
  }

  tell(changed) {
    this.dispatchEvent(new CustomEvent('choice', { detail: new Set(changed) }));
  }

  /** The plane in view, as the server's query takes it. */
  get view() {
    const planes = this.campaign?.planes ?? [];
    const { axes, where } = planes[this.choices.plane] ?? planes[0] ?? { axes: [], where: {} };
    return { axes, where };
  }

  /** The region in view: a name, null where there is only one, or `combined`. */
  get region() {
    const names = this.regions;
    if (names.length < 2) return names[0] ?? null;
    return names.includes(this.choices.region) ? this.choices.region : 'combined';
  }

  get regions() {
    return this.campaign?.facts?.regions ?? [];
  }

  get selected() {
    return this.campaign?.point(this.choices.selected) ?? null;
  }

  /** The part of a contour document that the chosen region draws. */
  drawn(contour) {
    const regions = contour?.regions ?? [];
    const wanted = this.region;
    return (
      regions.find((entry) => (wanted === 'combined' ? entry.combined : entry.region === wanted && !entry.combined)) ??
      regions.find((entry) => entry.combined) ??
      regions[0] ??
      null
    );
  }

  read() {
    const hash = new URLSearchParams(location.hash.slice(1));
    const patch = {};
    for (const name of KEPT) {
      const text = hash.get(name);
      if (text === null) continue;
      if (name === 'selected') patch[name] = /^\d+$/.test(text) ? Number(text) : null;
      else if (name === 'campaign' || name === 'plane') patch[name] = Math.max(0, Number.parseInt(text, 10) || 0);
      else if (name === 'compare') patch[name] = text.split(',').filter(Boolean).map(Number).filter(Number.isInteger);
      else if (name === 'numbers' || name === 'each') patch[name] = text === '1';
      else if (name === 'quantity') patch[name] = text === 'expected' ? 'expected' : 'observed';
      else patch[name] = text;
    }
    this.choose(patch);
  }

  write() {
    const hash = new URLSearchParams();
    for (const name of KEPT) {
      const value = this.choices[name];
      if (value === null || value === '' || (value === 0 && name !== 'selected') || value === false || value?.length === 0) continue;
      if (name === 'quantity' && value === 'observed') continue;
      hash.set(name, value === true ? '1' : String(value));
    }
    history.replaceState(null, '', `${location.pathname}${location.search}${hash.size ? `#${hash}` : ''}`);
  }
}
