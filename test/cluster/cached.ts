import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { cache } from "./paths.ts";

/**
 * The path of something that takes long to make and is kept between runs. It is made now unless it has been made of
 * the same before; what was made of something else is removed.
 * @param name - of a file or directory in the cache, of which more than one sort may exist: "images.tar"
 * @param madeOf - all that decides what comes out
 * @param make - makes it at the path that it is given, where nothing is
 */
export async function cached(
  name: string,
  madeOf: readonly (string | Buffer)[],
  make: (target: string) => Promise<void>,
): Promise<string> {
  const digest = createHash("sha256");
  for (const part of madeOf) digest.update(part).update("\0");
  const { name: stem, ext } = path.parse(name);
  const target = path.join(cache, `${stem}-${digest.digest("hex").slice(0, 16)}${ext}`);
  if (existsSync(target)) return target;
  const half = `${target}.half`;
  await mkdir(cache, { recursive: true });
  await rm(half, { recursive: true, force: true });
  const start = performance.now();
  console.error(`cluster: making ${name}`);
  await make(half);
  await removeOlder(stem, ext, half);
  await rename(half, target);
  console.error(`cluster: made ${name} in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return target;
}

async function removeOlder(stem: string, ext: string, half: string): Promise<void> {
  const ours = new RegExp(`^${RegExp.escape(stem)}-[0-9a-f]{16}${RegExp.escape(ext)}(\\.half)?$`);
  const names = (await readdir(cache)).filter((name) => ours.test(name) && path.join(cache, name) !== half);
  await Promise.all(names.map((name) => rm(path.join(cache, name), { recursive: true })));
}
