# shellcheck shell=bash disable=SC2154 # here, root, out and work are of run
# vmtest/kernel.sh - Debian kernel packages: find, fetch, unpack, pick modules from. Sourced by run.
#
# Owns $out/NAME/PACKAGE_VERSION/: the unpacked package, and modules.cpio made from it. Both are
# caches that a later run reuses; a directory is renamed into place only when it is whole.

# kernel_names: every kernel of kernels.list, one a line.
kernel_names() { list_lines "$here/kernels.list" | cut -f1; }

# kernel_newest NAME: the newest package that apt lists for it; fails when it lists none.
kernel_newest() {
	local pattern
	pattern=$(list_lines "$here/kernels.list" | awk -F'\t' -v name="$1" '$1 == name { print $2 }')
	[[ -n $pattern ]] || die "kernel \"$1\" is unknown (kernels.list has: $(kernel_names | xargs))"
	apt-cache pkgnames linux-image- | grep -Ex "$pattern" | sort -V | tail -n 1 | grep .
}

# kernel_candidate PACKAGE: the version that apt would download.
kernel_candidate() { apt-cache policy "$1" | sed -n 's/^  Candidate: //p' | grep -v '(none)'; }

# kernel_download PACKAGE DIR: the .deb into DIR. The index may name a file that the archive has
# replaced since: one refresh, one more try.
kernel_download() (
	cd "$2" || exit 1
	apt-get -qq -o APT::Sandbox::User=root download "$1" && exit 0
	note "refreshing the package index"
	apt-get -qq update
	apt-get -qq -o APT::Sandbox::User=root download "$1"
)

# kernel_get NAME: sets kernel_dir to the unpacked newest package, downloading it when it is not
# there yet. Without network the newest one already unpacked serves, and a line says so.
kernel_get() {
	local name=$1 package version part
	mkdir -p "$out/$name"
	if ! package=$(kernel_newest "$name"); then
		note "$name: apt lists no package, refreshing the package index"
		apt-get -qq update && package=$(kernel_newest "$name") || package=
	fi
	if [[ -n $package ]] && version=$(kernel_candidate "$package"); then
		kernel_dir=$out/$name/${package}_${version//[:\/]/_}
		[[ -d $kernel_dir ]] && return 0
		note "$name: fetching $package $version"
		part=$(mktemp -d "$out/$name/part.XXXXXX")
		if kernel_download "$package" "$part" && dpkg-deb -x "$part"/*.deb "$part/root"; then
			rm -f "$part"/*.deb
			mv -T "$part/root" "$kernel_dir" && rmdir "$part"
			return 0
		fi
		rm -rf "$part"
	fi
	kernel_dir=$(find "$out/$name" -mindepth 1 -maxdepth 1 -type d -name 'linux-image-*' |
		sort -V | tail -n 1)
	[[ -n $kernel_dir ]] ||
		die "kernel \"$name\": apt has no package for it that downloads (try: apt-get update)"
	note "$name: the newest package could not be fetched, using ${kernel_dir##*/}"
}

# module_depends FILE: names of the modules it needs, from the record the kernel build left in it.
module_depends() { tr '\0' '\n' <"$1" | sed -n 's/^depends=//p' | tr ',' '\n'; }

# modules_pick RELEASE SOURCE TARGET: copies modules.list and its closure, unpacked, into TARGET.
modules_pick() {
	local release=$1 source=$2 target=$3 name file
	local -a wanted
	local -A done_with=()
	mapfile -t wanted < <(list_lines "$here/modules.list" | cut -f1)
	# The closure is finite: done_with admits each name once.
	while ((${#wanted[@]})); do
		name=${wanted[0]//-/_}
		wanted=("${wanted[@]:1}")
		[[ -z $name || -n ${done_with[$name]:-} ]] && continue
		done_with[$name]=1
		file=$(grep -E "/${name//_/[-_]}\.ko" "$source/files" | head -n 1)
		if [[ -z $file ]]; then
			grep -qE "/${name//_/[-_]}\.ko" "$source/modules.builtin" && continue
			die "kernel $release has no module \"$name\" (see vmtest/modules.list)"
		fi
		case $file in
		*.xz) xz -dc "$file" >"$target/$name.ko" ;;
		*) cp "$file" "$target/$name.ko" ;;
		esac
		mapfile -t -O "${#wanted[@]}" wanted < <(module_depends "$target/$name.ko")
	done
}

# kernel_modules DIR: makes DIR/modules.cpio, unless it is newer than modules.list.
kernel_modules() {
	local dir=$1 release tree
	release=$(basename "$dir"/lib/modules/*)
	[[ $dir/modules.cpio -nt $here/modules.list && $dir/modules.cpio -nt $here/kernel.sh ]] &&
		return 0
	tree=$(mktemp -d "$work/modules.XXXXXX")
	mkdir -p "$tree/usr/lib/modules/$release/kernel"
	find "$dir/lib/modules/$release/kernel" -name '*.ko*' >"$dir/lib/modules/$release/files"
	modules_pick "$release" "$dir/lib/modules/$release" "$tree/usr/lib/modules/$release/kernel"
	# depmod looks under lib/, the guest has its modules under usr/lib/ with a link.
	ln -s usr/lib "$tree/lib"
	cp "$dir/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$tree/usr/lib/modules/$release/"
	depmod -b "$tree" "$release" || die "depmod failed for $release"
	rm "$tree/lib"
	cpio_of "$tree" "$dir/modules.cpio"
	rm -rf "$tree"
}
