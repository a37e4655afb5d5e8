import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { shell } from "../kernel/world.ts";

const cache = path.resolve(import.meta.dirname, "../../node_modules/.cache/image");

/** The root of the image, as it was built: to look at, not to run. */
export const imageRoot = path.join(cache, "root");

/** What a container engine does for the driver's image, without one. */
export interface Container {
  /** The image's root, read-only, with what docs/image.md says must be mounted below it. */
  readonly root: string;
  /** Has the same path inside and outside; mounts made below it are seen on both sides, as the kubelet needs. */
  readonly shared: string;
  /** Runs the image's entry point, to which arguments are added, with the image's environment. */
  readonly entryPoint: readonly [string, ...string[]];
  /** Runs a program of the image, likewise. */
  readonly run: (program: string, ...args: readonly string[]) => Promise<string>;
  readonly close: () => Promise<void>;
}

/** The part of buildah-inspect(1) that a container engine goes by. */
interface ImageDescription {
  readonly OCIv1: { readonly config: { readonly Env: readonly string[]; readonly Entrypoint: readonly string[] } };
}

/** Mounts the image's root as Kubernetes would. The laboratory ends with its mounts; `close` is for LAB=host. */
export async function openContainer(): Promise<Container> {
  const root = await mkdtemp("/run/image-root-");
  const shared = await mkdtemp("/run/image-shared-");
  await mountRoot(root);
  await shell("mount", "--bind", shared, shared);
  await shell("mount", "--make-shared", shared);
  for (const directory of [shared, process.env["LAB_LOCK_DIRECTORY"] ?? "/run/lock/lvm", "/run/lvm"]) {
    await mkdir(path.join(root, directory), { recursive: true });
    if (existsSync(directory)) await shell("mount", "--bind", directory, path.join(root, directory));
  }
  const description = JSON.parse(await readFile(path.join(cache, "image.json"), "utf8")) as ImageDescription;
  const { Env, Entrypoint } = description.OCIv1.config;
  const enter = ["--ignore-environment", ...Env, "chroot", root];
  return {
    root,
    shared,
    entryPoint: ["env", ...enter, ...Entrypoint],
    run: (...command) => shell("env", ...enter, ...command),
    close: async () => {
      await shell("umount", "--recursive", shared, root);
      await Promise.all([root, shared].map((directory) => rm(directory, { recursive: true })));
    },
  };
}

async function mountRoot(root: string): Promise<void> {
  await shell("mount", "--bind", imageRoot, root);
  await shell("mount", "-o", "remount,bind,ro", root);
  await shell("mount", "-t", "devtmpfs", "devtmpfs", path.join(root, "dev"));
  await shell("mount", "-t", "proc", "proc", path.join(root, "proc"));
  await shell("mount", "-t", "sysfs", "sysfs", path.join(root, "sys"));
  await shell("mount", "-t", "tmpfs", "tmpfs", path.join(root, "run"));
}
