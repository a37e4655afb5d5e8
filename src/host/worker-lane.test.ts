import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { ThreadStock } from "./thread-stock.ts";
import { MAXIMUM_WAITING, WorkerLane } from "./worker-lane.ts";

/** A worker whose jobs do what a bad day does. `hold` waits until another thread says so. */
const entry = new URL(
  `data:text/javascript,${encodeURIComponent(`
  import { parentPort, threadId } from "node:worker_threads";
  const jobs = {
    echo: (input) => input,
    thread: () => threadId,
    hold: (gate) => Atomics.wait(gate, 0, 0),
    refuse: () => { throw Object.assign(new Error("no"), { code: "EBUSY" }); },
    crash: () => process.exit(7),
    fill: () => { const all = []; for (;;) all.push(new Array(200_000).fill(all.length / 3)); },
  };
  parentPort.on("message", ({ name, input }) => {
    try { parentPort.postMessage({ value: jobs[name](input) }); }
    catch (error) { parentPort.postMessage({ error: { code: error.code, message: error.message } }); }
  });
`)}`,
);

let stock: ThreadStock;
let lane: WorkerLane;

beforeEach(() => {
  stock = new ThreadStock({ entry, idleMilliseconds: 60_000, patienceMilliseconds: 50 });
  lane = new WorkerLane(stock, { usual: 2, most: 12, patienceMilliseconds: 60_000 });
});

afterEach(async () => {
  await lane.close();
  await stock.close();
});

const run = (name: string, key = "a", input?: unknown): Promise<unknown> => lane.run(key, { name, input });
const gate = (): Int32Array => new Int32Array(new SharedArrayBuffer(4));
const open = (closed: Int32Array): void => {
  Atomics.store(closed, 0, 1);
  Atomics.notify(closed, 0);
};

test("a job's value comes back, and its thread serves the next", async () => {
  expect(await run("echo", "a", { x: [1] })).toEqual({ x: [1] });
  expect(await run("thread", "a")).toBe(await run("thread", "b"));
  expect(stock.size).toBe(1);
});

test("a refused system call comes back as one, and its thread goes on", async () => {
  const thread = await run("thread");
  await expect(run("refuse")).rejects.toMatchObject({ name: "SystemError", code: "EBUSY", message: "no" });
  expect(await run("thread")).toBe(thread);
});

test("a thread that ends fails its job alone", async () => {
  await expect(run("crash")).rejects.toThrow("status 7");
  expect(await run("echo", "a", 1)).toBe(1);
});

test("a thread that runs out of memory fails its job alone", async () => {
  await expect(run("fill")).rejects.toMatchObject({ code: "ERR_WORKER_OUT_OF_MEMORY" });
  expect(await run("echo", "a", 1)).toBe(1);
});

test("jobs of one key wait for each other, those of another do not", async () => {
  const closed = gate();
  const order: string[] = [];
  const held = run("hold", "sick", closed).then(() => order.push("held"));
  const waiting = run("echo", "sick").then(() => order.push("waiting"));
  await run("echo", "well").then(() => order.push("well"));
  await run("echo", "well").then(() => order.push("well"));
  open(closed);
  await Promise.all([held, waiting]);
  expect(order).toEqual(["well", "well", "held", "waiting"]);
});

test("no more jobs are at work than allowed", async () => {
  const gates = [gate(), gate()];
  const held = gates.map((closed, index) => run("hold", `sick${index}`, closed));
  let done = false;
  const third = run("echo", "well").finally(() => (done = true));
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(done).toBe(false);
  gates.forEach(open);
  await Promise.all([...held, third]);
  expect(stock.size).toBe(2);
});

