/** What the page does, as commands for a shell. The token is never part of one. */

import { encodeName } from "./names";

const AUTH = '-H "X-Auth-Token: $TOKEN"';

/** A word that a POSIX shell takes as it is. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

const file = (service: string, name: string) => quoted(`${service}/api/files/${encodeName(name)}`);

export function curlList(service: string, folder: string): string {
  const query = new URLSearchParams({ prefix: folder, delimiter: "/", details: "true" });
  return `curl ${AUTH} ${quoted(`${service}/api/files?${query}`)}`;
}

/** Uploads a file of the current directory into a folder. */
export function curlUpload(service: string, folder: string): string {
  return `curl ${AUTH} --upload-file FILE ${file(service, folder)}FILE`;
}

export function curlDownload(service: string, name: string): string {
  const local = name.slice(name.lastIndexOf("/") + 1);
  return `curl ${AUTH} --fail --output ${quoted(local)} ${file(service, name)}`;
}

export function curlDelete(service: string, name: string): string {
  return `curl ${AUTH} -X DELETE ${file(service, name)}`;
}

export function curlShare(service: string, name: string, seconds: number): string {
  const wanted = JSON.stringify({ name, expires_in: seconds });
  return `curl ${AUTH} --json ${quoted(wanted)} ${quoted(`${service}/api/links`)}`;
}

export function curlUploads(service: string): string {
  return `curl ${AUTH} ${quoted(`${service}/api/uploads`)}`;
}

export function curlDiscard(service: string, id: string): string {
  return `curl ${AUTH} -X DELETE ${quoted(`${service}/api/uploads/${id}`)}`;
}
