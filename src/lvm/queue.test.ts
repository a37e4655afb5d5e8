import { expect, test } from "@jest/globals";
import { Queue } from "./queue.ts";

test("one piece at a time; what ends something begun goes first, each sort in its order", async () => {
  const queue = new Queue();
  const done: string[] = [];
  let underWay = 0;
  const piece =
    (name: string, then = (): void => {}) =>
    async (): Promise<void> => {
      underWay += 1;
      expect(underWay).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 1));
      underWay -= 1;
      done.push(name);
      then();
    };
  void queue.begin(piece("begin 1", () => void queue.run(piece("end 1"))));
  void queue.begin(piece("begin 2", () => void queue.run(piece("end 2"))));
  void queue.run(piece("other"));
  await queue.idle();
  expect(done).toEqual(["other", "begin 1", "end 1", "begin 2", "end 2"]);
});

test("a piece that fails is told to its caller alone", async () => {
  const queue = new Queue();
  const bad = queue.run(() => Promise.reject(new Error("no room")));
  const good = queue.begin(() => Promise.resolve(1));
  await expect(bad).rejects.toThrow("no room");
  expect(await good).toBe(1);
  await queue.idle();
});

test("what begins something waits for no endless row of others", async () => {
  const queue = new Queue();
  let others = 0;
  let isDone = false;
  const another = async (): Promise<void> => {
    others += 1;
    if (!isDone && others < 1000) void queue.run(another);
  };
  void queue.run(another);
  await queue.begin(async () => {
    isDone = true;
  });
  expect(others).toBe(50);
  await queue.idle();
});
