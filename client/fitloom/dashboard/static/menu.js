// A button with a panel below it.

import { h } from './dom.js';

/** A menu, which closes on Escape and on a click elsewhere. */
export function menu(text, ...content) {
  const details = h('details', { class: 'menu' }, h('summary', {}, text), h('div', { class: 'panel' }, content));
  details.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !details.open) return;
    details.open = false;
    details.firstChild.focus();
  });
  document.addEventListener('pointerdown', (event) => {
    if (!details.contains(event.target)) details.open = false;
  });
  return details;
}
