// The filter's little language: words that must occur, and comparisons such as cls_obs<0.05 or m_gluino>=1500.

import { valueOf } from './campaign.js';
import { STATES } from './format.js';

const NUMBERS = {
  cls_obs: (point) => point.cls_obs, cls: (point) => point.cls_obs, cls_exp: (point) => point.cls_exp?.[2],
  mu_hat: (point) => point.mu_hat, seconds: (point) => point.seconds, time: (point) => point.seconds,
  attempt: (point) => point.attempt, kkt: (point) => point.kkt, edm: (point) => point.edm,
};
const COMPARISONS = {
  '<': (a, b) => a < b, '>': (a, b) => a > b, '<=': (a, b) => a <= b, '>=': (a, b) => a >= b, '=': (a, b) => a === b,
};

/** A test for points, and what is wrong with the text, if anything. */
export function matcher(text, campaign) {
  const terms = text.trim().split(/\s+/).filter(Boolean);
  const tests = terms.map((term) => comparison(term, campaign) ?? word(term, campaign));
  const problem = tests.find((test) => test.problem)?.problem ?? null;
  return { test: (point) => tests.every((test) => test(point)), problem };
}

function comparison(term, campaign) {
  const match = /^([^<>=]+)(<=|>=|<|>|=)(.+)$/.exec(term);
  if (!match) return null;
  const [, name, sign, given] = match;
  const read = name in NUMBERS ? NUMBERS[name] : campaign.facts.labels.includes(name) ? (point) => valueOf(point, name) : null;
  const wanted = Number(given);
  if (!read || Number.isNaN(wanted)) {
    return Object.assign(() => true, { problem: `cannot compare ${name}: known are ${[...Object.keys(NUMBERS).slice(0, 1), ...Object.keys(NUMBERS).slice(2), ...campaign.facts.labels].join(', ')}` });
  }
  return (point) => {
    const value = read(point);
    return typeof value === 'number' && COMPARISONS[sign](value, wanted);
  };
}

/** A word: in the name, region, worker, error code or state; `-word` must not occur. */
function word(term, campaign) {
  const not = term.startsWith('-') && term.length > 1;
  const wanted = (not ? term.slice(1) : term).toLowerCase().replaceAll('_', ' ');
  const exact = Object.values(STATES).includes(wanted);
  return (point) => {
    const state = STATES[campaign.stateOf(point)];
    const found = exact ? state === wanted : [point.name, point.region, point.worker, point.code, point.pool, state].some((text) => text?.toLowerCase().replaceAll('_', ' ').includes(wanted));
    return found !== not;
  };
}
