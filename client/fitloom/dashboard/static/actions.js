// What changes a run: a request to the campaign's driver, greyed out where there is none or the visitor may not.

import { h, say } from './dom.js';

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

  forPoint(point) {
    if (!this.source.live) return null;
    const reason = this.reason(this.board.campaign.run);
    const going = ['sent', 'running'].includes(this.board.campaign.stateOf(point));
    return h('div', { class: 'actions' }, h('div', { class: 'buttons' }, h('button', {
      type: 'button', class: 'action', 'data-action': 'retry-point', disabled: Boolean(reason) || going, title: reason ?? null,
      onclick: () => this.ask('retry', [point.id]),
    }, 'Fit this point again')));
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
