import { measureCreate } from "./create.ts";
import { measureCrowd } from "./crowd.ts";
import { measureExpand } from "./expand.ts";
import { measureMemory } from "./memory.ts";
import { measureMounting } from "./mounting.ts";
import { measurePrograms } from "./programs.ts";
import { measureRouted } from "./routed.ts";
import type { Row } from "./row.ts";
import { measureStart } from "./start.ts";
import { measureStatistics } from "./statistics.ts";
import { measureUndisturbed } from "./undisturbed.ts";

/** A part of the table that is measured in a laboratory of its own. */
export interface Family {
  readonly name: string;
  /** Its disks, as truncate(1) writes sizes. */
  readonly disks: readonly string[];
  /** @param rounds how many samples of each kind */
  readonly measure: (rounds: number) => Promise<readonly Row[]>;
}

export const families: readonly Family[] = [
  { name: "create", disks: ["4G"], measure: measureCreate },
  { name: "routed", disks: ["4G"], measure: measureRouted },
  { name: "programs", disks: ["4G"], measure: measurePrograms },
  { name: "mounting", disks: ["4G"], measure: measureMounting },
  { name: "expand", disks: ["4G"], measure: measureExpand },
  { name: "start", disks: ["4G"], measure: measureStart },
  { name: "statistics", disks: ["8G"], measure: measureStatistics },
  { name: "crowd", disks: ["32G"], measure: measureCrowd },
  { name: "undisturbed", disks: ["40G", "4G"], measure: measureUndisturbed },
  { name: "memory", disks: ["4G"], measure: measureMemory },
];
