import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, readdir, readlink, stat } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { stopBeside } from "./half-open.ts";
import { type SmallDisk, createFilesystem, makeSmallDisk, stageRequest } from "./device-support.ts";
import { childOf, outcomeOf, persist, processes, stateOf, until, untilState } from "./process-support.ts";
import { MiB, type World, blockCapability, claimName, logicalVolumes, openWorld, shell } from "./world.ts";

let world: World;
let disk: SmallDisk;

beforeAll(async () => {
  disk = await makeSmallDisk(0, 700 * MiB);
  world = await openWorld([disk.path]);
});

afterEach(() => disk.delayWrites(0));

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
  await disk.remove();
});

const stopped = { code: 0, signal: null };

function blockRequest() {
  return { name: claimName(), capacityRange: { requiredBytes: 600 * MiB }, volumeCapabilities: [blockCapability()] };
}

/** What runs of the driver keep while they live, lvm.conf for one. */
function privateDirectories(): Promise<readonly string[]> {
  return readdir("/run/lvm-local-csi");
}

test("SIGTERM in the middle of zeroing: it stops at a step, and the next run finishes it", async () => {
  await disk.delayWrites(1500);
  const request = blockRequest();
  const creation = world.rpc.CreateVolume(request).catch((error: unknown) => error);
  await untilState(world, request.name, "creating");
  await pause(500);
  const started = performance.now();
  expect(await world.driver().stop()).toEqual(stopped);
  expect(performance.now() - started).toBeLessThan(10_000);
  expect(await creation).toMatchObject({
    code: "ABORTED",
    details: expect.stringMatching(/^stopped while zeroing \d+ %/),
  });
  expect(await stateOf(world, request.name)).toBe("creating");
  await disk.delayWrites(0);
  await world.start();
  await untilState(world, request.name, "ready");
  const { volume } = await persist(() => world.rpc.CreateVolume(request));
  await world.rpc.DeleteVolume({ volumeId: volume?.volumeId ?? "" });
});

test("SIGTERM while mkfs runs: it is waited for, and its filesystem is used", async () => {
  const volumeId = await createFilesystem(world, "ext4", 64 * MiB);
  await disk.delayWrites(300);
  const request = await stageRequest(world, volumeId, "ext4");
  const staging = world.rpc.NodeStageVolume(request);
  const { pid } = await until("mkfs runs", () => childOf(world, "mkfs.ext4"));
  expect(await world.driver().stop()).toEqual(stopped);
  expect(await staging).toEqual({});
  expect((await processes()).some((one) => one.pid === pid)).toBe(false);
  expect(await stateOf(world, volumeId)).toBe("formatted");
  await disk.delayWrites(0);
  await world.start();
  await world.rpc.NodeStageVolume(request);
  await world.rpc.NodeUnstageVolume(request);
  await world.rpc.DeleteVolume({ volumeId });
});

test("an ended driver leaves no process, no directory and no socket", async () => {
  await world.rpc.DeleteVolume({ volumeId: await createFilesystem(world, "ext4", 32 * MiB) });
  const lvm = await until("lvm runs", () => childOf(world, "lvm"));
  expect(await privateDirectories()).toHaveLength(1);
  const zombies = (await processes()).filter((one) => one.parent === world.driver().pid && one.state === "Z");
  expect(zombies).toEqual([]);
  expect(await world.driver().stop()).toEqual(stopped);
  expect((await processes()).some((one) => one.pid === lvm.pid)).toBe(false);
  expect(await privateDirectories()).toEqual([]);
  await expect(stat(world.socketPath)).rejects.toMatchObject({ code: "ENOENT" });
  await world.start();
});

test("a caller that does not hang up, as one that hangs itself, does not keep the driver", async () => {
  const caller = connect({ path: world.socketPath, allowHalfOpen: true });
  const ending = await stopBeside(caller, world.driver());
  await world.start();
  expect(ending).toEqual(stopped);
});

test("a driver that is killed leaves an lvm that ends by itself, and a socket that is replaced", async () => {
  await world.rpc.DeleteVolume({ volumeId: await createFilesystem(world, "ext4", 32 * MiB) });
  const lvm = await until("lvm runs", () => childOf(world, "lvm"));
  await world.driver().kill();
  await until(
    "lvm has ended",
    async () => !(await processes()).some((one) => one.pid === lvm.pid && one.state !== "Z"),
  );
  expect((await stat(world.socketPath)).isSocket()).toBe(true);
  await world.start();
  await until("the driver is ready", async () => (await world.rpc.Probe({})).ready?.value);
  expect((await world.rpc.ListVolumes({})).entries).toEqual([]);
});

test("the driver listens on its socket alone, which is root's alone", async () => {
  const status = await stat(world.socketPath);
  expect(status.mode & 0o777).toBe(0o600);
  const listening = await listeningSockets(world.driver().pid);
  expect(listening).toEqual([world.socketPath]);
});

