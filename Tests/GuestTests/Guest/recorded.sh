# What the guest does whose recordings are kept (Fixtures/recordings): a bit of everything that a driver can be made to say.
# For busybox sh, as root, in the mounted share of Tests/ServeSupport/RecordedShare.swift.
set -e
cat hello.txt
ls -l . poems
mkdir new
echo first > new/file
echo second >> new/file
mv new/file new/moved
ln new/moved new/linked
ln -s moved new/symbolic
readlink new/symbolic
chmod 640 new/moved
chown 1:2 new/moved
touch -d '2001-02-03 04:05:06' new/moved
dd if=/dev/zero of=new/zeros bs=4096 count=3
dd if=new/zeros of=/dev/null bs=4096
truncate -s 100 new/zeros
fallocate -l 5000 new/zeros
mkfifo new/fifo
mknod new/null c 1 3
sync
sync new/moved
sync -d new/moved
sync -f new/moved
sync new
stat -f .
cat missing || true
mkdir new || true
rm new/linked new/symbolic new/zeros new/fifo new/null
cat new/moved
mv new/moved poems/ring.txt
rmdir new
# Swift's programs don't run in every guest.
[ ! -e /posixsuite ] || {
  mkdir suite
  /posixsuite --only xattr.set-and-get --only xattr.list-and-remove --only sparse.seek-data-and-hole \
    --only allocate.keep-size --only copy.part-to-another-place --only tmpfile.given-a-name \
    --only rename.no-replace-to-free-name --only lock.writer-keeps-others-out suite
  rmdir suite
}
