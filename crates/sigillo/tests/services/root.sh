# A systemd of its own over a copy of this system: in new namespaces, on an overlay that is gone when it ends, without any unit but ours.
# $1 a directory of the caller, $2 the program, $3 the units. Ends with 77 where the system has no such namespaces or mounts.
set -eu
box=$1 program=$2 units=$3
can() { "$@" || exit 77; }
can mount --make-rprivate /
can mount -t tmpfs tmpfs "$box/root"
mkdir "$box/root/up" "$box/root/work" "$box/root/new"
can mount -t overlay overlay -o "lowerdir=/,upperdir=$box/root/up,workdir=$box/root/work" "$box/root/new"
cd "$box/root/new"
mount --bind "$box/out" mnt
install -m 755 "$program" usr/bin/sigillo
rm -rf usr/lib/systemd/system/*.wants etc/systemd/system/*.wants usr/lib/systemd/system-generators/* etc/systemd/system/sigillo-* var/lib/sigillo
mkdir -p etc/sigillo/tpm etc/credstore.encrypted
install -m 644 "$units"/*.service etc/systemd/system/
install -m 755 "$box/job.sh" usr/bin/sigillo-job
cat > etc/systemd/system/job.target <<X
[Unit]
Wants=job.service systemd-journald.service
X
cat > etc/systemd/system/job.service <<X
[Unit]
DefaultDependencies=no
After=systemd-journald.service
[Service]
Type=oneshot
ExecStart=/usr/bin/sigillo-job
ExecStopPost=/bin/systemctl exit 0 --force --force
X
can mount -t proc proc proc
can mount --rbind /sys sys
umount -R sys/fs/cgroup || umount -lR sys/fs/cgroup
can mount -t cgroup2 none sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mkdir old
can pivot_root . old
cd /
umount -l /old
# As container managers do: credentials are mounted by a child, and have to come here.
mount --make-rshared /
exec env -i PATH="$PATH" container=other /lib/systemd/systemd --system --unit=job.target --log-target=journal-or-kmsg --show-status=no
