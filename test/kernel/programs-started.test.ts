import { expect, test } from "@jest/globals";
import { countPrograms } from "../bench/programs.ts";

test("once the LVM process runs, no call starts a program but mkfs and what grows a filesystem", async () => {
  const counts = await countPrograms();
  const started = counts.flatMap(({ name, port }) => (port.length > 0 ? [`${name}: ${port.join(" ")}`] : []));
  expect(started).toEqual([
    "the first NodeStageVolume of ext4 (mkfs.ext4): mkfs.ext4",
    "expansion of ext4, controller + node (resize2fs): resize2fs",
  ]);
  // The kernel's own count: nothing is started behind the port's back.
  for (const { name, port, kernel } of counts) expect({ name, programs: kernel }).toEqual({ name, programs: port });
});
