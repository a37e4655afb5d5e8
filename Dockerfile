# The image of the driver. docs/image.md tells what is in it, how it runs, and how it is built without a registry.
ARG NODE_IMAGE=node:26.10.0-bookworm-slim
ARG DEBIAN_IMAGE=debian:bookworm-slim

FROM ${NODE_IMAGE} AS node

FROM node AS bundle
WORKDIR /source
COPY .npmrc package.json package-lock.json ./
RUN npm ci --ignore-scripts --loglevel=error && rm -rf ~/.npm
COPY image image
COPY proto proto
COPY src src
RUN node image/bundle.ts

# Debian 12: its mkfs programs make filesystems that old kernels mount too, and its LVM is the one that the tests know.
FROM ${DEBIAN_IMAGE} AS programs
RUN apt-get update && apt-get install -y --no-install-recommends \
    binutils \
    btrfs-progs='6.2-1*' \
    e2fsprogs='1.47.0-2*' \
    libatomic1 \
    lvm2='2.03.16-2*' \
    xfsprogs='6.1.0-1*' \
  && rm -rf /var/lib/apt/lists
COPY --from=node /usr/local/bin/node /usr/bin/node
COPY image/collect /usr/local/bin/
RUN strip --strip-unneeded /usr/bin/node && collect /image \
    /usr/bin/env /usr/bin/node \
    /sbin/lvm \
    /sbin/mkfs.ext4 /sbin/e2fsck /etc/mke2fs.conf \
    /sbin/mkfs.xfs /usr/sbin/xfs_growfs \
    /sbin/mkfs.btrfs /bin/btrfs \
  && ln -s /opt/lvm-local-csi/dist/main.js /image/usr/bin/lvm-local-csi

FROM scratch
LABEL org.opencontainers.image.title="lvm-local-csi" \
      org.opencontainers.image.description="Container Storage Interface driver for local LVM logical volumes" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=programs /image /
COPY package.json /opt/lvm-local-csi/
COPY proto/*.json /opt/lvm-local-csi/proto/
COPY --from=bundle /source/dist /opt/lvm-local-csi/dist
ENV PATH=/usr/sbin:/usr/bin
# A third less memory at the price of what a program that mostly waits does not need: docs/performance.md.
ENV MALLOC_ARENA_MAX=1
# For a person who runs `lvm lvs` in the container, whose root is read-only; the driver sets it for its own.
ENV LVM_SYSTEM_DIR=
ENTRYPOINT ["/usr/bin/node", "--heap-growing-percent=20", "--no-turbofan", "--no-maglev", "--optimize-for-size", "--max-semi-space-size=1", "--v8-pool-size=0", "/opt/lvm-local-csi/dist/main.js"]
