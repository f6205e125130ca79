/** The language of the page, and its texts. */

import { computed, effect, signal } from "@preact/signals";
import { deviceStore } from "../storage";
import { en, type Texts } from "./en";
import { ru } from "./ru";

const STORED = "file-uploader.language";

/** Each language with its own name. */
export const LANGUAGES = { en: "English", ru: "Русский" } as const;
export type Language = keyof typeof LANGUAGES;

export const texts: Record<Language, Texts> = { en, ru };

function isLanguage(value: string | null): value is Language {
  return value !== null && Object.hasOwn(LANGUAGES, value);
}

function preferred(): Language {
  const stored = deviceStore.get(STORED);
  if (isLanguage(stored)) return stored;
  return navigator.languages.map((tag) => tag.slice(0, 2)).find(isLanguage) ?? "en";
}

export const language = signal<Language>(preferred());

/** Also for the next visit. */
export function chooseLanguage(value: string): void {
  if (!isLanguage(value)) return;
  deviceStore.set(STORED, value);
  language.value = value;
}

const current = computed(() => texts[language.value]);

effect(() => {
  document.documentElement.lang = language.value;
  document.title = `${current.value.title} · file-uploader`;
});

/** A text in the current language. */
export function t(key: keyof Texts, values: Record<string, string> = {}): string {
  return current.value[key].replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
