// Elements without innerHTML: whatever comes from a pallet or a journal only ever becomes text.

const SVG = 'http://www.w3.org/2000/svg';
const MATHML = 'http://www.w3.org/1998/Math/MathML';

/** An HTML element: h('button', {class: 'quiet', onclick: f}, 'Stop'). */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** A MathML element. */
export function mathml(tag, attributes, ...children) {
  return fill(document.createElementNS(MATHML, tag), attributes, children);
}

/** Set attributes; functions become listeners, null and false remove, true is an empty attribute. */
export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === 'function') element.addEventListener(name.replace(/^on/, ''), value);
    else if (value === null || value === undefined || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  return element;
}

/** Replace an element's children; strings become text. */
export function put(element, ...children) {
  element.replaceChildren(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Set text only where it differs, so that a screen reader and the layout are left alone. */
export function say(element, text) {
  const next = String(text);
  if (element.textContent !== next) element.textContent = next;
}

function fill(element, attributes, children) {
  set(element, attributes);
  if (children.length) put(element, ...children);
  return element;
}

/** At most one call a frame of the screen. */
export function perFrame(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      work();
    });
  };
}

/** At most one call in so many milliseconds, and always one after the last request. */
export function atMost(milliseconds, work) {
  let timer = 0;
  let last = -Infinity;
  return () => {
    if (timer) return;
    const wait = Math.max(0, last + milliseconds - performance.now());
    timer = setTimeout(() => {
      timer = 0;
      last = performance.now();
      work();
    }, wait);
  };
}
