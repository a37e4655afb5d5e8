import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { findGo } from "../csi-sanity/go.ts";
import type { Variant } from "./manifests.ts";

const run = promisify(execFile);
const chart = path.join(import.meta.dirname, "chart");
const cache = path.join(process.env["XDG_CACHE_HOME"] ?? path.join(homedir(), ".cache"), "lvm-local-csi/deploy");

/** For what Kubernetes is rendered: the oldest that the chart allows. */
const version = ["--kube-version", "1.29.0"];

/** Where the objects of the rendered manifests are. */
export const namespace = "lvm-local-csi";

/** Paths of the programs that render and check. */
export interface Tools {
  readonly helm: string;
  readonly kustomize: string;
}

/**
 * Builds helm and kustomize from what tools/go.mod pins, into the user's cache. Go itself sees whether anything has
 * changed.
 * @throws Error saying what to install, or with the compiler's words
 */
export async function buildTools(): Promise<Tools> {
  const go = await findGo();
  await mkdir(cache, { recursive: true });
  const environment = { ...process.env, CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOWORK: "off", GOROOT: "" };
  const packages = ["helm.sh/helm/v3/cmd/helm", "sigs.k8s.io/kustomize/kustomize/v5"];
  const options = { cwd: path.join(import.meta.dirname, "tools"), env: environment, maxBuffer: 2 ** 26 };
  await run(go, ["build", "-trimpath", "-ldflags", "-s -w", "-o", `${cache}/`, ...packages], options);
  return { helm: path.join(cache, "helm"), kustomize: path.join(cache, "kustomize") };
}

/** The values that a variant is rendered with. */
export function valuesFile(variant: Variant): string {
  return path.join(import.meta.dirname, "values", `${variant}.yaml`);
}

/**
 * What the chart makes of its values.
 * @param args - more of helm's flags, such as `--values FILE` and `--set`
 * @throws Error with helm's words
 */
export async function renderChart(helm: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run(helm, [
    "template",
    "lvm-local-csi",
    chart,
    "--namespace",
    namespace,
    ...version,
    ...args,
  ]);
  return stdout;
}

/** @throws Error with what helm finds wrong with the chart */
export async function lintChart(helm: string, args: readonly string[]): Promise<void> {
  await run(helm, ["lint", "--strict", chart, ...version, ...args]);
}

/** What kustomize makes of a directory. @throws Error with its words */
export async function buildKustomization(kustomize: string, directory: string): Promise<string> {
  const { stdout } = await run(kustomize, ["build", directory]);
  return stdout;
}
