import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import type { LogicalVolume, VolumeGroupState } from "../../src/lvm/model.ts";
import type { VolumeGroup } from "../../src/lvm/volume-group.ts";
import { type Lab, openLab } from "./lvm-lab.ts";

let lab: Lab;
let disks: readonly string[];
let group: VolumeGroup;

beforeAll(async () => {
  lab = await openLab();
  disks = [lab.attach(), lab.attach(), lab.attach(), lab.attach()];
});

afterAll(() => lab.close());

afterEach(() => lab.foreign("vgremove --force --force --yes labread"));

async function makeGroup(...nodes: readonly (string | undefined)[]): Promise<void> {
  await lab.foreign(`vgcreate --yes labread ${nodes.join(" ")}`);
  group = lab.group("labread");
}

async function makeVolume(options: string, where = ""): Promise<void> {
  await lab.foreign(`lvcreate --yes --wipesignatures n --zero n ${options} labread ${where}`);
}

/** Everything that LVM reports and the driver reads, in the same shape. */
async function reported(): Promise<unknown> {
  const [vg] = await lab.foreign(
    "vgs --units b --nosuffix -o vg_uuid,vg_seqno,vg_extent_size,vg_free_count,vg_mda_size labread",
  );
  const pvs = await lab.foreign(
    "pvs --units b --nosuffix -o pv_name,pv_uuid,pv_pe_count,pv_pe_alloc_count --select vg_name=labread",
  );
  const lvs = await lab.foreign("lvs --units b --nosuffix -o lv_name,lv_uuid,lv_size,lv_tags labread");
  const segments = await lab.foreign(
    "lvs --units b --nosuffix -o lv_name,seg_start_pe,stripes,seg_pe_ranges,stripe_size labread",
  );
  return {
    uuid: bare(vg?.["vg_uuid"]),
    seqno: Number(vg?.["vg_seqno"]),
    extent: Number(vg?.["vg_extent_size"]),
    free: Number(vg?.["vg_free_count"]),
    capacity: (Number(vg?.["vg_mda_size"]) - 512) / 2 - 512,
    pvs: pvs
      .map((pv) => `${pv["pv_name"]} ${bare(pv["pv_uuid"])} ${pv["pv_pe_count"]} ${pv["pv_pe_alloc_count"]}`)
      .toSorted(),
    lvs: lvs
      .map(
        (lv) =>
          `${lv["lv_name"]} ${bare(lv["lv_uuid"])} ${lv["lv_size"]} ${lv["lv_tags"]?.split(",").toSorted().join()}`,
      )
      .toSorted(),
    segments: segments
      .map((row) => {
        const place = `${row["lv_name"]} ${row["seg_start_pe"]} ${row["stripes"]}`;
        return `${place} ${row["seg_pe_ranges"]?.trim()} ${row["stripe_size"]}`;
      })
      .toSorted(),
  };
}

function read(state: VolumeGroupState): unknown {
  const volumes = [...state.logicalVolumes.values()];
  return {
    uuid: state.uuid,
    seqno: state.sequenceNumber,
    extent: state.extentBytes,
    free: state.physicalVolumes.reduce((sum, pv) => sum + pv.freeExtents, 0),
    capacity: state.metadata.capacityBytes,
    pvs: state.physicalVolumes
      .map((pv) => `/dev/${pv.device?.name} ${pv.uuid} ${pv.extentCount} ${pv.extentCount - pv.freeExtents}`)
      .toSorted(),
    lvs: volumes.map((lv) => `${lv.name} ${lv.uuid} ${lv.sizeBytes} ${lv.tags.toSorted().join()}`).toSorted(),
    segments: volumes.flatMap((lv) => segmentLines(state, lv)).toSorted(),
  };
}

function segmentLines(state: VolumeGroupState, volume: LogicalVolume): readonly string[] {
  let start = 0;
  return volume.segments.map((segment) => {
    const at = start;
    start += segment.extentCount;
    const ranges = segment.areas.map((area) => {
      const node = state.physicalVolumes.find((pv) => pv.uuid === area.physicalVolume)?.device?.name;
      return `/dev/${node}:${area.start}-${area.start + area.count - 1}`;
    });
    return `${volume.name} ${at} ${segment.stripeCount} ${ranges.join(" ")} ${segment.stripeBytes}`;
  });
}

function bare(uuid: string | undefined): string {
  return uuid?.replaceAll("-", "") ?? "";
}

test("linear, striped and fragmented volumes read as LVM reports them", async () => {
  await makeGroup(...disks.slice(0, 3));
  await makeVolume("-l 5 -n linear --addtag lvm.local.csi/state=ready --addtag A_+.-/=!:&z");
  await makeVolume("-l 10 -i 2 -I 64k -n two-stripes");
  await makeVolume("-l 9 -i 3 -I 128k -n three.stripes");
  for (const name of ["a", "b", "c", "d"]) await makeVolume(`-l 3 -n ${name}`, disks[0]);
  await lab.foreign("lvremove --yes labread/a labread/c");
  await makeVolume("-l 40 -n fragmented --alloc anywhere", disks[0]);
  await lab.foreign("lvextend -l +4 labread/b");
  const state = await group.read();
  expect(read(state)).toEqual(await reported());
  expect(state.logicalVolumes.get("fragmented")?.segments.length).toBeGreaterThan(1);
  const active = await lab.host.devices.findMapping(state.logicalVolumes.get("two-stripes")?.mappingName ?? "");
  expect(active?.mapping?.uuid).toBe(state.logicalVolumes.get("two-stripes")?.mappingUuid);
});

