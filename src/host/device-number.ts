/**
 * "major:minor" of a device number as stat(2) gives it. The C library spreads both over 64 bits (makedev(3)):
 * bits 8-19 and 44-63 are the major number, bits 0-7 and 20-43 the minor.
 */
export function formatDeviceNumber(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}
