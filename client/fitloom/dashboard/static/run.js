// The run: how far, how fast, how long still; throughput over time; executors, workers, errors.

import { h, put, say, svg } from './dom.js';
import { count, duration, moment, rate, STATES } from './format.js';
import { glyph } from './glyph.js';

const SEGMENTS = ['converged', 'not_converged', 'failed', 'running', 'sent', 'retrying', 'waiting'];
const PHASES = { running: 'running', finished: 'finished', stopped: 'stopped', paused: 'paused', waiting: 'not started' };

export class RunPanel {
  constructor(root, board, actions) {
    this.board = board;
    this.done = h('span', { class: 'done' });
    this.total = h('span', { class: 'total' });
    this.phase = h('span', { class: 'phase' });
    this.bar = h('div', { class: 'bar', role: 'img' });
    this.counts = h('ul', { class: 'counts' });
    this.figures = h('dl', { class: 'figures' });
    this.strip = h('figure', { class: 'strip' });
    this.pools = h('ul', { class: 'pools' });
    this.problem = h('p', { class: 'problem', role: 'alert', hidden: true });
    put(root,
      h('div', { class: 'progress' }, h('p', { class: 'big' }, this.done, this.total), this.phase),
      this.bar, this.counts, this.problem, this.figures, actions.element, this.strip,
      h('h3', {}, 'Executors'), this.pools);
  }

  update() {
    const { campaign } = this.board;
    const run = campaign?.run;
    if (!run?.counts) return;
    const counts = campaign.counts();
    say(this.done, count(counts.converged + counts.not_converged + counts.failed));
    say(this.total, ` of ${count(campaign.points.length)} points`);
    say(this.phase, PHASES[run.phase] ?? run.phase);
    this.phase.className = `phase ${run.phase}`;
    this.problem.hidden = !run.problem;
    if (run.problem) say(this.problem, run.problem);
    this.drawBar(counts);
    this.drawFigures(run);
    this.drawStrip(run.strip);
    this.drawPools(run.pools);
  }

  drawBar(counts) {
    const parts = SEGMENTS.filter((state) => counts[state]);
    put(this.bar, parts.map((state) => {
      const part = h('span', { class: `segment ${state}` });
      part.style.setProperty('flex-grow', String(counts[state]));
      return part;
    }));
    this.bar.setAttribute('aria-label', parts.map((state) => `${counts[state]} ${STATES[state]}`).join(', '));
    put(this.counts, parts.map((state) => h('li', {}, h('button', {
      type: 'button', title: `Show only what is ${STATES[state]}`, onclick: () => this.only(state),
    }, glyph(state), h('b', {}, count(counts[state])), ` ${STATES[state]}`))));
  }

  only(state) {
    const wanted = STATES[state].replaceAll(' ', '_');
    this.board.choose({ filter: this.board.choices.filter === wanted ? '' : wanted });
    document.getElementById('tab-points').click();
  }

