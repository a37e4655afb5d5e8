import type { Findings } from "./check.ts";

/** What the program in the laboratory tells the one outside, a line of JSON each, on its standard output. */
export type Message =
  | { readonly event: "starting" }
  | { readonly event: "checked"; readonly findings: Findings }
  /** An action of the journal, in the load or before it. */
  | { readonly event: "acknowledged" }
  | { readonly event: "failed"; readonly reason: string; readonly log: string };

/** What the program in the laboratory is told, as JSON in its only argument. */
export interface Assignment {
  /** The driver's main file. */
  readonly driver: string;
  /** Where the journal is, outside of the laboratory. */
  readonly journal: string;
  readonly seed: string;
  /** Whether the disks are new. */
  readonly isFirst: boolean;
  /** Whether all volumes are to be deleted, after which the laboratory ends by itself. */
  readonly isLast: boolean;
}
