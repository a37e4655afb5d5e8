import { readFileSync, readdirSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { Counter, Gauge, type Registry } from "prom-client";

/**
 * What Prometheus clients tell of a process, under the usual names. prom-client's own collection cannot be had in parts,
 * and the whole of it watches every collection of garbage, wakes the process a hundred times a second, and has 25 more
 * names.
 */
export function addProcessMetrics(registry: Registry, version: string): void {
  const add = (metric: Counter | Gauge): void => registry.registerMetric(metric);
  const gauge = (name: string, help: string, read: () => number): void => {
    const collect = function (this: Gauge): void {
      this.set(read());
    };
    add(new Gauge({ name, help, collect, registers: [] }));
  };
  addInfo(registry, version);
  add(
    new Counter({
      name: "process_cpu_seconds_total",
      help: "Processor time of the process, its threads included",
      registers: [],
      collect() {
        const { user, system } = process.cpuUsage();
        this.reset();
        this.inc((user + system) / 1e6);
      },
    }),
  );
  const started = Math.round(Date.now() / 1000 - process.uptime());
  gauge("process_start_time_seconds", "When the process started, since 1970", () => started);
  gauge("process_resident_memory_bytes", "Resident memory", () => process.memoryUsage.rss());
  gauge("process_open_fds", "Open file descriptors", () => readdirSync("/proc/self/fd").length - 1);
  gauge("process_max_fds", "Most file descriptors that the process may have open", mostDescriptors);
  gauge("nodejs_heap_size_total_bytes", "Heap of V8", () => process.memoryUsage().heapTotal);
  gauge("nodejs_heap_size_used_bytes", "Used heap of V8", () => process.memoryUsage().heapUsed);
  add(
    new Gauge({
      name: "nodejs_eventloop_lag_seconds",
      help: "How long the event loop took at this scrape to get to what was ready",
      registers: [],
      async collect() {
        const asked = performance.now();
        await setImmediate();
        this.set((performance.now() - asked) / 1000);
      },
    }),
  );
}

function addInfo(registry: Registry, version: string): void {
  const info = new Gauge({
    name: "lvm_local_csi_build_info",
    help: "Always 1; the labels tell the versions of the driver and of Node.js",
    labelNames: ["version", "node_version"],
    registers: [registry],
  });
  info.set({ version, node_version: process.versions.node }, 1);
}

function mostDescriptors(): number {
  const soft = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
}
