import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createHost } from "./create-host.ts";
import type { OpenHost } from "./create-host.ts";

/** Answers each line with its process, and leaves in its directory what LVM does. */
const FAKE_LVM = `#!/bin/sh
mkdir "$LVM_SYSTEM_DIR/archive" "$LVM_SYSTEM_DIR/backup"
while read -r line; do
  [ -z "$line" ] || echo kept > "$LVM_SYSTEM_DIR/$line"
  printf '{"pid": %d, "session": %d}' $$ "$(cut -d' ' -f6 /proc/$$/stat)" >&3
done
`;

const searchPath = process.env["PATH"];
let root: string;
let directory: string;
let warnings: object[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "leftovers-"));
  directory = join(root, "own");
  mkdirSync(directory);
  mkdirSync(join(root, "bin"));
  writeFileSync(join(root, "bin/lvm"), FAKE_LVM, { mode: 0o755 });
  process.env["PATH"] = `${join(root, "bin")}${delimiter}${searchPath}`;
  warnings = [];
});

afterEach(() => {
  process.env["PATH"] = searchPath;
  rmSync(root, { recursive: true });
});

function open(): Promise<OpenHost> {
  const log = { warn: (fields: object) => void warnings.push(fields) };
  return createHost({ kubeletDirectory: root, directory: () => directory, log });
}

function plant(...paths: readonly string[]): void {
  for (const path of paths) {
    if (path.endsWith("/")) mkdirSync(join(directory, path));
    else writeFileSync(join(directory, path), "");
  }
}

test("what killed runs left is removed at the start, and nothing else", async () => {
  plant("lvm-Ab12Cd/", "lvm-Ab12Cd/lvm.conf", "lvm-Ab12Cd/backup/", "lvm-000000/", "output-12ab", "device-LVM-x.lock");
  plant("lvm-precio/", "lvm-precio/lvm.conf", "lvm-precio/data", "lvm-toolong/", "notes", "bind/", "bind/x");
  const { close } = await open();
  await close();
  expect(readdirSync(directory).toSorted()).toEqual(["bind", "lvm-precio", "lvm-toolong", "notes"]);
  expect(readdirSync(join(directory, "lvm-precio"))).toEqual(["data"]);
  expect(warnings).toEqual([
    {
      directory,
      left: expect.arrayContaining([
        expect.stringMatching(/^lvm-precio: .*ENOTEMPTY/),
        expect.stringMatching(/^notes: /),
      ]),
    },
  ]);
});

test("what a run that lives is using stays", async () => {
  const first = await open();
  const lvm = await first.host.lvm.start("");
  const running = first.host.programs.run("sh", ["-c", 'until [ -e "$0" ]; do sleep 0.05; done', join(root, "go")], {
    device: { name: "dm-1", number: "253:1", sizeBytes: 0, holders: [], mapping: undefined },
    fd: 0,
    close: async () => {},
  });
  while (!existsSync(join(directory, "device-253:1.lock"))) await new Promise((resolve) => setTimeout(resolve, 10));
  const second = await open();
  const kept = readdirSync(directory).filter((name) => !name.startsWith("output-"));
  expect(kept.toSorted()).toEqual(["device-253:1.lock", expect.stringMatching(/^lvm-\w{6}$/)]);
  writeFileSync(join(root, "go"), "");
  await running;
  await lvm.end();
  expect(readdirSync(directory)).toEqual([]);
  await Promise.all([first.close(), second.close()]);
  expect(warnings).toEqual([]);
});

test("lvm has a session of its own, and its directory goes with what LVM makes there", async () => {
  const { host, close } = await open();
  const lvm = await host.lvm.start("");
  const { pid, session } = (await lvm.execute("")) as { pid: number; session: number };
  expect(session).toBe(pid);
  await lvm.end();
  expect(readdirSync(directory)).toEqual([]);
  expect(warnings).toEqual([]);
  await close();
});

test("what nobody expects in lvm's directory is left and told", async () => {
  const { host, close } = await open();
  const lvm = await host.lvm.start("");
  await lvm.execute("backup/precious");
  await lvm.end();
  const [name = ""] = readdirSync(directory);
  expect(readdirSync(join(directory, name)).toSorted()).toEqual(["backup"]);
  expect(existsSync(join(directory, name, "backup/precious"))).toBe(true);
  expect(warnings).toEqual([{ path: join(directory, name), error: expect.stringContaining("ENOTEMPTY") }]);
  await close();
});

test("where lvm is not installed, nothing is left", async () => {
  process.env["PATH"] = join(root, "empty");
  const { host, close } = await open();
  await expect(host.lvm.start("")).rejects.toMatchObject({ code: "ENOENT" });
  expect(readdirSync(directory)).toEqual([]);
  await close();
});
