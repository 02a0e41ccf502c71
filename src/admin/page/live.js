/** What is told comes at least this often; if not, the connection is dead though nobody says so. */
const SILENCE_MS = 6_000;

/** After an answer that is no stream: the browser itself does not try again then. */
const RETRY_MS = 2_000;

/**
 * Hears of everything as long as somebody can see the page, and tries again for ever.
 *
 * @param {{
 *   status(status: import('./model.d.ts').Status): void,
 *   charts(charts: import('./model.d.ts').Charts): void,
 *   connection(state: 'connecting' | 'live' | 'disconnected'): void,
 * }} listener
 */
export function listen(listener) {
  /** @type {EventSource | undefined} */
  let source;
  /** @type {number | undefined} */
  let timer;

  const open = () => {
    source?.close();
    const opened = new EventSource('events');
    source = opened;
    wait(SILENCE_MS);
    opened.addEventListener('status', ({ data }) => {
      wait(SILENCE_MS);
      listener.connection('live');
      listener.status(JSON.parse(data));
    });
    opened.addEventListener('charts', ({ data }) => listener.charts(JSON.parse(data)));
    opened.addEventListener('error', () => {
      listener.connection('disconnected');
      wait(opened.readyState === EventSource.CLOSED ? RETRY_MS : SILENCE_MS);
    });
  };
  /** @param {number} ms */
  const wait = (ms) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      listener.connection('disconnected');
      open();
    }, ms);
  };
  const change = () => {
    if (document.visibilityState === 'visible') {
      listener.connection('connecting');
      open();
    } else {
      clearTimeout(timer);
      source?.close();
    }
  };
  document.addEventListener('visibilitychange', change);
  change();
}
