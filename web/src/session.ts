/** Who is asking: the token, where it is kept, and which tab this is. */

import { signal } from "@preact/signals";

const TOKEN = "file-uploader.token";
const TAB = "file-uploader.tab";

const FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The nil and the max UUID are refused by the server: strangers would share them. */
const PLACEHOLDER = /^[0-]+$|^[f-]+$/;

export const token = signal<string | null>(
  sessionStorage.getItem(TOKEN) ?? localStorage.getItem(TOKEN),
);

/** Whether the token was made on this page just now, and has to be seen once. */
export const fresh = signal(false);

/** Whether the token is kept when the tab is closed. */
export const kept = signal(localStorage.getItem(TOKEN) !== null);

/** A random UUID (RFC 9562, version 4); `crypto.randomUUID` is not there over plain HTTP. */
export function newToken(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** The token in what somebody typed or pasted, or null. */
export function readToken(text: string): string | null {
  const found = text.trim().toLowerCase();
  return FORM.test(found) && !PLACEHOLDER.test(found) ? found : null;
}

export function signIn(value: string, keep: boolean): void {
  token.value = value;
  keepToken(keep);
}

/** Begin with a token that nobody has seen yet. */
export function signUp(keep: boolean): void {
  fresh.value = true;
  signIn(newToken(), keep);
}

/** Keep the token on this device, or for this tab only. */
export function keepToken(keep: boolean): void {
  if (token.value === null) return;
  const [here, there] = keep ? [localStorage, sessionStorage] : [sessionStorage, localStorage];
  here.setItem(TOKEN, token.value);
  there.removeItem(TOKEN);
  kept.value = keep;
}

/** Forget the token, and with it what the tab had begun. */
export function signOut(): void {
  for (const storage of [localStorage, sessionStorage]) storage.removeItem(TOKEN);
  sessionStorage.removeItem(TAB);
  kept.value = false;
  fresh.value = false;
  token.value = null;
}

/**
 * Names what this tab keeps for itself to recover after a reload: another tab, or another token
 * in this one, must not take its uploads for their own.
 */
export function tabId(): string {
  let id = sessionStorage.getItem(TAB);
  if (id === null) {
    id = newToken();
    sessionStorage.setItem(TAB, id);
  }
  return id;
}
