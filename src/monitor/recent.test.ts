import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { recent } from "./recent.ts";

test("those who ask together, and shortly after, get one answer; later ones another", async () => {
  let asked = 0;
  const answer = async (): Promise<number> => {
    asked += 1;
    await pause(20);
    return asked;
  };
  const longLived = recent(answer, 60_000);
  expect(await Promise.all([longLived(), longLived()])).toEqual([1, 1]);
  expect(await longLived()).toBe(1);
  const shortLived = recent(answer, 20);
  expect(await shortLived()).toBe(2);
  await pause(50);
  expect(await shortLived()).toBe(3);
});

test("a failure is an answer like any other", async () => {
  let asked = 0;
  const question = recent(async () => {
    asked += 1;
    if (asked === 1) throw new Error("no");
    return asked;
  }, 2000);
  await expect(question()).rejects.toThrow("no");
  await expect(question()).rejects.toThrow("no");
  await pause(2100);
  expect(await question()).toBe(2);
});
