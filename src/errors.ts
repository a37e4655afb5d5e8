/**
 * Why a request could not be carried out, in the driver's own words.
 * `src/csi/codes.ts` says which gRPC code each kind becomes and what the caller does with it.
 */
export type FailureKind =
  | "invalidArgument"
  | "notFound"
  | "alreadyExists"
  | "resourceExhausted"
  | "outOfRange"
  | "failedPrecondition"
  | "aborted"
  | "unavailable"
  | "deadlineExceeded"
  | "internal";

/** A failure that the caller of an RPC is told about. Its message says what the operator can do. */
export class VolumeError extends Error {
  override readonly name = "VolumeError";
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** A system call that the kernel refused. `code` is the errno's name, as in errno(3): "EBUSY". */
export class SystemError extends Error {
  override readonly name = "SystemError";
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What LVM said, or failed to say, about a command. `src/lvm/failure.ts` is the only reader of LVM's messages. */
export type LvmFailure =
  /** No device carries the volume group now, or LVM on this machine may not use it. */
  | "groupMissing"
  /** Two volume groups, or two copies of one physical volume, carry the same name or uuid. */
  | "groupAmbiguous"
  /** The metadata could not be read or does not hold together. */
  | "groupUnreadable"
  /** A physical volume that the command needs is missing. */
  | "physicalVolumeMissing"
  | "volumeExists"
  /** The volume has the size that it was to get, or more. */
  | "volumeGrown"
  | "volumeMissing"
  /** The volume's device is open. */
  | "volumeInUse"
  /** Too few free extents, or not on enough physical volumes. */
  | "noSpace"
  /** The metadata area of a physical volume is full. */
  | "metadataFull"
  /** The volume group's lock is held by another. */
  | "locked"
  /** The process ended, or answered something else than a verdict: whether the command was carried out is not known. */
  | "outcomeUnknown"
  /** LVM refused for a reason that has no kind of its own; the message gives LVM's words. */
  | "refused";

/** A failed LVM command or an unreadable volume group. */
export class LvmError extends Error {
  override readonly name = "LvmError";
  readonly kind: LvmFailure;

  constructor(kind: LvmFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** Text of a caller's as it may stand in a message: one line, plain ASCII, short. */
export function quote(text: string): string {
  const shown = text.length > 80 ? `${text.slice(0, 80)}...` : text;
  return escapeUnprintable(JSON.stringify(shown));
}

/** A path as it may stand in a message: whole, as long as it is one that a person would read. */
export function showPath(path: string): string {
  return printable(path, 400);
}

/** Any text as one line of printable ASCII, of so many characters at most. */
export function printable(text: string, longest: number): string {
  const plain = escapeUnprintable(text.slice(0, longest + 1));
  return plain.length > longest ? `${plain.slice(0, longest - 3)}...` : plain;
}

function escapeUnprintable(text: string): string {
  return text.replaceAll(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
