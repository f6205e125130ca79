import { expect, test } from "vitest";
import { formatSize, formatSpeed, formatTime } from "../src/format";

test.each([
  [0, "0 bytes"],
  [1, "1 byte"],
  [999, "999 bytes"],
  [1000, "0.977 kB"],
  [1024, "1 kB"],
  [1260, "1.23 kB"],
  [1024 ** 2, "1 MB"],
  [1.5 * 1024 ** 3, "1.5 GB"],
  [2 ** 50, "1 PB"],
  [2 ** 60, "1,020 PB"],
])("%d is %s", (bytes, text) => {
  expect(formatSize(bytes, "en")).toBe(text);
});

test("in the other language", () => {
  expect(formatSize(1.5 * 1024 ** 2, "ru")).toBe("1,5 МБ");
  expect(formatSpeed(1.5 * 1024 ** 2, "ru")).toBe("1,5 МБ/с");
});

test.each([
  [0, "0:00"],
  [0.2, "0:01"],
  [59, "0:59"],
  [60, "1:00"],
  [3723, "1:02:03"],
  [360_000, "100:00:00"],
])("%d seconds are %s", (seconds, text) => {
  expect(formatTime(seconds)).toBe(text);
});
