import { beforeEach, expect, test } from "vitest";
import { noteMoving, noteWaiting, pauseBefore, reasonFor, waiting } from "../src/waiting";

beforeEach(() => noteMoving([...waiting.value.keys()]));

test.each([
  [0, "network"],
  [200, "server"],
  [302, "server"],
  [408, "server"],
  [409, "server"],
  [423, "server"],
  [429, "busy"],
  [500, "server"],
  [502, "server"],
  [503, "busy"],
  [504, "server"],
  [507, "room"],
])("after %d an upload waits for the %s", (status, reason) => {
  expect(reasonFor(status)).toBe(reason);
});

test.each([400, 401, 403, 404, 405, 410, 411, 412, 413, 414, 415, 431, 460, 501, 505])(
  "after %d it does not: the answer would be the same",
  (status) => {
    expect(reasonFor(status)).toBeNull();
  },
);

const NOW = Date.parse("2026-11-29T12:00:00Z");

test("attempts come less and less often, and never end", () => {
  const pauses = Array.from({ length: 1000 }, (_, attempt) => pauseBefore(attempt, undefined, NOW));
  expect(pauses[0]).toBe(1000);
  for (const [index, pause] of pauses.slice(1).entries()) {
    expect(pause).toBeGreaterThanOrEqual(pauses[index] ?? 0);
  }
  expect(pauses.at(-1)).toBe(30_000);
});

test.each([
  ["5", 5000],
  ["0", 1000],
  ["Sun, 29 Nov 2026 12:00:20 GMT", 20_000],
  ["Sun, 29 Nov 2026 11:00:00 GMT", 1000],
  ["nonsense", 1000],
  ["-5", 1000],
  ["99999999999", 3_600_000],
])("a server that says when is not asked before: %s", (header, pause) => {
  expect(pauseBefore(0, header, NOW)).toBe(pause);
});

test("it is not asked more often either", () => {
  expect(pauseBefore(100, "5", NOW)).toBe(30_000);
});

test("what waits is known until it moves", () => {
  noteWaiting("a", "room", 1);
  noteWaiting("b", "busy", 2);
  noteWaiting("a", "room", 3);
  expect(waiting.value.get("a")).toEqual({ reason: "room", until: 3 });
  const before = waiting.value;
  noteMoving(["c"]);
  expect(waiting.value).toBe(before);
  noteMoving(["a"]);
  expect([...waiting.value.keys()]).toEqual(["b"]);
});
