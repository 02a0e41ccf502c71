import { element, set, setText, svg } from './dom.js';
import { latency, plural } from './text.js';

/** @import { Bucket, Charts, Percentiles } from './model.d.ts' */

/** Of a chart's own units; it is as wide as there are intervals. */
const HEIGHT = 40;

/** @type {readonly { readonly title: string, readonly of: (bucket: Bucket) => Percentiles | undefined }[]} */
const LATENCIES = [
  { title: 'Whole login', of: ({ total }) => total },
  { title: 'Token', of: ({ phases }) => phases['token'] },
  { title: 'Queue', of: ({ phases }) => phases['queue'] },
  { title: 'TCP', of: ({ phases }) => phases['dial'] },
  { title: 'TLS', of: ({ phases }) => phases['tls'] },
  { title: 'Authentication', of: ({ phases }) => phases['authentication'] },
];

/**
 * Logins per second, and how long they and their parts took, on one scale.
 *
 * @param {HTMLElement} root
 * @param {HTMLElement} scale
 */
export function createCharts(root, scale) {
  const rate = createChart('Logins per second', ['bars']);
  const latencies = LATENCIES.map(({ title }) => createChart(title, ['p95', 'p50']));
  root.append(rate.root, ...latencies.map((chart) => chart.root));
  return (/** @type {readonly Bucket[]} */ buckets, /** @type {Charts} */ settings) => {
    showRate(rate, buckets, settings);
    const top = niceCeiling(Math.max(1, ...buckets.map(({ total }) => total[1])));
    latencies.forEach((chart, index) => {
      const { of } = LATENCIES[index] ?? { of: () => undefined };
      showLatency(chart, buckets, of, settings.bucketCount, top);
    });
    const total = buckets.reduce((sum, { count }) => sum + count, 0);
    setText(
      scale,
      `${plural(total, 'login', 'logins')}. Thick: the median. Thin: 95 of 100 were faster. Scale: 0 to ${latency(top)}.`,
    );
  };
}

/** @typedef {ReturnType<typeof createChart>} Chart */

/** @param {string} title @param {readonly string[]} names */
function createChart(title, names) {
  const value = element('span', { class: 'value' });
  const note = element('span', { class: 'muted' });
  const lines = names.map((name) => svg('path', { class: name, 'vector-effect': 'non-scaling-stroke' }));
  const drawing = svg('svg', { role: 'img', preserveAspectRatio: 'none' }, ...lines);
  const caption = element('figcaption', {}, element('span', { class: 'title' }, title), value, note);
  const root = element('figure', {}, caption, drawing);
  /** @param {{ value: string, note: string, words: string, width: number, paths: readonly string[] }} told */
  const update = (told) => {
    setText(value, told.value);
    setText(note, told.note);
    set(drawing, 'viewBox', `0 0 ${told.width} ${HEIGHT}`);
    set(drawing, 'aria-label', `${title}: ${told.words}`);
    lines.forEach((line, index) => set(line, 'd', told.paths[index] ?? ''));
  };
  return { root, update };
}

/** @param {Chart} chart @param {readonly Bucket[]} buckets @param {Charts} settings */
function showRate(chart, buckets, { bucketMs, bucketCount }) {
  const rates = buckets.map(({ ago, count }) => ({ ago, rate: count / (bucketMs / 1_000) }));
  const peak = Math.max(0, ...rates.map(({ rate }) => rate));
  // The interval under way has not seen all of its logins yet.
  const last = rates.find(({ ago }) => ago === 1)?.rate ?? 0;
  const top = niceCeiling(Math.max(1, peak));
  const bars = rates.map(({ ago, rate }) => {
    const y = HEIGHT - (rate / top) * (HEIGHT - 2);
    return `M${bucketCount - 1 - ago} ${HEIGHT}V${y.toFixed(2)}h0.8V${HEIGHT}z`;
  });
  const words = `${decimal(last)} now, ${decimal(peak)} at most in the last ten minutes`;
  chart.update({
    value: decimal(last),
    note: `peak ${decimal(peak)}`,
    words,
    width: bucketCount,
    paths: [bars.join('')],
  });
}

/**
 * @param {Chart} chart
 * @param {readonly Bucket[]} buckets
 * @param {(bucket: Bucket) => Percentiles | undefined} of
 * @param {number} width
 * @param {number} top
 */
function showLatency(chart, buckets, of, width, top) {
  const points = buckets.flatMap((bucket) => {
    const percentiles = of(bucket);
    return percentiles === undefined ? [] : [{ ago: bucket.ago, percentiles }];
  });
  const line = (/** @type {0 | 1} */ which) =>
    points.map(({ ago, percentiles }, index) => {
      const isNext = points[index - 1]?.ago === ago - 1;
      const y = HEIGHT - 1 - Math.min(1, percentiles[which] / top) * (HEIGHT - 2);
      // Of no length: a dot.
      return `${isNext ? 'L' : 'M'}${width - 0.5 - ago} ${y.toFixed(2)}${isNext ? '' : 'h0'}`;
    });
  const [p50, p95] = (buckets[0] === undefined ? undefined : of(buckets[0])) ?? [];
  const isKnown = p50 !== undefined && p95 !== undefined;
  chart.update({
    value: isKnown ? latency(p50) : '–',
    note: isKnown ? `p95 ${latency(p95)}` : '',
    words: isKnown
      ? `median ${latency(p50)}, 95 of 100 faster than ${latency(p95)}`
      : 'none in the last logins',
    width,
    paths: [line(1).join(''), line(0).join('')],
  });
}

/** A round number. @param {number} value */
function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 1.5, 2, 3, 4, 6, 8, 10].find((one) => one * power >= value) ?? 10;
  return factor * power;
}

/** @param {number} value */
function decimal(value) {
  return String(Number(value.toFixed(value < 10 ? 1 : 0)));
}
