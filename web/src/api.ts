/** The service's HTTP API, as far as the page uses it. */

import { base } from "./base";
import { encodeName } from "./names";
import { token } from "./session";

export interface FileEntry {
  name: string;
  size: number;
  last_modified: string;
}

export interface FolderEntry {
  prefix: string;
}

export type Entry = FileEntry | FolderEntry;

export interface Unfinished {
  id: string;
  name: string | null;
  offset: number;
  length: number | null;
  created: string;
  expires: string;
}

export interface Link {
  url: string;
  expires: string;
}

/** An answer that is no success; `status` 0 where there was none at all. */
export class Failure extends Error {
  constructor(
    readonly status: number,
    readonly detail = "",
  ) {
    super(detail || `HTTP ${status}`);
  }
}

async function ask(path: string, options: RequestInit = {}): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(`${base}${path}`, {
      ...options,
      headers: { ...options.headers, "X-Auth-Token": token.value ?? "" },
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Failure(0);
  }
  if (!answer.ok) {
    const problem: unknown = await answer.json().catch(() => null);
    const detail = problem && typeof problem === "object" && "detail" in problem;
    throw new Failure(answer.status, detail ? String(problem.detail) : "");
  }
  return answer;
}

export interface Page {
  entries: Entry[];
  /** Where the next page begins; null after the last. */
  next: string | null;
}

/** A page of a folder: what begins with `prefix`, the folders below it rolled up. */
export async function listPage(
  prefix: string,
  marker: string | null,
  limit: number,
  signal?: AbortSignal,
): Promise<Page> {
  const query = new URLSearchParams({ delimiter: "/", details: "true", limit: String(limit) });
  if (prefix) query.set("prefix", prefix);
  if (marker) query.set("marker", marker);
  const answer = await ask(`/api/files?${query}`, signal ? { signal } : {});
  const entries: Entry[] = await answer.json();
  const last = entries.at(-1);
  const more = answer.headers.has("Link") && last;
  return { entries, next: more ? nameOf(last) : null };
}

/** The names of all files below a folder. */
export async function* namesBelow(folder: string): AsyncGenerator<string[]> {
  let marker = "";
  for (;;) {
    const query = new URLSearchParams({ prefix: folder, limit: "1000", marker });
    if (!marker) query.delete("marker");
    const answer = await ask(`/api/files?${query}`);
    const names: string[] = await answer.json();
    yield names;
    const last = names.at(-1);
    if (!last || !answer.headers.has("Link")) return;
    marker = last;
  }
}

export async function deleteFile(name: string): Promise<void> {
  try {
    await ask(`/api/files/${encodeName(name)}`, { method: "DELETE" });
  } catch (error) {
    // Somebody else was faster: it is gone, as wanted.
    if (!(error instanceof Failure && error.status === 404)) throw error;
  }
}

export async function listUnfinished(): Promise<Unfinished[]> {
  return (await ask("/api/uploads")).json();
}

export async function discard(id: string): Promise<void> {
  try {
    await ask(`/api/uploads/${id}`, {
      method: "DELETE",
      headers: { "Tus-Resumable": "1.0.0" },
    });
  } catch (error) {
    if (!(error instanceof Failure && error.status === 404)) throw error;
  }
}

/** A link to read one file, for `seconds`. */
export async function makeLink(name: string, seconds: number): Promise<Link> {
  const answer = await ask("/api/links", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ name, expires_in: seconds }),
  });
  return answer.json();
}

/** The path of a link: what the page itself opens has to be of its own origin. */
export function pathOf(link: Link): string {
  return new URL(link.url, location.href).pathname;
}

export function isFolder(entry: Entry): entry is FolderEntry {
  return "prefix" in entry;
}

export function nameOf(entry: Entry): string {
  return isFolder(entry) ? entry.prefix : entry.name;
}