/** Paths of the Unix sockets, and "tcp" or "udp" for each other one, on which a process listens. */
async function listeningSockets(pid: number): Promise<readonly string[]> {
  const names = await readdir(`/proc/${pid}/fd`);
  const links = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => "")));
  const inodes = new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
  const unix = (await readFile(`/proc/${pid}/net/unix`, "utf8")).split("\n").map((line) => line.trim().split(/\s+/));
  const paths = unix.flatMap(([, , , flags, , , inode = "", path]) =>
    inodes.has(inode) && flags === "00010000" ? [path ?? "unnamed"] : [],
  );
  const others = await Promise.all(
    ["tcp", "tcp6", "udp", "udp6"].map(async (kind) => {
      const rows = (await readFile(`/proc/${pid}/net/${kind}`, "utf8").catch(() => "")).split("\n");
      return rows.some((row) => inodes.has(row.trim().split(/\s+/)[9] ?? "")) ? [kind] : [];
    }),
  );
  return [...paths, ...others.flat()];
}

interface Ended {
  readonly code: number | null;
  readonly complaint: string;
}

/** Runs the program to its end. */
async function runDriver(...args: readonly string[]): Promise<Ended> {
  const main = resolve(import.meta.dirname, "../../src/main.ts");
  const child: ChildProcess = spawn(process.execPath, [main, "node", ...args], { stdio: ["ignore", "ignore", "pipe"] });
  let complaint = "";
  child.stderr?.on("data", (piece: Buffer) => (complaint += piece.toString()));
  await once(child, "close");
  return { code: child.exitCode, complaint };
}

function flagsFor(socketPath: string): readonly string[] {
  const common = ["--node-name=n1", `--volume-group=${world.volumeGroup}`, `--kubelet-directory=${world.kubelet}`];
  const locks = `--lvm-lock-directory=${process.env["LAB_LOCK_DIRECTORY"] ?? "/run/lock/lvm"}`;
  return [`--csi-endpoint=unix://${socketPath}`, locks, ...common];
}

test("a socket that is served is refused, and so is a file that is none", async () => {
  const taken = await runDriver(...flagsFor(world.socketPath));
  expect(taken).toEqual({
    code: 1,
    complaint: expect.stringMatching(/csi\.sock is served by a running process; end it first/),
  });
  expect((await world.rpc.ListVolumes({})).entries).toEqual([]);
  const file = join(world.kubelet, "file");
  await shell("touch", file);
  const notOurs = await runDriver(...flagsFor(file));
  expect(notOurs).toEqual({ code: 1, complaint: expect.stringMatching(/is not a socket; remove it/) });
  expect((await stat(file)).isFile()).toBe(true);
});

test("a socket whose server does not answer is not taken over either", async () => {
  const path = join(world.kubelet, "silent.sock");
  const server = createServer(() => undefined).listen(path);
  await once(server, "listening");
  expect(await runDriver(...flagsFor(path))).toMatchObject({ code: 1 });
  server.close();
});

test("a second driver of the same volume group does not start, whatever its socket", async () => {
  const path = join(world.kubelet, "second.sock");
  expect(await runDriver(...flagsFor(path))).toEqual({
    code: 1,
    complaint: expect.stringMatching(/another driver process has volume group vg-.*end it first/),
  });
  await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
  expect((await world.rpc.ListVolumes({})).entries).toEqual([]);
});

test("bad flags: one message names them all, exit status 2", async () => {
  const { code, complaint } = await runDriver(
    "--csi-endpoint=tcp://x",
    "--volume-group=-a",
    "--reserve=lots",
    "--wat",
    "y",
  );
  expect(code).toBe(2);
  for (const flag of ["--csi-endpoint", "--node-name", "--volume-group", "--reserve", "--wat"]) {
    expect(complaint).toContain(`${flag}:`);
  }
  expect(complaint).not.toMatch(/ at .*\.ts:/);
});

test("an lvm that is killed, between commands or during one, costs at most one answer", async () => {
  const killLvm = async (): Promise<void> => {
    const lvm = await until("lvm runs", () => childOf(world, "lvm"));
    process.kill(lvm.pid, "SIGKILL");
  };
  const first = await createFilesystem(world, "ext4", 32 * MiB);
  await killLvm();
  await persist(() => world.rpc.DeleteVolume({ volumeId: first }));
  for (const milliseconds of [0, 5, 10, 20, 40, 80]) {
    const request = { ...blockRequest(), capacityRange: { requiredBytes: 32 * MiB } };
    const creation = outcomeOf(world.rpc.CreateVolume(request));
    await pause(milliseconds);
    await killLvm();
    expect(["OK", "ABORTED", "UNAVAILABLE"]).toContain(await creation);
    const { volume } = await persist(() => world.rpc.CreateVolume(request));
    await persist(() => world.rpc.DeleteVolume({ volumeId: volume?.volumeId ?? "" }));
  }
  expect(await logicalVolumes(world)).toEqual([]);
});
