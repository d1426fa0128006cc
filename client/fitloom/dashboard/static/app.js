// The page: opens its source, keeps one stream a campaign in view, and tells every part what has changed.

import { Actions } from './actions.js';
import { Board } from './board.js';
import { Campaign } from './campaign.js';
import { CampaignChoice, Compare, Downloads, Look, Notices, Toolbar } from './controls.js';
import { Detail } from './detail.js';
import { atMost, h, put, say } from './dom.js';
import { Legend } from './legend.js';
import { Plane } from './plane.js';
import { ErrorTable, RunPanel, WorkerTable } from './run.js';
import { openSource } from './source.js';
import { Stream } from './stream.js';
import { Table } from './table.js';

const STATUS = {
  opening: 'opening', live: 'live', reconnecting: 'reconnecting …', 'logged-out': 'logged out', report: 'report',
};

/** Answers that pass: none at all, too many requests, a proxy or server that is not up. */
const PASSING = [undefined, 429, 502, 503, 504];

const LOOK_AGAIN = 20_000;

class Page {
  constructor() {
    const at = (id) => document.getElementById(id);
    this.source = openSource();
    this.board = new Board();
    this.notices = new Notices(at('notice'));
    this.look = new Look(at('look'));
    this.actions = new Actions(this.board, this.source, this.notices.show);
    this.plane = new Plane(at('plane'), this.board);
    this.legend = new Legend(at('legend'), this.board);
    this.table = new Table(at('panel-points'), this.board, this.actions);
    this.detail = new Detail(at('detail'), this.board, this.actions);
    this.run = new RunPanel(at('run'), this.board, this.actions);
    this.errors = new ErrorTable(at('panel-errors'), this.board);
    this.workers = new WorkerTable(at('panel-workers'), this.board);
    this.choice = new CampaignChoice(at('choice'), this.board);
    this.toolbar = new Toolbar(at('toolbar'), this.board);
    this.compare = new Compare(at('compare'), this.board, this.source, this.notices.show);
    this.downloads = new Downloads(at('downloads'), this.board, this.source);
    this.note = at('note');
    this.status = at('status');
    this.progress = atMost(200, () => this.refreshProgress());
    this.slow = atMost(500, () => this.refreshSlow());
    this.board.addEventListener('choice', (event) => this.chosen(event.detail));
    addEventListener('look', () => this.plane.relayout());
    setInterval(() => this.lookAgain(), LOOK_AGAIN);
    tabs();
  }

  async open() {
    try {
      this.board.session = await this.source.session();
      this.greet();
      this.board.campaigns = await this.source.campaigns();
      const overlays = await this.source.overlays();
      this.board.overlays = overlays.map((overlay, i) => ({ ...overlay, id: `given-${i}`, shown: true }));
      await this.show(this.board.choices.campaign);
      document.getElementById('gate').hidden = true;
      await this.syncCompared();
    } catch (error) {
      this.failed(error);
    }
  }

  /** With a login: as whom, and the way out. */
  greet() {
    const { name, login } = this.board.session;
    if (login) put(document.getElementById('who'), h('span', {}, name), h('a', { href: 'logout' }, 'Log out')).hidden = false;
  }

  /** Go to a campaign: its snapshot first, then its stream. */
  async show(n) {
    const known = this.board.campaigns.find((entry) => entry.n === n) ?? this.board.campaigns[0];
    this.stream?.close();
    this.stream = null;
    const campaign = await this.join(new Campaign(known.n, this.source)).load();
    if (this.board.choices.campaign !== known.n) this.board.choose({ campaign: known.n });
    this.board.campaign = campaign;
    this.campaignChanged();
    this.stream = await this.follow(campaign);
  }

  join(campaign) {
    const mine = () => campaign === this.board.campaign;
    campaign.addEventListener('plan', () => mine() && this.campaignChanged());
    campaign.addEventListener('change', (event) => this.changed(campaign, event.detail.points));
    campaign.addEventListener('run', () => mine() && (this.progress(), this.slow()));
    campaign.addEventListener('contour', () => (this.plane.draw(), mine() && this.contourChanged()));
    campaign.addEventListener('status', () => mine() && this.statusChanged());
    return campaign;
  }

  /** Keep a campaign up to date: by a stream, or in a report by the contour that is in the page. */
  async follow(campaign) {
    if (this.source.live) {
      const stream = new Stream(campaign);
      stream.open(this.board.view);
      return stream;
    }
    campaign.setStatus('report');
    await this.recall(campaign);
    return null;
  }

  /** The contour of a campaign that nobody writes: asked for once, without keeping a connection. */
  async recall(campaign) {
    try {
      campaign.setContour(await this.source.contour(campaign.n, this.board.view));
    } catch (error) {
      campaign.setContour({ axes: [], regions: [], note: error.message });
    }
    return null;
  }

  // What happened.

