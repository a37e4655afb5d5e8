import { expect, test } from "@jest/globals";
import { dependentsOf } from "./dependents.ts";
import { parseMetadataText } from "./metadata-text.ts";

const hidden = `status = ["READ", "WRITE"]`;
const visible = `status = ["READ", "WRITE", "VISIBLE"]`;

/** A volume in the shape in which LVM 2.03.16 writes it. */
function volume(name: string, status: string, ...segments: readonly string[]): string {
  return `${name} { ${status}\n ${segments.map((segment, index) => `segment${index + 1} { ${segment} }`).join("\n")} }\n`;
}

const linear = `type = "striped"\n stripe_count = 1\n stripes = [ "pv0", 4 ]`;

function dependents(...volumes: readonly string[]): Record<string, readonly string[]> {
  const { sections } = parseMetadataText(volumes.join(""));
  return Object.fromEntries(dependentsOf(sections, (name) => /^pv\d$/.test(name)));
}

test("volumes on physical volumes alone have none", () => {
  expect(dependents(volume("a", visible, linear), volume("pv0", visible, linear))).toEqual({});
});

function tie(store: string): string {
  return `type = "snapshot"\n chunk_size = 8\n origin = "orig"\n ${store}`;
}

test("classic snapshots rest on their origin", () => {
  expect(
    dependents(
      volume("orig", visible, linear),
      volume("snap2", hidden, linear),
      volume("snap1", hidden, linear),
      volume("snapshot0", visible, tie(`cow_store = "snap2"`)),
      volume("snapshot1", visible, tie(`merging_store = "snap1"`)),
    ),
  ).toEqual({ orig: ["snap1", "snap2"] });
});

test("thin volumes rest on their pool, their origin and an origin outside", () => {
  const found = dependents(
    volume("outside", visible, linear),
    volume(
      "pool",
      visible,
      `type = "thin-pool"\n metadata = "pool_tmeta"\n pool = "pool_tdata"\n discards = "passdown"`,
    ),
    volume("thin", visible, `type = "thin"\n thin_pool = "pool"\n device_id = 1\n external_origin = "outside"`),
    volume("copy", visible, `type = "thin"\n thin_pool = "pool"\n device_id = 2\n origin = "thin"`),
    volume("pool_tmeta", hidden, linear),
    volume("pool_tdata", hidden, linear),
  );
  expect(found).toEqual({
    outside: ["copy", "thin"],
    pool: ["copy", "thin"],
    thin: ["copy"],
    pool_tmeta: ["copy", "pool", "thin"],
    pool_tdata: ["copy", "pool", "thin"],
  });
});

test("a cache, a mirror and what pvmove has taken on rest on their parts", () => {
  const found = dependents(
    volume("c", visible, `type = "cache"\n cache_pool = "fast"\n origin = "c_corig"`),
    volume("fast", hidden, `type = "cache-pool"\n data = "fast_cdata"\n metadata = "fast_cmeta"\n cache_mode = "c"`),
    volume("c_corig", hidden, linear),
    volume("m", visible, `type = "mirror"\n mirror_log = "m_mlog"\n mirrors = [ "m_mimage_0", 0, "m_mimage_1", 0 ]`),
    volume("m_mlog", hidden, linear),
    volume("m_mimage_0", hidden, `type = "striped"\n stripe_count = 1\n stripes = [ "pvmove0", 0 ]`),
    volume("m_mimage_1", hidden, linear),
    volume("pvmove0", hidden, `type = "mirror"\n mirrors = [ "pv0", 0, "pv1", 0 ]`),
    volume("r", visible, `type = "raid1"\n raids = [ "r_rmeta_0", "r_rimage_0" ]`, linear),
    volume("r_rmeta_0", hidden, linear),
  );
  expect(found).toMatchObject({
    c_corig: ["c"],
    fast: ["c"],
    m_mlog: ["m"],
    pvmove0: ["m"],
    m_mimage_1: ["m"],
    r_rmeta_0: ["r"],
  });
});

test("volumes that name each other come to an end", () => {
  const found = dependents(
    volume("a", visible, `type = "thin"\n origin = "b"`),
    volume("b", visible, `type = "thin"\n origin = "a"\n thin_pool = "b"`),
  );
  expect(found).toEqual({ a: ["b"], b: ["a"] });
});
