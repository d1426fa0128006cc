// The mark of a state as a small picture beside its word: the same shapes as in the plane.

import { svg } from './dom.js';

const SHAPES = {
  converged: () => svg('circle', { cx: 8, cy: 8, r: 5.4, class: 'fill' }),
  not_converged: () => svg('path', { d: 'M8 1.6 14.4 8 8 14.4 1.6 8Z', class: 'open' }),
  failed: () => svg('path', { d: 'M3 3 13 13M13 3 3 13', class: 'open' }),
  running: () => [svg('circle', { cx: 8, cy: 8, r: 5.2, class: 'open' }), svg('path', { d: 'M8 2.8a5.2 5.2 0 0 0 0 10.4Z', class: 'fill' })],
  sent: () => svg('circle', { cx: 8, cy: 8, r: 3.6, class: 'open' }),
  retrying: () => svg('path', { d: 'M12.2 5.2A5 5 0 1 0 13 8M12.6 1.8V5.6H8.8', class: 'open' }),
  waiting: () => svg('circle', { cx: 8, cy: 8, r: 2, class: 'fill' }),
};

/** A picture of a state; the word stands beside it. */
export function glyph(state) {
  return svg('svg', { class: `glyph ${state}`, viewBox: '0 0 16 16', 'aria-hidden': 'true' }, SHAPES[state]?.() ?? []);
}
