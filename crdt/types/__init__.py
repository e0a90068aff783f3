"""Replicated data types with many writers: values that any actor changes anywhere and that merge without asking.

An owner log has one writer, so it needs none of this (`crdt.ops`). These types are for what several actors write at
once. Every one is an immutable value in a join semilattice: `join` is commutative, associative and idempotent, so
copies that saw the same changes are equal, whatever the order, repetition or detour in which those arrived.

    dots            the name of a change: (actor, counter)
    version_vector  what was seen, when nothing is missing in between
    causal          what was seen, gaps included
    stores          where live dots stand, and the one rule by which they merge
    counters        GCounter, PNCounter, ORCounter
    registers       LWWRegister, MVRegister
    orset, ormap    ORSet, ORMap: add wins, remove takes what it observed

A mutator does not change its value: it returns a *delta*, a small value of the same type that says what is new. Join
it to the own copy before making the next one (the next dot depends on it), send it to the others, and they join it
too. A lost delta is made good by joining any later full state (Almeida, Shoker, Baquero: "Delta state replicated data
types", JPDC 2018).

    >>> from crdt.types.dots import Actor
    >>> from crdt.types.orset import ORSet
    >>> alice, bob = Actor(b"alice"), Actor(b"bob")
    >>> here = there = ORSet().join(ORSet().add(alice, b"tea"))
    >>> removed = there.remove(b"tea")                          # bob takes away what he saw …
    >>> added = here.add(alice, b"tea")                         # … while alice adds it again
    >>> here, there = here.join(added), there.join(removed)
    >>> here, there = here.join(removed), there.join(ORSet.decode(added.encode()))
    >>> here == there, here.elements()
    (True, [b'tea'])

A state speaks for every actor it names, so whoever accepts one from outside must know that the sender may do that.
Decoding bounds and checks the form: bytes that decode are the only spelling of a value that keeps all invariants.
"""
