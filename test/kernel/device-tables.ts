import { dmsetup } from "./device-support.ts";

/** Gives a device another table. What waits for an answer is not flushed, and gets it from the new one. */
export async function exchangeTable(device: string, table: string): Promise<void> {
  await dmsetup("load", device, "--table", table);
  await dmsetup("suspend", "--nolockfs", "--noflush", device);
  await dmsetup("resume", device);
}

/** Makes every access to the device hang, as a disk does that is out of reach; returns what ends that. */
export async function hangDevice(device: string): Promise<() => Promise<void>> {
  const table = (await dmsetup("table", device)).trim();
  const [start = "", length = ""] = table.split(" ");
  await dmsetup("create", "stuck", "--table", table);
  await exchangeTable(device, `${start} ${length} linear /dev/mapper/stuck 0`);
  await dmsetup("suspend", "--nolockfs", "stuck");
  return async () => {
    await dmsetup("resume", "stuck");
    await exchangeTable(device, table);
    await dmsetup("remove", "stuck");
  };
}
