import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Makes plain files as sysfs shows a logical volume's device, below a directory that stands for sysfs. */
export function showMapping(sysfs: string, minor: number, name: string): void {
  const directory = join(sysfs, `class/block/dm-${minor}`);
  mkdirSync(join(directory, "dm"), { recursive: true });
  writeFileSync(join(directory, "dev"), `253:${minor}\n`);
  writeFileSync(join(directory, "size"), "8\n");
  writeFileSync(join(directory, "dm/name"), `${name}\n`);
  writeFileSync(join(directory, "dm/uuid"), `LVM-${name}\n`);
  writeFileSync(join(directory, "dm/suspended"), "0\n");
}
