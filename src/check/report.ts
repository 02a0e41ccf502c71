import { stripVTControlCharacters, styleText } from 'node:util';
import wrapAnsi from 'wrap-ansi';
import { printable } from '../redact.ts';
import type { Repair, Step, StepId, StepStatus } from './step.ts';

/** How a report looks where it goes. */
export interface Paper {
  /** Columns. */
  readonly width: number;
  readonly hasColors: boolean;
  /** Whether it shows more than ASCII. */
  readonly isUnicode: boolean;
}

type Style = Parameters<typeof styleText>[0];

const LABELS: Readonly<Record<StepId, string>> = {
  dns: 'DNS',
  tcp: 'TCP',
  'ssl-request': 'SSLRequest',
  tls: 'TLS',
  credential: 'credential',
  claims: 'claims',
  login: 'login',
  role: 'role',
  server: 'server',
  'local-port': 'local port',
};

const LABEL_WIDTH = 12;

/** As long as a stranger's line may be. */
const MAX_LINE_LENGTH = 2_000;

const MARKS: Readonly<Record<StepStatus, { unicode: string; ascii: string; style: Style }>> = {
  ok: { unicode: '✓', ascii: 'ok', style: 'green' },
  warning: { unicode: '!', ascii: 'warn', style: 'yellow' },
  failed: { unicode: '✗', ascii: 'FAIL', style: ['red', 'bold'] },
  skipped: { unicode: '-', ascii: '-', style: 'dim' },
};

/** What a terminal, or whatever else standard output is, can show. */
export function paperFor(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): Paper {
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '';
  const isUnicode = /utf-?8/i.test(locale) || (process.platform === 'win32' && 'WT_SESSION' in env);
  // Node.js itself would let FORCE_COLOR win.
  const mayColor = (env['NO_COLOR'] ?? '') === '';
  const hasColors = mayColor && styleText('red', 'x', { stream }) !== 'x';
  return {
    width: Math.max(MIN_WIDTH, Math.min(stream.columns ?? MAX_WIDTH, MAX_WIDTH)),
    hasColors,
    isUnicode,
  };
}

const MIN_WIDTH = 60;
const MAX_WIDTH = 100;

/** Before the steps of a server. */
export function heading(text: string, paper: Paper): string {
  return `${paint('bold', printable(text, MAX_LINE_LENGTH), paper)}\n\n`;
}

/** What is shown while a step is looked at, on a terminal; see {@link FORGET}. */
export function waiting(id: StepId, paper: Paper): string {
  const dots = paper.isUnicode ? '…' : '...';
  return paint('dim', `${dots} ${LABELS[id]}`, paper);
}

/** Takes such a line away. */
export const FORGET = '\r\u001B[K';

/** One step: a line, its facts, and the repair. */
export function stepText(step: Step, paper: Paper): string {
  const { status, id, clientUser, summary, facts, repair } = step;
  const { unicode, ascii, style } = MARKS[status];
  const mark = paper.isUnicode ? unicode : ascii.padEnd(MARKS.failed.ascii.length);
  const margin = ' '.repeat(mark.length + 1 + LABEL_WIDTH);
  const who = clientUser === undefined ? '' : `client user ${printable(clientUser)}: `;
  const [first = '', ...more] = wrap(`${who}${summary}`, paper.width - margin.length);
  const head = `${paint(style, mark, paper)} ${LABELS[id].padEnd(LABEL_WIDTH)}`;
  const nameWidth = Math.max(0, ...facts.map(({ name }) => name.length)) + 2;
  const lines = [
    `${head}${status === 'skipped' ? paint('dim', first, paper) : first}`,
    ...more.map((line) => `${margin}${line}`),
    ...facts.flatMap(({ name, value }) => {
      const indent = `${margin}  ${' '.repeat(nameWidth)}`;
      const [start = '', ...rest] = wrap(value, paper.width - indent.length);
      const label = paint('dim', name.padEnd(nameWidth), paper);
      return [`${margin}  ${label}${start}`, ...rest.map((line) => `${indent}${line}`)];
    }),
    ...repair.flatMap((one) => repairLines(one, margin, paper)),
  ];
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

/** SQL stays in one line, to be pasted. */
function repairLines(repair: Repair, margin: string, paper: Paper): string[] {
  if ('sql' in repair) return [`${margin}    ${paint('cyan', clean(repair.sql), paper)}`];
  const arrow = paper.isUnicode ? '→ ' : '-> ';
  const indent = ' '.repeat(arrow.length);
  return wrap(repair.text, paper.width - margin.length - 2 - arrow.length).map(
    (line, index) => `${margin}  ${index === 0 ? paint('yellow', arrow, paper) : indent}${line}`,
  );
}

/** The last line. */
export function summaryText(steps: readonly Step[], paper: Paper): string {
  const count = (status: StepStatus): number => steps.filter((step) => step.status === status).length;
  const parts = [
    [count('failed'), 'failed', 'red'],
    [count('warning'), 'with a warning', 'yellow'],
    [count('skipped'), 'skipped', 'dim'],
    [count('ok'), 'ok', 'green'],
  ] as const;
  const told = parts.filter(([number]) => number > 0);
  return `${told.map(([number, what, style]) => paint(style, `${number} ${what}`, paper)).join(', ')}\n`;
}

function paint(style: Style, text: string, { hasColors }: Paper): string {
  return hasColors ? styleText(style, text, { validateStream: false }) : text;
}

function clean(text: string): string {
  return printable(stripVTControlCharacters(text), MAX_LINE_LENGTH);
}

/** Words that are longer than a line stay whole: most are to be copied. */
function wrap(text: string, width: number): string[] {
  return wrapAnsi(clean(text), width).split('\n');
}
