import type { CallError } from "../lab/csi-client.ts";
import type { GeneratedCall } from "./generated-requests.ts";

/** What answers are judged by. */
export interface Law {
  /** By RPC, from docs/errors.md. */
  readonly codes: ReadonlyMap<string, ReadonlySet<string>>;
  readonly kubelet: string;
}

/** Codes that say that something is wrong with the machine, or that the driver has a fault. */
const machineCodes = new Set(["INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED"]);
/** Where nothing else goes on, only these have a reason of their own for ABORTED. */
const abortedAlone = new Set(["ListVolumes", "NodeStageVolume"]);

/**
 * What is wrong with an answer; undefined if nothing is.
 * @param passing codes that are in order for now, since something goes on beside the call
 */
export function problemOf(
  law: Law,
  call: GeneratedCall,
  answer: CallError | "OK",
  passing: readonly string[] = [],
): string | undefined {
  const { code, details } = answer === "OK" ? { code: answer, details: "fine" } : answer;
  const isPassing = passing.includes(code);
  const rules: readonly (readonly [boolean, string])[] = [
    [law.codes.get(call.rpc)?.has(code) === true, "docs/errors.md does not give this code"],
    [isPassing || !machineCodes.has(code), "nothing is wrong with the machine"],
    [isPassing || code !== "ABORTED" || abortedAlone.has(call.rpc), "nothing else goes on"],
    [code === "INVALID_ARGUMENT" || !isWrongByText(call, law.kubelet), "a text alone says that it is wrong"],
    [/^[ -~]{1,2048}$/.test(details), "the message cannot be read"],
  ];
  const broken = rules.flatMap(([isKept, what]) => (isKept ? [] : [what]));
  if (broken.length === 0) return undefined;
  const request = JSON.stringify(call.request).slice(0, 600);
  return `${broken.join(", ")}: ${call.rpc} ${request} -> ${code}: ${details.slice(0, 300)}`;
}

/** The paths that a call may only name below the kubelet directory. */
const pathFields: Readonly<Record<string, readonly string[]>> = {
  NodeStageVolume: ["stagingTargetPath"],
  NodeUnstageVolume: ["stagingTargetPath"],
  NodePublishVolume: ["targetPath"],
  NodeUnpublishVolume: ["targetPath"],
};

/** The calls about a volume that the driver offers. */
const aboutVolume =
  /^((Create|Delete)Volume|Validate|Node(Stage|Unstage|Publish|Unpublish|Expand|GetVolumeStats)|Controller(Expand|Get)Volume)/;

/** Whether the call has to be refused whatever is there (docs/errors.md, "Any call about a volume"). */
function isWrongByText({ rpc, request }: GeneratedCall, kubelet: string): boolean {
  const texts = aboutVolume.test(rpc) ? [request["name"], request["volumeId"]] : [];
  const paths = (pathFields[rpc] ?? []).map((field) => request[field]);
  return texts.some(isWrongName) || paths.some((path) => isWrongPath(path, kubelet));
}

function isWrongName(text: unknown): boolean {
  return typeof text === "string" && (text === "" || Buffer.byteLength(text) > 128 || /\p{Cc}/u.test(text));
}

function isWrongPath(path: unknown, kubelet: string): boolean {
  if (typeof path !== "string") return false;
  const parts = path.split("/").slice(1);
  const shortest = path.startsWith(`${kubelet}/`) && parts.every((part) => !["", ".", ".."].includes(part));
  return !shortest || /[^\P{Cc}\u0080-\u009f]/u.test(path) || Buffer.byteLength(path) > 4095;
}
