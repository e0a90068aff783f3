----------------------------- MODULE OneHeight -----------------------------
(* One height of the chain, as queens decide it: PBFT with locks and changes  *)
(* of view, among queens of equal weight, of whom some lie.                    *)
(*                                                                             *)
(* Messages are never taken back, and whoever acts may have heard any of them: *)
(* so all losses, delays and orders are in it. Liars have said every vote and  *)
(* every change of view that their keys can sign and that somebody believes: a *)
(* lock is believed only with the votes that prepared it. Time is left out: a  *)
(* view may be left at any moment. So it is about agreement, not progress.     *)
(*                                                                             *)
(* Three constants plant the faults that this has to find.                     *)
EXTENDS Integers, FiniteSets, TLC

CONSTANTS Honest, Liars, Blocks, None, LastView, Quorum,
          Bound,      \* a new view proposes what its changes are locked on
          LeavesVotes \* who has left a view votes in it no more

Queens == Honest \union Liars
Views  == 0..LastView
NoLock == [view |-> -1, block |-> None]
Locks  == [view : Views, block : Blocks]

VARIABLES leads,    \* who leads each view: any order of the queens
          view,     \* of each honest queen: lower ones she has left
          lock,     \* what she is locked on
          changes,  \* <<queen, view, lock>>: she calls for that view, and says what she was locked on
          begun,    \* <<view, lock>>: that view begins, bound to that lock
          proposed, \* <<view, block>>, by its leader
          prepared, \* <<queen, view, block>>
          committed \* <<queen, view, block>>
vars == <<leads, view, lock, changes, begun, proposed, prepared, committed>>

Init == /\ leads \in [Views -> Queens] /\ \A v, w \in Views : v # w => leads[v] # leads[w]
        /\ view = [q \in Honest |-> 0]
        /\ lock = [q \in Honest |-> NoLock]
        /\ changes = {} /\ begun = {<<0, NoLock>>}
        /\ proposed = {} /\ prepared = {} /\ committed = {}

\* So many voted: liars vote for everything.
Votes(said, v, b) == Cardinality({q \in Honest : <<q, v, b>> \in said}) + Cardinality(Liars)
Certified(v, b)   == Votes(prepared, v, b) >= Quorum
Decided(b)        == \E v \in Views : Votes(committed, v, b) >= Quorum
Allowed(v, b)     == \E l \in Locks \union {NoLock} : <<v, l>> \in begun /\ (l = NoLock \/ l.block = b)

Propose(v, b) ==
  /\ Allowed(v, b)
  /\ leads[v] \in Honest => /\ view[leads[v]] = v
                              /\ \A c \in Blocks : <<v, c>> \notin proposed
  /\ proposed' = proposed \union {<<v, b>>}
  /\ UNCHANGED <<leads, view, lock, changes, begun, prepared, committed>>

Prepare(q, v, b) ==
  /\ view[q] = v /\ <<v, b>> \in proposed /\ Allowed(v, b)
  /\ \A c \in Blocks : <<q, v, c>> \notin prepared
  /\ prepared' = prepared \union {<<q, v, b>>}
  /\ UNCHANGED <<leads, view, lock, changes, begun, proposed, committed>>

Commit(q, v, b) ==
  /\ IF LeavesVotes THEN view[q] = v ELSE view[q] >= v
  /\ Certified(v, b) /\ \A c \in Blocks : <<q, v, c>> \notin committed
  /\ committed' = committed \union {<<q, v, b>>}
  /\ lock' = [lock EXCEPT ![q] = IF v >= @.view THEN [view |-> v, block |-> b] ELSE @]
  /\ UNCHANGED <<leads, view, changes, begun, proposed, prepared>>

Leave(q, v) ==
  /\ v > view[q]
  /\ view' = [view EXCEPT ![q] = v]
  /\ changes' = changes \union {<<q, v, lock[q]>>}
  /\ UNCHANGED <<leads, lock, begun, proposed, prepared, committed>>

\* What a liar may say she is locked on: nothing, or whatever a quorum prepared before.
Claims(v) == {NoLock} \union {l \in Locks : l.view < v /\ Certified(l.view, l.block)}

\* The leader shows the changes of a quorum; the highest lock among them binds her.
Begin(v) ==
  /\ v > 0 /\ (leads[v] \in Honest => view[leads[v]] = v /\ \A l \in Locks \union {NoLock} : <<v, l>> \notin begun)
  /\ \E who \in SUBSET Honest, claim \in Claims(v) :
       /\ Cardinality(who) + Cardinality(Liars) >= Quorum
       /\ \A q \in who : \E c \in changes : c[1] = q /\ c[2] = v
       /\ LET said  == {c[3] : c \in {d \in changes : d[1] \in who /\ d[2] = v}} \union {claim}
              bound == CHOOSE l \in said : \A other \in said : other.view <= l.view
          IN begun' = begun \union {<<v, IF Bound THEN bound ELSE NoLock>>}
  /\ UNCHANGED <<leads, view, lock, changes, proposed, prepared, committed>>

Next == \/ \E v \in Views : Begin(v) \/ \E b \in Blocks : Propose(v, b)
        \/ \E q \in Honest, v \in Views : Leave(q, v) \/ \E b \in Blocks : Prepare(q, v, b) \/ Commit(q, v, b)

Spec == Init /\ [][Next]_vars

Alike == Permutations(Honest) \union Permutations(Liars) \union Permutations(Blocks)

Agreement == \A b, c \in Blocks : Decided(b) /\ Decided(c) => b = c
=============================================================================
