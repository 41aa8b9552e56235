"""Asks a name server for one address, through a SOCKS5 proxy and by UDP: PySocks as any program would use it.

usage: socks5-datagrams.py PROXY_PORT HOST PORT SECONDS
"""

import socket
import struct
import sys

import socks

proxy, host, port, seconds = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
asked = socks.socksocket(socket.AF_INET, socket.SOCK_DGRAM)
asked.set_proxy(socks.SOCKS5, "127.0.0.1", proxy, rdns=True)
asked.settimeout(seconds)
name = b"".join(bytes([len(label)]) + label for label in (b"who", b"internal")) + b"\0"
asked.sendto(struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1), (host, port))
try:
    answer, _ = asked.recvfrom(512)
except socket.timeout:
    sys.exit("no answer")
print(".".join(str(byte) for byte in answer[-4:]))
