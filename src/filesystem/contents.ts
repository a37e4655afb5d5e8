import type { FilesystemName } from "./names.ts";

/** A filesystem whose superblock holds together and fits its device. */
export interface FilesystemContents {
  readonly kind: "filesystem";
  readonly filesystem: FilesystemName;
  readonly uuid: string;
  readonly sizeBytes: number;
  /** False only where its own records prove that it holds nobody's data; a doubt counts as mounted. */
  readonly everMounted: boolean;
  /** It must be checked, or repaired by hand, before it is mounted. */
  readonly needsCheck: boolean;
}

/**
 * Something that is not to be written over, in words for the operator. "foreign": it has a mark that no mkfs of the
 * driver's leaves, however it ended, so that another user of the device wrote it.
 */
export interface OtherContents {
  readonly kind: "other" | "foreign";
  readonly description: string;
}

/** What was found on a device. "blank": every probed byte was read and is zero. */
export type Contents = { readonly kind: "blank" } | FilesystemContents | OtherContents;

export function other(description: string): OtherContents {
  return { kind: "other", description };
}

export function foreign(description: string): OtherContents {
  return { kind: "foreign", description };
}
