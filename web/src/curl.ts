/** What the page does, as commands for a shell. The token is never part of one. */

import { encodeName } from "./names";

const AUTH = '-H "X-Auth-Token: $TOKEN"';

/** A word that a POSIX shell takes as it is. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

const file = (origin: string, name: string) => quoted(`${origin}/api/files/${encodeName(name)}`);

export function curlList(origin: string, folder: string): string {
  const query = new URLSearchParams({ prefix: folder, delimiter: "/", details: "true" });
  return `curl ${AUTH} ${quoted(`${origin}/api/files?${query}`)}`;
}

/** Uploads a file of the current directory into a folder. */
export function curlUpload(origin: string, folder: string): string {
  return `curl ${AUTH} --upload-file FILE ${file(origin, folder)}FILE`;
}

export function curlDownload(origin: string, name: string): string {
  const local = name.slice(name.lastIndexOf("/") + 1);
  return `curl ${AUTH} --fail --output ${quoted(local)} ${file(origin, name)}`;
}

export function curlDelete(origin: string, name: string): string {
  return `curl ${AUTH} -X DELETE ${file(origin, name)}`;
}

export function curlShare(origin: string, name: string, seconds: number): string {
  const wanted = JSON.stringify({ name, expires_in: seconds });
  return `curl ${AUTH} --json ${quoted(wanted)} ${origin}/api/links`;
}

export function curlUploads(origin: string): string {
  return `curl ${AUTH} ${origin}/api/uploads`;
}

export function curlDiscard(origin: string, id: string): string {
  return `curl ${AUTH} -X DELETE ${origin}/api/uploads/${id}`;
}
