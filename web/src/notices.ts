/** What went wrong, or well, in words: told once, until it is dismissed. */

import { signal } from "@preact/signals";
import { Failure } from "./api";
import { t } from "./i18n";

export interface Notice {
  id: number;
  text: string;
  bad: boolean;
}

export const notices = signal<Notice[]>([]);

const MOST = 4;
const SECONDS = 6;

let last = 0;

export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

function add(text: string, bad: boolean): number {
  last += 1;
  const others = notices.value.filter((notice) => notice.text !== text);
  notices.value = [...others, { id: last, text, bad }].slice(-MOST);
  return last;
}

/** Good news go away by themselves. */
export function inform(text: string): void {
  const id = add(text, false);
  setTimeout(() => dismiss(id), SECONDS * 1000);
}

export function warn(text: string): void {
  add(text, true);
}

/** Say what a failed request means, and what can be done. */
export function report(error: unknown, about?: string): void {
  const text = explain(error);
  warn(about ? t("errorOf", { name: about, error: text }) : text);
}

export function explain(error: unknown): string {
  if (!(error instanceof Failure)) throw error;
  switch (error.status) {
    case 0:
      return t("errorNetwork");
    case 401:
      return t("errorToken");
    case 403:
      return t("errorForbidden");
    case 404:
    case 410:
      return t("errorGone");
    case 409:
    case 412:
      return t("errorConflict");
    case 413:
      return t("errorLarge");
    case 429:
    case 503:
      return t("errorBusy");
    case 507:
      return t("errorFull");
    default:
      return error.status < 500
        ? t("errorRequest", { detail: error.detail || String(error.status) })
        : t("errorServer");
  }
}
