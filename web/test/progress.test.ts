import { expect, test } from "vitest";
import { Speed } from "../src/progress";

test("a speed needs two looks, and is right at once", () => {
  const speed = new Speed();
  speed.measure(1000, 10);
  expect(speed.value).toBe(0);
  speed.measure(3000, 12);
  expect(speed.value).toBe(1000);
});

test("a speed follows slowly, and never below nothing", () => {
  const speed = new Speed();
  for (let second = 0; second <= 20; second += 1) speed.measure(1000 * second, second);
  expect(speed.value).toBeCloseTo(1000);
  speed.measure(25_000, 21);
  expect(speed.value).toBeGreaterThan(1000);
  expect(speed.value).toBeLessThan(3000);
  for (let second = 22; second <= 60; second += 1) speed.measure(0, second);
  expect(speed.value).toBeGreaterThanOrEqual(0);
  expect(speed.value).toBeLessThan(1);
});
