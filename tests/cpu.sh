# SPDX-License-Identifier: BSD-2-Clause
# cpu.sh - how much of the processors a program takes, with all that it starts. Sourced, never run.
#
# Each program gets a control group (version 2) below that of who sources this: only that counts also
# daemons that nobody waits for. Where none can be made nothing is counted, and all runs as well.
cpu_groups=

# cpu_begin: makes the group of groups; cpu_end: removes it. Both in the process that sources this.
cpu_begin() {
	local mount own
	mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	own=$(sed -n 's/^0:://p' /proc/self/cgroup)
	cpu_groups=$mount${own%/}/sluice-test.$$
	[ -n "$mount" ] && mkdir "$cpu_groups" 2>/dev/null || cpu_groups=
}
cpu_end() {
	[ -z "$cpu_groups" ] || find "$cpu_groups" -depth -type d -exec rmdir {} + 2>/dev/null
}

# cpu_enter NAME: this process and all that it starts from now on.
cpu_enter() {
	[ -n "$cpu_groups" ] && mkdir -p "$cpu_groups/$1" 2>/dev/null &&
		echo "$BASHPID" 2>/dev/null >"$cpu_groups/$1/cgroup.procs"
}

# cpu_seconds NAME: prints what the group took, in tenths, or "-".
cpu_seconds() {
	local file=$cpu_groups/$1/cpu.stat
	[ -n "$cpu_groups" ] && [ -r "$file" ] || { echo -; return; }
	awk '$1 == "usage_usec" { printf "%.1f\n", $2 / 1e6 }' "$file"
}
