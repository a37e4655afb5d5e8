import { LvmError } from "../errors.ts";
import type { BlockDevice } from "../host/host.ts";
import { dependentsOf } from "./dependents.ts";
import { freeRangesOf } from "./extents.ts";
import { mappingName } from "./mapping-name.ts";
import type { Scalar, Section, Value } from "./metadata-text.ts";
import type { ExtentArea, LogicalVolume, PhysicalVolume, Segment, VolumeGroupState } from "./model.ts";
import { requireUsable } from "./usable.ts";

const sectorBytes = 512;

/**
 * Makes the state of a volume group from its parsed text and the devices of its physical volumes, by uuid.
 * @throws LvmError groupUnreadable when something that belongs there is absent or of the wrong kind; groupMissing when
 * LVM on this machine may not use the group
 */
export function volumeGroupState(
  text: Section,
  devices: ReadonlyMap<string, BlockDevice>,
  metadata: VolumeGroupState["metadata"],
): VolumeGroupState {
  const [name, group] = groupSection(text);
  requireUsable(name, group);
  const uuid = uuidOf(group);
  const extentBytes = numberOf(group, "extent_size") * sectorBytes;
  const physicalSections = group.sections.get("physical_volumes")?.sections ?? new Map<string, Section>();
  const uuids = new Map([...physicalSections].map(([key, section]) => [key, uuidOf(section)]));
  const logicalSections = group.sections.get("logical_volumes")?.sections ?? new Map<string, Section>();
  const dependents = dependentsOf(logicalSections, (one) => uuids.has(one));
  const logicalVolumes = new Map<string, LogicalVolume>();
  for (const [key, section] of logicalSections) {
    const surroundings = { key, group: name, groupUuid: uuid, extentBytes, uuids, dependents };
    logicalVolumes.set(key, logicalVolume(section, surroundings));
  }
  return {
    name,
    uuid,
    sequenceNumber: numberOf(group, "seqno"),
    extentBytes,
    physicalVolumes: physicalVolumes([...physicalSections.values()], devices, logicalVolumes),
    logicalVolumes,
    metadata,
  };
}

/** The name and the section of the volume group that a text describes. */
export function groupSection(text: Section): readonly [string, Section] {
  const [first, ...others] = text.sections;
  if (first === undefined || others.length > 0) unreadable("the text does not describe one volume group");
  return first;
}

/** The uuid in a section, without its hyphens. */
export function uuidOf(section: Section): string {
  const uuid = textOf(section, "id").replaceAll("-", "");
  return uuid.length === 32 ? uuid : unreadable(`"${uuid}" is no uuid`);
}

/** The number of the commit that a text is of. */
export function sequenceNumberOf(text: Section): number {
  return numberOf(groupSection(text)[1], "seqno");
}

function physicalVolumes(
  sections: readonly Section[],
  devices: ReadonlyMap<string, BlockDevice>,
  logicalVolumes: ReadonlyMap<string, LogicalVolume>,
): readonly PhysicalVolume[] {
  const used = new Map<string, ExtentArea[]>();
  for (const volume of logicalVolumes.values()) {
    for (const area of volume.segments.flatMap((segment) => segment.areas)) {
      const areas = used.get(area.physicalVolume);
      if (areas === undefined) used.set(area.physicalVolume, [area]);
      else areas.push(area);
    }
  }
  return sections.map((section) => {
    const uuid = uuidOf(section);
    const extentCount = numberOf(section, "pe_count");
    const freeRanges = freeRangesOf(extentCount, used.get(uuid) ?? []);
    return {
      uuid,
      device: hasFlag(section, "flags", "MISSING") ? undefined : devices.get(uuid),
      allocatable: hasFlag(section, "status", "ALLOCATABLE"),
      extentCount,
      freeRanges,
      freeExtents: freeRanges.reduce((sum, range) => sum + range.count, 0),
    };
  });
}

interface VolumeSurroundings {
  readonly key: string;
  readonly group: string;
  readonly groupUuid: string;
  readonly extentBytes: number;
  /** Uuids of the physical volumes by the names they have in this text: "pv0". */
  readonly uuids: ReadonlyMap<string, string>;
  readonly dependents: ReadonlyMap<string, readonly string[]>;
}

function logicalVolume(section: Section, surroundings: VolumeSurroundings): LogicalVolume {
  const { key, group, groupUuid, extentBytes, uuids, dependents } = surroundings;
  const uuid = uuidOf(section);
  const segments = [...section.sections.values()]
    .toSorted((a, b) => numberOf(a, "start_extent") - numberOf(b, "start_extent"))
    .map((segment) => segmentOf(segment, uuids));
  const extentCount = segments.reduce((sum, segment) => sum + segment.extentCount, 0);
  return {
    name: key,
    uuid,
    tags: listOf(section, "tags").filter((tag) => typeof tag === "string"),
    extentCount,
    sizeBytes: extentCount * extentBytes,
    segments,
    dependents: dependents.get(key) ?? [],
    mappingUuid: `LVM-${groupUuid}${uuid}`,
    mappingName: mappingName(group, key),
  };
}

function segmentOf(section: Section, uuids: ReadonlyMap<string, string>): Segment {
  const extentCount = numberOf(section, "extent_count");
  const stripes = listOf(section, "stripes");
  const items = stripes.length > 0 ? stripes : listOf(section, "mirrors");
  const stripeCount = stripes.length > 0 ? numberOf(section, "stripe_count") : 1;
  const areas: ExtentArea[] = [];
  for (let index = 0; index + 1 < items.length; index += 2) {
    const physicalVolume = uuids.get(String(items[index]));
    const start = items[index + 1];
    if (physicalVolume === undefined || typeof start !== "number") continue;
    areas.push({ physicalVolume, start, count: extentCount / stripeCount });
  }
  const stripeSectors = section.values.has("stripe_size") ? numberOf(section, "stripe_size") : 0;
  return { extentCount, stripeCount, stripeBytes: stripeSectors * sectorBytes, areas };
}

function hasFlag(section: Section, key: string, flag: string): boolean {
  return listOf(section, key).includes(flag);
}

function numberOf(section: Section, key: string): number {
  const value = section.values.get(key);
  const isUsable = typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
  return isUsable ? value : unreadable(`"${key}" is ${shown(value)}, not a number that can be counted with`);
}

function textOf(section: Section, key: string): string {
  const value = section.values.get(key);
  return typeof value === "string" ? value : unreadable(`"${key}" is ${shown(value)}, not a text`);
}

function listOf(section: Section, key: string): readonly Scalar[] {
  const value = section.values.get(key) ?? [];
  return isList(value) ? value : unreadable(`"${key}" is ${shown(value)}, not a list`);
}

function isList(value: Value): value is readonly Scalar[] {
  return Array.isArray(value);
}

function shown(value: Value | undefined): string {
  return value === undefined ? "absent" : String(value);
}

function unreadable(problem: string): never {
  throw new LvmError("groupUnreadable", `the metadata of the volume group cannot be used: ${problem}; see vgck`);
}
