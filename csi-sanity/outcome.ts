import { readFile } from "node:fs/promises";

/** What csi-sanity and the laboratory say of one mode. */
export interface Outcome {
  readonly mode: string;
  readonly passed: number;
  /** Specs that failed, and `problems`. */
  readonly failed: number;
  /** Specs that were left out by us: always 0, for nothing here asks for it. */
  readonly skipped: number;
  /** Specs that ran: passed and failed ones. */
  readonly ran: number;
  /** Specs that csi-sanity left out because the driver does not offer what they test, or that it disables itself. */
  readonly notSelected: number;
  /** What is wrong beside failed specs: a wrong number of them, something left behind, a driver that ended badly. */
  readonly problems: readonly string[];
  readonly seconds: number;
}

/** A spec that failed, in words for a person. */
export interface FailedSpec {
  readonly name: string;
  readonly message: string;
}

export interface Report {
  readonly passed: number;
  readonly failed: readonly FailedSpec[];
  readonly skipped: number;
  readonly notSelected: number;
}

/** The part that is read of a report that `--ginkgo.json-report` writes. */
interface GinkgoSuite {
  readonly SpecReports: readonly GinkgoSpec[] | null;
}

interface GinkgoSpec {
  readonly LeafNodeType: string;
  readonly LeafNodeText: string;
  readonly ContainerHierarchyTexts: readonly string[] | null;
  readonly State: string;
  readonly Failure?: { readonly Message?: string; readonly Location?: { FileName?: string; LineNumber?: number } };
}

/** @throws Error when there is no readable report: csi-sanity did not come to its end. */
export async function readReport(file: string): Promise<Report> {
  // The format is that of the ginkgo version pinned in go.mod.
  const suites = JSON.parse(await readFile(file, "utf8")) as readonly GinkgoSuite[];
  const specs = suites.flatMap((suite) => suite.SpecReports ?? []).filter((spec) => spec.LeafNodeType === "It");
  const states = Map.groupBy(specs, classify);
  return {
    passed: states.get("passed")?.length ?? 0,
    failed: (states.get("failed") ?? []).map(describe),
    skipped: states.get("skipped")?.length ?? 0,
    notSelected: states.get("notSelected")?.length ?? 0,
  };
}

/** The line for a person. */
export function summarize(outcome: Outcome): string {
  const { mode, passed, failed, skipped, notSelected, seconds } = outcome;
  const left = skipped > 0 ? `, ${skipped} skipped` : "";
  return `csi-sanity ${mode}: ${passed} passed, ${failed} failed${left}, ${notSelected} not selected, ${seconds} s`;
}

/** Prints, and is, the outcome of something that could not be run to its end. */
export function failedOutcome(mode: string, problem: string): Outcome {
  console.log(`csi-sanity ${mode}: FAILED: ${problem}`);
  return { mode, passed: 0, failed: 1, skipped: 0, ran: 0, notSelected: 0, problems: [problem], seconds: 0 };
}

/** A spec that calls Skip says why; one that a filter of the command line left out has no message. */
function classify(spec: GinkgoSpec): "passed" | "failed" | "skipped" | "notSelected" {
  switch (spec.State) {
    case "passed":
      return "passed";
    case "pending":
      return "notSelected";
    case "skipped":
      return spec.Failure?.Message ? "notSelected" : "skipped";
    default:
      return "failed";
  }
}

function describe(spec: GinkgoSpec): FailedSpec {
  const { Message = "no message", Location = {} } = spec.Failure ?? {};
  const place = `${Location.FileName?.split("/").at(-1) ?? "?"}:${Location.LineNumber ?? 0}`;
  return {
    name: [...(spec.ContainerHierarchyTexts ?? []), spec.LeafNodeText].join(" > "),
    message: `${spec.State} at ${place}: ${Message}`,
  };
}
