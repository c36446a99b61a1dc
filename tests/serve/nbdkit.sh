#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The plugin of nbdkit, by clients that are not ours: nbdcopy, nbdinfo, qemu-io, qemu-img, fio.
# shellcheck source=tests/serve/support.sh
. "$(dirname "$0")/support.sh"

qemu_io() {
	local command="qemu-io -f raw \$uri" part
	for part in "$@"; do
		command+=" -c '$part'"
	done
	echo "$command >$scratch/qemu-io 2>&1 && ! grep -iE 'failed|error' $scratch/qemu-io"
}

make_raw raw 40

for format in vhdx vhd; do
	for type in fixed dynamic; do
		vhdx-create -q --type $type disk.$format 40M
		expect 0 nbd disk.$format -- 'nbdcopy raw $uri'
		holds disk.$format raw
		expect 0 vhdx-inspect disk.$format
		! grep -qE '^Log .*(pending|replay)' "$stdout" || fail "$type $format is not left clean"
		expect 0 nbd disk.$format -- 'nbdcopy $uri copy'
		same raw copy
		rm disk.$format copy
	done
	vhdx-create -q --from raw base.$format
	cp base.$format before
	vhdx-create -q --parent base.$format child.$format
	expect 0 nbd child.$format -- "$(qemu_io 'write -P 7 1000 3000' 'write -z -u 3M 5M' 'write -P 9 39M 1M')"
	cp raw wanted
	head -c 3000 /dev/zero | tr '\0' '\7' | dd of=wanted bs=1000 seek=1 conv=notrunc status=none
	dd if=/dev/zero of=wanted bs=1M seek=3 count=5 conv=notrunc status=none
	head -c 1M /dev/zero | tr '\0' '\11' | dd of=wanted bs=1M seek=39 conv=notrunc status=none
	holds child.$format wanted
	flags=(-r)
	expect 0 nbd child.$format -- 'nbdcopy $uri copy; qemu-img compare -f raw -F raw $uri wanted'
	flags=()
	same copy wanted
	same base.$format before
	rm -f copy wanted before base.* child.*
done
ok 'writes and reads of every type, parents untouched'

make_raw raw 8
vhdx-create -q --from raw --block-size 1M base.vhdx
vhdx-create -q --parent base.vhdx child.vhdx
mkdir moved
mv base.vhdx moved/renamed.vhdx
expect 1 nbd child.vhdx -- true
grep -q 'child.vhdx.*base.vhdx' "$stderr" || fail 'does not tell what was tried'
for option in parent=moved/renamed.vhdx search=moved; do
	expect 0 nbd child.vhdx $option -- 'nbdcopy $uri copy'
	same copy raw
done
mv moved/renamed.vhdx moved/base.vhdx
ln -s moved/base.vhdx base.vhdx
expect 0 nbd child.vhdx root=. -- 'nbdcopy $uri copy'
mkdir inside
mv child.vhdx inside
ln -s ../moved/base.vhdx inside/base.vhdx
expect 1 nbd inside/child.vhdx root=inside -- true
grep -q 'outside' "$stderr" || fail 'does not say that the root forbids it'
ok 'parent=, search=, root='

make_raw raw 8
mkdir vms
vhdx-create -q --from raw vms/base.vhdx
vhdx-create -q --parent vms/base.vhdx --parent-absolute 'C:\VMs\base.vhdx' child.vhdx
expect 1 nbd child.vhdx -- true
expect 0 nbd child.vhdx 'map=C:\VMs=vms' -- 'nbdcopy $uri copy'
same copy raw
ok 'map='

vhdx-create -q disk.vhdx 8M
for wrong in 'map=C:' 'format=qcow2' 'nonsense=1' 'share=maybe' 'file=other'; do
	expect 1 nbd disk.vhdx "$wrong" -- true
	[ -s "$stderr" ] || fail "no word about $wrong"
done
expect 1 nbd -- true
expect 1 nbd missing.vhdx -- true
head -c 100000 /dev/urandom >rubbish
expect 1 nbd rubbish -- true
cp rubbish before
expect 0 nbd rubbish format=raw -- "$(qemu_io 'write -P 1 512 512')"
different rubbish before
ok 'what it refuses'

vhdx-create -q --block-size 1M disk.vhdx 16M
vhdx-create -q --logical-sector 4096 four.vhdx 16M
expect 0 nbd disk.vhdx -- 'nbdinfo --json $uri >info; nbdinfo $(echo $uri) >text'
for property in is_read_only:false can_flush:true can_fua:true can_trim:true can_zero:true can_fast_zero:true can_multi_conn:true \
	block_size_minimum:512 block_size_preferred:4096; do
	grep -q "\"${property%:*}\": ${property#*:}" info || grep -q "${property%:*}: ${property#*:}" text || fail "not $property"
done
grep -q 'VHDX dynamic, 1 file' text || fail 'does not describe the export'
flags=(-r)
expect 0 nbd four.vhdx -- 'nbdinfo $uri >text'
flags=()
for property in 'is_read_only: true' 'can_trim: false' 'block_size_minimum: 4096'; do
	grep -q "$property" text || fail "not $property"
done
ok 'what it tells clients'

