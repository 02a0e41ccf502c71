import { Writable } from 'node:stream';
import { type Logger, pino } from 'pino';
import { until } from './wait.ts';

export type LogLine = Readonly<Record<string, unknown>>;

/** A logger at its most verbose, and all that it was told. */
export interface MemoryLog {
  readonly log: Logger;
  readonly lines: readonly LogLine[];
  /** Everything as it was written. */
  readonly text: string;
  /** The first line of an event that fits, as soon as there is one. */
  find(event: string, fits?: (line: LogLine) => boolean): Promise<LogLine>;
}

export function createMemoryLog(): MemoryLog {
  const lines: LogLine[] = [];
  let text = '';
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      lines.push(JSON.parse(chunk.toString()) as LogLine);
      done();
    },
  });
  const find = async (event: string, fits: (line: LogLine) => boolean = () => true): Promise<LogLine> => {
    const search = (): LogLine | undefined => lines.find((line) => line['event'] === event && fits(line));
    await until(`a log line "${event}"`, () => search() !== undefined);
    return search() as LogLine;
  };
  return {
    log: pino({ level: 'trace', base: null }, stream),
    lines,
    get text() {
      return text;
    },
    find,
  };
}
