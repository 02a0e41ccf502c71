import { announce, part, set, setText, showList } from './dom.js';
import { listen } from './live.js';
import { createServer } from './server.js';
import { visible } from './text.js';

/**
 * @import { Shown } from './dom.js'
 * @import { Charts, Status } from './model.d.ts'
 * @import { Told } from './server.js'
 */

const CONNECTIONS = {
  connecting: { text: 'connecting', state: 'waiting' },
  live: { text: 'live', state: 'good' },
  disconnected: { text: 'disconnected, trying again', state: 'bad' },
};

/** @type {Map<string, Shown<Told>>} */
const shown = new Map();

/** @type {Charts} */
let charts = { bucketMs: 5_000, bucketCount: 120, logins: {}, tokensSince: {} };

/** What was last known, in short: that alone is news which changes it. */
let known = '';

let connection = '';

listen({
  status(status) {
    showState(status);
    showList(part(document, 'servers'), inOrder(status), shown, ({ key }) => key, createServer);
  },
  charts(told) {
    charts = told;
  },
  connection(state) {
    if (state === connection) return;
    const wasLost = connection === 'disconnected';
    connection = state;
    const badge = part(document, 'connection');
    setText(badge, CONNECTIONS[state].text);
    set(badge, 'data-state', CONNECTIONS[state].state);
    document.body.classList.toggle('stale', state === 'disconnected');
    if (state === 'disconnected') announce('Disconnected from the proxy, trying again');
    else if (wasLost && state === 'live') announce('Connected to the proxy again');
  },
});

/** @param {Status} status */
function showState({ version, ready, draining, reasons }) {
  const text = draining ? 'draining' : ready ? 'ready' : 'not ready';
  const badge = part(document, 'ready');
  setText(part(document, 'version'), visible(version));
  setText(badge, text);
  set(badge, 'data-state', ready ? 'good' : draining ? 'waiting' : 'bad');
  const title = `${text} – pg-entra-proxy`;
  if (document.title !== title) document.title = title;
  const short = JSON.stringify([text, reasons.map(({ code, server }) => [code, server])]);
  const words = reasons.map(({ message, server = '' }) => visible(`${server} ${message}`));
  if (known !== '' && known !== short) announce(`The proxy is ${text}. ${words.join('. ')}`);
  known = short;
}

/**
 * A server can be there more than once, with other listeners or on its way out.
 *
 * @param {Status} status
 * @returns {Told[]}
 */
function inOrder(status) {
  /** @type {Map<string, number>} */
  const seen = new Map();
  return status.servers.map((server) => {
    const name = JSON.stringify([server.host, server.listeners, server.removed]);
    const number = (seen.get(name) ?? 0) + 1;
    seen.set(name, number);
    return { key: `${name} ${number}`, server, status, charts };
  });
}
