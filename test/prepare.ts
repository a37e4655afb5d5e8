// Makes what takes long to make, and what parts of `npm test` need that come late: the image, csi-sanity, helm and
// kustomize. run.ts has it done beside the kernel tests, for time that those leave to others.
import { buildPrograms } from "../csi-sanity/go.ts";
import { buildTools } from "../deploy/tools.ts";
import { run } from "./runner/command.ts";

await buildPrograms();
await buildTools();
process.exitCode = await run("image/build", []);
