/** The name of a logical volume's device-mapper device: both names with their hyphens doubled, joined by one (lvm(8)). */
export function mappingName(volumeGroup: string, logicalVolume: string): string {
  return `${volumeGroup.replaceAll("-", "--")}-${logicalVolume.replaceAll("-", "--")}`;
}

/** Whether a device-mapper device's name is that of a logical volume in this group. */
export function isVolumeOf(volumeGroup: string, name: string): boolean {
  const beginning = mappingName(volumeGroup, "");
  return name.startsWith(beginning) && name[beginning.length] !== "-";
}
