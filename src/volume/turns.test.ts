import { setImmediate as tick } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { Turns } from "./turns.ts";

test("one after the other, in their order; one that fails gives its turn on", async () => {
  const turns = new Turns();
  const events: string[] = [];
  const ends = new Map<string, PromiseWithResolvers<void>>();
  const take = (name: string): Promise<void> =>
    turns.take(async () => {
      events.push(name);
      const end = Promise.withResolvers<void>();
      ends.set(name, end);
      await end.promise;
    });
  const all = ["a", "b", "c"].map((name) => take(name).catch(() => events.push(`${name} failed`)));
  await tick();
  expect(events).toEqual(["a"]);
  ends.get("a")?.reject(new Error("EIO"));
  await tick();
  expect(events).toEqual(["a", "a failed", "b"]);
  ends.get("b")?.resolve();
  await tick();
  ends.get("c")?.resolve();
  await Promise.all(all);
  expect(await turns.take(async () => events.length)).toBe(4);
});

test("a step that hangs keeps the others for a while only", async () => {
  const turns = new Turns(50);
  const hang = Promise.withResolvers<string>();
  const hung = turns.take(() => hang.promise);
  expect(await turns.take(async () => "next")).toBe("next");
  hang.resolve("late");
  expect(await hung).toBe("late");
});
