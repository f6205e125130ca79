import { expect, test, vi } from "vitest";

vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => {} });
vi.stubGlobal("navigator", { languages: ["de-DE", "ru-RU", "en"] });
vi.stubGlobal("document", { documentElement: {} });

const { chooseLanguage, language, t, texts } = await import("../src/i18n");

const holes = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();

test("every language has every text, with the same places to fill in", () => {
  const { en, ...others } = texts;
  for (const [name, other] of Object.entries(others)) {
    expect(Object.keys(other).sort(), name).toEqual(Object.keys(en).sort());
    for (const key of Object.keys(en) as (keyof typeof en)[]) {
      expect(other[key].trim(), key).not.toBe("");
      expect(holes(other[key]), key).toEqual(holes(en[key]));
      const words = /[a-z]/i.test(en[key].replaceAll(/\{\w+\}/g, ""));
      expect(other[key] === en[key], key).toBe(!words);
    }
  }
});

test("the first language of the browser that is known here", () => {
  expect(language.value).toBe("ru");
  expect(document.documentElement.lang).toBe("ru");
});

test("texts are filled in, in the language that is chosen", () => {
  expect(t("uploadedOf", { done: "1", all: "2" })).toBe("1 из 2");
  chooseLanguage("en");
  expect(t("uploadedOf", { done: "1", all: "2" })).toBe("1 of 2");
  chooseLanguage("xx");
  expect(language.value).toBe("en");
});
