// Renders deploy/kustomize from deploy/chart: `npm run deploy:render`.
//
// What the chart makes of both value files goes into base/, the rest into the overlay of its file. Nothing is patched,
// so that everybody can read what is applied.
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { rendering } from "./rendering.ts";
import { buildTools } from "./tools.ts";

const target = path.join(import.meta.dirname, "kustomize");

console.log("deploy: building helm (some minutes at the first time)");
const { helm } = await buildTools();
const files = await rendering(helm);
await rm(path.join(target, "overlays"), { recursive: true, force: true });
for (const [file, text] of files) {
  await mkdir(path.dirname(path.join(target, file)), { recursive: true });
  await writeFile(path.join(target, file), text);
}
console.log(`deploy: ${files.size} files in ${path.relative(process.cwd(), target)}`);
