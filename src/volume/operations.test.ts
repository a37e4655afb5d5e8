import { expect, test } from "@jest/globals";
import { type Operation, Operations, type Work } from "./operations.ts";

function held(change: Partial<Operation<string>> = {}) {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let runs = 0;
  let given: Work | undefined;
  const operation: Operation<string> = {
    key: "volume",
    request: "create one",
    deadline: undefined,
    work: (work) => {
      runs += 1;
      given = work;
      return promise;
    },
    ...change,
  };
  return { operation, resolve, reject, runs: () => runs, work: () => given };
}

test("the same request joins the one under way and gets its answer", async () => {
  const operations = new Operations();
  const one = held();
  const answers = [operations.run(one.operation), operations.run(one.operation)];
  one.resolve("made");
  expect(await Promise.all(answers)).toEqual(["made", "made"]);
  expect(one.runs()).toBe(1);
  expect(operations.idle).toBe(true);
});

test("another request for the volume is aborted with the progress, for another volume it runs", async () => {
  const operations = new Operations();
  const one = held();
  const first = operations.run(one.operation);
  const progress = one.work()?.progress;
  if (progress !== undefined) progress.text = "zeroing 43 %";
  await expect(operations.run({ ...one.operation, request: "expand" })).rejects.toMatchObject({
    kind: "aborted",
    message: expect.stringContaining("zeroing 43 %"),
  });
  expect(await operations.run({ ...one.operation, key: "other", work: async () => "ran" })).toBe("ran");
  one.resolve("made");
  await first;
});

test("a caller is answered before its deadline while the work goes on for the next", async () => {
  const operations = new Operations();
  const one = held();
  await expect(operations.run({ ...one.operation, deadline: Date.now() + 1050 })).rejects.toMatchObject({
    kind: "aborted",
  });
  const again = operations.run(one.operation);
  one.resolve("made");
  expect(await again).toBe("made");
  expect(one.runs()).toBe(1);
});

test("an interrupting request makes the other stop, and runs after it", async () => {
  const operations = new Operations();
  const one = held({
    work: (work) =>
      new Promise((_, reject) => work.signal.addEventListener("abort", () => reject(new Error("stopped")))),
  });
  const created = operations.run(one.operation);
  const removed = operations.run({
    ...one.operation,
    request: "delete",
    interrupts: "create",
    work: async () => "removed",
  });
  await expect(created).rejects.toThrow("stopped");
  expect(await removed).toBe("removed");
});

test("a failure is told to its callers and forgotten", async () => {
  const operations = new Operations();
  const one = held();
  const first = operations.run(one.operation);
  one.reject(new Error("no"));
  await expect(first).rejects.toThrow("no");
  expect(await operations.run({ ...one.operation, work: async () => "now" })).toBe("now");
});

test("at the end nothing new begins, and everything under way is told to stop and waited for", async () => {
  const operations = new Operations();
  const one = held();
  const first = operations.run(one.operation);
  const ended = operations.end();
  expect(one.work()?.signal.aborted).toBe(true);
  await expect(operations.run({ ...one.operation, key: "other" })).rejects.toMatchObject({ kind: "unavailable" });
  one.resolve("made");
  await ended;
  expect(await first).toBe("made");
});

test("a patient request waits for the one under way, and gives up when its signal aborts", async () => {
  const operations = new Operations();
  const one = held();
  const first = operations.run(one.operation);
  const abort = new AbortController();
  const patient = { ...one.operation, request: "expansion", patience: abort.signal };
  const given = operations.run({ ...patient, work: async () => "never" });
  const waiting = operations.run({ ...patient, patience: new AbortController().signal, work: async () => "extended" });
  abort.abort();
  await expect(given).rejects.toMatchObject({ kind: "aborted" });
  one.resolve("made");
  expect(await waiting).toBe("extended");
  await first;
});

test("a deadline far away is no deadline at hand", async () => {
  const operations = new Operations();
  const one = held();
  const first = operations.run({ ...one.operation, deadline: Date.now() + 2 ** 40 });
  one.resolve("made");
  expect(await first).toBe("made");
});
