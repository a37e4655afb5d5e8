import { Counter, Gauge, type Registry } from "prom-client";
import type { EndedCommand } from "../lvm/session.ts";
import type { GroupFigures } from "../volume/figures.ts";
import { type RoleMetrics, createRoleMetrics, durationHistogram } from "./role-metrics.ts";

/** Where the figures of the node come from that are asked for at each scrape. */
export interface NodeFigures {
  /** Of all groups by name; undefined for one that cannot be read. Answers in bounded time. */
  readonly groups: () => Promise<ReadonlyMap<string, GroupFigures | undefined>>;
  readonly operations: () => number;
  readonly isRegistered: () => boolean;
}

/** What is counted on a node. */
export interface NodeMetrics extends Pick<RoleMetrics, "observeCall"> {
  readonly observeCommand: (command: EndedCommand) => void;
  /** Counts what the kubelet has said of a registration. */
  readonly observeRegistration: (succeeded: boolean) => void;
  /** All figures in Prometheus's text format. */
  readonly text: (figures: NodeFigures) => Promise<string>;
}

/** Loads prom-client: import this module only where it is wanted. */
export function createNodeMetrics(version: string): NodeMetrics {
  const { registry, observeCall } = createRoleMetrics(version);
  const observeCommand = commandMetrics(registry);
  const showGroups = groupMetrics(registry);
  const operations = gauge(registry, "operations_in_progress", "Operations on volumes under way");
  const registrations = new Counter({
    name: "lvm_local_csi_registrations_total",
    help: "Registrations with the kubelet, by what it said of them",
    labelNames: ["outcome"],
    registers: [registry],
  });
  const registered = gauge(registry, "registered", "Whether the kubelet has said last that the driver is registered");
  return {
    observeCall,
    observeCommand,
    observeRegistration: (succeeded) => registrations.inc({ outcome: succeeded ? "succeeded" : "failed" }),
    text: async (figures) => {
      showGroups(await figures.groups());
      operations.set(figures.operations());
      registered.set(figures.isRegistered() ? 1 : 0);
      return registry.metrics();
    },
  };
}

function commandMetrics(registry: Registry): NodeMetrics["observeCommand"] {
  const commands = new Counter({
    name: "lvm_local_csi_lvm_commands_total",
    help: "Commands given to LVM, by what it answered; unknown: nothing of use",
    labelNames: ["command", "outcome"],
    registers: [registry],
  });
  const observeSeconds = durationHistogram(registry, {
    name: "lvm_local_csi_lvm_command_duration_seconds",
    help: "Time that LVM took for a command, without waiting for its turn",
    label: "command",
  });
  return ({ command, outcome, seconds }) => {
    commands.inc({ command, outcome });
    observeSeconds(command, seconds);
  };
}

/** Makes the gauges of groups, and what sets them. A group that cannot be read has none but `up`, which is 0 then. */
function groupMetrics(registry: Registry): (groups: ReadonlyMap<string, GroupFigures | undefined>) => void {
  const group = (name: string, help: string): Gauge => gauge(registry, `volume_group_${name}`, help, ["volume_group"]);
  const up = group("up", "Whether the volume group can be read");
  const gauges: readonly (readonly [Gauge, keyof GroupFigures])[] = [
    [group("size_bytes", "Size of the volume group"), "sizeBytes"],
    [group("free_bytes", "Room of the volume group that no logical volume has"), "freeBytes"],
    [group("missing_physical_volumes", "Physical volumes without a device"), "missingPhysicalVolumes"],
    [group("metadata_size_bytes", "Longest metadata that fit into the tightest metadata area"), "metadataBytes"],
    [group("metadata_free_bytes", "How much of that is left"), "metadataFreeBytes"],
    [group("volumes", "Volumes of the driver"), "volumes"],
    [group("volumes_abnormal", "Volumes of the driver that are not in order"), "abnormalVolumes"],
  ];
  return (groups) => {
    for (const [each] of gauges) each.reset();
    for (const [name, figures] of groups) {
      const labels = { volume_group: name };
      up.set(labels, figures === undefined ? 0 : 1);
      if (figures === undefined) continue;
      for (const [each, key] of gauges) each.set(labels, figures[key]);
    }
  };
}

function gauge(registry: Registry, name: string, help: string, labelNames: readonly string[] = []): Gauge {
  return new Gauge({ name: `lvm_local_csi_${name}`, help, labelNames: [...labelNames], registers: [registry] });
}
