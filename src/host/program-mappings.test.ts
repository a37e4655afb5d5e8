import { expect, test } from "@jest/globals";
import { fileMappings, unchangedMappings } from "./program-mappings.ts";

const node = "00400000-00460000 r--p 00000000 08:01 77                                 /usr/bin/node";
const details = (anonymous: number, swap = 0) =>
  `Size: 400 kB\nRss: 300 kB\nAnonymous:  ${String(anonymous).padStart(8)} kB\nSwap: ${swap} kB\nVmFlags: rd mr mw me`;

test("takes the mappings of files that were never written to", () => {
  const heads = [
    node,
    "0082e000-03489000 r-xp 0042e000 08:01 77                                 /usr/bin/node",
    "7ffd1234a000-7ffd1234b000 r-xp 00001000 08:01 78   /usr/lib/name with a space.so",
  ];
  const ranges = [
    { start: 0x40_0000, end: 0x46_0000 },
    { start: 0x82_e000, end: 0x348_9000 },
    { start: 0x7ffd_1234_a000, end: 0x7ffd_1234_b000 },
  ];
  expect(unchangedMappings(heads.map((head) => `${head}\n${details(0)}\n`).join(""))).toEqual(ranges);
  expect(fileMappings(`${heads.join("\n")}\n`)).toEqual(ranges);
});

test.each([
  ["the linker changed pages of it", `${node}\n${details(8)}`],
  ["changed pages of it are swapped out", `${node}\n${details(0, 4)}`],
  ["nothing is told of changes", `${node}\nSize: 4 kB`],
  ["it can be written to", `00400000-00460000 rw-p 00000000 08:01 77 /usr/bin/node\n${details(0)}`],
  ["it is shared", `00400000-00460000 r--s 00000000 08:01 77 /usr/share/locale\n${details(0)}`],
  ["it is code that was made while running", `00400000-00460000 r-xp 00000000 00:00 0 \n${details(0)}`],
  ["it has an inode, and no path", `00400000-00460000 r-xp 00000000 08:01 77 [code]\n${details(0)}`],
  ["it has a path, and no inode", `00400000-00460000 r-xp 00000000 00:00 0 /code\n${details(0)}`],
])("leaves a mapping alone: %s", (_reason, smaps) => {
  expect(unchangedMappings(smaps)).toEqual([]);
});
