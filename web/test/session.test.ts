import { beforeEach, expect, test, vi } from "vitest";

vi.stubGlobal("BroadcastChannel", undefined);

const { newToken, readToken, Session } = await import("../src/session");
const { deviceStore } = await import("../src/storage");

const TOKEN = "0a1b2c3d-4e5f-4a6b-8c7d-9e8f7a6b5c4d";
const OTHER = "11111111-4e5f-4a6b-8c7d-9e8f7a6b5c4d";

class Items {
  items = new Map<string, string>();
  constructor(private readonly open = true) {}
  get = (key: string) => this.items.get(key) ?? null;
  set = (key: string, value: string) => {
    if (this.open) this.items.set(key, value);
    return this.open;
  };
  remove = (key: string) => this.items.delete(key);
  holds = (text: string) => [...this.items.values()].includes(text);
}

/** A browser with its tabs: each hears what the others post. */
class Browser {
  tabs: { onmessage: ((message: MessageEvent) => void) | null }[] = [];
  copies = true;
  constructor(readonly device = new Items()) {}

  open(store = new Items(), device = this.device) {
    const channel = {
      onmessage: null,
      postMessage: (data: unknown) => {
        const others = this.tabs.filter((tab) => tab !== channel);
        for (const tab of others) tab.onmessage?.(new MessageEvent("message", { data }));
      },
    };
    const drop = () => {
      this.copies = false;
    };
    this.tabs.push(channel);
    const session = new Session(store, device, channel, drop);
    return Object.assign(session, { store, reload: () => this.open(store) });
  }
}

let browser = new Browser();
beforeEach(() => {
  browser = new Browser();
});

test("a new token is a random UUID", () => {
  const made = new Set(Array.from({ length: 1000 }, newToken));
  expect(made.size).toBe(1000);
  for (const token of made) {
    expect(token).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(readToken(token)).toBe(token);
  }
});

test("a token is read as the server reads it", () => {
  expect(readToken(`  ${TOKEN.toUpperCase()}\n`)).toBe(TOKEN);
  const wrong = ["", "x", TOKEN.slice(1), `${TOKEN}0`, TOKEN.replaceAll("-", "")];
  const placeholders = ["0", "f"].map((digit) => TOKEN.replace(/[0-9a-f]/g, digit));
  for (const text of [...wrong, ...placeholders]) expect(readToken(text), text).toBeNull();
});

test("it is kept for the tab, or on the device, and never in both", () => {
  const tab = browser.open();
  expect(tab.signIn(TOKEN, false)).toBe(true);
  expect([tab.store.holds(TOKEN), browser.device.items.size]).toEqual([true, 0]);
  expect(tab.keep(true)).toBe(true);
  expect([tab.store.holds(TOKEN), browser.device.holds(TOKEN)]).toEqual([false, true]);
  expect(tab.keep(false)).toBe(true);
  expect([tab.store.holds(TOKEN), browser.device.items.size]).toEqual([true, 0]);
});

test("forgetting leaves nothing, and the next token has another name for its tab", () => {
  const tab = browser.open();
  tab.signUp(true);
  tab.noteUse();
  const before = tab.tabId();
  expect(tab.tabId()).toBe(before);
  tab.signOut();
  expect([tab.store.items.size, browser.device.items.size]).toEqual([0, 0]);
  expect([tab.token.value, tab.kept.value, tab.unsaved.value]).toEqual([null, false, null]);
  expect(tab.tabId()).not.toBe(before);
});

test.each([true, false])("a new token is unsaved until somebody says so, kept: %s", (keep) => {
  const tab = browser.open();
  tab.signUp(keep);
  expect(tab.unsaved.value).toBe("unused");
  tab.noteUse();
  const later = tab.reload();
  expect([later.token.value, later.unsaved.value]).toEqual([tab.token.value, "used"]);
  later.keep(!keep);
  expect(later.reload().unsaved.value).toBe("used");
  later.noteSaved();
  expect([tab.unsaved.value, later.reload().unsaved.value]).toEqual([null, null]);
  tab.noteUse();
  expect(tab.unsaved.value).toBeNull();
});

test("who types a token in has saved it", () => {
  const tab = browser.open();
  tab.signIn(TOKEN, false);
  tab.noteUse();
  expect(tab.unsaved.value).toBeNull();
});

test.each([true, false])("one tab forgets the token for all that have it, kept: %s", (keep) => {
  const first = browser.open();
  const others = [browser.open(), browser.open()];
  for (const tab of [first, ...others]) tab.signIn(TOKEN, keep);
  first.signOut();
  expect(first.elsewhere.value).toBeNull();
  for (const tab of others) {
    expect([tab.token.value, tab.kept.value, tab.elsewhere.value]).toEqual([
      null,
      false,
      "forgotten",
    ]);
    expect(tab.reload().token.value).toBeNull();
  }
  expect(browser.device.items.size).toBe(0);
});