test("what others do shows in the next read", async () => {
  await makeGroup(disks[0]);
  expect(read(await group.read())).toEqual(await reported());
  await makeVolume("-l 5 -n new");
  expect(read(await group.read())).toEqual(await reported());
  await lab.foreign(`vgextend --yes labread ${disks[1]}`);
  expect(read(await group.read())).toEqual(await reported());
  await lab.foreign("lvextend -l +60 labread/new");
  await lab.foreign("lvchange --addtag x labread/new");
  expect(read(await group.read())).toEqual(await reported());
  await lab.foreign("lvremove --yes labread/new");
  expect(read(await group.read())).toEqual(await reported());
  await lab.foreign(`vgreduce labread ${disks[0]}`);
  expect(read(await group.read())).toEqual(await reported());
});

test("the text wraps round in its ring and stays readable", async () => {
  await makeGroup(disks[0]);
  for (const name of ["a", "b", "c", "d"]) {
    const tags = Array.from({ length: 25 }, (_, index) => `--addtag t${index}-${"x".repeat(900)}`);
    await makeVolume(`-an -l 1 -n ${name} ${tags.join(" ")}`);
  }
  let written = 0;
  for (let round = 0; written < 2 * 1024 * 1024; round += 1) {
    await lab.foreign(`lvchange ${round % 2 === 0 ? "--addtag" : "--deltag"} flip labread/a`);
    const state = await group.read();
    expect(state.logicalVolumes.get("a")?.tags.includes("flip")).toBe(round % 2 === 0);
    written += state.metadata.usedBytes;
  }
  expect(read(await group.read())).toEqual(await reported());
});

test("groups without, with ignored and with two metadata areas", async () => {
  await lab.foreign(`pvcreate --yes --metadatacopies 2 ${disks[0]}`);
  await lab.foreign(`pvcreate --yes --metadatacopies 0 ${disks[1]}`);
  await makeGroup(...disks.slice(0, 3));
  await lab.foreign(`pvchange --yes --metadataignore y ${disks[2]}`);
  await makeVolume("-l 100 -n wide");
  const state = await group.read();
  const names = state.physicalVolumes.map((volume) => `/dev/${volume.device?.name}`);
  expect(names.toSorted()).toEqual(disks.slice(0, 3).toSorted());
  expect(state.sequenceNumber).toBe(
    Number((await lab.foreign("vgs --units b --nosuffix -o vg_seqno labread"))[0]?.["vg_seqno"]),
  );
  expect(state.logicalVolumes.get("wide")?.extentCount).toBe(100);
});

test("the hidden parts of a mirror take their room", async () => {
  await makeGroup(...disks.slice(0, 3));
  await makeVolume("--type mirror -m 1 --nosync -l 4 -n mirror");
  const state = await group.read();
  const [vg] = await lab.foreign("vgs --units b --nosuffix -o vg_free_count labread");
  expect(state.physicalVolumes.reduce((sum, volume) => sum + volume.freeExtents, 0)).toBe(
    Number(vg?.["vg_free_count"]),
  );
  const part = state.logicalVolumes.get("mirror_mimage_0");
  expect(part?.dependents).toEqual(["mirror"]);
});

test("what rests on a volume is what lvremove would take along", async () => {
  await makeGroup(...disks.slice(0, 2));
  await makeVolume("-l 4 -n origin");
  await makeVolume("-l 4 -n other");
  for (const name of ["kept", "second"]) await lab.foreign(`lvcreate --yes -s -l 2 -n ${name} labread/origin`);
  const before = (await group.read()).logicalVolumes;
  expect(before.get("origin")?.dependents).toEqual(["kept", "second"]);
  for (const name of ["other", "kept", "second"]) expect(before.get(name)?.dependents).toEqual([]);
  await lab.foreign("lvremove --yes labread/origin");
  const after = [...(await group.read()).logicalVolumes.keys()];
  expect(after).toEqual(["other"]);
});

test("thin volumes rest on their pool", async () => {
  await makeGroup(...disks.slice(0, 2));
  await lab.foreign("lvcreate --yes -l 4 -n pool --type thin-pool labread");
  await lab.foreign("lvcreate --yes -V 8m -n thin --thinpool pool labread");
  await lab.foreign("lvcreate --yes -s -n copy labread/thin");
  const { logicalVolumes } = await group.read();
  expect(logicalVolumes.get("pool")?.dependents).toEqual(["copy", "thin"]);
  expect(logicalVolumes.get("thin")?.dependents).toEqual(["copy"]);
});

test("a group inside a logical volume is never seen", async () => {
  await makeGroup(disks[0]);
  await makeVolume("-l 20 -n guest");
  const nested = ["--yes", "--config", 'devices{scan_lvs=1 global_filter=["a|.*|"]}'];
  lab.run("vgcreate", ...nested, "labnested", "/dev/mapper/labread-guest");
  await expect(lab.group("labnested").read()).rejects.toMatchObject({ name: "LvmError", kind: "groupMissing" });
  expect((await group.read()).logicalVolumes.size).toBe(1);
  lab.run("vgremove", ...nested, "labnested");
});
