// Axis titles: the little TeX they are written in, as MathML that every browser sets itself.

import { h, mathml } from './dom.js';

const SYMBOLS = {
  alpha: 'α', beta: 'β', gamma: 'γ', delta: 'δ', Delta: 'Δ', epsilon: 'ε', eta: 'η', theta: 'θ', Theta: 'Θ', kappa: 'κ',
  lambda: 'λ', Lambda: 'Λ', mu: 'μ', nu: 'ν', xi: 'ξ', pi: 'π', rho: 'ρ', sigma: 'σ', Sigma: 'Σ', tau: 'τ', phi: 'φ',
  Phi: 'Φ', chi: 'χ', psi: 'ψ', Psi: 'Ψ', omega: 'ω', Omega: 'Ω', ell: 'ℓ', infty: '∞',
};
const OPERATORS = { pm: '±', mp: '∓', times: '×', to: '→', rightarrow: '→', leq: '≤', geq: '≥', prime: '′', cdot: '·' };
const WORDS = ['sin', 'cos', 'tan', 'log', 'ln', 'exp'];
const ACCENTS = { tilde: '˜', hat: '^', bar: '¯', vec: '→' };
const FONTS = ['mathrm', 'text', 'mathit', 'mathbf', 'rm'];
const SPACES = [',', ';', ' ', '!', ':', 'quad'];

/** The title of an axis or a label: {text, tex, unit} as an element, with the unit in brackets. */
export function titled(title, { unit = true } = {}) {
  const shown = h('span', { class: 'title' }, typeset(title));
  if (unit && title.unit) shown.append(` [${title.unit}]`);
  return shown;
}

function typeset(title) {
  const source = title.tex?.replace(/^\$|\$$/g, '');
  if (!source) return title.text;
  try {
    return mathml('math', { 'aria-label': title.text }, mathml('mrow', {}, parse(source)));
  } catch {
    return title.text;
  }
}

function parse(source) {
  const tokens = source.match(/\\[a-zA-Z]+|\\.|[{}^_]|\d+(?:\.\d+)?|\s+|./gu) ?? [];
  const state = { tokens, at: 0 };
  const nodes = row(state);
  if (state.at < tokens.length) throw new Error('unbalanced braces');
  return nodes;
}

function row(state) {
  const nodes = [];
  while (state.at < state.tokens.length && state.tokens[state.at] !== '}') {
    const token = state.tokens[state.at];
    if (/^\s+$/.test(token)) state.at += 1;
    else if (token === '^' || token === '_') nodes.push(scripts(nodes.pop() ?? mathml('mrow', {}), state));
    else nodes.push(atom(state));
  }
  return nodes;
}

function scripts(base, state) {
  const found = {};
  while (state.tokens[state.at] === '^' || state.tokens[state.at] === '_') {
    const kind = state.tokens[state.at];
    state.at += 1;
    found[kind] = atom(state);
  }
  if (found['^'] && found._) return mathml('msubsup', {}, base, found._, found['^']);
  return found._ ? mathml('msub', {}, base, found._) : mathml('msup', {}, base, found['^']);
}

function atom(state) {
  const token = state.tokens[state.at];
  if (token === undefined) throw new Error('something is missing');
  state.at += 1;
  if (token === '{') return group(state);
  if (token.startsWith('\\')) return command(token.slice(1), state);
  if (/^\d/.test(token)) return mathml('mn', {}, token);
  if (/^\p{L}$/u.test(token)) return mathml('mi', {}, token);
  return mathml('mo', '()/'.includes(token) ? { stretchy: 'false', lspace: '0', rspace: '0' } : {}, token === '-' ? '−' : token);
}

function group(state) {
  const inner = row(state);
  if (state.tokens[state.at] !== '}') throw new Error('a brace is not closed');
  state.at += 1;
  return inner.length === 1 ? inner[0] : mathml('mrow', {}, inner);
}

function command(name, state) {
  if (name in SYMBOLS) return mathml('mi', {}, SYMBOLS[name]);
  if (name in OPERATORS) return mathml('mo', { lspace: '0', rspace: '0' }, OPERATORS[name]);
  if (WORDS.includes(name)) return mathml('mi', {}, name);
  if (name in ACCENTS) return mathml('mover', { accent: 'true' }, atom(state), mathml('mo', { stretchy: 'false' }, ACCENTS[name]));
  if (FONTS.includes(name)) return mathml('mtext', {}, plain(state));
  if (SPACES.includes(name)) return mathml('mspace', { width: '0.2em' });
  throw new Error(`unknown command ${name}`);
}

function plain(state) {
  if (state.tokens[state.at] !== '{') throw new Error('a font needs a group');
  let text = '';
  for (state.at += 1; state.tokens[state.at] !== '}'; state.at += 1) {
    if (state.at >= state.tokens.length) throw new Error('a brace is not closed');
    text += state.tokens[state.at];
  }
  state.at += 1;
  return text;
}
