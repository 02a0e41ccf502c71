const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** A day, and how far it is: `2026-11-22 (in 89 days)`. Both times in milliseconds since 1970. */
export function days(time: number, now: number): string {
  return `${new Date(time).toISOString().slice(0, 10)} (${distance(time - now)})`;
}

/** A moment, and how far it is: `2026-11-22 14:32:10 (in 58 minutes)`, in local time. */
export function moment(time: number, now: number): string {
  // Sweden writes 2026-11-22 14:32:10.
  return `${new Date(time).toLocaleString('sv-SE')} (${distance(time - now)})`;
}

/** How far something is from now, in words. */
function distance(ms: number): string {
  const words = duration(Math.abs(ms));
  return ms < 0 ? `${words} ago` : `in ${words}`;
}

/** For people, in the largest unit of which there are two at least. */
export function duration(ms: number): string {
  if (ms >= 2 * DAY_MS) return `${Math.floor(ms / DAY_MS)} days`;
  if (ms >= 2 * HOUR_MS) return `${Math.floor(ms / HOUR_MS)} hours`;
  if (ms >= 2 * MINUTE_MS) return `${Math.floor(ms / MINUTE_MS)} minutes`;
  return `${Math.floor(ms / 1_000)} seconds`;
}
