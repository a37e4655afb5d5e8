import { spawn } from "node:child_process";
import path from "node:path";
import type { Scene } from "./scene.ts";

/** A name as csi-provisioner makes it; its volume's id is known beforehand. */
const name = "pvc-00000000-0000-4000-8000-000000000001";

/** Opens a shell beside the running driver and waits until the person leaves it. */
export async function openShell({ report, machine, plugin, kubelet }: Scene): Promise<void> {
  report.heading("The driver goes on running");
  report.note(introduction({ volumeGroup: machine.volumeGroup, kubelet: kubelet.directory, logFile: plugin.logFile }));
  const shell = spawn("bash", ["--noprofile", "--norc", "-i"], {
    stdio: "inherit",
    env: {
      ...process.env,
      CSI_ENDPOINT: `unix://${plugin.socketPath}`,
      PATH: `${path.dirname(process.execPath)}:${process.env["PATH"]}`,
      PS1: "demo$ ",
    },
  });
  await new Promise((resolve, reject) => {
    shell.once("exit", resolve);
    shell.once("error", reject);
  });
}

interface Names {
  readonly volumeGroup: string;
  readonly kubelet: string;
  readonly logFile: string;
}

function introduction({ volumeGroup, kubelet, logFile }: Names): string {
  const volumeId = `n1/${volumeGroup}/${name}`;
  const volumeCapability = { mount: {}, accessMode: { mode: "SINGLE_NODE_WRITER" } };
  const stagingTargetPath = `${kubelet}/staging`;
  const targetPath = `${kubelet}/pod`;
  return `
This is a shell beside it. "exit" or Ctrl-D ends the driver and the laboratory with all that is in it.
call.ts sends one call to CSI_ENDPOINT (${kubelet.replace(/kubelet$/, "csi.sock")}) and prints the answer. To begin with:

${call("Identity", "Probe")}
${call("Controller", "CreateVolume", { name, capacityRange: { requiredBytes: 2 ** 28 }, volumeCapabilities: [volumeCapability] })}
lvs -o+lv_tags ${volumeGroup}
mkdir ${stagingTargetPath}
${call("Node", "NodeStageVolume", { volumeId, stagingTargetPath, volumeCapability })}
${call("Node", "NodePublishVolume", { volumeId, stagingTargetPath, targetPath, volumeCapability })}
df -h ${targetPath}
${call("Node", "NodeUnpublishVolume", { volumeId, targetPath })}
${call("Node", "NodeUnstageVolume", { volumeId, stagingTargetPath })}
${call("Controller", "DeleteVolume", { volumeId })}
tail ${logFile}
`;
}

function call(service: string, method: string, request?: object): string {
  const json = request === undefined ? "" : ` '${JSON.stringify(request)}'`;
  return `node test/demo/call.ts ${service} ${method}${json}`;
}
