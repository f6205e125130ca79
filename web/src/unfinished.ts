/** What the server has of uploads that are not under way on this page. */

import { signal } from "@preact/signals";
import { listUnfinished, type Unfinished } from "./api";
import { report } from "./notices";

export const unfinished = signal<Unfinished[]>([]);

/** Those that were ended or taken up here: a list may have been read before that. */
const forgotten = new Set<string>();

/** Ask the server; `own` are the ids of those of this page, once the answer is there. */
export async function lookForUnfinished(own: () => string[]): Promise<void> {
  try {
    const found = await listUnfinished();
    const known = new Set([...own(), ...forgotten]);
    unfinished.value = found.filter(({ id }) => !known.has(id));
  } catch (error) {
    report(error);
  }
}

/** List an upload no more. */
export function forgetUnfinished(id: string): void {
  forgotten.add(id);
  unfinished.value = unfinished.value.filter((upload) => upload.id !== id);
}
