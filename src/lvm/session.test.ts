import { setTimeout as sleep } from "node:timers/promises";
import { expect, jest, test } from "@jest/globals";
import { SystemError } from "../errors.ts";
import type { LvmProcess } from "../host/host.ts";
import { Queue } from "./queue.ts";
import { Session } from "./session.ts";
import { SharedRun } from "./shared-run.ts";

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** An lvm that answers as `answer` says and is counted. */
function launcher(answer: (line: string) => unknown): {
  start(configuration: string): Promise<LvmProcess>;
  started: string[];
  ended: number;
  bytes: number;
  exit: () => void;
} {
  const lvm = {
    started: [] as string[],
    ended: 0,
    bytes: 21 * 1024 * 1024,
    exit: () => {},
    async start(configuration: string): Promise<LvmProcess> {
      lvm.started.push(configuration);
      const exited = Promise.withResolvers<void>();
      lvm.exit = exited.resolve;
      return {
        execute: async (line) => answer(line),
        memoryBytes: () => lvm.bytes,
        end: async () => {
          lvm.ended += 1;
        },
        exited: exited.promise,
      };
    },
  };
  return lvm;
}

function success(line: string): unknown {
  return report(line, "1");
}

/** What LVM reports for a command that it refuses (lvmreport(7)). */
function failure(line: string): unknown {
  return report(line, "5");
}

function report(line: string, code: string): unknown {
  const [name] = line.split(" ");
  const verdict = { log_context: "shell", log_object_type: "cmd", log_object_name: name, log_ret_code: code };
  return { log: [{ log_type: "status", ...verdict }] };
}

test("commands of one configuration share a process, another configuration gets another", async () => {
  const lvm = launcher(success);
  const session = new Session(lvm, log);
  expect(session.has("A")).toBe(false);
  await session.execute(["lvs", "x"], "A");
  await session.execute(["lvs", "y"], "A");
  expect(session.has("A")).toBe(true);
  await session.execute(["lvs", "z"], "B");
  expect(lvm.started).toEqual(["A", "B"]);
  expect(lvm.ended).toBe(1);
  await session.end();
  expect(lvm.ended).toBe(2);
});

test.each([
  ["ends", () => Promise.reject(new SystemError("EPIPE", "gone"))],
  ["says nothing of use", () => ({})],
  ["speaks of another command", () => success("lvremove x")],
])("a process that %s leaves the outcome unknown and gets no other command", async (_what, answer) => {
  const lvm = launcher(answer);
  const session = new Session(lvm, log);
  const unknown = { name: "LvmError", kind: "outcomeUnknown" };
  await expect(session.execute(["lvcreate", "x"], "A")).rejects.toMatchObject(unknown);
  expect(session.has("A")).toBe(false);
  await expect(session.execute(["lvcreate", "x"], "A")).rejects.toMatchObject(unknown);
  expect(lvm.started).toHaveLength(2);
  expect(lvm.ended).toBe(2);
});

test("a process that was left is waited for at the end: it may be in the midst of a command", async () => {
  const goesOn = Promise.withResolvers<void>();
  const lvm = launcher(() => ({}));
  const session = new Session(
    { start: async (configuration) => ({ ...(await lvm.start(configuration)), end: () => goesOn.promise }) },
    log,
  );
  await expect(session.execute(["lvcreate", "x"], "A")).rejects.toMatchObject({ kind: "outcomeUnknown" });
  const ended = session.end().then(() => "ended");
  expect(await Promise.race([ended, sleep(50, "waits")])).toBe("waits");
  goesOn.resolve();
  expect(await ended).toBe("ended");
});

test("each command is told of, with what came of it", async () => {
  const told: string[] = [];
  const answers: Record<string, () => unknown> = {
    lvcreate: () => success("lvcreate"),
    lvremove: () => failure("lvremove"),
    lvextend: () => Promise.reject(new SystemError("EPIPE", "gone")),
  };
  const lvm = launcher((line) => answers[line]?.());
  const session = new Session(lvm, log, ({ command, outcome, seconds }) => {
    told.push(`${command} ${outcome}`);
    expect(seconds).toBeGreaterThanOrEqual(0);
  });
  for (const command of Object.keys(answers)) await session.execute([command], "A").catch(() => undefined);
  expect(told).toEqual(["lvcreate succeeded", "lvremove failed", "lvextend unknown"]);
});

test("a process that died between commands is not asked", async () => {
  const lvm = launcher(success);
  const session = new Session(lvm, log);
  await session.execute(["lvs"], "A");
  lvm.exit();
  await Promise.resolve();
  expect(session.has("A")).toBe(false);
});

test("a process that has grown is replaced, an idle one ends", async () => {
  jest.useFakeTimers();
  const lvm = launcher(success);
  const session = new Session(lvm, log);
  await session.execute(["lvs"], "A");
  await jest.advanceTimersByTimeAsync(59_000);
  expect(lvm.ended).toBe(0);
  await session.execute(["lvs"], "A");
  await jest.advanceTimersByTimeAsync(59_000);
  expect(lvm.ended).toBe(0);
  await jest.advanceTimersByTimeAsync(1000);
  expect(lvm.ended).toBe(1);
  lvm.bytes = 49 * 1024 * 1024;
  await session.execute(["lvs"], "A");
  expect(lvm.ended).toBe(2);
  jest.useRealTimers();
});

async function bad(): Promise<never> {
  throw new SystemError("EIO", "did not end");
}

test("a process that does not end well fails nothing, and is complained of", async () => {
  jest.useFakeTimers();
  const complaints: string[] = [];
  const lvm = launcher(success);
  const start = async (configuration: string): Promise<LvmProcess> => {
    const exited = Promise.resolve().then(bad);
    return { ...(await lvm.start(configuration)), end: bad, exited };
  };
  const session = new Session({ start }, { ...log, warn: (fields) => complaints.push(JSON.stringify(fields)) });
  await session.execute(["lvs"], "A");
  await session.execute(["lvs"], "B");
  lvm.bytes = 49 * 1024 * 1024;
  await session.execute(["lvs"], "B");
  lvm.bytes = 0;
  await session.execute(["lvs"], "C");
  await jest.advanceTimersByTimeAsync(60_000);
  jest.useRealTimers();
  await new Promise((resolve) => setImmediate(resolve));
  expect(complaints.length).toBeGreaterThanOrEqual(3);
  expect(complaints.every((complaint) => complaint.includes("did not end"))).toBe(true);
});

test("a queue works in order, goes on after a failure and knows when it is idle", async () => {
  const queue = new Queue();
  const done: string[] = [];
  const failing = queue.run(async () => {
    await Promise.resolve();
    done.push("a");
    throw new Error("a failed");
  });
  const late = queue.run(async () => {
    done.push("b");
    void queue.run(async () => void done.push("c"));
  });
  await expect(failing).rejects.toThrow("a failed");
  await late;
  await queue.idle();
  expect(done).toEqual(["a", "b", "c"]);
});

test("those who ask during a run share the next one", async () => {
  let started = 0;
  const gates: PromiseWithResolvers<void>[] = [];
  const shared = new SharedRun(async () => {
    started += 1;
    const run = started;
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    await gate.promise;
    if (run === 1) throw new Error("first failed");
    return run;
  });
  const first = shared.join();
  const [second, third] = [shared.join(), shared.join()];
  expect(started).toBe(1);
  gates[0]?.resolve();
  await expect(first).rejects.toThrow("first failed");
  await new Promise((resolve) => setImmediate(resolve));
  expect(started).toBe(2);
  gates[1]?.resolve();
  expect(await Promise.all([second, third])).toEqual([2, 2]);
});
