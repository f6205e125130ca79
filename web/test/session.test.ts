import { beforeEach, expect, test, vi } from "vitest";

class Storage {
  items = new Map<string, string>();
  getItem = (key: string) => this.items.get(key) ?? null;
  setItem = (key: string, value: string) => this.items.set(key, value);
  removeItem = (key: string) => this.items.delete(key);
}

const tab = new Storage();
const device = new Storage();
vi.stubGlobal("sessionStorage", tab);
vi.stubGlobal("localStorage", device);

const session = await import("../src/session");

const TOKEN = "0a1b2c3d-4e5f-4a6b-8c7d-9e8f7a6b5c4d";
const all = () => [...tab.items.values(), ...device.items.values()];

beforeEach(() => session.signOut());

test("a new token is a random UUID", () => {
  const made = new Set(Array.from({ length: 1000 }, session.newToken));
  expect(made.size).toBe(1000);
  for (const token of made) {
    expect(token).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(session.readToken(token)).toBe(token);
  }
});

test("a token is read as the server reads it", () => {
  expect(session.readToken(`  ${TOKEN.toUpperCase()}\n`)).toBe(TOKEN);
  const wrong = ["", "x", TOKEN.slice(1), `${TOKEN}0`, TOKEN.replaceAll("-", "")];
  const placeholders = ["0", "f"].map((digit) => TOKEN.replace(/[0-9a-f]/g, digit));
  for (const text of [...wrong, ...placeholders]) expect(session.readToken(text), text).toBeNull();
});

test("it is kept for the tab, or on the device, and never in both", () => {
  session.signIn(TOKEN, false);
  expect([...tab.items.values()]).toEqual([TOKEN]);
  expect(device.items.size).toBe(0);
  session.keepToken(true);
  expect(tab.items.size).toBe(0);
  expect([...device.items.values()]).toEqual([TOKEN]);
  session.keepToken(false);
  expect(device.items.size).toBe(0);
});

test("forgetting leaves nothing, and the next token has another name for its tab", () => {
  session.signIn(TOKEN, true);
  const before = session.tabId();
  expect(session.tabId()).toBe(before);
  session.signOut();
  expect(all()).toEqual([]);
  expect(session.token.value).toBeNull();
  expect(session.tabId()).not.toBe(before);
});
