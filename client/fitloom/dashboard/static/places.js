// Which points stand where in the plane: those of the chosen region, or at each place the best region.

import { inPlane } from './campaign.js';

const RANK = { converged: 0, not_converged: 1, failed: 2 };

/** The places of a plane: {x, y, points} with the points of all wanted regions at that place. */
export function placesOf(campaign, view, region) {
  const [xLabel, yLabel] = view.axes;
  const numbers = xLabel ? null : numbered(campaign.points);
  const places = new Map();
  for (const point of campaign.points) {
    if (region !== 'combined' && point.region !== region) continue;
    if (!inPlane(point, view.where)) continue;
    const x = numbers ? numbers.get(point.name) : point.values[xLabel];
    const y = yLabel ? point.values[yLabel] : null;
    if (typeof x !== 'number' || (yLabel && typeof y !== 'number')) continue;
    const key = region === 'combined' || !yLabel ? JSON.stringify(Object.entries(point.values).sort()) : point.i;
    const place = places.get(key);
    if (place) place.points.push(point);
    else places.set(key, { x, y, points: [point] });
  }
  return [...places.values()];
}

/** The point that a place shows: the best expected of those that converged, else one that is in doubt, and so on. */
export function shownAt(place) {
  if (place.points.length === 1) return place.points[0];
  return place.points.reduce((best, point) => (better(point, best) ? point : best));
}

/** What a point is coloured by. */
export function quantityOf(point, quantity) {
  return quantity === 'expected' ? point.cls_exp?.[2] : point.cls_obs;
}

function better(a, b) {
  const [left, right] = [a, b].map((point) => RANK[point.state] ?? 3);
  return left === right ? (a.cls_exp?.[2] ?? 2) < (b.cls_exp?.[2] ?? 2) : left < right;
}

function numbered(points) {
  return new Map([...new Set(points.map((point) => point.name))].sort().map((name, i) => [name, i]));
}