  chosen(names) {
    const has = (...wanted) => wanted.some((name) => names.has(name));
    if (has('campaign') && this.board.campaign && this.board.choices.campaign !== this.board.campaign.n) {
      this.show(this.board.choices.campaign).catch((error) => this.failed(error));
      return;
    }
    if (!this.board.campaign) return;
    if (has('plane')) this.planeChosen();
    if (has('region')) this.plane.arrange();
    if (has('compare')) this.syncCompared();
    if (has('filter')) this.table.collect();
    if (has('selected')) {
      this.detail.update();
      this.table.reveal();
    }
    if (has('hovered')) this.table.repaint();
    if (has('overlays')) this.compare.update();
    if (has('plane', 'region', 'quantity', 'numbers', 'each', 'overlays', 'compare')) {
      this.toolbar.update();
      this.legend.update();
      this.downloads.update();
      this.plane.draw();
    }
    this.plane.mark();
  }

  planeChosen() {
    this.plane.zoomTo(null);
    this.plane.arrange();
    for (const [campaign, stream] of [[this.board.campaign, this.stream], ...[...this.board.compared.values()].map((other) => [other.campaign, other.stream])]) {
      if (stream) stream.open(this.board.view);
      else this.recall(campaign);
    }
  }

  campaignChanged() {
    for (const part of [this.choice, this.toolbar, this.compare, this.downloads]) part.update();
    this.plane.arrange();
    this.table.rebuild();
    this.detail.update();
    this.progress();
    this.slow();
  }

  changed(campaign, points) {
    if (campaign === this.board.campaign) {
      this.plane.redraw();
      this.table.refresh();
      this.progress();
      if (points.some((point) => point === this.board.selected)) this.detail.update();
    } else {
      this.table.refresh();
    }
    this.slow();
  }

  contourChanged() {
    const { contour } = this.board.campaign;
    this.note.hidden = !contour.note;
    say(this.note, contour.note ?? '');
    this.slow();
  }

  statusChanged() {
    const { status } = this.board.campaign;
    this.status.dataset.status = status;
    say(this.status, STATUS[status] ?? status);
    if (status === 'logged-out') this.askToLogIn();
  }

  refreshProgress() {
    const { facts, run } = this.board.campaign;
    this.run.update();
    this.actions.update();
    document.title = `${run.phase === 'running' ? `${run.done}/${run.total} ` : ''}${facts.name} · fitloom`;
  }

  refreshSlow() {
    if (!this.board.campaign) return;
    this.legend.update();
    this.errors.update();
    this.workers.update();
  }

  // Comparison.

  async syncCompared() {
    const { compared, choices, campaign, campaigns } = this.board;
    const wanted = choices.compare.filter((n) => n !== campaign?.n && campaigns.some((entry) => entry.n === n));
    for (const [n, other] of compared) {
      if (wanted.includes(n)) continue;
      other.stream?.close();
      compared.delete(n);
    }
    for (const n of wanted.filter((n) => !compared.has(n))) {
      const other = { campaign: this.join(new Campaign(n, this.source)), stream: null };
      compared.set(n, other);
      await other.campaign.load();
      other.stream = other.campaign.run.attached ? await this.follow(other.campaign) : await this.recall(other.campaign);
    }
    this.compare.update();
    this.table.rebuild();
    this.detail.update();
    this.legend.update();
    this.plane.draw();
  }

  /** A compared campaign that was over may be run again: follow it from then on. */
  async lookAgain() {
    const idle = [...this.board.compared.values()].filter((other) => !other.stream);
    if (!idle.length || !this.source.live) return;
    const now = await this.source.campaigns().catch(() => []);
    for (const other of idle) {
      if (!now.some((entry) => entry.n === other.campaign.n && entry.attached)) continue;
      await other.campaign.load();
      other.stream = await this.follow(other.campaign);
    }
  }

  // When it cannot go on.

  failed(error) {
    if (error.status === 401) this.askToLogIn();
    else if (PASSING.includes(error.status)) this.tryAgain(error.message);
    else this.stop(error.message);
  }

  /** The server is busy or away: say so, and open again in a moment. */
  tryAgain(message) {
    this.stop(`${message}. Trying again …`);
    setTimeout(() => this.open(), 3000 + 4000 * Math.random());
  }

  async askToLogIn() {
    const login = this.board.session.login ?? 'login';
    this.stop('You are not logged in.', h('p', {}, h('a', { class: 'action', href: login }, 'Log in')));
  }

  stop(text, ...more) {
    const gate = document.getElementById('gate');
    put(gate, h('p', {}, text), more);
    gate.hidden = false;
  }
}

/** Tabs below the plane: arrows go between them, as everywhere. */
function tabs() {
  const all = [...document.querySelectorAll('[role=tab]')];
  const open = (tab) => {
    for (const other of all) {
      const chosen = other === tab;
      other.setAttribute('aria-selected', String(chosen));
      other.tabIndex = chosen ? 0 : -1;
      document.getElementById(other.getAttribute('aria-controls')).hidden = !chosen;
    }
  };
  for (const [i, tab] of all.entries()) {
    tab.addEventListener('click', () => open(tab));
    tab.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = all[(i + step + all.length) % all.length];
      next.focus();
      open(next);
    });
  }
}

const page = new Page();
page.open();
/** For notebooks, tests and the curious: everything the page knows. */
globalThis.fitloom = page;
