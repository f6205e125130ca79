/** File names: paths with `/`, ordered as the server orders them. */

const encoder = new TextEncoder();

/** The order of UTF-8 bytes, which that of UTF-16 units is not for all characters. */
export function compareNames(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at < length && a.charCodeAt(at) === b.charCodeAt(at)) at += 1;
  if (at === length) return a.length - b.length;
  const [x, y] = [a.charCodeAt(at), b.charCodeAt(at)];
  if (x < 0xd800 || y < 0xd800) return x - y;
  const [left, right] = [encoder.encode(a.slice(at)), encoder.encode(b.slice(at))];
  const differs = left.findIndex((byte, index) => byte !== right[index]);
  return (left[differs] ?? 0) - (right[differs] ?? 0);
}

/** The name as it stands in the path of a URL: slashes stay. */
export function encodeName(name: string): string {
  return name.split("/").map(encodeURIComponent).join("/");
}

/** What follows the last slash; of a folder, its own name with the slash. */
export function lastSegment(name: string): string {
  return name.slice(name.lastIndexOf("/", name.length - 2) + 1);
}

/** The folders that lead to this one, from the top: `a/b/` gives `a/` and `a/b/`. */
export function trail(folder: string): string[] {
  const ends = [...folder.matchAll(/\//g)].map((slash) => slash.index + 1);
  return ends.map((end) => folder.slice(0, end));
}
