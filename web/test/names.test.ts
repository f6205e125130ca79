import { expect, test } from "vitest";
import { compareNames, encodeName, lastSegment, trail } from "../src/names";

const encoder = new TextEncoder();

function bytewise(a: string, b: string): number {
  const [x, y] = [encoder.encode(a), encoder.encode(b)];
  for (let at = 0; at < Math.min(x.length, y.length); at += 1) {
    const difference = (x[at] ?? 0) - (y[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return x.length - y.length;
}

test("names are compared by their UTF-8 bytes", () => {
  const names = [
    "",
    "a",
    "a/",
    "a/b",
    "aa",
    "b",
    "é",
    "я",
    "\ud7ff",
    "\ue000",
    "\uffee",
    "😀",
    "😀a",
    "🐘",
  ];
  for (const a of names) {
    for (const b of names) {
      expect(Math.sign(compareNames(a, b)), `${a} ${b}`).toBe(Math.sign(bytewise(a, b)));
    }
  }
});

test("a name in a path keeps its slashes and nothing else", () => {
  expect(encodeName("a b/c?d#e%/ä")).toBe("a%20b/c%3Fd%23e%25/%C3%A4");
});

test("the last segment of a folder has its slash", () => {
  expect([lastSegment("a"), lastSegment("a/b"), lastSegment("a/b/"), lastSegment("")]).toEqual([
    "a",
    "b",
    "b/",
    "",
  ]);
});

test("a trail begins at the top", () => {
  expect(trail("a/b/c/")).toEqual(["a/", "a/b/", "a/b/c/"]);
  expect(trail("")).toEqual([]);
});
