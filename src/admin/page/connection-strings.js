/** Two listeners may have the same line: the name says which it is. @typedef {{ readonly name: string, readonly text: string }} ConnectionString */

/** Addresses that mean all of a machine, by what this machine calls itself then. */
const EVERYWHERE = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['[::]', '[::1]'],
]);

/** What every server has. */
const DATABASE = 'postgres';

/**
 * What to give to clients.
 *
 * @param {string} listener - `host:port`, `[v6]:port`, or the path of a Unix socket.
 * @param {string} here - the host that this page came from: who reaches one port there reaches the others.
 * @returns {ConnectionString[]} none for a socket that clients have no name for.
 */
export function connectionStrings(listener, here) {
  const socket = /^(?<directory>\/.*)\/\.s\.PGSQL\.(?<port>\d+)$/.exec(listener)?.groups;
  if (socket !== undefined) return socketStrings(socket['directory'] ?? '', socket['port'] ?? '');
  const { host: address = '', port = '' } =
    /^(?<host>\[.+\]|[^:/]+):(?<port>\d+)$/.exec(listener)?.groups ?? {};
  if (address === '') return [];
  const own = EVERYWHERE.get(address);
  const host = own === undefined ? address : here === 'localhost' ? own : here;
  return [
    { name: 'psql', text: psql(host.replaceAll(/^\[|\]$/g, ''), port) },
    { name: 'URL', text: `postgresql://${host}:${port}/${DATABASE}?sslmode=disable` },
    { name: 'JDBC', text: `jdbc:postgresql://${host}:${port}/${DATABASE}?sslmode=disable` },
  ];
}

/** JDBC knows no Unix sockets. @param {string} directory @param {string} port @returns {ConnectionString[]} */
function socketStrings(directory, port) {
  const url = `postgresql:///${DATABASE}?host=${encodeURIComponent(directory)}&port=${port}&sslmode=disable`;
  return [
    { name: 'psql', text: psql(directory, port) },
    { name: 'URL', text: url },
  ];
}

/** @param {string} host @param {string} port */
function psql(host, port) {
  const isPlain = /^[\w.:/-]+$/.test(host);
  const value = isPlain ? host : `'${host.replaceAll(/['\\]/g, String.raw`\$&`)}'`;
  const parameters = `host=${value} port=${port} dbname=${DATABASE}`;
  return `psql ${isPlain ? `"${parameters}"` : `'${parameters.replaceAll("'", String.raw`'\''`)}'`}`;
}
