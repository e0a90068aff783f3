"""What a node must not forget, on any disk: journal, sealed files, recovery after a crash, scrub.

Everything goes through the dozen calls of `files.FileSystem`, so the very same code runs on a POSIX disk in the
daemon and on a simulated one in the chaos world, which tears, rots, fills and loses it (decision 0010).
"""
