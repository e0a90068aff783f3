"""A federation of real processes that is tortured from outside: `zenmesh chaos live`.

    plans ──► stories ──► stage ──► swarms (zenmesh processes)  on  grounds: namespaces (lans) or loopback (relays)
                            └─────► writers, sightings ──► evidence ──► checks ──► what broke

Nothing here looks into a node. A story does to the processes and to the network between them what life does, writers
write all the while, and what is known is what a user could know: the answers of the control API, the trace files, the
exit codes, the memory that a process takes. The checks are pure functions over that evidence.
"""
