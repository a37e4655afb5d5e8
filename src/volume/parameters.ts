import { VolumeError, quote } from "../errors.ts";
import { type FilesystemName, filesystemNames, isFilesystemName } from "../filesystem/names.ts";
import { parseMkfsOptions } from "../filesystem/mkfs-options.ts";
import { type Access, newFilesystem } from "./access.ts";
import { type Initialization, initializations } from "./record.ts";
import { type Wipe, parseWipe } from "./wipe-kind.ts";

/** How a volume's extents lie on the physical volumes. One stripe is a linear volume. */
export interface Layout {
  readonly stripes: number;
  /** Bytes on one physical volume before the next is used; undefined for linear volumes. */
  readonly stripeBytes: number | undefined;
}

/** A StorageClass's parameters, checked (docs/parameters.md). */
export interface Parameters {
  /** Undefined: the first of the allow-list. */
  readonly volumeGroup: string | undefined;
  readonly layout: Layout;
  readonly initialize: Initialization;
  readonly wipe: Wipe;
  /** Text of `mkfsOptions`, checked against a filesystem by `volumeKind`. */
  readonly mkfsOptions: string | undefined;
  /** `csi.storage.k8s.io/fstype`: the filesystem where the capability names none. */
  readonly filesystem: FilesystemName | undefined;
  /** Namespace and name of the claim. */
  readonly claim: string | undefined;
}

const known = new Set(["volumeGroup", "layout", "stripes", "stripeSize", "initialize", "wipe", "mkfsOptions"]);
const sidecarPrefix = "csi.storage.k8s.io/";
const filesystemKey = `${sidecarPrefix}fstype`;

const defaultStripeBytes = 64 * 1024;

/**
 * Reads StorageClass parameters. Keys of the sidecars (`csi.storage.k8s.io/`) are accepted as they come.
 * @throws VolumeError invalidArgument naming the key and the reason; an unknown key is one.
 */
export function parseParameters(parameters: Readonly<Record<string, string>>): Parameters {
  for (const key of Object.keys(parameters)) {
    if (!known.has(key) && !key.startsWith(sidecarPrefix)) {
      throw invalid(key, `is unknown; the driver knows ${[...known].join(", ")}`);
    }
  }
  return {
    volumeGroup: parameters["volumeGroup"],
    layout: parseLayout(parameters),
    initialize: parseInitialize(parameters["initialize"] ?? "auto"),
    wipe: parseWipeParameter(parameters["wipe"] ?? "none"),
    mkfsOptions: parameters["mkfsOptions"],
    filesystem: parseFilesystem(parameters[filesystemKey] ?? ""),
    claim: claimOf(parameters),
  };
}

/** What the parameters and the capabilities together make of a new volume. */
export interface VolumeKind {
  /** Undefined for raw block. */
  readonly filesystem: FilesystemName | undefined;
  /** Arguments of mkfs. */
  readonly mkfsOptions: readonly string[];
}

/**
 * The kind of a new volume. Where neither capabilities nor parameters tell the filesystem, which only GetCapacity may
 * do, nobody knows for which one the mkfs options are meant.
 * @throws VolumeError invalidArgument as `newFilesystem` does, and for mkfs options that the kind does not take
 */
export function volumeKind(accesses: readonly Access[], parameters: Parameters): VolumeKind {
  const filesystem = newFilesystem(accesses, parameters.filesystem);
  const isGuess = accesses.length === 0 && parameters.filesystem === undefined;
  return { filesystem, mkfsOptions: isGuess ? [] : mkfsArguments(parameters, filesystem) };
}

function mkfsArguments(parameters: Parameters, filesystem: FilesystemName | undefined): readonly string[] {
  if (parameters.mkfsOptions === undefined) return [];
  if (filesystem === undefined)
    throw invalid("mkfsOptions", "is given for a raw block volume, which has no filesystem");
  return parseMkfsOptions(filesystem, parameters.mkfsOptions);
}

function parseLayout(parameters: Readonly<Record<string, string>>): Layout {
  const layout = parameters["layout"] ?? "linear";
  if (layout === "linear") {
    for (const key of ["stripes", "stripeSize"]) {
      if (parameters[key] !== undefined) throw invalid(key, "is only for layout striped");
    }
    return { stripes: 1, stripeBytes: undefined };
  }
  if (layout !== "striped") throw invalid("layout", `is ${quote(layout)}; it may be linear or striped`);
  return {
    stripes: parseStripes(parameters["stripes"] ?? "2"),
    stripeBytes: parseStripeSize(parameters["stripeSize"]),
  };
}

function parseStripes(text: string): number {
  const stripes = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  // The line that carries the command has at most 60 words, one for each physical volume (docs/decisions.md).
  if (stripes < 2 || stripes > 16) throw invalid("stripes", `is ${quote(text)}; it may be 2 to 16`);
  return stripes;
}

function parseStripeSize(text: string | undefined): number {
  if (text === undefined) return defaultStripeBytes;
  const [, digits, unit] = /^(\d{1,8})(Ki|k|K|Mi|M)?$/.exec(text) ?? [];
  const bytes = Number(digits) * (unit === undefined ? 1 : unit.startsWith("M") ? 1024 ** 2 : 1024);
  // lvcreate(8), --stripesize: a power of two from 4 KiB; LVM refuses one larger than an extent, 4 MiB by default.
  if (digits === undefined || !Number.isInteger(Math.log2(bytes)) || bytes < 4096 || bytes > 4 * 1024 ** 2) {
    throw invalid("stripeSize", `is ${quote(text)}; it may be a power of two from 4Ki to 4Mi`);
  }
  return bytes;
}

function parseInitialize(text: string): Initialization {
  const value = initializations.find((item) => item === text);
  if (value === undefined) throw invalid("initialize", `is ${quote(text)}; one of ${initializations.join(", ")}`);
  return value;
}

function parseWipeParameter(text: string): Wipe {
  const wipe = parseWipe(text);
  if (wipe === undefined) throw invalid("wipe", `is ${quote(text)}; one of none, discard, zero, shred:1 to shred:9`);
  return wipe;
}

function parseFilesystem(text: string): FilesystemName | undefined {
  if (text === "") return undefined;
  if (isFilesystemName(text)) return text;
  throw invalid(filesystemKey, `is ${quote(text)}; one of ${filesystemNames.join(", ")}`);
}

function claimOf(parameters: Readonly<Record<string, string>>): string | undefined {
  const namespace = parameters[`${sidecarPrefix}pvc/namespace`];
  const name = parameters[`${sidecarPrefix}pvc/name`];
  return namespace && name ? `${namespace}/${name}` : undefined;
}

function invalid(key: string, reason: string): VolumeError {
  return new VolumeError("invalidArgument", `parameter ${quote(key)} ${reason}`);
}
