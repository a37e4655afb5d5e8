import { Gauge } from "prom-client";
import { type RoleMetrics, createRoleMetrics } from "./role-metrics.ts";

/** What the controller knows at a scrape. */
export interface ControllerFigures {
  /** Nodes that have, or have had, a driver. */
  readonly nodes: number;
  /** Those of them that work, and whose driver can be called. */
  readonly nodesReady: number;
  /** Names of volumes that are on more than one node, as far as is known. */
  readonly duplicateVolumes: number;
}

/** What is counted in the controller. */
export interface ControllerMetrics extends Pick<RoleMetrics, "observeCall"> {
  /** All figures in Prometheus's text format. */
  readonly text: (figures: ControllerFigures) => Promise<string>;
}

/** Loads prom-client: import this module only where it is wanted. */
export function createControllerMetrics(version: string): ControllerMetrics {
  const { registry, observeCall } = createRoleMetrics(version);
  const gauge = (name: string, help: string): Gauge =>
    new Gauge({ name: `lvm_local_csi_${name}`, help, registers: [registry] });
  const nodes = gauge("nodes", "Nodes that have, or have had, a driver");
  const nodesReady = gauge("nodes_ready", "Nodes that work, and whose driver can be called");
  const duplicates = gauge("duplicate_volumes", "Names of volumes that are on more than one node");
  return {
    observeCall,
    text: async (figures) => {
      nodes.set(figures.nodes);
      nodesReady.set(figures.nodesReady);
      duplicates.set(figures.duplicateVolumes);
      return registry.metrics();
    },
  };
}
