# The laboratory in a throwaway kernel; sourced by boot.
#
# A process of the guest is a process of this machine that the kernel's process traces. If that one alone ended, they
# would go on here, as root. So they live in a process id namespace of their own that ends with the kernel's process,
# and every other end than the guest's own power-off kills the whole process group.
# shellcheck shell=bash disable=SC2154

kernel="" drains=() terminal="" terminal_settings=""

laboratory_ready() {
  command -v linux >/dev/null || die "no user-mode-linux here: install the Debian package user-mode-linux, or use LAB=host"
}

run_command() {
  local status
  describe_command
  open_consoles
  start_kernel
  echo "lab: user-mode-linux $(linux --version), ${#images[@]} disks" >&2
  await "$kernel"
  wait "$kernel" 2>/dev/null || true
  exec {out}>&- {err}>&-
  [ -n "$terminal" ] || wait "${drains[@]}" || true
  status=$(cat "$work/status" 2>/dev/null) || true
  [ -z "$status" ] || exit "$status"
  tail -n 30 "$work/console" >&2
  die "the kernel ended before the command did"
}

# What the guest's first process reads: see guest.
describe_command() {
  # as "export" and not "declare", which would make them local to the guest's function
  (set -o posix && export -p) >"$work/environment"
  printf '%s\n' "$PWD" >"$work/directory"
  printf '%q ' "${command[@]}" >"$work/command"
  printf '%s\n' "$work" "${shares[@]}" >"$work/shares"
}

# The kernel makes its consoles non-blocking, which would be felt by everybody who shares them: it gets its own.
open_consoles() {
  if [ -t 0 ] && [ -t 1 ]; then
    terminal=$(tty)
    terminal_settings=$(stty -g)
    stty size >"$work/terminal"
    exec {out}<>"$terminal" {err}<>"$terminal"
  else
    exec {out}> >(exec cat)
    drains+=($!)
    exec {err}> >(exec cat >&2)
    drains+=($!)
  fi
}

start_kernel() {
  local arguments=() isolate=() index=1 image input=null
  for image in "${images[@]}"; do
    arguments+=("ubd$index=$image")
    index=$((index + 1))
  done
  [ -z "$terminal" ] || input=fd:$out
  if unshare --pid --fork --kill-child true 2>/dev/null; then
    # not as the namespace's first process: a kernel that panics aborts, and a first process cannot
    isolate=(setpriv --pdeathsig KILL unshare --pid --fork --kill-child bash -c '"$@"; exit' lab)
  fi
  # without 512 BSD pseudo-terminals, which no distribution's kernel has, and at which LVM looks with every command
  TMPDIR=$(memory_directory) setsid "${isolate[@]}" linux "mem=$memory" "uml_dir=$work/" \
    root=/dev/root rootfstype=hostfs rootflags=/ ro quiet pty.legacy_count=0 "init=$here/guest" "lab_work=$work" "${arguments[@]}" \
    con=null "con0=null,fd:1" "con1=$input,fd:$out" "con2=null,fd:$err" ssl=null \
    </dev/null >"$work/console" 2>&1 &
  kernel=$!
}

# Where the guest's memory lives: /dev/shm, where that is large enough and may hold programs (containers restrict it).
memory_directory() {
  local needed free
  needed=$(numfmt --from=iec "$memory")
  free=$(df --output=avail -B1 /dev/shm 2>/dev/null | tail -n 1)
  if [ "${free:-0}" -gt "$needed" ] && ! findmnt -nT /dev/shm -o OPTIONS | grep -qw noexec; then
    echo /dev/shm
  else
    echo "$work"
  fi
}

cut_power() {
  kill -STOP -- "-$kernel" 2>/dev/null || true
  kill -KILL -- "-$kernel" 2>/dev/null || true
}

tear_down() {
  if [ -n "$kernel" ]; then
    cut_power
    wait "$kernel" 2>/dev/null || true
  fi
  # a terminal that was closed has no settings any more
  [ -z "$terminal_settings" ] || stty "$terminal_settings" 2>/dev/null || true
  rm -rf "$work"
}
