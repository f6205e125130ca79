import { expect, test } from "vitest";
import { progressOf, Speed } from "../src/progress";

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

test("what stands still has no speed, and no time left", () => {
  const speed = new Speed();
  for (let second = 0; second <= 10; second += 1) speed.measure(1000 * second, second);
  expect(progressOf(10_000, 20_000, speed, null, true)).toMatchObject({ left: 10, still: false });
  for (let second = 11; second <= 14; second += 0.5) speed.measure(10_000, second);
  expect(speed.still).toBe(false);
  speed.measure(10_000, 15);
  const stands = { left: null, speed: 0, still: true };
  expect(progressOf(10_000, 20_000, speed, null, true)).toMatchObject(stands);
  speed.measure(11_000, 15.5);
  expect(speed.still).toBe(false);
  expect(speed.value).toBe(2000);
});

test("what is sent again is no speed", () => {
  const speed = new Speed();
  for (let second = 0; second <= 10; second += 1) speed.measure(1000 * second, second);
  speed.measure(2000, 11);
  expect(speed.value).toBe(1000);
  speed.measure(3000, 12);
  expect(speed.value).toBeCloseTo(1000);
});

test("what waits says for what, and neither how fast nor how long", () => {
  const speed = new Speed();
  for (let second = 0; second <= 10; second += 1) speed.measure(1000 * second, second);
  const waits = { left: null, speed: 0, reason: "room", still: false };
  expect(progressOf(10_000, 20_000, speed, "room", false)).toMatchObject(waits);
  const held = { left: null, speed: 1000, reason: null };
  expect(progressOf(10_000, 20_000, speed, null, false)).toMatchObject(held);
});
