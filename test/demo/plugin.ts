import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type CsiClient, connectCsi } from "../lab/csi-client.ts";
import { type Driver, type Ending, startDriver } from "../lab/driver.ts";

const nodeName = "n1";

/** The driver, which may be killed and started again, and a client of it. */
export class Plugin {
  readonly csi: CsiClient;
  readonly socketPath: string;
  readonly logFile: string;
  readonly #kubeletDirectory: string;
  readonly #volumeGroup: string;
  #driver: Driver | undefined;

  /** @param directory for its socket and its log */
  constructor(directory: string, kubeletDirectory: string, volumeGroup: string) {
    this.socketPath = path.join(directory, "csi.sock");
    this.csi = connectCsi(this.socketPath);
    this.logFile = path.join(directory, "driver.log");
    this.#kubeletDirectory = kubeletDirectory;
    this.#volumeGroup = volumeGroup;
  }

  /** Starts it and waits until it is ready, as the sidecars do. */
  async start(): Promise<void> {
    assert(this.#driver === undefined, "the driver runs already");
    this.#driver = await startDriver({
      socketPath: this.socketPath,
      kubeletDirectory: this.#kubeletDirectory,
      logFile: this.logFile,
      volumeGroups: [this.#volumeGroup],
      nodeName,
    });
    for (const end = Date.now() + 30_000; ; await sleep(100)) {
      const { ready } = await this.csi.Identity.Probe({});
      if (ready?.value) return;
      if (Date.now() > end) throw new Error("the driver runs, but Probe does not become ready");
    }
  }

  /** SIGKILL. What the driver has started goes on, as after a crash. */
  async kill(): Promise<void> {
    await this.#driver?.kill();
    this.#driver = undefined;
  }

  /** SIGTERM. */
  async stop(): Promise<Ending | undefined> {
    return this.#driver?.stop();
  }

  /** The last lines of what it printed. */
  async log(lines: number): Promise<string> {
    const text = await readFile(this.logFile, "utf8").catch(() => "");
    return text.trimEnd().split("\n").slice(-lines).join("\n");
  }
}
