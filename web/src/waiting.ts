/** Uploads that wait: the server has said no for now, or nothing at all. They go on by themselves. */

import { signal } from "@preact/signals";

/** What an upload waits for: room, a server that is less busy, the network, or one that works. */
export type Reason = "room" | "busy" | "network" | "server";

interface Wait {
  reason: Reason;
  /** When it is tried again, in milliseconds as `Date.now()` counts them. */
  until: number;
}

/** By the ids of the files. */
export const waiting = signal<ReadonlyMap<string, Wait>>(new Map());

/** Seconds before each attempt to come; the last of them for as long as it takes. */
const PAUSES = [1, 1, 2, 3, 5, 10, 20, 30];

/** Seconds: longer than that no server is believed to mean. */
const LONGEST = 3600;

/** Client errors that may pass: too slow, overtaken by another request, locked. */
const PASSING = new Set([408, 409, 423]);

/** Server errors that do not pass: what it cannot do at all. */
const LASTING = new Set([501, 505]);

/**
 * What to wait for after an answer of this status, 0 where there was none; null where the same
 * request would get the same answer.
 */
export function reasonFor(status: number): Reason | null {
  if (status === 0) return "network";
  if (status === 507) return "room";
  if (status === 429 || status === 503) return "busy";
  if (status >= 400 && status < 500) return PASSING.has(status) ? "server" : null;
  return LASTING.has(status) ? null : "server";
}

/** Milliseconds before an attempt, the first being 0; `retryAfter` as the answer has it. */
export function pauseBefore(attempt: number, retryAfter: string | undefined, now: number): number {
  const own = PAUSES[Math.min(attempt, PAUSES.length - 1)] ?? 0;
  return 1000 * Math.max(own, Math.min(secondsOf(retryAfter, now), LONGEST));
}

/** The seconds that a `Retry-After` asks for: a number, or a date (RFC 9110, 10.2.3). */
function secondsOf(retryAfter: string | undefined, now: number): number {
  if (!retryAfter) return 0;
  if (/^\d+$/.test(retryAfter)) return Number(retryAfter);
  return Math.max(0, (Date.parse(retryAfter) - now) / 1000) || 0;
}

export function noteWaiting(id: string, reason: Reason, until: number): void {
  waiting.value = new Map(waiting.value).set(id, { reason, until });
}

/** They go on, have ended, or were stopped by somebody. */
export function noteMoving(ids: Iterable<string>): void {
  const left = new Map(waiting.value);
  for (const id of ids) left.delete(id);
  if (left.size < waiting.value.size) waiting.value = left;
}
