import { expect, test } from "@jest/globals";
import { countPrograms } from "../bench/programs.ts";

test("once the LVM process runs, no call with ext4 starts a program but mkfs", async () => {
  const counts = await countPrograms();
  const started = counts.flatMap(({ name, port }) => (port.length > 0 ? [`${name}: ${port.join(" ")}`] : []));
  expect(started).toEqual(["the first NodeStageVolume of ext4 (mkfs.ext4): mkfs.ext4"]);
  // The kernel's own count: nothing is started behind the port's back.
  for (const { name, port, kernel } of counts) expect({ name, programs: kernel }).toEqual({ name, programs: port });
});
