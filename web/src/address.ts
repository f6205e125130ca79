/** The folder stands in the URL's fragment, which no server sees: so "back" works. */

export function folderOfUrl(): string {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

export function goTo(name: string): void {
  location.hash = encodeURIComponent(name).replaceAll("%2F", "/");
}
