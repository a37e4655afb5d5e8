import { expect, test } from "@jest/globals";
import type { GroupFigures } from "../volume/figures.ts";
import { type NodeFigures, createNodeMetrics } from "./node-metrics.ts";

const group: GroupFigures = {
  sizeBytes: 4096,
  freeBytes: 1024,
  missingPhysicalVolumes: 0,
  metadataBytes: 500,
  metadataFreeBytes: 400,
  volumes: 3,
  abnormalVolumes: 1,
};

function figures(groups: Record<string, GroupFigures | undefined>): NodeFigures {
  return { groups: async () => new Map(Object.entries(groups)), operations: () => 2, isRegistered: () => true };
}

/** Metrics that have counted one of everything. */
function counted() {
  const metrics = createNodeMetrics("1.2.3");
  metrics.observeCall({ method: "CreateVolume", code: "OK", seconds: 0.3 });
  metrics.observeCommand({ command: "lvcreate", outcome: "succeeded", seconds: 0.05 });
  metrics.observeRegistration(true);
  return metrics;
}

test("calls, commands and registrations are counted by their few labels", async () => {
  const metrics = counted();
  metrics.observeCall({ method: "CreateVolume", code: "RESOURCE_EXHAUSTED", seconds: 1 });
  metrics.observeCommand({ command: "lvcreate", outcome: "unknown", seconds: 30 });
  const lines = (await metrics.text(figures({}))).split("\n");
  expect(lines).toEqual(
    expect.arrayContaining([
      `lvm_local_csi_build_info{version="1.2.3",node_version="${process.versions.node}"} 1`,
      'lvm_local_csi_rpcs_total{method="CreateVolume",code="OK"} 1',
      'lvm_local_csi_rpcs_total{method="CreateVolume",code="RESOURCE_EXHAUSTED"} 1',
      'lvm_local_csi_rpc_duration_seconds_bucket{le="0.1",method="CreateVolume"} 0',
      'lvm_local_csi_rpc_duration_seconds_bucket{le="0.5",method="CreateVolume"} 1',
      'lvm_local_csi_rpc_duration_seconds_count{method="CreateVolume"} 2',
      'lvm_local_csi_lvm_commands_total{command="lvcreate",outcome="succeeded"} 1',
      'lvm_local_csi_lvm_commands_total{command="lvcreate",outcome="unknown"} 1',
      'lvm_local_csi_lvm_command_duration_seconds_sum{command="lvcreate"} 30.05',
      'lvm_local_csi_registrations_total{outcome="succeeded"} 1',
      "lvm_local_csi_registered 1",
      "lvm_local_csi_operations_in_progress 2",
    ]),
  );
});

test("a group that cannot be read any more keeps none of its figures", async () => {
  const metrics = createNodeMetrics("1");
  const before = await metrics.text(figures({ vg: group, other: group }));
  expect(before).toContain('lvm_local_csi_volume_group_up{volume_group="vg"} 1\n');
  expect(before).toContain('lvm_local_csi_volume_group_free_bytes{volume_group="vg"} 1024\n');
  expect(before).toContain('lvm_local_csi_volume_group_volumes_abnormal{volume_group="vg"} 1\n');
  const after = await metrics.text(figures({ vg: undefined, other: group }));
  const lines = after.split("\n").filter((line) => line.includes('volume_group="vg"'));
  expect(lines).toEqual(['lvm_local_csi_volume_group_up{volume_group="vg"} 0']);
  expect(after).toContain('lvm_local_csi_volume_group_up{volume_group="other"} 1\n');
});

test("figures of the process are there, and of use", async () => {
  const text = await createNodeMetrics("1").text(figures({}));
  const value = (name: string): number => Number(new RegExp(`^${name} (.+)$`, "m").exec(text)?.[1]);
  expect(value("process_resident_memory_bytes")).toBeGreaterThan(1e7);
  expect(value("process_cpu_seconds_total")).toBeGreaterThan(0.05);
  expect(Math.abs(value("process_start_time_seconds") - Date.now() / 1000)).toBeLessThan(3600);
  expect(value("process_open_fds")).toBeGreaterThan(2);
  expect(value("process_max_fds")).toBeGreaterThan(value("process_open_fds"));
  expect(value("nodejs_eventloop_lag_seconds")).toBeLessThan(10);
});
