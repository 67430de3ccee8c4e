"""File systems that a test may fill, break and cut the power of: ext4 in a file, on a loop device."""

import fcntl
import os
import struct
import subprocess

from clients import run

# _IOR('X', 125, __u32), the ioctl of the file system tests (xfstests "godown"): from here on nothing
# reaches the device any more. The flag says: not even what waits in the journal.
FS_IOC_SHUTDOWN = 0x8004587D
SHUTDOWN_NO_LOG_FLUSH = 2


class Disk:
    """An ext4 file system of its own, mounted at path."""

    def __init__(self, work, size_mib, options=()):
        self.image = work / "disk.img"
        self.path = work / "disk"
        self.path.mkdir()
        # noauto_da_alloc: no favours to programs that rename without fsync. commit: nothing reaches
        # the disk by the clock, only because someone asked for it.
        self.options = ",".join(["loop", "noauto_da_alloc", "commit=900", *options])
        with open(self.image, "wb") as f:
            f.truncate(size_mib << 20)
        run(["mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0", self.image])
        self.mounted = False

    def mount(self):
        run(["mount", "-o", self.options, self.image, self.path])
        self.mounted = True
        self.path.chmod(0o755)
        return self

    def unmount(self):
        if self.mounted:
            run(["umount", self.path])
            self.mounted = False

    def cut_power(self):
        """What is not on the disk yet is lost. The file system answers with errors until mounted
        again, which replays the journal as after a real cut."""
        directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(directory, FS_IOC_SHUTDOWN, struct.pack("I", SHUTDOWN_NO_LOG_FLUSH))
        finally:
            os.close(directory)

    def make_read_only(self):
        """What the kernel does after an error on the device: read-only under running programs."""
        run(["mount", "-o", "remount,abort", self.path], check=False)

    def fill(self, leave=0):
        """Takes up all space but leave bytes; returns the file to remove for freeing it."""
        filler = self.path / "filler"
        # In ever smaller pieces, to the last byte.
        with open(filler, "ab", buffering=0) as f:
            if leave:
                status = os.statvfs(self.path)
                os.posix_fallocate(f.fileno(), 0, status.f_bavail * status.f_frsize - leave)
                return filler
            piece = 1 << 20
            while piece >= 512:
                try:
                    f.write(bytes(piece))
                    os.fsync(f.fileno())
                except OSError:
                    piece //= 2
        return filler

    def remove(self):
        subprocess.run(["umount", "--lazy", self.path], capture_output=True, check=False)


def why_not():
    """Why disks cannot be made here; None when they can."""
    if os.geteuid() != 0:
        return "needs root to mount a file system"
    if not os.path.exists("/dev/loop-control"):
        return "needs loop devices"
    return None
