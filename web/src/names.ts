/** File names: paths with `/`, ordered as the server orders them. */

/** The order of UTF-8 bytes: that of UTF-16 units, but for characters beyond U+FFFF. */
export function compareNames(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at += 1) {
    const difference = rank(a.charCodeAt(at)) - rank(b.charCodeAt(at));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Puts surrogates, which make the characters beyond U+FFFF, behind all other units. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
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