  drawFigures(run) {
    const left = run.phase === 'running' ? duration(run.eta) : '–';
    const host = run.driver ? `${run.driver.host} (${run.driver.pid})` : 'none';
    const facts = [['rate', rate(run.rate)], ['time left', left], ['elapsed', duration(run.elapsed)], ['driver', host]];
    put(this.figures, facts.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
  }

  drawStrip({ start, width, counts }) {
    this.strip.hidden = !counts.length;
    if (!counts.length) return;
    const most = Math.max(...counts, 1);
    const bars = counts.map((value, i) => svg('rect', { x: i + 0.08, width: 0.84, y: 40 - (38 * value) / most, height: (38 * value) / most }));
    const per = most / width;
    put(this.strip,
      svg('svg', { viewBox: `0 0 ${Math.max(20, counts.length)} 40`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, bars),
      h('figcaption', {}, h('span', {}, moment(start)), h('span', {}, `throughput, at most ${rate(per)}`), h('span', {}, moment(start + width * counts.length))));
  }

  drawPools(pools) {
    if (!pools.length) {
      put(this.pools, h('li', { class: 'none' }, 'No executor has reported yet.'));
      return;
    }
    put(this.pools, pools.map((pool) => h('li', { class: pool.health },
      h('span', { class: 'lamp', 'aria-hidden': 'true' }),
      h('b', {}, pool.name), h('span', { class: 'health' }, pool.slots ? `${pool.health}, ${count(pool.slots)} ${pool.slots === 1 ? 'slot' : 'slots'}` : pool.health),
      h('span', { class: 'load' }, `${count(pool.done)} done${pool.flying ? `, ${count(pool.flying)} in flight` : ''}${pool.failed ? `, ${count(pool.failed)} ${pool.failed === 1 ? 'task' : 'tasks'} lost` : ''}`),
      pool.message ? h('span', { class: 'message' }, pool.message) : null)));
  }
}

export class ErrorTable {
  constructor(root, board) {
    this.root = root;
    this.board = board;
  }

  update() {
    const { campaign } = this.board;
    if (!campaign) return;
    const failed = campaign.points.filter((point) => campaign.stateOf(point) === 'failed' || campaign.stateOf(point) === 'not_converged');
    const badge = document.getElementById('error-count');
    badge.hidden = !failed.length;
    if (failed.length) say(badge, count(failed.length));
    if (!failed.length && !campaign.errors.length) {
      put(this.root, h('p', { class: 'none' }, 'Nothing has gone wrong.'));
      return;
    }
    put(this.root, failed.length ? this.reasons(failed) : null, campaign.errors.length ? this.log(campaign.errors) : null);
  }

  /** Points without trustworthy numbers, by the reason. */
  reasons(failed) {
    const groups = Map.groupBy ? Map.groupBy(failed, reason) : grouped(failed, reason);
    const rows = [...groups].sort(([, a], [, b]) => b.length - a.length).map(([code, points]) => h('tr', {},
      h('td', {}, glyph(points[0].state), h('code', {}, code)), h('td', { class: 'number' }, count(points.length)),
      h('td', { class: 'why' }, points[0].message ?? 'the minimum is not certified; its numbers are drawn but not trusted'),
      h('td', {}, points.slice(0, 6).map((point) => this.link(point)), points.length > 6 ? ` and ${points.length - 6} more` : '')));
    return table('Points without a result to trust', ['reason', 'points', 'what happened', 'which'], rows);
  }

  /** What happened to tasks and executors on the way. */
  log(errors) {
    const rows = errors.slice(-200).reverse().map((error) => h('tr', {},
      h('td', { class: 'nowrap' }, moment(error.time)), h('td', {}, h('code', {}, error.code)), h('td', {}, error.pool ?? ''),
      h('td', { class: 'number' }, error.count ? count(error.count) : ''), h('td', { class: 'why' }, error.message)));
    return table('Tasks and executors that failed on the way', ['time', 'what', 'executor', 'points', 'message'], rows);
  }

  link(point) {
    return h('button', { type: 'button', class: 'link', onclick: () => this.board.choose({ selected: point.i }) }, point.name);
  }
}

export class WorkerTable {
  constructor(root, board) {
    this.root = root;
    this.board = board;
  }

  update() {
    const workers = this.board.campaign?.run?.workers ?? [];
    if (!workers.length) {
      put(this.root, h('p', { class: 'none' }, 'No worker has answered yet.'));
      return;
    }
    const most = Math.max(...workers.map((worker) => worker.done));
    const rows = workers.map((worker) => h('tr', {}, h('td', {}, worker.name || '–'), h('td', { class: 'number' }, count(worker.done)),
      h('td', { class: 'meter' }, h('meter', { min: 0, max: most, value: worker.done, 'aria-label': `${worker.done} of at most ${most} results` })),
      h('td', { class: 'number' }, duration(worker.mean)), h('td', { class: 'nowrap' }, moment(worker.last))));
    put(this.root, table('Workers', ['worker', 'results', 'share', 'time a point', 'last result'], rows));
  }
}

function table(caption, heads, rows) {
  return h('table', { class: 'plain' }, h('caption', {}, caption),
    h('thead', {}, h('tr', {}, heads.map((head) => h('th', { scope: 'col' }, head)))), h('tbody', {}, rows));
}

function reason(point) {
  return point.code ?? STATES[point.state];
}

function grouped(items, key) {
  const groups = new Map();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}
