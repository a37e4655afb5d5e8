// What happens inside the laboratory between two power cuts: see torture.ts, which starts and ends it.
import { writeSync } from "node:fs";
import { mkdtemp, readFile } from "node:fs/promises";
import path from "node:path";
import { run } from "../demo/programs.ts";
import { check, clearOut } from "./check.ts";
import { Journal } from "./journal.ts";
import { load } from "./load.ts";
import { openNode, volumeGroup } from "./node.ts";
import type { Assignment, Message } from "./protocol.ts";

// written by torture.ts
const assignment = JSON.parse(process.argv[2] ?? "") as Assignment;
/** On a filesystem that can hold sockets and mounts. */
const directory = await mkdtemp("/run/torture-");

try {
  await main(assignment);
} catch (error) {
  const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const log = await readFile(path.join(directory, "driver.log"), "utf8").catch(() => "");
  tell({ event: "failed", reason, log: log.split("\n").slice(-40).join("\n") });
  process.exit(1);
}

async function main({ driver, journal, seed, isFirst, isLast }: Assignment): Promise<void> {
  tell({ event: "starting" });
  const disks = (process.env["LAB_DISKS"] ?? "").split(" ");
  if (isFirst) await run("vgcreate", "--quiet", "--yes", volumeGroup, ...disks);
  const acknowledged = new Journal(journal, () => tell({ event: "acknowledged" }));
  const node = await openNode(directory, [process.execPath, driver], acknowledged);
  const findings = await check(node);
  if (isLast) await clearOut(node, findings);
  tell({ event: "checked", findings });
  if (!isLast) await load(node, seed);
  const ending = await node.driver.stop();
  if (ending.code !== 0) throw new Error(`the driver ended with ${JSON.stringify(ending)}`);
  node.csi.close();
  node.journal.close();
}

function tell(message: Message): void {
  writeSync(1, `${JSON.stringify(message)}\n`);
}
