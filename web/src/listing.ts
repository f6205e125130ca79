/**
 * The folder that is shown: its entries as far as they are loaded, page by page.
 *
 * By name, in the order of the server, more are loaded as the end comes into view. Any other order
 * needs all of them.
 */

import { batch, computed, signal } from "@preact/signals";
import { type Entry, isFolder, listPage, nameOf } from "./api";
import { compareNames } from "./names";
import { report } from "./notices";

/** Few, so that the first screen is there at once; then many. */
const FIRST_PAGE = 200;
const NEXT_PAGE = 2000;

export type Column = "name" | "size" | "modified";

export const folder = signal("");
export const search = signal("");
export const order = signal<{ by: Column; down: boolean }>({ by: "name", down: false });

const loaded = signal<Entry[]>([]);
const next = signal<string | null>("");
export const loading = signal(false);
export const selection = signal<ReadonlySet<string>>(new Set());

/** Whether there is nothing more to load. */
export const complete = computed(() => next.value === null);

const natural = computed(() => order.value.by === "name" && !order.value.down);

export const shown = computed<Entry[]>(() => {
  if (natural.value || !complete.value) return loaded.value;
  const { by, down } = order.value;
  if (by === "name") return loaded.value.toReversed();
  const rank = by === "size" ? sizeOf : momentOf;
  const ranked = loaded.value.map((entry) => ({ entry, rank: rank(entry) }));
  ranked.sort((a, b) => (down ? b.rank - a.rank : a.rank - b.rank));
  return ranked.map(({ entry }) => entry);
});

const sizeOf = (entry: Entry) => (isFolder(entry) ? -1 : entry.size);
const momentOf = (entry: Entry) => (isFolder(entry) ? -1 : Date.parse(entry.last_modified));

let abort = new AbortController();

/** Show a folder from its beginning. */
export async function openFolder(name: string, text = ""): Promise<void> {
  batch(() => {
    folder.value = name;
    search.value = text;
    selection.value = new Set();
  });
  await reload();
}

/** Show nothing: what comes next is somebody else's. */
export function forgetListing(): void {
  abort.abort();
  batch(() => {
    loaded.value = [];
    selection.value = new Set();
  });
}

/** Load again from the beginning; what is shown stays until there is something new to show. */
export async function reload(): Promise<void> {
  abort.abort();
  abort = new AbortController();
  loading.value = false;
  next.value = "";
  await loadMore();
}

export async function chooseOrder(by: Column): Promise<void> {
  const { by: before, down } = order.value;
  order.value = { by, down: by === before && !down };
  await loadAllIfNeeded();
}

/** Load the next page, unless it is on its way already. */
export async function loadMore(): Promise<void> {
  const from = next.value;
  if (loading.value || from === null) return;
  loading.value = true;
  const { signal } = abort;
  try {
    const limit = from ? NEXT_PAGE : FIRST_PAGE;
    const page = await listPage(folder.value + search.value, from || null, limit, signal);
    batch(() => {
      loaded.value = from ? loaded.value.concat(page.entries) : page.entries;
      next.value = page.next;
      loading.value = false;
    });
  } catch (error) {
    if (signal.aborted) return;
    loading.value = false;
    report(error);
    return;
  }
  await loadAllIfNeeded();
}

async function loadAllIfNeeded(): Promise<void> {
  if (!natural.value) await loadMore();
}

/** Show what was stored just now, without asking for the whole list again. */
export function noteStored(name: string, size: number): void {
  const prefix = folder.value + search.value;
  if (!name.startsWith(prefix)) return;
  const slash = name.indexOf("/", prefix.length);
  const entry: Entry =
    slash < 0
      ? { name, size, last_modified: new Date().toISOString() }
      : { prefix: name.slice(0, slash + 1) };
  const entries = loaded.value;
  const at = place(entries, nameOf(entry));
  // Past the end of what is loaded it comes with its page.
  if (at === entries.length && !complete.value) return;
  const known = entries[at];
  const same = known !== undefined && nameOf(known) === nameOf(entry);
  loaded.value = entries.toSpliced(at, same ? 1 : 0, entry);
}

/** Show no more what was deleted just now. */
export function noteDeleted(names: ReadonlySet<string>): void {
  batch(() => {
    loaded.value = loaded.value.filter((entry) => !names.has(nameOf(entry)));
    selection.value = new Set([...selection.value].filter((name) => !names.has(name)));
  });
}

/** Where an entry of this name is, or would be. */
function place(entries: readonly Entry[], name: string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const entry = entries[middle];
    if (entry && compareNames(nameOf(entry), name) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function select(name: string, on: boolean): void {
  const names = new Set(selection.value);
  if (on) names.add(name);
  else names.delete(name);
  selection.value = names;
}

export function selectShown(on: boolean): void {
  selection.value = new Set(on ? shown.value.map(nameOf) : []);
}
