import { status } from "@grpc/grpc-js";
import { type FailureKind, LvmError, type LvmFailure, SystemError, VolumeError, printable } from "../errors.ts";

/**
 * The gRPC code of each kind of failure, and what its callers do with it. csi-provisioner, csi-resizer and the kubelet
 * take CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE and ABORTED for "may still be under way", every other code for "ended,
 * and nothing is left behind". docs/errors.md has the table per RPC.
 */
const codes: Readonly<Record<FailureKind, status>> = {
  // Nobody repeats it soon: csi-provisioner waits its longest, csi-resizer tells the user that the size is infeasible.
  invalidArgument: status.INVALID_ARGUMENT,
  // The kubelet and csi-resizer report it; for DeleteVolume the driver answers OK instead.
  notFound: status.NOT_FOUND,
  // The kubelet and csi-provisioner report it and try again, which only helps when someone resolves the conflict.
  alreadyExists: status.ALREADY_EXISTS,
  // csi-provisioner gives the claim back to the scheduler, which picks another node.
  resourceExhausted: status.RESOURCE_EXHAUSTED,
  // CreateVolume: fits nowhere. Expansion: the user may lower the request (RecoverVolumeExpansionFailure).
  outOfRange: status.OUT_OF_RANGE,
  // Repeated with a growing delay; the message tells a human what is in the way.
  failedPrecondition: status.FAILED_PRECONDITION,
  // Repeated soon, by everyone; the repeated call joins the work that goes on.
  aborted: status.ABORTED,
  // Repeated soon; nothing is concluded about the volume.
  unavailable: status.UNAVAILABLE,
  deadlineExceeded: status.DEADLINE_EXCEEDED,
  // A fault of the driver or the machine; repeated, and logged here with its cause.
  internal: status.INTERNAL,
};

/** The kind that a node's answer stands for; of a code that no node sends, `internal`. */
export function kindOfCode(code: status): FailureKind {
  return kindsByCode.get(code) ?? "internal";
}

const kindsByCode = new Map(
  // the keys are those of the record above
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  (Object.keys(codes) as FailureKind[]).map((kind) => [codes[kind], kind] as const),
);

/** What LVM's failures mean to a caller, where the operation has not said something more precise. */
const lvmKinds: Readonly<Record<LvmFailure, FailureKind>> = {
  groupMissing: "unavailable",
  groupAmbiguous: "unavailable",
  groupUnreadable: "unavailable",
  physicalVolumeMissing: "unavailable",
  volumeExists: "aborted",
  volumeGrown: "aborted",
  volumeMissing: "aborted",
  volumeInUse: "failedPrecondition",
  noSpace: "resourceExhausted",
  metadataFull: "resourceExhausted",
  locked: "unavailable",
  outcomeUnknown: "unavailable",
  refused: "internal",
};

/** System calls that fail because of what the request names, or of what may pass. All others are internal. */
const systemKinds: Readonly<Record<string, FailureKind>> = {
  // A path with a symlink in it, one that leaves the kubelet directory, or one that leads over a file.
  ELOOP: "invalidArgument",
  EXDEV: "invalidArgument",
  ENOTDIR: "invalidArgument",
  ENAMETOOLONG: "invalidArgument",
  // Something else stands at the path, or something is in what stands there, or its parent is missing.
  EEXIST: "failedPrecondition",
  EISDIR: "failedPrecondition",
  ENOTEMPTY: "failedPrecondition",
  ENOENT: "failedPrecondition",
  // The device or mount changed between two looks, or is suspended or held for the moment.
  ESTALE: "unavailable",
  EAGAIN: "unavailable",
  EBUSY: "aborted",
};

/** The answer to a failed call: exactly one code, a message that is never empty, no details (specification, "Errors"). */
export interface Failure {
  readonly code: status;
  readonly details: string;
}

/**
 * The longest message in characters. It travels as an HTTP/2 header, and one that is too long for its peer ends the
 * connection with all calls on it (RFC 9113, SETTINGS_MAX_HEADER_LIST_SIZE).
 */
const longestDetails = 2048;

/** Turns whatever was thrown into the answer, with a message that can be sent and logged whatever stands in it. */
export function failureOf(error: unknown): Failure {
  const kind = kindOf(error);
  const message = error instanceof Error ? error.message : String(error);
  const line = message
    .slice(0, longestDetails * 2)
    .trim()
    .replaceAll(/\s*\n\s*/g, "; ");
  return { code: codes[kind], details: line === "" ? kind : printable(line, longestDetails) };
}

function kindOf(error: unknown): FailureKind {
  if (error instanceof VolumeError) return error.kind;
  if (error instanceof LvmError) return lvmKinds[error.kind];
  if (error instanceof SystemError) return systemKinds[error.code] ?? "internal";
  return "internal";
}
