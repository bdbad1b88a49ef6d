# shellcheck shell=bash disable=SC2154 # here, root, out and work are of run
# vmtest/image.sh - the guest's root file system, as cpio archives. Sourced by run.
#
# The kernel unpacks a row of archives into its root, one over the other, so the guest needs no
# disk, no block driver and no file-sharing protocol (Debian's cloud kernels have no 9p):
#
#   modules.cpio (per kernel, cached) + root.cpio (tools, libraries, tree, plan: made each run)
#
# They are not compressed: unpacking under emulation costs more than copying.

# cpio_of TREE FILE: packs TREE, owned by root whoever packs it; whole or not at all.
cpio_of() {
	(cd "$1" && find . -mindepth 1 -print0 | LC_ALL=C sort -z |
		cpio --null --quiet -o -H newc -R 0:0) >"$2.part" || die "cpio of $1 failed"
	mv "$2.part" "$2"
}

# tools_expand: tools.list as absolute paths, packages turned into their commands.
tools_expand() {
	local item path
	while read -r item; do
		case $item in
		@*)
			dpkg -L "${item#@}" 2>/dev/null | grep -E '^(/usr)?/s?bin/' |
				grep . || die "package \"${item#@}\" of tools.list is missing (try: make deps)"
			;;
		/*)
			[[ -e $item ]] || die "\"$item\" of tools.list is missing"
			echo "$item"
			;;
		*)
			# Debian's own directories: a wrapper elsewhere on PATH may not work in the guest.
			path=$(PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v "$item") ||
				die "command \"$item\" of tools.list is missing (try: make deps)"
			echo "$path"
			;;
		esac
	done < <(list_lines "$here/tools.list")
}

# libraries_of FILE...: the shared libraries that the ELF files among them load, loader included.
libraries_of() {
	local said
	said=$(ldd "$@" 2>/dev/null)
	if grep -q 'not found' <<<"$said"; then
		die "libraries are missing on the host: $(grep 'not found' <<<"$said" | sort -u | xargs)"
	fi
	grep -oE '/[^ :]+\.so[^ :]*' <<<"$said" | sort -u
}

# place TREE PATH: copies PATH to the same place in TREE, links followed (Debian's alternatives
# would dangle), /bin and /lib being links to /usr in the guest as on the host.
place() {
	local to=$2
	[[ $to =~ ^/(s?bin|lib|lib64)/ ]] && to=/usr$to
	[[ -e $1$to ]] && return 0
	mkdir -p "$1${to%/*}"
	cp -rL "$2" "$1$to"
}

# skeleton TREE: directories, accounts and the links that busybox answers to.
skeleton() {
	local tree=$1 applet dir
	mkdir -p "$tree"/{dev,proc,sys,run,tmp,root,etc,var/tmp,var/log,sluice}
	mkdir -p "$tree"/usr/{bin,sbin,lib,lib64}
	for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$tree/$dir"; done
	ln -s /run "$tree/var/run"
	ln -s /proc/mounts "$tree/etc/mtab"
	printf '%s\n' root:x:0:0:root:/root:/bin/bash nobody:x:65534:65534:nobody:/:/bin/false \
		>"$tree/etc/passwd"
	printf '%s\n' root:x:0: nogroup:x:65534: >"$tree/etc/group"
	printf '127.0.0.1 localhost\n::1 localhost\n' >"$tree/etc/hosts"
	printf 'passwd: files\ngroup: files\nhosts: files\n' >"$tree/etc/nsswitch.conf"
	cp -L "$(command -v busybox)" "$tree/usr/bin/busybox"
	for applet in $(busybox --list); do
		[[ -e $tree/usr/bin/$applet ]] || ln -s busybox "$tree/usr/bin/$applet"
	done
	# The kernel calls /sbin/modprobe to load on demand.
	ln -s ../bin/busybox "$tree/usr/sbin/modprobe"
}

# image_make PLAN FILE: root.cpio with everything in it that no kernel decides. PLAN holds the
# programs to run, one a line, relative to the root of the tree.
image_make() {
	local plan=$1 file=$2 tree path
	local -a paths
	tree=$(mktemp -d "$work/root.XXXXXX")
	skeleton "$tree"
	tools_expand >"$work/tools" || exit 1
	while read -r path; do
		# A tool takes the place of the busybox link of its name.
		[[ -L $tree/usr/bin/${path##*/} && $path != */busybox ]] &&
			rm "$tree/usr/bin/${path##*/}"
		place "$tree" "$path"
	done <"$work/tools"
	{ list_lines "$here/files.list" | globs_expand; cat "$plan"; } | sort -u >"$work/files"
	while read -r path; do
		mkdir -p "$(dirname "$tree/sluice/$path")"
		cp -rL "$root/$path" "$(dirname "$tree/sluice/$path")/" || die "$path: could not be copied"
	done <"$work/files"
	mapfile -t paths < <(find "$tree" -type f -perm -u+x ! -name busybox)
	libraries_of "${paths[@]}" >"$work/libraries" || exit 1
	while read -r path; do place "$tree" "$path"; done <"$work/libraries"
	install -m 755 "$here/guest.sh" "$tree/init"
	cp "$plan" "$tree/plan"
	list_lines "$here/modules.list" | awk '$2 == "load" { print $1 }' >"$tree/modules-load"
	cpio_of "$tree" "$file"
	rm -rf "$tree"
}
