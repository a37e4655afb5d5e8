import { LvmError, type LvmFailure } from "../errors.ts";
import type { LogRow, Verdict } from "./verdict.ts";

/** The failure that LVM reports with a verdict. */
export function failureOf(command: string, verdict: Verdict): LvmError {
  const rows = verdict.rows.filter((row) => row.type === "error");
  return failureFrom(command, rows.length > 0 ? rows : verdict.rows.filter((row) => row.type === "warn"));
}

/** What LVM said of one logical volume, where a command that names several failed; undefined if it did not refuse it. */
export function failureOfVolume(command: string, verdict: Verdict, name: string): LvmError | undefined {
  const rows = verdict.rows.filter((row) => row.objectType === "lv" && row.objectName === name);
  const refused = rows.some((row) => row.type === "status" && row.returnCode !== "1");
  return refused
    ? failureFrom(
        command,
        rows.filter((row) => row.type === "error"),
      )
    : undefined;
}

/**
 * Whether LVM did not find a physical volume. Some commands succeed then, and mark it as missing for good: the mark
 * stays when its device comes back, and LVM changes nothing in the group before `vgextend --restoremissing`.
 */
export function missesPhysicalVolume(verdict: Verdict): boolean {
  return verdict.rows.some((row) => /is missing PV|Couldn't find device with uuid/.test(row.message));
}

function failureFrom(command: string, rows: readonly LogRow[]): LvmError {
  const words = rows.map((row) => row.message.trim()).join(" ");
  const kind = texts.find(([, pattern]) => pattern.test(words))?.[0] ?? "refused";
  return new LvmError(kind, `${command}: ${words === "" ? "LVM gave no reason" : withoutUuids(words)}`);
}

/** LVM's words as callers may see them: whoever knows a physical volume's uuid can forge its label (`findGroup`). */
export function withoutUuids(words: string): string {
  return words.replaceAll(uuidPattern, "(uuid)");
}

const uuidPattern = /\b[A-Za-z0-9]{6}(?:-[A-Za-z0-9]{4}){5}-[A-Za-z0-9]{6}\b/g;

/** LVM 2.03's own words; the first line that matches decides. */
const texts: readonly (readonly [LvmFailure, RegExp])[] = [
  ["groupAmbiguous", /Multiple VGs found with the same name|with duplicate PV devices/],
  ["locked", /Can't get lock for|flock failed/],
  ["groupMissing", /Volume group "[^"]*" not found|Cannot find volume group/],
  ["physicalVolumeMissing", /while PVs are missing|of partial LV|Physical Volume "[^"]*" not found/],
  ["metadataFull", /exceeds maximum metadata size|metadata too large for circular buffer/],
  ["noSpace", /[Ii]nsufficient (?:free|suitable)|must not exceed number of physical volumes|have space available/],
  ["volumeExists", /already exists in volume group/],
  ["volumeGrown", /matches existing size|not larger than existing size/],
  ["volumeMissing", /Failed to find logical volume|[Ll]ogical volume \S+ not found in volume group/],
  ["volumeInUse", /in use\b|Device or resource busy/],
];
