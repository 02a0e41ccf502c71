import { announce, element, part, set, setText, showList } from './dom.js';
import { bytes, plural, span, visible } from './text.js';

/**
 * @import { Shown } from './dom.js'
 * @import { Session } from './model.d.ts'
 * @import { Told } from './server.js'
 * @typedef {{
 *   readonly title: string,
 *   readonly kind: 'text' | 'number' | 'activity',
 *   readonly value: (session: Session) => string | number,
 *   readonly text: (session: Session) => string,
 * }} Column
 */

/** How long after the last key somebody who does not see it is told how many fit, in milliseconds. */
const PAUSE_MS = 600;

/** @type {readonly Column[]} */
const COLUMNS = [
  textColumn('Client', ({ client }) => client),
  textColumn('User', ({ clientUser }) => clientUser),
  textColumn('Application', ({ applicationName }) => applicationName),
  textColumn('Role', ({ role }) => role),
  textColumn('Database', ({ database }) => database),
  { ...textColumn('State', ({ activity }) => activity), kind: 'activity' },
  { title: 'Age', kind: 'number', value: ({ ageMs }) => ageMs, text: ({ ageMs }) => span(ageMs) },
  bytesColumn('Sent', ({ bytesFromClient }) => bytesFromClient),
  bytesColumn('Received', ({ bytesFromServer }) => bytesFromServer),
];

/**
 * The table of sessions, in the order and with the filter that its reader chooses.
 *
 * @param {HTMLElement} root
 * @param {string} host
 */
export function createSessions(root, host) {
  /** @type {Map<string, Shown<Session>>} */
  const shown = new Map();
  const order = { column: COLUMNS.findIndex(({ title }) => title === 'Age'), isDescending: true };
  const body = element('tbody', { role: 'rowgroup' });
  const head = createHead(order, () => show());
  const caption = element('caption', { class: 'sr-only' }, `Sessions of ${visible(host)}`);
  const none = element('p', { class: 'muted' });
  const table = element('table', { role: 'table' }, caption, head, body);
  part(root, 'sessions').append(table, none);
  const filter = /** @type {HTMLInputElement} */ (root.querySelector('input'));
  filter.setAttribute('aria-label', `Filter the sessions of ${visible(host)}`);
  /** @type {Told | undefined} */
  let told;
  const show = () => {
    const list = told?.server.sessions.list ?? [];
    const fitting = list.filter((session) => fits(session, filter.value));
    showList(body, inOrder(fitting, order), shown, ({ id }) => String(id), createRow);
    table.hidden = fitting.length === 0;
    none.hidden = fitting.length > 0;
    setText(none, list.length === 0 ? 'No sessions.' : 'No session fits the filter.');
    if (told !== undefined) setText(part(root, 'count'), countWords(told, fitting.length));
    return fitting.length;
  };
  filter.addEventListener('input', () => tellLater(show()));
  return (/** @type {Told} */ news) => {
    told = news;
    show();
  };
}

/** @type {number | undefined} */
let telling;

/** @param {number} count */
function tellLater(count) {
  clearTimeout(telling);
  telling = setTimeout(
    () => announce(`${plural(count, 'session fits', 'sessions fit')} the filter`),
    PAUSE_MS,
  );
}

/** @param {Told} told @param {number} fitting */
function countWords({ server }, fitting) {
  const { active, max, list } = server.sessions;
  const { loginsUnderWay, loginsWaiting } = server;
  const words = [`${active} of at most ${max}`];
  if (loginsUnderWay > 0) words.push(`${loginsUnderWay} logging in`);
  if (loginsWaiting > 0) words.push(`${loginsWaiting} in the queue`);
  if (list.length < active) words.push(`the first ${list.length} are listed`);
  if (fitting < list.length) words.push(`${fitting} shown`);
  return words.join(', ');
}

/** @param {{ column: number, isDescending: boolean }} order @param {() => void} changed */
function createHead(order, changed) {
  const cells = COLUMNS.map(({ title, kind }, index) => {
    const button = element('button', { type: 'button' }, title);
    button.addEventListener('click', () => {
      order.isDescending = order.column === index && !order.isDescending;
      order.column = index;
      mark();
      changed();
    });
    return element('th', { scope: 'col', role: 'columnheader', class: kind }, button);
  });
  const mark = () => {
    cells.forEach((cell, index) => {
      if (index !== order.column) cell.removeAttribute('aria-sort');
      else set(cell, 'aria-sort', order.isDescending ? 'descending' : 'ascending');
    });
  };
  mark();
  return element('thead', { role: 'rowgroup' }, element('tr', { role: 'row' }, ...cells));
}

/** @returns {Shown<Session>} */
function createRow() {
  const texts = COLUMNS.map(() => element('span'));
  const cells = COLUMNS.map(({ title, kind }, index) =>
    element('td', { role: 'cell', class: kind, 'data-title': title }, texts[index] ?? ''),
  );
  const root = element('tr', { role: 'row' }, ...cells);
  const update = (/** @type {Session} */ session) => {
    COLUMNS.forEach(({ text, kind }, index) => {
      const cell = texts[index];
      if (cell === undefined) return;
      setText(cell, text(session));
      if (kind === 'activity') set(cell, 'data-activity', session.activity);
    });
  };
  return { root, update };
}

/** @param {Session} session @param {string} wanted */
function fits(session, wanted) {
  const words = wanted.toLowerCase().split(' ').filter(Boolean);
  const text = COLUMNS.map((column) => column.text(session))
    .join('\n')
    .toLowerCase();
  return words.every((word) => text.includes(word));
}

/** @param {readonly Session[]} sessions @param {{ column: number, isDescending: boolean }} order */
function inOrder(sessions, { column, isDescending }) {
  const { value } = COLUMNS[column] ?? { value: () => 0 };
  const sign = isDescending ? -1 : 1;
  return sessions.toSorted((one, other) => sign * compare(value(one), value(other)) || one.id - other.id);
}

/** @param {string | number} one @param {string | number} other */
function compare(one, other) {
  if (typeof one === 'number' && typeof other === 'number') return one - other;
  return String(one).localeCompare(String(other), 'en', { numeric: true });
}

/** @param {string} title @param {(session: Session) => string | null} value @returns {Column} */
function textColumn(title, value) {
  return {
    title,
    kind: 'text',
    value: (session) => value(session) ?? '',
    text: (session) => visible(value(session)),
  };
}

/** @param {string} title @param {(session: Session) => number} value @returns {Column} */
function bytesColumn(title, value) {
  return { title, kind: 'number', value, text: (session) => bytes(value(session)) };
}
