# The laboratory on this machine's own device-mapper; sourced by boot. Touches nothing but the loop devices it makes
# and what stands on them.
# shellcheck shell=bash disable=SC2154

loops=() child=""

laboratory_ready() {
  [ -c /dev/mapper/control ] && dmsetup version >/dev/null 2>&1 ||
    die "no device-mapper on this machine (/dev/mapper/control): use LAB=uml, or load the module dm-mod"
}

run_command() {
  local image status=0
  for image in "${images[@]}"; do
    loops+=("$(losetup --find --show "$image")")
  done
  write_lvm_configuration
  export LAB=host LAB_DISKS="${loops[*]}" LAB_LOCK_DIRECTORY="$work/lock" LVM_SYSTEM_DIR="$work/lvm"
  echo "lab: device-mapper of this machine, ${#loops[@]} disks: ${loops[*]}" >&2
  setsid "${command[@]}" <&0 {owner}>&- &
  child=$!
  await "$child"
  wait "$child" || status=$?
  exit "$status"
}

# LVM sees these loop devices and no others, and takes its locks where nobody else does.
write_lvm_configuration() {
  local udev=0 filter="" loop
  [ ! -S /run/udev/control ] || udev=1
  for loop in "${loops[@]}"; do
    filter+="\"a|^$loop\$|\", "
  done
  mkdir -p "$work/lvm" "$work/lock"
  cat >"$work/lvm/lvm.conf" <<CONFIGURATION
activation { udev_sync=$udev udev_rules=$udev verify_udev_operations=0 monitoring=0 }
devices {
  global_filter=[ $filter"r|.*|" ]
  obtain_device_list_from_udev=0 use_devicesfile=0 external_device_info_source="none"
}
global { use_lvmpolld=0 locking_dir="$work/lock" }
backup { backup=0 archive=0 }
CONFIGURATION
}

tear_down() {
  local loop
  [ -z "$child" ] || end_processes
  for loop in "${loops[@]}"; do
    remove_stack "$(lsblk --noheadings --nodeps --output MAJ:MIN "$loop" | tr -d ' ')"
    losetup --detach "$loop"
  done
  rm -rf "$work"
}

# What the command left running: asked first, because an LVM command that is killed leaves its work half done.
end_processes() {
  local attempt
  kill -TERM -- "-$child" 2>/dev/null || return 0
  for attempt in {1..50}; do
    kill -0 -- "-$child" 2>/dev/null || return 0
    sleep 0.2
  done
  kill -KILL -- "-$child" 2>/dev/null || true
  sleep 0.2
}

# Takes away what stands on the device with this number: mounts, then device-mapper devices, the topmost first.
remove_stack() {
  local holder number target
  for holder in "/sys/dev/block/$1/holders"/*; do
    [ -e "$holder" ] || continue
    number=$(<"$holder/dev")
    while read -r target; do
      umount "$target"
    done < <(findmnt --noheadings --raw --source "/dev/$(basename "$(readlink -f "$holder")")" --output TARGET)
    remove_stack "$number"
    dmsetup remove --retry "$(<"$holder/dm/name")"
  done
}
