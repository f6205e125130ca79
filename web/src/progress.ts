/** How fast uploads are, and how long they take still: each, and all together. */

import { signal } from "@preact/signals";
import type { Uploader } from "./uploads";
import { type Reason, waiting } from "./waiting";

/** Seconds over which a speed is smoothed. */
const SMOOTHING = 4;

/** Seconds without a byte after which nothing moves. */
const PATIENCE = 5;

const INTERVAL = 500;

/** A speed in bytes a second, from counts of bytes at times in seconds. */
export class Speed {
  value = 0;
  /** Whether nothing has moved for a while. */
  still = false;
  private bytes = 0;
  private at: number | null = null;
  private moved = 0;

  measure(bytes: number, now: number): void {
    if (this.at === null || bytes !== this.bytes) {
      this.moved = now;
      this.still = false;
    }
    // What the server did not take is sent again: that is no speed.
    if (this.at !== null && now > this.at && bytes >= this.bytes) {
      const passed = now - this.at;
      const current = (bytes - this.bytes) / passed;
      const weight = this.value === 0 ? 1 : 1 - Math.exp(-passed / SMOOTHING);
      this.value += weight * (current - this.value);
    }
    if (now - this.moved >= PATIENCE) {
      this.still = true;
      this.value = 0;
    }
    this.bytes = bytes;
    this.at = now;
  }
}

export interface Progress {
  done: number;
  size: number;
  /** Bytes a second; 0 where nothing is known yet. */
  speed: number;
  /** Seconds, if that can be said. */
  left: number | null;
  still: boolean;
  /** What it waits for. */
  reason: Reason | null;
}

interface Moving {
  each: (Progress & { id: string; name: string })[];
  all: (Progress & { files: number; ended: number }) | null;
}

/** What is under way now; `all` counts what waits for its turn, too. */
export const moving = signal<Moving>({ each: [], all: null });

/** How far an upload is, or all of them if each of them goes on. */
export function progressOf(
  done: number,
  size: number,
  speed: Speed,
  reason: Reason | null,
  goesOn: boolean,
): Progress {
  const measured = reason === null ? speed.value : 0;
  const left = goesOn && measured > 0 ? (size - done) / measured : null;
  return { done, size, speed: measured, left, still: speed.still && reason === null, reason };
}

/** Follow an uploader's files until the function that is returned is called. */
export function follow(uppy: Uploader): () => void {
  const speeds = new Map<string, Speed>();
  let total = new Speed();
  const look = () => {
    const now = performance.now() / 1000;
    const open = uppy.getFiles().filter((file) => {
      const { uploadStarted, uploadComplete } = file.progress;
      return uploadStarted && !uploadComplete && !file.error && !file.isPaused;
    });
    const each = [];
    for (const file of open) {
      const done = Number(file.progress.bytesUploaded || 0);
      const speed = speeds.get(file.id) ?? new Speed();
      speed.measure(done, now);
      speeds.set(file.id, speed);
      const reason = waiting.value.get(file.id)?.reason ?? null;
      const progress = progressOf(done, file.size ?? 0, speed, reason, reason === null);
      each.push({ id: file.id, name: file.meta.filename ?? file.name, ...progress });
    }
    const ids = new Set(open.map((file) => file.id));
    for (const id of speeds.keys()) if (!ids.has(id)) speeds.delete(id);
    if (open.length === 0) {
      total = new Speed();
      if (moving.value.all !== null) moving.value = { each: [], all: null };
      return;
    }
    const all = uppy.getFiles().filter((file) => !file.error);
    const sum = (count: (file: (typeof all)[number]) => number) =>
      all.reduce((before, file) => before + count(file), 0);
    const done = sum((file) => Number(file.progress.bytesUploaded || 0));
    const size = sum((file) => file.size ?? 0);
    total.measure(done, now);
    const waits = each.find((one) => one.reason !== null);
    const reason = each.some((one) => one.speed > 0) ? null : (waits?.reason ?? null);
    const goesOn = waiting.value.size === 0 && !all.some((file) => file.isPaused);
    const ended = all.filter((file) => file.progress.uploadComplete).length;
    moving.value = {
      each: each.filter((one) => one.done > 0 || one.speed > 0),
      all: { ...progressOf(done, size, total, reason, goesOn), files: all.length, ended },
    };
  };
  const timer = setInterval(look, INTERVAL);
  return () => clearInterval(timer);
}
