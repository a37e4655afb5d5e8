import type { Section, Value } from "./metadata-text.ts";

/**
 * The logical volumes that rest on each one, directly or not, by its name; a volume on which none rests is left out.
 * Only those that an operator sees in lvs(8): the parts of a mirror, a pool or a cache are named by the whole.
 *
 * A segment names what it lies on under keys that differ by its type (`stripes`, `raids`, `origin`, `thin_pool`,
 * `mirror_log`, ...), and later versions of LVM have more of them, so whatever names a volume there counts.
 * @param isPhysicalVolume whether a name of this text is a physical volume's; in a list it comes before a volume's
 */
export function dependentsOf(
  volumes: ReadonlyMap<string, Section>,
  isPhysicalVolume: (name: string) => boolean,
): ReadonlyMap<string, readonly string[]> {
  const above = new Map<string, Set<string>>();
  const shown = new Set<string>();
  for (const [name, { values, sections }] of volumes) {
    const segments = [...sections.values()];
    const snapshot = segments.map(snapshotOf).find((one) => one !== undefined);
    // A volume with a "snapshot" segment only ties a snapshot, which is not marked as visible, to its origin.
    const upper = snapshot ?? name;
    if (snapshot !== undefined || listed(values.get("status")).includes("VISIBLE")) shown.add(upper);
    const lowers = segments.flatMap((segment) => namesIn(segment, isPhysicalVolume)).filter((one) => volumes.has(one));
    for (const lower of lowers) addTo(above, lower, upper);
  }
  return new Map([...above.keys()].map((name) => [name, reachable(above, name).filter((one) => shown.has(one))]));
}

/** The volume that holds what a classic snapshot has kept of its origin, where the segment is such a snapshot's. */
function snapshotOf({ values }: Section): string | undefined {
  const store = values.get("cow_store") ?? values.get("merging_store");
  return typeof store === "string" ? store : undefined;
}

function namesIn({ values }: Section, isPhysicalVolume: (name: string) => boolean): readonly string[] {
  return [...values].flatMap(([key, value]) => {
    if (key === "type") return [];
    if (typeof value === "string") return [value];
    return listed(value).filter((item) => !isPhysicalVolume(item));
  });
}

function listed(value: Value | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function addTo(above: Map<string, Set<string>>, lower: string, upper: string): void {
  if (lower === upper) return;
  const uppers = above.get(lower);
  if (uppers === undefined) above.set(lower, new Set([upper]));
  else uppers.add(upper);
}

/** All that rests on the volume, without itself, in the order of the names. */
function reachable(above: ReadonlyMap<string, ReadonlySet<string>>, name: string): readonly string[] {
  const found = new Set(above.get(name));
  // A set that grows while it is gone through is gone through to its end.
  for (const one of found) for (const upper of above.get(one) ?? []) found.add(upper);
  found.delete(name);
  return [...found].toSorted();
}
