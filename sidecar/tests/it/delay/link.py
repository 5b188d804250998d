"""A link between two network namespaces on which each packet from the first to the second takes so long.

    link.py DELAY_MS NAMESPACE ADDRESS/PREFIX NAMESPACE ADDRESS/PREFIX

Two TUN devices, one in each namespace, and this process between them. Says `ready`, and runs until it is ended. It needs
root and /dev/net/tun, and no netem in the kernel.
"""

import collections
import fcntl
import os
import select
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
# As much as is under way at 100 MB/s for 10 ms, thrice over; what comes beyond that is lost, as on a real way.
PACKETS = 2000


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def device(name, namespace, address):
    file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(file, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    ip("link", "set", name, "netns", namespace)
    ip("-n", namespace, "addr", "add", address, "dev", name)
    ip("-n", namespace, "link", "set", name, "up")
    return file


def main():
    delay = float(sys.argv[1]) / 1000
    pid = os.getpid()
    ends = [device(f"tg{n}{pid}", *sys.argv[2 + 2 * n : 4 + 2 * n]) for n in range(2)]
    delays = {ends[0]: 0, ends[1]: delay}
    under_way = {end: collections.deque() for end in ends}
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    print("ready", flush=True)
    while True:
        due = [queue[0][0] for queue in under_way.values() if queue]
        wait = max(0, min(due) - time.monotonic()) if due else None
        for end in select.select(ends, [], [], wait)[0]:
            queue, delay = under_way[other[end]], delays[other[end]]
            try:
                while len(queue) < PACKETS:
                    packet = os.read(end, 65536)
                    queue.append((time.monotonic() + delay, packet))
            except BlockingIOError:
                pass
        now = time.monotonic()
        for end, queue in under_way.items():
            while queue and queue[0][0] <= now:
                packet = queue.popleft()[1]
                try:
                    os.write(end, packet)
                except BlockingIOError:
                    pass


main()
