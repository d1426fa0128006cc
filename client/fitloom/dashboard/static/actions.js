// What changes a run: a request to the campaign's driver, greyed out where there is none or the visitor may not.

import { h, say } from './dom.js';
import { menu } from './menu.js';

export class Actions {
  constructor(board, source, notify) {
    Object.assign(this, { board, source, notify });
    this.stop = this.button('Stop', 'stop', () => []);
    this.start = this.button('Resume', 'start', () => []);
    this.retry = this.button('Retry failed', 'retry', () => this.unfinished());
    this.why = h('p', { class: 'why-not' });
    this.element = h('div', { class: 'actions' }, h('div', { class: 'buttons' }, this.stop, this.start, this.retry), this.why);
    this.element.hidden = !source.live;
  }

  button(text, action, points) {
    return h('button', { type: 'button', class: 'action', 'data-action': action, disabled: true, onclick: () => this.ask(action, points()) }, text);
  }

  /** Grey out what cannot be done now, and say why. */
  update() {
    const { run } = this.board.campaign ?? {};
    const reason = this.reason(run);
    this.stop.disabled = Boolean(reason) || run?.phase !== 'running';
    this.start.disabled = Boolean(reason) || run?.phase !== 'paused';
    this.retry.disabled = Boolean(reason) || !this.unfinished().length;
    this.why.hidden = !reason;
    if (reason) say(this.why, reason);
  }

  /** What can be asked for one point: to be fitted again, to be held back, to be let go. */
  forPoint(point) {
    if (!this.source.live) return null;
    const reason = this.reason(this.board.campaign.run);
    const state = this.board.campaign.stateOf(point);
    const waiting = state === 'waiting' || state === 'retrying';
    const [text, action] = !waiting ? ['Fit this point again', 'retry'] : point.held ? ['Let it go', 'start'] : ['Hold it back', 'stop'];
    const disabled = Boolean(reason) || state === 'sent' || state === 'running';
    return h('div', { class: 'actions' }, h('div', { class: 'buttons' }, h('button', {
      type: 'button', class: 'action', 'data-action': `${action}-point`, disabled, title: reason ?? null,
      onclick: () => this.ask(action, [point.id]),
    }, text)));
  }

  /** The same for all points that a filter leaves: a menu for the table's tools. */
  forRows(rows) {
    if (!this.source.live) return null;
    const choice = (text, action) => h('li', {}, h('button', { type: 'button', class: 'plain-button', 'data-action': `${action}-rows`, onclick: () => this.askForRows(action, rows()) }, text));
    this.rows = menu('These points', h('ul', { class: 'choices' }, choice('Fit again', 'retry'), choice('Hold back', 'stop'), choice('Let go', 'start')));
    return this.rows;
  }

  askForRows(action, points) {
    this.rows.open = false;
    const reason = this.reason(this.board.campaign?.run);
    if (reason || !points.length) this.notify(reason ?? 'No point is left by this filter.', true);
    else this.ask(action, points.map((point) => point.id));
  }

  reason(run) {
    if (!run?.attached) return 'No driver is attached: the run can be looked at, not changed.';
    const { may_act: mayAct, login } = this.board.session;
    if (!mayAct && login) return 'You may look, not change: you are in no group that may fit.';
    if (!mayAct) return 'You may look, not change: open the address that the server printed.';
    return null;
  }

  unfinished() {
    return (this.board.campaign?.points ?? []).filter((point) => point.state === 'failed' || point.state === 'not_converged').map((point) => point.id);
  }

  async ask(action, points) {
    try {
      await this.source.ask(this.board.campaign.n, action, points);
      this.notify('Asked the driver; the page shows what it does.');
    } catch (error) {
      this.notify(error.message, true);
    }
  }
}
