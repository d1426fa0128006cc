// Where the data comes from: this server, by addresses relative to the page; or the page itself, when it is a report.

const TOKEN_HEADER = 'X-Fitloom-Token';
const KEY = 'fitloom-key';

/** What a request ended in, with the server's sentence about it. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The source of this page. */
export function openSource() {
  const embedded = document.getElementById('fitloom-data');
  return embedded ? new Report(JSON.parse(embedded.textContent)) : new Server();
}

class Server {
  constructor() {
    this.live = true;
    this.token = rememberKey();
  }

  async session() {
    const session = await this.get('api/session');
    this.token = session.token ?? this.token;
    return session;
  }

  campaigns() {
    return this.get('api/campaigns');
  }

  overlays() {
    return this.get('api/overlays');
  }

  snapshot(n) {
    return this.get(`api/campaigns/${n}/snapshot`);
  }

  contour(n, view) {
    return this.get(`api/campaigns/${n}/contour.json${query(view)}`);
  }

  /** The address of a file or stream of a campaign, in a view. */
  address(n, name, view, more = {}) {
    return `api/campaigns/${n}/${name}${query(view, more)}`;
  }

  ask(n, action, points) {
    return this.send(`api/campaigns/${n}/requests`, JSON.stringify({ action, points }), 'application/json');
  }

  parseOverlay(name, content) {
    return this.send(`api/overlay?name=${encodeURIComponent(name)}`, content, 'application/octet-stream');
  }

  get(address) {
    return this.fetch(address, {});
  }

  send(address, body, type) {
    return this.fetch(address, { method: 'POST', body, headers: { 'Content-Type': type } });
  }

  async fetch(address, options) {
    const headers = { ...options.headers, ...(this.token ? { [TOKEN_HEADER]: this.token } : {}) };
    const response = await fetch(address, { ...options, headers, credentials: 'same-origin' });
    if (response.ok) return response.json();
    const answer = await response.json().catch(() => ({}));
    const detail = typeof answer.detail === 'string' ? answer.detail : `the server answered ${response.status}`;
    throw new Refusal(response.status, detail);
  }
}

/** A report: {session, campaigns, snapshots, contours, overlays} stand in the page; nothing is ever fetched. */
class Report {
  constructor(data) {
    this.live = false;
    this.data = data;
  }

  async session() {
    return { name: 'report', may_act: false, token: null, login: null };
  }

  async campaigns() {
    return this.data.campaigns;
  }

  async overlays() {
    return this.data.overlays;
  }

  async snapshot(n) {
    return this.data.snapshots[n];
  }

  async contour(n, view) {
    const found = this.data.contours[n].find((entry) => sameView(entry.view, view));
    if (!found) throw new Refusal(404, 'this report holds no contour of that plane');
    return found.contour;
  }
}

/** A view as the query that the server takes. */
export function query(view, more = {}) {
  const parameters = new URLSearchParams(more);
  if (view?.axes?.length === 2) {
    parameters.set('x', view.axes[0]);
    parameters.set('y', view.axes[1]);
  }
  if (view?.where && Object.keys(view.where).length) parameters.set('where', JSON.stringify(view.where));
  const text = parameters.toString();
  return text ? `?${text}` : '';
}

function sameView(a, b) {
  return query(a) === query(b);
}

/** The key behind the # of the address that the server printed; kept for this tab and taken out of sight. */
function rememberKey() {
  const hash = new URLSearchParams(location.hash.slice(1));
  const key = hash.get('key');
  if (key) {
    keep(key);
    hash.delete('key');
    history.replaceState(null, '', `${location.pathname}${location.search}${hash.size ? `#${hash}` : ''}`);
  }
  return key ?? kept();
}

function keep(key) {
  try {
    sessionStorage.setItem(KEY, key);
  } catch {
    // Storage is switched off: the key lasts until the page is reloaded.
  }
}

function kept() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}
