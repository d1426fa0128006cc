// The values of CLs written under the points of a plane, each only where there is room for it.

import { brief } from './format.js';

/** Write texts [value, x, y] onto a canvas, leaving out what would run into another. */
export function writeValues(context, values, { em, font, paper, ink }) {
  Object.assign(context, { font: `${0.68 * em}px ${font}`, textAlign: 'center', textBaseline: 'top', lineWidth: 3, strokeStyle: paper, fillStyle: ink });
  const taken = new Map();
  for (const [value, x, y] of values) {
    const text = brief(value);
    if (!claim(taken, x, y, context.measureText(text).width + 0.3 * em, 0.8 * em)) continue;
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  }
}

/** Take a place for a text, unless another is there already. */
function claim(taken, x, y, width, height) {
  const line = Math.round(y / height);
  for (const near of [line - 1, line, line + 1]) {
    for (const [other, half, top] of taken.get(near) ?? []) {
      if (Math.abs(top - y) < height && Math.abs(other - x) < half + width / 2) return false;
    }
  }
  taken.set(line, [...(taken.get(line) ?? []), [x, width / 2, y]]);
  return true;
}
