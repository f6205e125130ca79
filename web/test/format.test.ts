import { expect, test } from "vitest";
import { formatSize } from "../src/format";

test.each([
  [0, "0 bytes"],
  [1, "1 byte"],
  [999, "999 bytes"],
  [1000, "1 kB"],
  [1234, "1.23 kB"],
  [999_499, "999 kB"],
  [999_500, "1 MB"],
  [1_500_000_000, "1.5 GB"],
  [2 ** 50, "1.13 PB"],
])("%d is %s", (bytes, text) => {
  expect(formatSize(bytes, "en")).toBe(text);
});

test("in the other language", () => {
  expect(formatSize(1_500_000, "ru")).toBe("1,5 МБ");
});