test.each([
  [4, 4],
  [10, 2],
])("with %d keys that hang, of which %d count at a time, another is served soon", async (count, usual) => {
  const patienceMilliseconds = 100;
  const patient = new WorkerLane(stock, { usual, most: 12, patienceMilliseconds });
  const gates = Array.from({ length: count }, gate);
  const held = gates.map((closed, index) => patient.run(`sick${index}`, { name: "hold", input: closed }));
  const started = performance.now();
  expect(await patient.run("well", { name: "echo", input: 1 })).toBe(1);
  const rounds = Math.ceil(count / usual);
  expect(performance.now() - started).toBeGreaterThan(0.9 * rounds * patienceMilliseconds);
  expect(performance.now() - started).toBeLessThan(rounds * patienceMilliseconds + 5_000);
  const again = performance.now();
  expect(await patient.run("well", { name: "echo", input: 2 })).toBe(2);
  expect(performance.now() - again).toBeLessThan(5_000);
  gates.forEach(open);
  await Promise.all(held);
});

test("keys that hang do not take more threads than allowed", async () => {
  const narrow = new WorkerLane(stock, { usual: 2, most: 3, patienceMilliseconds: 20 });
  const gates = [gate(), gate(), gate()];
  const held = gates.map((closed, index) => narrow.run(`sick${index}`, { name: "hold", input: closed }));
  let done = false;
  const fourth = narrow.run("well", { name: "echo", input: 1 }).finally(() => (done = true));
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(done).toBe(false);
  gates.forEach(open);
  await Promise.all([...held, fourth]);
  expect(stock.size).toBe(3);
});

test("calls that pile up behind one that hangs are refused", async () => {
  const closed = gate();
  const held = run("hold", "sick", closed);
  const waiting = Array.from({ length: MAXIMUM_WAITING }, () => run("echo", "sick"));
  await expect(run("echo", "sick")).rejects.toMatchObject({ code: "EAGAIN" });
  expect(await run("echo", "well", 1)).toBe(1);
  open(closed);
  await Promise.all([held, ...waiting]);
});

test("closing refuses what waits, lets the rest end, and takes nothing new", async () => {
  const closed = gate();
  const held = run("hold", "a", closed);
  const waiting = run("echo", "a");
  const closing = lane.close();
  await expect(waiting).rejects.toMatchObject({ code: "ECANCELED" });
  open(closed);
  await Promise.all([held, closing]);
  await expect(run("echo")).rejects.toMatchObject({ code: "ECANCELED" });
});

test("a job that finds a thread at work waits for it instead of starting another, but not for ever", async () => {
  const patient = new ThreadStock({ entry, idleMilliseconds: 60_000, patienceMilliseconds: 2_000 });
  const patientLane = new WorkerLane(patient, { usual: 2, most: 2, patienceMilliseconds: 60_000 });
  const threads = ["a", "b"].map((key) => patientLane.run(key, { name: "thread", input: undefined }));
  expect(new Set(await Promise.all(threads)).size).toBe(1);
  const closed = gate();
  const held = patientLane.run("a", { name: "hold", input: closed });
  expect(await patientLane.run("b", { name: "thread", input: undefined })).not.toBe(await threads[0]);
  open(closed);
  await held;
  expect(patient.size).toBe(2);
  await patient.close();
});

test("idle threads end, but for the last one", async () => {
  const hasty = new ThreadStock({ entry, idleMilliseconds: 500, patienceMilliseconds: 0 });
  const hastyLane = new WorkerLane(hasty, { usual: 3, most: 3, patienceMilliseconds: 60_000 });
  const gates = [gate(), gate()];
  const held = gates.map((closed, index) => hastyLane.run(`sick${index}`, { name: "hold", input: closed }));
  await hastyLane.run("well", { name: "echo", input: 1 });
  gates.slice(1).forEach(open);
  await held[1];
  expect(hasty.size).toBe(2);
  for (let waited = 0; hasty.size > 1 && waited < 500; waited += 1) await pause(10);
  await pause(1_200);
  // the one that hangs is of no use to anybody
  expect(hasty.size).toBe(1);
  gates.forEach(open);
  await Promise.all(held);
  await hasty.close();
});
