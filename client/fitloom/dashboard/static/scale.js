// Linear scales and their ticks.

/** A map from [low, high] to [from, to], both ways. */
export function linear(low, high, from, to) {
  const slope = (to - from) / (high - low);
  return {
    low,
    high,
    from,
    to,
    at: (value) => from + (value - low) * slope,
    back: (pixel) => low + (pixel - from) / slope,
  };
}

/** Round values within [low, high], about so many: steps of 1, 2, 2.5 or 5 times a power of ten. */
export function ticks(low, high, about) {
  const rough = (high - low) / Math.max(1, about);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** The range of some values with a margin of a share of it on both sides; never empty. */
export function extent(values, margin) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return [0, 1];
  const room = high > low ? (high - low) * margin : Math.max(1, Math.abs(low) * 0.1);
  return [low - room, high + room];
}
