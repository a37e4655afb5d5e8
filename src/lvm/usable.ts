import { LvmError } from "../errors.ts";
import type { Section } from "./metadata-text.ts";

/**
 * Makes sure that LVM on this machine may use the group: not an exported one (vgexport(8)), one of another system
 * (lvmsystemid(7)) or a shared one (lvmlockd(8)), whose room nobody here can have.
 * @throws LvmError groupMissing, with the reason for its cause: such a group is there
 */
export function requireUsable(name: string, group: Section): void {
  const reason = reasonAgainst(group);
  if (reason === undefined) return;
  throw new LvmError("groupMissing", `volume group ${name} cannot be used here: ${reason}`, { cause: reason });
}

function reasonAgainst({ values }: Section): string | undefined {
  const status = values.get("status");
  const systemId = values.get("system_id") ?? "";
  const lockType = values.get("lock_type") ?? "none";
  if (Array.isArray(status) && status.includes("EXPORTED")) return "it is exported; see vgimport(8)";
  if (systemId !== "") return `it belongs to the system "${String(systemId)}"; see lvmsystemid(7)`;
  if (lockType !== "none") return `it is shared (lock type ${String(lockType)}); see lvmlockd(8)`;
  return undefined;
}