test("a tab with another token stays as it is", () => {
  const [kept, own] = [browser.open(), browser.open()];
  own.signIn(OTHER, false);
  kept.signIn(TOKEN, true);
  kept.signOut();
  expect([own.token.value, own.elsewhere.value]).toEqual([OTHER, null]);
  kept.signIn(TOKEN, true);
  own.signOut();
  expect([kept.token.value, kept.kept.value]).toEqual([TOKEN, true]);
  expect(kept.reload().token.value).toBe(TOKEN);
});

test("all tabs keep it, or none does", () => {
  const [first, second] = [browser.open(), browser.open()];
  first.signIn(TOKEN, false);
  second.signIn(TOKEN, false);
  first.keep(true);
  expect([second.kept.value, second.store.holds(TOKEN)]).toEqual([true, false]);
  first.keep(false);
  expect([second.kept.value, second.elsewhere.value]).toEqual([false, null]);
  expect(second.reload().token.value).toBe(TOKEN);
});

test("a tab without a token gets the one that is kept", () => {
  const [first, second] = [browser.open(), browser.open()];
  first.signUp(true);
  expect([second.token.value, second.kept.value]).toEqual([first.token.value, true]);
  first.signOut();
  first.signIn(TOKEN, false);
  expect(second.token.value).toBeNull();
});

test("what is told counts before it can be read", () => {
  const [first, second] = [browser.open(), browser.open(new Items(), new Items())];
  first.signUp(true);
  expect([second.token.value, second.kept.value]).toEqual([first.token.value, true]);
  second.noteUse();
  expect([first.kept.value, second.kept.value, first.unsaved.value]).toEqual([true, true, "used"]);
  first.keep(false);
  expect([second.kept.value, second.store.holds(first.token.value ?? "")]).toEqual([false, true]);
});

test("a tab whose token is replaced on the device says so, and has it still", () => {
  const first = browser.open();
  first.signUp(true);
  first.noteUse();
  const second = browser.open();
  // Its message is on the way.
  second.token.value = null;
  second.signIn(OTHER, true);
  expect([first.kept.value, first.elsewhere.value]).toEqual([false, "unkept"]);
  const later = first.reload();
  expect([later.token.value, later.kept.value, later.unsaved.value]).toEqual([
    first.token.value,
    false,
    "used",
  ]);
  later.signOut();
  expect([second.token.value, browser.device.holds(OTHER)]).toEqual([OTHER, true]);
});

test("a tab notes that the browser's data were removed", () => {
  const tab = browser.open();
  tab.signIn(TOKEN, true);
  tab.check();
  expect(tab.elsewhere.value).toBeNull();
  browser.device.items.clear();
  tab.check();
  expect([tab.kept.value, tab.elsewhere.value]).toEqual([false, "unkept"]);
  expect(tab.reload().token.value).toBe(TOKEN);
});

test("what is told late brings no forgotten token back", () => {
  const [first, second] = [browser.open(), browser.open()];
  first.signUp(true);
  const token = first.token.value ?? "";
  first.signOut();
  const data = { token, what: "noted", unsaved: "used" };
  for (const tab of browser.tabs) tab.onmessage?.(new MessageEvent("message", { data }));
  expect([first.token.value, second.token.value]).toEqual([null, null]);
});

test("copies are of the token that is kept, and go with it", () => {
  const tab = browser.open();
  expect(browser.copies).toBe(false);
  const ends = [
    () => tab.signOut(),
    () => tab.keep(false),
    () => {
      const other = browser.open();
      other.token.value = null;
      other.signIn(OTHER, true);
    },
  ];
  for (const end of ends) {
    tab.signIn(TOKEN, true);
    browser.copies = true;
    tab.reload();
    tab.noteUse();
    tab.keep(true);
    expect(browser.copies).toBe(true);
    end();
    expect(browser.copies).toBe(false);
  }
});

test("where the browser keeps nothing, a token lasts as long as the tab, and that is said", () => {
  const tab = new Browser(new Items(false)).open();
  expect(tab.signUp(true)).toBe(false);
  expect([tab.kept.value, tab.unsaved.value]).toEqual([false, "unused"]);
  expect(tab.store.holds(tab.token.value ?? "")).toBe(true);
  expect(tab.keep(false)).toBe(true);
});

test("a store that throws holds what it was told for as long as the document", () => {
  const throwing = () => {
    throw new DOMException("denied", "SecurityError");
  };
  vi.stubGlobal("localStorage", { getItem: throwing, setItem: throwing, removeItem: throwing });
  expect(deviceStore.get("key")).toBeNull();
  expect(deviceStore.set("key", "value")).toBe(false);
  expect(deviceStore.get("key")).toBe("value");
  deviceStore.remove("key");
  expect(deviceStore.get("key")).toBeNull();
});
