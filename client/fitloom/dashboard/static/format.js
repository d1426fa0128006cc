// Numbers, times and states as people read them.

export const STATES = {
  converged: 'converged',
  not_converged: 'not converged',
  failed: 'failed',
  running: 'running',
  sent: 'sent',
  retrying: 'retrying',
  waiting: 'waiting',
};

/** A value of CLs: three digits, powers of ten where it is tiny. */
export function cls(value) {
  if (value === null || value === undefined) return '–';
  if (value !== 0 && value < 0.001) return power(value);
  return value.toFixed(value < 0.1 ? 4 : 3);
}

/** A value of CLs in a plane full of them: two digits. */
export function brief(value) {
  return value < 0.001 ? '<0.001' : value.toFixed(value < 0.1 ? 3 : 2);
}

/** Any number, in a few digits. */
export function number(value, digits = 4) {
  if (value === null || value === undefined) return '–';
  if (typeof value !== 'number') return String(value);
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e7) return power(value);
  return trimmed(value.toPrecision(Math.max(digits, Math.ceil(Math.log10(size + 1)))));
}

/** A count with thin spaces between thousands. */
export function count(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, '\u2009');
}

/** A length of time: 0.8 s, 42 s, 3 min 20 s, 2 h 05 min. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds < 1) return `${trimmed(seconds.toPrecision(2))} s`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

/** A moment of today by its time, an earlier one with its date. */
export function moment(epoch) {
  if (epoch === null || epoch === undefined) return '–';
  const date = new Date(epoch * 1000);
  const time = date.toLocaleTimeString([], { hour12: false });
  return date.toDateString() === new Date().toDateString() ? time : `${date.toLocaleDateString()} ${time}`;
}

/** Results a second, or a minute where that is slow. */
export function rate(perSecond) {
  if (!perSecond) return '–';
  if (perSecond >= 1000) return `${count(perSecond)} / s`;
  if (perSecond >= 1) return `${trimmed(perSecond.toPrecision(3))} / s`;
  return `${trimmed((perSecond * 60).toPrecision(3))} / min`;
}

function power(value) {
  const [mantissa, exponent] = value.toExponential(1).split('e');
  return `${mantissa}\u00d710${raised(Number(exponent))}`;
}

function raised(exponent) {
  const digits = [...String(Math.abs(exponent))].map((digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[digit]).join('');
  return (exponent < 0 ? '⁻' : '') + digits;
}

function trimmed(text) {
  return text.includes('.') && !text.includes('e') ? text.replace(/\.?0+$/, '') : text;
}

function pad(value) {
  return String(value).padStart(2, '0');
}
