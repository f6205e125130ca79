/** How fast uploads are, and how long they take still: each, and all together. */

import { signal } from "@preact/signals";
import type { Uploader } from "./uploads";

/** Seconds over which a speed is smoothed. */
const SMOOTHING = 4;

const INTERVAL = 500;

/** A speed in bytes a second, from counts of bytes at times in seconds. */
export class Speed {
  value = 0;
  private bytes = 0;
  private at: number | null = null;

  measure(bytes: number, now: number): void {
    if (this.at !== null && now > this.at) {
      const passed = now - this.at;
      const current = Math.max(0, bytes - this.bytes) / passed;
      const weight = this.value === 0 ? 1 : 1 - Math.exp(-passed / SMOOTHING);
      this.value += weight * (current - this.value);
    }
    this.bytes = bytes;
    this.at = now;
  }
}

export interface Progress {
  name: string;
  done: number;
  size: number;
  /** Bytes a second; 0 where nothing is known yet. */
  speed: number;
}

interface Moving {
  each: (Progress & { id: string })[];
  all: Progress | null;
}

/** What is under way now; `all` counts what waits for its turn, too. */
export const moving = signal<Moving>({ each: [], all: null });

/** Follow an uploader's files until the function that is returned is called. */
export function follow(uppy: Uploader): () => void {
  const speeds = new Map<string, Speed>();
  const total = new Speed();
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
      const progress = { done, size: file.size ?? 0, speed: speed.value };
      each.push({ id: file.id, name: file.meta.filename ?? file.name, ...progress });
    }
    const ids = new Set(open.map((file) => file.id));
    for (const id of speeds.keys()) if (!ids.has(id)) speeds.delete(id);
    const all = uppy.getFiles().filter((file) => !file.error);
    const sum = (count: (file: (typeof all)[number]) => number) =>
      all.reduce((before, file) => before + count(file), 0);
    const done = sum((file) => Number(file.progress.bytesUploaded || 0));
    total.measure(done, now);
    const whole = { name: "", done, size: sum((file) => file.size ?? 0), speed: total.value };
    const shown = each.filter((progress) => progress.done > 0 || progress.speed > 0);
    if (open.length === 0 && moving.value.all === null) return;
    moving.value = { each: shown, all: open.length > 0 ? whole : null };
  };
  const timer = setInterval(look, INTERVAL);
  return () => clearInterval(timer);
}
