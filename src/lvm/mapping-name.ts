/** The name of a logical volume's device-mapper device: both names with their hyphens doubled, joined by one (lvm(8)). */
export function mappingName(volumeGroup: string, logicalVolume: string): string {
  return `${volumeGroup.replaceAll("-", "--")}-${logicalVolume.replaceAll("-", "--")}`;
}
