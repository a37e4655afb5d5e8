const project = {
  testEnvironment: "node",
  // without an entry of its own, Babel would be used; Jest strips types itself from files that no transform claims
  transform: {},
  extensionsToTreatAsEsm: [".ts"],
};

/**
 * Kernel tests need the laboratory: `npm run test:kernel`, or `test/lab/boot` around jest. So do those of the image.
 * Those of the cluster need one that is up, with the driver deployed: `npm run test:cluster`.
 */
export default {
  projects: [
    { ...project, displayName: "unit", testMatch: ["<rootDir>/{src,test/unit,csi-sanity}/**/*.test.ts"] },
    { ...project, displayName: "deploy", testMatch: ["<rootDir>/test/deploy/**/*.test.ts"] },
    { ...project, displayName: "laboratory", testMatch: ["<rootDir>/test/lab/**/*.test.ts"] },
    { ...project, displayName: "kernel", testMatch: ["<rootDir>/test/kernel/**/*.test.ts"] },
    { ...project, displayName: "image", testMatch: ["<rootDir>/test/image/**/*.test.ts"] },
    { ...project, displayName: "cluster", testMatch: ["<rootDir>/test/cluster/**/*.test.ts"] },
  ],
  // for the laboratory on a slow machine, where the longest of them take minutes; Jest takes it here only, for all projects
  testTimeout: 600_000,
};
