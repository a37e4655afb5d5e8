import { expect, test } from "@jest/globals";
import type { Access } from "./access.ts";
import { parseParameters, volumeKind } from "./parameters.ts";

const mount = (filesystem: string): Access => ({ kind: "mount", mode: "shared", filesystem, mountFlags: [] });
const block: Access = { kind: "block", mode: "shared" };

test.each([
  [{}, [mount("xfs")], { filesystem: "xfs", mkfsOptions: [] }],
  [{ mkfsOptions: "-m reflink=0" }, [mount("xfs")], { filesystem: "xfs", mkfsOptions: ["-m", "reflink=0"] }],
  [
    { "csi.storage.k8s.io/fstype": "btrfs", mkfsOptions: "-n 16k" },
    [],
    { filesystem: "btrfs", mkfsOptions: ["-n", "16k"] },
  ],
  [{ "csi.storage.k8s.io/fstype": "" }, [mount("")], { filesystem: "ext4", mkfsOptions: [] }],
  [{}, [block], { filesystem: undefined, mkfsOptions: [] }],
])("%j with %j make a volume", (parameters, accesses, kind) => {
  expect(volumeKind(accesses, parseParameters(parameters))).toEqual(kind);
});

test.each([
  [{ mkfsOptions: "-m reflink=0" }, [mount("ext4")], 'mkfsOptions "-m reflink=0" is refused'],
  [{ "csi.storage.k8s.io/fstype": "ext4", mkfsOptions: "-F" }, [], 'mkfsOptions "-F" is refused'],
  [{ mkfsOptions: "-m 1" }, [block], 'parameter "mkfsOptions" is given for a raw block volume'],
  [{ "csi.storage.k8s.io/fstype": "ntfs" }, [mount("xfs")], 'parameter "csi.storage.k8s.io/fstype" is "ntfs"'],
])("%j with %j make none", (parameters, accesses, message) => {
  expect(() => volumeKind(accesses, parseParameters(parameters))).toThrow(message);
});

test("mkfs options are not judged while nobody says for which filesystem, as csi-provisioner asks for capacity", () => {
  const parameters = parseParameters({ mkfsOptions: "-m reflink=0" });
  expect(volumeKind([], parameters)).toEqual({ filesystem: "ext4", mkfsOptions: [] });
});
