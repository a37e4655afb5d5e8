import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import { unchangedFiles } from "./program-pages.ts";

const details = (anonymous: number, swap = 0) =>
  `Size: 400 kB\nRss: 300 kB\nAnonymous:  ${String(anonymous).padStart(8)} kB\nSwap: ${swap} kB\nVmFlags: rd mr mw me`;

test("takes the mappings of files that were never written to", () => {
  const smaps = [
    `00400000-00460000 r--p 00000000 08:01 77                                 /usr/bin/node\n${details(0)}`,
    `0082e000-03489000 r-xp 0042e000 08:01 77                                 /usr/bin/node\n${details(0)}`,
    `7ffd1234a000-7ffd1234b000 r-xp 00001000 08:01 78   /usr/lib/name with a space.so\n${details(0)}\n`,
  ].join("\n");
  expect(unchangedFiles(smaps)).toEqual([
    { start: 0x40_0000, end: 0x46_0000 },
    { start: 0x82_e000, end: 0x348_9000 },
    { start: 0x7ffd_1234_a000, end: 0x7ffd_1234_b000 },
  ]);
});

test.each([
  ["the linker changed pages of it", `00400000-00460000 r--p 00000000 08:01 77 /usr/bin/node\n${details(8)}`],
  ["changed pages of it are swapped out", `00400000-00460000 r--p 00000000 08:01 77 /usr/bin/node\n${details(0, 4)}`],
  ["it can be written to", `00400000-00460000 rw-p 00000000 08:01 77 /usr/bin/node\n${details(0)}`],
  ["it is shared", `00400000-00460000 r--s 00000000 08:01 77 /usr/share/locale\n${details(0)}`],
  ["it is code that was made while running", `00400000-00460000 r-xp 00000000 00:00 0 \n${details(0)}`],
  ["it is the kernel's", `7ffd1234a000-7ffd1234b000 r-xp 00000000 00:00 0 [vdso]\n${details(0)}`],
  ["nothing is told of changes", "00400000-00460000 r--p 00000000 08:01 77 /usr/bin/node\nSize: 4 kB"],
])("leaves a mapping alone: %s", (_reason, smaps) => {
  expect(unchangedFiles(smaps)).toEqual([]);
});

test("frees megabytes of a process, which goes on", () => {
  const program = `
    const { releaseProgramPages } = await import(process.argv[1]);
    const fileKib = () => {
      const status = process.getBuiltinModule("node:fs").readFileSync("/proc/self/status", "utf8");
      return Number(/RssFile:\\s+(\\d+)/.exec(status)[1]);
    };
    const before = fileKib();
    releaseProgramPages();
    const after = fileKib();
    const sorted = [3, 1, 2].map(String).toSorted((one, other) => one.localeCompare(other, "de"));
    console.log(JSON.stringify({ before, after, sorted }));
  `;
  const module = fileURLToPath(new URL("program-pages.ts", import.meta.url));
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", program, module], {
    encoding: "utf8",
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  const { before, after, sorted } = JSON.parse(stdout) as { before: number; after: number; sorted: string[] };
  expect(after).toBeLessThan(before / 2);
  expect(sorted).toEqual(["1", "2", "3"]);
});
