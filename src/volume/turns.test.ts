import { setImmediate as tick } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { Turns } from "./turns.ts";

test("two at a time, in their order; one that fails gives its turn on", async () => {
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
  const all = ["a", "b", "c", "d", "e"].map((name) => take(name).catch(() => events.push(`${name} failed`)));
  await tick();
  expect(events).toEqual(["a", "b"]);
  ends.get("b")?.reject(new Error("EIO"));
  await tick();
  expect(events).toEqual(["a", "b", "c", "b failed"]);
  ends.get("a")?.resolve();
  ends.get("c")?.resolve();
  await tick();
  expect(events.slice(4)).toEqual(["d", "e"]);
  ends.get("d")?.resolve();
  ends.get("e")?.resolve();
  await Promise.all(all);
  await turns.take(async () => events.push("later"));
  expect(events.at(-1)).toBe("later");
});
