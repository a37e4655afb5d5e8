import { LvmError } from "../errors.ts";
import type { CommittedText, LabelledDevice } from "./metadata.ts";
import { groupSection, uuidOf } from "./volume-group-state.ts";

type WholeText = CommittedText & { readonly text: NonNullable<CommittedText["text"]> };

/**
 * The text that holds for the volume group of that name: the one with the highest sequence number, and only if the
 * other ones do not speak against it.
 * @throws LvmError groupMissing, groupAmbiguous, groupUnreadable
 */
export function newestText(texts: readonly CommittedText[], name: string): WholeText {
  const ours = texts.filter((text) => text.name === name);
  const whole = ours.filter(isWhole).filter((text) => ownCarriers(text).length > 0);
  const [newest, ...others] = whole.toSorted((a, b) => b.sequenceNumber - a.sequenceNumber);
  if (newest !== undefined) {
    refuseTwins(whole, name);
    for (const other of others) refuseStranger(newest, other);
    const damaged = texts.filter((text) => !isWhole(text) && (text.name === name || text.name === ""));
    for (const text of damaged) refuseUnknownDamage(newest, text);
    return newest;
  }
  if (ours.length === 0) throw new LvmError("groupMissing", `no device carries volume group ${name}; see pvs`);
  throw new LvmError("groupUnreadable", `the metadata of volume group ${name} is damaged on all its devices; see vgck`);
}

/** Uuids of the physical volumes that a text names. */
export function physicalVolumeUuids(text: WholeText["text"]): ReadonlySet<string> {
  const section = groupSection(text)[1].sections.get("physical_volumes");
  return new Set([...(section?.sections.values() ?? [])].map(uuidOf));
}

function isWhole(text: CommittedText): text is WholeText {
  return text.text !== undefined;
}

/** The devices that carry the text and are named by it. A device that its own text does not name says nothing. */
function ownCarriers(text: WholeText): readonly LabelledDevice[] {
  const uuids = physicalVolumeUuids(text.text);
  return text.carriers.filter((one) => uuids.has(one.label.uuid));
}

function refuseTwins(texts: readonly WholeText[], name: string): void {
  const uuids = new Set(texts.map((text) => uuidOf(groupSection(text.text)[1])));
  if (uuids.size === 1) return;
  const remedy = "rename one of them with vgrename and its uuid";
  throw new LvmError("groupAmbiguous", `${uuids.size} volume groups are named ${name}; ${remedy}`);
}

/**
 * A disk that was away, or to which a write failed, has an older text that names the disks of the newer one. A text that
 * none of them is in was not left behind by the same group: one of the two was made to look like the other.
 */
function refuseStranger(newest: WholeText, other: WholeText): void {
  const named = physicalVolumeUuids(other.text);
  if (ownCarriers(newest).some((one) => named.has(one.label.uuid))) return;
  const [newer, older] = [newest, other].map((text) =>
    ownCarriers(text)
      .map((one) => one.device.name)
      .join(" and "),
  );
  throw new LvmError(
    "groupAmbiguous",
    `${newer} and ${older} carry metadata of volume group ${newest.name} that do not know each other; ` +
      `find out which is the host's (pvs, lsblk), and detach or wipefs the other`,
  );
}

/**
 * A damaged text on a disk that the newest one does not name may be the host's own, and the newest that of a disk which
 * came from elsewhere and carries a group of the same name.
 */
function refuseUnknownDamage(newest: WholeText, damaged: CommittedText): void {
  const named = physicalVolumeUuids(newest.text);
  if (damaged.carriers.some((one) => named.has(one.label.uuid))) return;
  const names = damaged.carriers.map((one) => one.device.name).join(" and ");
  throw new LvmError(
    "groupAmbiguous",
    `${names} carries damaged metadata of a volume group that ${damaged.name === "" ? "may be" : "is"} named ` +
      `${newest.name} too; mend it (vgck), detach it, or wipefs it`,
  );
}
