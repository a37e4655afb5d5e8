import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { shell } from "./shell.ts";

/** An image of one layer. */
export interface ImageContents {
  /** Its names with their tags, as pods ask for it. */
  readonly references: readonly string[];
  /** The directory that becomes its root. */
  readonly root: string;
  readonly entrypoint?: readonly string[];
}

const architectures: Partial<Record<string, string>> = { x64: "amd64" };

/** Writes an archive of the kind that `docker load` and `ctr images import` read. */
export async function writeArchive(target: string, { references, root, entrypoint }: ImageContents): Promise<void> {
  const work = await mkdtemp(`${target}.`);
  try {
    const layer = path.join(work, "layer.tar");
    await tar(layer, root, ["."]);
    const digest = await sha256(layer);
    const configuration = JSON.stringify({
      architecture: architectures[process.arch] ?? process.arch,
      os: "linux",
      config: {
        Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint }),
      },
      rootfs: { type: "layers", diff_ids: [`sha256:${digest}`] },
    });
    const name = `${createHash("sha256").update(configuration).digest("hex")}.json`;
    await mkdir(path.join(work, digest));
    await rename(layer, path.join(work, digest, "layer.tar"));
    await writeFile(path.join(work, name), configuration);
    const manifest = [{ Config: name, RepoTags: references, Layers: [`${digest}/layer.tar`] }];
    await writeFile(path.join(work, "manifest.json"), JSON.stringify(manifest));
    await tar(target, work, [name, digest, "manifest.json"]);
  } finally {
    await rm(work, { recursive: true });
  }
}

async function tar(target: string, directory: string, names: readonly string[]): Promise<void> {
  const same = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];
  await shell("tar", [...same, "-C", directory, "-cf", target, ...names]);
}

async function sha256(file: string): Promise<string> {
  const digest = createHash("sha256");
  await pipeline(createReadStream(file), digest);
  return digest.digest("hex");
}
