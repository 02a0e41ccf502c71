import { announce, element, setText } from './dom.js';

/** How long a button says that it was done, in milliseconds. */
const SAID_MS = 2_000;

/**
 * A connection string with a button that copies it.
 *
 * @param {import('./connection-strings.js').ConnectionString} string
 * @returns {import('./dom.js').Shown<unknown>}
 */
export function createString({ name, text }) {
  const code = element('code', {}, text);
  const button = element('button', { type: 'button', 'aria-label': `Copy ${name}: ${text}` }, 'Copy');
  /** @type {number | undefined} */
  let timer;
  const tell = (/** @type {boolean} */ isDone) => {
    setText(button, isDone ? 'Copied' : 'Select it yourself');
    announce(isDone ? `Copied ${name}` : `The browser does not let ${name} be copied`);
    clearTimeout(timer);
    timer = setTimeout(() => setText(button, 'Copy'), SAID_MS);
  };
  button.addEventListener('click', () => void copy(text, code).then(tell));
  const root = element('div', { class: 'string' }, element('span', { class: 'name' }, name), code, button);
  return { root, update: () => {} };
}

/** @param {string} text @param {HTMLElement} source - what shows it. */
async function copy(text, source) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without TLS and not on this machine browsers have only the old way.
    getSelection()?.selectAllChildren(source);
    return document.execCommand('copy');
  }
}
