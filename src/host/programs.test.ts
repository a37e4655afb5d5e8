import { expect, test } from "@jest/globals";
import { createPrograms } from "./programs.ts";

const programs = createPrograms();

test("a program's status and both its outputs come back", async () => {
  const result = await programs.run("sh", ["-c", 'echo "$0 $LC_ALL"; echo problem >&2; exit 4', "a b"]);
  expect(result).toEqual({ exitCode: 4, stdout: "a b C\n", stderr: "problem\n" });
});

test("it gets no input", async () => {
  expect(await programs.run("cat", [])).toEqual({ exitCode: 0, stdout: "", stderr: "" });
});

test("of a long output the end is kept, and the program is not held up", async () => {
  const { exitCode, stdout } = await programs.run("sh", ["-c", "head -c 1000000 /dev/zero; echo; echo end"]);
  expect(exitCode).toBe(0);
  expect(stdout).toHaveLength(64 * 1024);
  expect(stdout).toMatch(/\nend\n$/);
});

test("a program that is not installed is ENOENT", async () => {
  await expect(programs.run("no-such-program", [])).rejects.toMatchObject({ name: "SystemError", code: "ENOENT" });
});

test("a program that somebody killed has no exit status", async () => {
  await expect(programs.run("sh", ["-c", "kill -KILL $$"])).rejects.toMatchObject({ code: "EINTR" });
});

test("its outputs are files, which do not break when the driver is killed", async () => {
  const { stdout } = await programs.run("readlink", ["/proc/self/fd/1", "/proc/self/fd/2"]);
  expect(stdout).toMatch(/^(\S+output \(deleted\)\n){2}$/);
});
