// The values of CLs written under the points of a plane, each only where there is room for it.

import { brief } from './format.js';

/** Write the values of places [value, x, y] below marks of a radius, leaving out what would run into a mark or a text. */
export function writeValues(context, places, { radius, em, font, paper, ink }) {
  Object.assign(context, {
    font: `${0.68 * em}px ${font}`, textAlign: 'center', textBaseline: 'top', lineWidth: 3, strokeStyle: paper, fillStyle: ink,
  });
  const room = new Room(em);
  const half = radius * 0.8;
  for (const [, x, y] of places) room.take({ left: x - half, right: x + half, top: y - half, bottom: y + half });
  for (const [value, x, y] of places) {
    const text = brief(value);
    const width = context.measureText(text).width / 2 + 0.1 * em;
    const top = y + radius + 2;
    const area = { left: x - width, right: x + width, top, bottom: top + 0.62 * em };
    if (!room.free(area)) continue;
    room.take(area);
    context.strokeText(text, x, top);
    context.fillText(text, x, top);
  }
}

/** Which rectangles are taken, by horizontal stripes. */
class Room {
  constructor(height) {
    this.height = height;
    this.stripes = new Map();
  }

  take(area) {
    for (const stripe of this.across(area)) this.stripes.set(stripe, [...(this.stripes.get(stripe) ?? []), area]);
  }

  free(area) {
    return this.across(area).every((stripe) => !(this.stripes.get(stripe) ?? []).some((other) => overlap(area, other)));
  }

  across({ top, bottom }) {
    const first = Math.floor(top / this.height);
    const last = Math.floor(bottom / this.height);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  }
}

function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
