import { LvmError } from "../errors.ts";

/**
 * The lvm.conf of a process that works on one volume group: it sees these device nodes and nothing else, so that no
 * label that a pod wrote to its volume is ever looked at, and it neither waits for udev nor talks to a daemon.
 * A list of devices in the command instead (`--devices`) ends lvm 2.03.16 with a SIGSEGV at the next command.
 */
export function lvmConfiguration(deviceNodes: readonly string[], lockDirectory: string): string {
  const accepted = deviceNodes.toSorted().map((node) => `"a|^${patternOf(node)}$|", `);
  return `devices {
  global_filter = [ ${accepted.join("")}"r|.*|" ]
  obtain_device_list_from_udev = 0
  external_device_info_source = "none"
  use_devicesfile = 0
  hints = "none"
  issue_discards = 0
  scan_lvs = 0
}
global {
  use_aio = 0
  use_lvmpolld = 0
  locking_dir = "${checkedPath(lockDirectory)}"
  wait_for_locks = 1
}
activation {
  udev_sync = 0
  udev_rules = 0
  verify_udev_operations = 0
  monitoring = 0
}
backup {
  backup = 0
  archive = 0
}
log {
  report_command_log = 1
  command_log_selection = "all"
}
report {
  output_format = "json"
}
`;
}

/** A filter's regular expression for exactly this node. */
function patternOf(node: string): string {
  return checkedPath(node).replaceAll(".", "[.]").replaceAll("+", "[+]");
}

/** A path that means itself in a string, in a filter and in a command line. */
export function checkedPath(path: string): string {
  if (/^\/[A-Za-z0-9_./+-]+$/.test(path)) return path;
  throw new LvmError("refused", `${JSON.stringify(path)} has characters that cannot be given to LVM; use another path`);
}