# Where data is; that whole blocks go away with zeros and trims; and that zeros which may not be holes are none.
vhdx-create -q --block-size 1M disk.vhdx 16M
map() {
	nbd disk.vhdx -- 'nbdinfo --map $uri' | awk '{ printf "%s%d+%d:%s", (NR > 1 ? " " : ""), $1 / 1048576, $2 / 1048576, $3 }' || fail 'no map'
}
expect 0 nbd disk.vhdx -- "$(qemu_io 'write -P 5 2M 6M' 'write -f -P 6 8M 1M')"
[ "$(map)" = '0+2:3 2+7:0 9+7:3' ] || fail "the map is $(map)"
expect 0 nbd disk.vhdx -- "$(qemu_io 'discard 3M 2M')"
[ "$(map)" = '0+2:3 2+1:0 3+2:3 5+4:0 9+7:3' ] || fail "after a trim the map is $(map)"
expect 0 nbd disk.vhdx -- "$(qemu_io 'write -z -u 5M 1M' 'read -P 0 5M 1M' 'read -P 5 6M 2M')"
[ "$(map)" = '0+2:3 2+1:0 3+3:3 6+3:0 9+7:3' ] || fail "after zeros the map is $(map)"
expect 0 nbd disk.vhdx -- "$(qemu_io 'write -z 3M 1M' 'read -P 0 3M 1M')"
[ "$(map)" = '0+2:3 2+2:0 4+2:3 6+3:0 9+7:3' ] || fail "after allocated zeros the map is $(map)"
expect 0 nbd disk.vhdx -- "$(qemu_io 'write -z -u -n 6M 1M' 'read -P 0 6M 1M')"
! nbd disk.vhdx -- "$(qemu_io 'write -z -u -n 7M 4k')" >/dev/null 2>&1 || fail 'fast zeros where they are slow'
expect 0 qemu-img check -q disk.vhdx
ok 'extents, trim, zero, fast zero'

# A flush is one that reaches the file, and FUA is a flush.
vhdx-create -q disk.vhdx 16M
if command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; then
	syncs() {
		strace -f -e trace=fdatasync,fsync -o trace nbdkit -U - "$plugin" disk.vhdx --run "$(qemu_io "$@")" || fail 'cannot be traced'
		grep -c 'sync(' trace || true
	}
	syncs 'write -P 1 0 1M' >/dev/null
	plain=$(syncs 'write -P 1 4096 4096')
	fua=$(syncs 'write -f -P 2 4096 4096' 'write -f -P 3 4096 4096' 'write -f -P 4 4096 4096')
	[ "$fua" -ge $((plain + 2)) ] || fail "three writes with FUA make $fua flushes of the file, one without makes $plain"
fi
ok 'FUA'

# One image, one writer; a refused client is told, and another one gets in later.
vhdx-create -q disk.vhdx 16M
expect 1 nbd disk.vhdx -- 'nbdinfo --size $uri >/dev/null && vhdx-convert disk.vhdx - >/dev/null'
grep -q 'another program' "$stderr" || fail 'the image is not locked'
flags=(-r)
expect 0 nbd disk.vhdx -- 'nbdinfo --size $uri >/dev/null && vhdx-convert disk.vhdx - >/dev/null'
cp disk.vhdx before
flags=(--filter=cow)
expect 0 nbd disk.vhdx -- "$(qemu_io 'write -P 1 0 1M' 'read -P 1 0 1M')"
flags=()
same disk.vhdx before
ok 'locks; the cow filter'

# Many jobs with flushes between them, verified; several connections for one image.
if ! command -v fio >/dev/null || ! fio --enghelp 2>/dev/null | grep -qw nbd; then
	skip 'fio with the engine nbd is needed'
else
	make_raw raw 60
	vhdx-create -q --from raw base.vhdx
	vhdx-create -q --parent base.vhdx disk-child.vhdx
	vhdx-create -q --block-size 1M disk-dynamic.vhdx 60M
	vhdx-create -q disk-dynamic.vhd 60M
	for image in disk-*; do
		for job in 0 1 2; do
			printf '[job%d]\noffset=%dM\nsize=%dM\n' $job $((job * 20)) 20
		done >jobs
		{
			printf '[global]\nioengine=nbd\nuri=${uri}\nrw=randwrite\nbsrange=4k-64k\nbs_unaligned=0\niodepth=8\nfsync=16\nverify=crc32c\n'
			printf 'verify_fatal=1\nrandrepeat=1\nrandseed=%d\ndo_verify=1\nnorandommap=0\n' 77
			cat jobs
		} >fio.job
		expect 0 nbd $image -- 'uri=$uri fio --output=fio.log fio.job'
		! grep -qi 'verify.*bad\|error' fio.log || fail "fio on $image: $(cat fio.log)"
		expect 0 vhdx-inspect --all $image
	done
	expect 0 qemu-img check -q disk-dynamic.vhdx
	ok 'fio --verify'
fi

page=$serve_tests/../../tools/nbdkit/nbdkit-vhdx-plugin.1
mkdir wrapped
cat >wrapped/nbdkit <<WRAPPER
#!/bin/bash
for word; do
	[ "\$word" != vhdx ] || word=$plugin
	words+=("\$word")
done
exec $(command -v nbdkit) "\${words[@]}"
WRAPPER
chmod +x wrapped/nbdkit
PATH=$PWD/wrapped:$PATH bash "$serve_tests/../cli/run-examples.sh" "$page" >"$stdout" 2>"$stderr" || { cat "$stdout"; fail 'an example of the manual'; }
ok 'the examples of the manual'
finish
