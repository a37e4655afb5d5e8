import { readFileSync } from "node:fs";
import path from "node:path";
import { parseAllDocuments } from "yaml";

/** What is deployed: a directory below kustomize/overlays, and a file in values/. */
export const variants = ["cluster", "single-node"] as const;
export type Variant = (typeof variants)[number];

/** A Kubernetes object as a file describes it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Record<string, string> };
}

export const overlaysDirectory = path.join(import.meta.dirname, "kustomize/overlays");

const namespaceFile = path.join(import.meta.dirname, "kustomize/base/namespace.yaml");

/**
 * Arguments of kubectl that have an API server look at everything there is, one list for each call. The first makes the
 * namespace, without which nothing in it can be tried; the others change nothing.
 */
export const dryRuns: readonly (readonly string[])[] = [
  ["apply", "--server-side", "--filename", namespaceFile],
  ...variants.map((variant) => dryRun("--kustomize", path.join(overlaysDirectory, variant))),
  dryRun("--filename", path.join(import.meta.dirname, "examples")),
];

/** Objects of a file or of what a program printed. @throws Error where one is none */
export function parseManifests(text: string): readonly Manifest[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [problem] = document.errors;
    if (problem !== undefined) throw problem;
    const value: unknown = document.toJS();
    if (value === null || value === undefined) return [];
    if (!isManifest(value)) throw new Error(`not a Kubernetes object: ${JSON.stringify(value).slice(0, 200)}`);
    return [value];
  });
}

/**
 * The objects of a directory that has a kustomization with resources and nothing else, as all of ours are; kustomize
 * itself is compared with this in a test.
 */
export function readKustomization(directory: string): readonly Manifest[] {
  const kustomization = readFileSync(path.join(directory, "kustomization.yaml"), "utf8");
  const resources = [...kustomization.matchAll(/^ *- (\S+)$/gm)].map(([, resource = ""]) => resource);
  return resources.flatMap((resource) => {
    const target = path.join(directory, resource);
    return resource.endsWith(".yaml") ? parseManifests(readFileSync(target, "utf8")) : readKustomization(target);
  });
}

export function readOverlay(variant: Variant): readonly Manifest[] {
  return readKustomization(path.join(overlaysDirectory, variant));
}

/** What tells an object from all others of a cluster. */
export function objectKey({ kind, metadata }: Manifest): string {
  return [kind, metadata.namespace, metadata.name].filter((part) => part !== undefined).join("/");
}

function isManifest(value: unknown): value is Manifest {
  if (typeof value !== "object" || value === null) return false;
  if (!("apiVersion" in value) || !("kind" in value) || !("metadata" in value)) return false;
  const { metadata } = value;
  return typeof metadata === "object" && metadata !== null && "name" in metadata && typeof value.kind === "string";
}

function dryRun(...what: readonly string[]): readonly string[] {
  return ["apply", "--server-side", "--force-conflicts", "--dry-run=server", ...what];
}
