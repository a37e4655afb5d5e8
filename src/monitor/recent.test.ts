import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { recent } from "./recent.ts";

test("those who ask together, and shortly after, get one answer; later ones another", async () => {
  let asked = 0;
  const question = recent(async () => {
    asked += 1;
    await pause(20);
    return asked;
  }, 100);
  expect(await Promise.all([question(), question()])).toEqual([1, 1]);
  expect(await question()).toBe(1);
  await pause(150);
  expect(await question()).toBe(2);
});

test("a failure is an answer like any other", async () => {
  let asked = 0;
  const question = recent(async () => {
    asked += 1;
    if (asked === 1) throw new Error("no");
    return asked;
  }, 20);
  await expect(question()).rejects.toThrow("no");
  await expect(question()).rejects.toThrow("no");
  await pause(50);
  expect(await question()).toBe(2);
});
