/*
 * Coherent caches over several replicas: see README.md, "coherence.pml".
 *
 * One key. Its value is its version, 0 in the beginning; each write makes a greater one. A message
 * that was sent is a fact which its receiver may see at any time, often or never: so messages are
 * lost, late, doubled and out of order. A process that takes no step is paused or dead.
 */

#ifndef P
#define P 2 /* processes */
#endif
#ifndef NW
#define NW 2 /* writes; write w is made by process WRITER(w) */
#endif
#ifndef WRITER
#define WRITER(w) ((w) % P)
#endif
#ifndef LIVES
#define LIVES 2 /* ids that a process may have, one after the other */
#endif
#ifndef EXPIRES
#define EXPIRES 1 /* so often a process passes its deadline without having died: it is declared gone */
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef TROUBLES
#define TROUBLES 0 /* so often a process loses the channel */
#endif
#ifndef FAULTY
#define FAULTY 7 /* mask of processes that expire, die and lose the channel */
#endif
#ifndef LATE
#define LATE 0 /* mask of processes that join later */
#endif
#ifndef NO_CHANNEL
#define NO_CHANNEL 0 /* 1: nobody ever has one. STAYS_DOWN: who loses it does not find it again */
#endif
#ifndef DOUBTS
#define DOUBTS 0 /* so often the answer to a commit is lost */
#endif
#ifndef REDIS
#define REDIS 1
#endif
#ifndef READER_1 /* one look-up at a time at these processes (a mask); READER_2: one more */
#define READER_1 7
#endif
#define IDS    (LIVES * P)
#define EPOCHS 8

#define IN(mask, a) (((mask) >> (a)) & 1)
#define BIT(a)      (1 << (a))

/* The database. */
byte version;
byte epoch_record;
byte rows;           /* mask of ids */
byte reachable_rows; /* what the rows say */
byte answers_rows;
byte announced_row[IDS];
byte knows[IDS * IDS];
byte request[NW]; /* the transaction of a write */
#define SENT    1
#define HOLDING 2 /* its record check has locked the row */
#define DONE    3
#define REFUSED 4

/* Redis: version + 1. */
byte redis[EPOCHS];

/* A process. */
bool joined[P], looked[P]; /* has a row; has looked since */
bool dead[P];
byte id[P];
bool valid[P];   /* before its deadline */
bool channel[P];
bool distrusts[P];
bool news[P];    /* there is something to be seen since its last look */
byte answering[P];
#define SILENT    0
#define ANNOUNCED 1
#define ANSWERING 2
bool look_first[P];
byte announced[P];
byte epoch[P];
/* Its peers, as of its last look: masks of ids, and what is noted of them. */
byte peers[P], peers_reachable[P], peers_answer[P], peers_know[P], must_know[P];
byte noted[P * IDS], known[P * IDS];
byte after[P * IDS]; /* mask of writes that began before it was noted */

byte memory[P]; /* version + 1 */
bool ticket[P]; /* of its look-up under way: no guard and no turn has changed since */
byte put[P], put_epoch[P];       /* on its way to Redis: version + 1 */
bool putting[P], put_buried[P];  /* is waited for; a tombstone refuses it */
bool guard[P * NW], ended[P * NW];

/* A write. */
bool began[NW], over[NW], failed[NW], doubtful[NW];
byte fence[NW];
byte entered[NW]; /* mask of ids */
byte made[NW];             /* the version that it made */
bool enter[NW], leave[NW]; /* sent */

/* What any client has seen, at least. */
byte seen;

bool quiet; /* no more faults: what is under way must come to its end */
byte expires = EXPIRES, deaths = DEATHS, troubles = TROUBLES, doubts = DOUBTS;

hidden byte i, j, k, me;
hidden byte said;

#define KNOWS(a, b) knows[(a) * IDS + (b)]
#define NOTED(p, b) noted[(p) * IDS + (b)]
#define KNOWN(p, b) known[(p) * IDS + (b)]
#define AFTER(p, b) after[(p) * IDS + (b)]
#define GUARD(p, w) guard[(p) * NW + (w)]
#define ENDED(p, w) ended[(p) * NW + (w)]

#define ALIVE(p)     (joined[p] && !dead[p])
#define HAS_ROW(p)   IN(rows, id[p])
#define REACHABLE(p) (channel[p] && !distrusts[p])
#ifdef MISTAKE_NO_DEADLINE
#define MAY_ANSWER(p) (answering[p] == ANSWERING)
#else
#define MAY_ANSWER(p) (answering[p] == ANSWERING && valid[p])
#endif

/* Writes of p, of any id, that have begun and not ended: a mask. */
#define RUNS(p, w) (WRITER(w) == (p) && began[w] && !over[w])
#if NW > 1
#define RUNNING(p) ((RUNS(p, 0) -> 1 : 0) | (RUNS(p, 1) -> 2 : 0))
#else
#define RUNNING(p) (RUNS(p, 0) -> 1 : 0)
#endif

inline tell_all()
{
    for (k : 0 .. P - 1) {
        news[k] = 1
    };
    k = 0
}

/* What is kept is forgotten, and what is being looked up will not be kept. */
inline forget(p)
{
    memory[p] = 0;
#ifndef MISTAKE_TICKET_OUTLIVES
    ticket[p] = 0;
#endif
#if REDIS && !defined(MISTAKE_SAME_EPOCH)
    distrusts[p] = 1 /* lost_sight() of cache/redis */
#endif
}

/* ---- members: renew */

/* May it say now that it knows b's announcement? */
#ifdef MISTAKE_KNOWN_AT_ONCE /* while a write runs that did not ask b */
#define SAYS_KNOWN(p, b) (NOTED(p, b) != KNOWN(p, b))
#else
#define SAYS_KNOWN(p, b) (NOTED(p, b) != KNOWN(p, b) && (AFTER(p, b) & RUNNING(p)) == 0)
#endif
#define SAYS_ANY(p)                                                                                \
    (SAYS_KNOWN(p, 0) || SAYS_KNOWN(p, 1 % IDS) || SAYS_KNOWN(p, 2 % IDS) ||                        \
     SAYS_KNOWN(p, 3 % IDS) || SAYS_KNOWN(p, 4 % IDS) || SAYS_KNOWN(p, 5 % IDS))
#define ROW_IS_TRUE(p)                                                                             \
    (IN(reachable_rows, id[p]) == REACHABLE(p) &&                                                  \
     IN(answers_rows, id[p]) == (answering[p] != SILENT) && announced_row[id[p]] == announced[p] && \
     !SAYS_ANY(p))

inline renew(p)
{
    me = id[p];
    rows = rows | BIT(me);
    reachable_rows = (reachable_rows & ~BIT(me)) | (REACHABLE(p) -> BIT(me) : 0);
    answers_rows = (answers_rows & ~BIT(me)) | (answering[p] != SILENT -> BIT(me) : 0);
    announced_row[me] = announced[p];
    for (j : 0 .. IDS - 1) {
        if
        :: SAYS_KNOWN(p, j) -> KNOWN(p, j) = NOTED(p, j)
        :: else
        fi;
        KNOWS(me, j) = KNOWN(p, j)
    };
    tell_all();
    me = 0;
    j = 0
}

/* ---- members: look, and settle */

inline take_in(p)
{
    me = id[p];
    peers[p] = rows & ~BIT(me);
    peers_reachable[p] = peers[p] & reachable_rows;
    peers_answer[p] = peers[p] & answers_rows;
    peers_know[p] = 0;
    for (j : 0 .. IDS - 1) {
        if
        :: IN(peers[p], j) ->
            if
            :: KNOWS(j, me) == announced[p] -> peers_know[p] = peers_know[p] | BIT(j)
            :: else
            fi;
            if
            :: IN(answers_rows, j) && NOTED(p, j) != announced_row[j] ->
                NOTED(p, j) = announced_row[j];
                AFTER(p, j) = RUNNING(p)
            :: else
            fi
        :: else ->
            NOTED(p, j) = 0;
            KNOWN(p, j) = 0;
            AFTER(p, j) = 0
        fi
    };
    must_know[p] = must_know[p] & peers[p];
    if
    :: look_first[p] -> must_know[p] = peers[p]; look_first[p] = 0
    :: else
    fi;
    epoch[p] = epoch_record;
    /* remote_writes_looked(): who is not listed has no writes. */
    for (i : 0 .. NW - 1) {
        if
        :: GUARD(p, i) && WRITER(i) != p && !IN(rows, fence[i]) ->
            GUARD(p, i) = 0;
            ticket[p] = 0
        :: else
        fi
    };
    i = 0;
    j = 0;
    me = 0
}

#define ALL_REACH(p)                                                                               \
    (peers_reachable[p] == peers[p] && !distrusts[p] && (channel[p] || peers[p] == 0))
#ifdef MISTAKE_NOBODY_KNOWS /* answers when it has announced that, not when all know */
#define ALL_KNOW(p) true
#else
#define ALL_KNOW(p) ((must_know[p] & ~peers_know[p]) == 0)
#endif

inline settle(p)
{
    if
    :: answering[p] != SILENT && !ALL_REACH(p) ->
        if
        :: answering[p] == ANSWERING -> answering[p] = SILENT; forget(p)
        :: else -> answering[p] = SILENT
        fi;
        look_first[p] = 0
    :: answering[p] == SILENT && ALL_REACH(p) ->
        answering[p] = ANNOUNCED;
        announced[p]++;
        look_first[p] = 1;
        news[p] = 1
#ifdef MISTAKE_LOOKS_BEFORE /* who came between its look and its announcement does not matter */
        ;
        look_first[p] = 0;
        must_know[p] = peers[p];
        peers_know[p] = 0
#endif
    :: answering[p] == ANNOUNCED && !look_first[p] && ALL_KNOW(p) ->
        answering[p] = ANSWERING;
#ifndef MISTAKE_TICKET_OUTLIVES /* what was read before it may answer is kept */
        ticket[p] = 0
#endif
    :: else
    fi
}

/* ---- members: trust_again, bury, lose */

#ifdef MISTAKE_TRUSTS_EARLY /* a new epoch while others still answer in the old one */
#define ALL_SILENT(p) true
#else
#define ALL_SILENT(p) (peers_answer[p] == 0)
#endif
#define TRUSTS(p) (distrusts[p] && answering[p] == SILENT && ALL_SILENT(p) && ROW_IS_TRUE(p))

#define GONE(a) (IN(rows, a) && (!valid[(a) % P] || id[(a) % P] != (a)))
#define HELD(a)                                                                                    \
    ((request[0] == HOLDING && fence[0] == (a)) ||                                                 \
     (request[NW - 1] == HOLDING && fence[NW - 1] == (a)))

inline bury(p, a)
{
    rows = rows & ~BIT(a);
    reachable_rows = reachable_rows & ~BIT(a);
    answers_rows = answers_rows & ~BIT(a);
    announced_row[a] = 0;
    for (i : 0 .. IDS - 1) {
        KNOWS(a, i) = 0
    };
#if REDIS && !defined(MISTAKE_GONE_SAME_EPOCH)
    distrusts[p] = 1;
#endif
    tell_all();
    i = 0
}

inline joins(p)
{
    valid[p] = 1;
    joined[p] = 1;
    looked[p] = 0;
    peers[p] = 0;
    for (i : 0 .. IDS - 1) {
        NOTED(p, i) = 0;
        KNOWN(p, i) = 0;
        AFTER(p, i) = 0
    };
    i = 0;
#if REDIS
    distrusts[p] = 1;
#endif
    renew(p)
}

proctype member(byte p)
{
    do
    :: atomic { !joined[p] && !dead[p] && (!quiet || !IN(LATE, p)) -> d_step { joins(p) } }
    :: atomic { ALIVE(p) && HAS_ROW(p) && !ROW_IS_TRUE(p) -> d_step { renew(p) } }
    :: atomic {
        ALIVE(p) && HAS_ROW(p) && news[p] && ROW_IS_TRUE(p) ->
        d_step {
            news[p] = 0;
            take_in(p);
            looked[p] = 1;
            settle(p)
        }
       }
    :: atomic {
        ALIVE(p) && HAS_ROW(p) && !news[p] && TRUSTS(p) ->
        d_step {
#ifndef MISTAKE_SAME_EPOCH
            epoch_record++;
#endif
            distrusts[p] = 0;
            news[p] = 1
        }
       }
    :: atomic { ALIVE(p) && GONE(0) && !HELD(0) && id[p] != 0 -> d_step { bury(p, 0) } }
    :: atomic { ALIVE(p) && GONE(1) && !HELD(1) && id[p] != 1 -> d_step { bury(p, 1) } }
#if IDS > 2
    :: atomic { ALIVE(p) && GONE(2) && !HELD(2) && id[p] != 2 -> d_step { bury(p, 2) } }
#endif
#if IDS > 3
    :: atomic { ALIVE(p) && GONE(3) && !HELD(3) && id[p] != 3 -> d_step { bury(p, 3) } }
#endif
#if IDS > 4
    :: atomic { ALIVE(p) && GONE(4) && !HELD(4) && id[p] != 4 -> d_step { bury(p, 4) } }
#endif
#if IDS > 5
    :: atomic { ALIVE(p) && GONE(5) && !HELD(5) && id[p] != 5 -> d_step { bury(p, 5) } }
#endif
    /* lose: it was taken for gone, and comes back under another id. */
    :: atomic {
        ALIVE(p) && !HAS_ROW(p) && id[p] + P < IDS ->
        d_step {
            id[p] = id[p] + P;
            answering[p] = SILENT;
            look_first[p] = 0;
            forget(p);
            joins(p)
        }
       }
    /* The channel. */
    :: atomic {
        ALIVE(p) && IN(FAULTY, p) && channel[p] && troubles > 0 && !quiet ->
        channel[p] = 0;
        news[p] = 1;
        troubles--
       }
#ifndef STAYS_DOWN
    :: atomic { ALIVE(p) && !channel[p] && !NO_CHANNEL -> channel[p] = 1; news[p] = 1 }
#endif
#if REDIS
    /* A put without an answer. */
    :: atomic {
        ALIVE(p) && IN(FAULTY, p) && putting[p] && troubles > 0 && !quiet ->
        troubles--;
#ifndef MISTAKE_PUT_FORGOTTEN
        distrusts[p] = 1;
        news[p] = 1;
#endif
        putting[p] = 0
       }
#endif
    /* Time. */
    :: atomic { ALIVE(p) && IN(FAULTY, p) && valid[p] && !quiet && expires > 0 -> valid[p] = 0; expires-- }
    :: atomic { joined[p] && dead[p] && valid[p] -> valid[p] = 0 }
    :: atomic { ALIVE(p) && IN(FAULTY, p) && !quiet && deaths > 0 -> dead[p] = 1; deaths-- }
    od
}

/* ---- remote: what comes over the channel */

#ifdef MISTAKE_ENTER_AFTER_LEAVE /* a late ENTER of a write that has ended */
#define NEW(p, w) true
#else
#define NEW(p, w) (!ENDED(p, w))
#endif
#ifdef MISTAKE_PUT_GOES_ON /* says that it has entered while a put is under way */
#define PUTS(p) false
#else
#define PUTS(p) putting[p]
#endif

#define OTHER(p, w)  (ALIVE(p) && channel[p] && WRITER(w) != p)
#define HEARS(p, w)  (OTHER(p, w) && enter[w] && NEW(p, w) && !GUARD(p, w))
#define SAYS(p, w)   (OTHER(p, w) && enter[w] && GUARD(p, w) && !IN(entered[w], id[p]) && !PUTS(p))
#define LEAVES(p, w) (OTHER(p, w) && leave[w] && !ENDED(p, w))

inline remote_write(p, w)
{
    if
    :: atomic { HEARS(p, w) -> GUARD(p, w) = 1; memory[p] = 0; ticket[p] = 0 }
    :: atomic { SAYS(p, w) -> entered[w] = entered[w] | BIT(id[p]) }
    :: atomic { LEAVES(p, w) -> GUARD(p, w) = 0; ENDED(p, w) = 1; ticket[p] = 0 }
    fi
}

proctype receiver(byte p)
{
    do
    :: remote_write(p, 0)
#if NW > 1
    :: remote_write(p, 1)
#endif
    od
}

/* ---- replicas: our own writes */

/* members_to_ask(). */
#define NOBODY(p)                                                                                  \
    ((peers_answer[p] == 0 && answering[p] != ANSWERING) || (peers[p] == 0 && !distrusts[p]))
#define ALL_ENTERED(p, w) (ALL_REACH(p) && (peers_answer[p] & ~entered[w]) == 0)

inline clear(p, w)
{
    redis[epoch[p]] = 0;
    for (i : 0 .. P - 1) {
        if
        :: put[i] && put_epoch[i] == epoch[p] -> put_buried[i] = 1
        :: else
        fi
    };
    i = 0
}

proctype writer(byte w)
{
    byte p = WRITER(w);

    /* members_write_begin(); the guards of its own caches. */
    atomic {
        ALIVE(p) && looked[p] && HAS_ROW(p) && !quiet ->
        began[w] = 1;
        fence[w] = id[p];
        GUARD(p, w) = 1;
        memory[p] = 0;
        ticket[p] = 0
    };
    atomic { ALIVE(p) && !putting[p] -> enter[w] = 1 };
    /* prepare: ask, and clear. */
#if REDIS
    if
    :: atomic { ALIVE(p) && looked[p] && (NOBODY(p) || ALL_ENTERED(p, w)) && channel[p] ->
#ifndef MISTAKE_DELETE_AFTER
        d_step { clear(p, w) }
#endif
       }
    :: atomic { ALIVE(p) && looked[p] && (NOBODY(p) || ALL_ENTERED(p, w)) && !channel[p] ->
        distrusts[p] = 1;
        news[p] = 1
       };
       atomic { ALIVE(p) && looked[p] && (NOBODY(p) || ALL_ENTERED(p, w)) }
    :: atomic { ALIVE(p) && id[p] != fence[w] -> failed[w] = 1; goto end }
    fi;
#else
    if
    :: atomic { ALIVE(p) && looked[p] && (NOBODY(p) || ALL_ENTERED(p, w)) }
    :: atomic { ALIVE(p) && id[p] != fence[w] -> failed[w] = 1; goto end }
    fi;
#endif
    /* commit_fenced. */
    atomic { ALIVE(p) -> request[w] = SENT };
    do
    :: atomic { ALIVE(p) && request[w] == DONE -> break }
    :: atomic { ALIVE(p) && request[w] == REFUSED -> failed[w] = 1; break }
    :: atomic {
        ALIVE(p) && request[w] < DONE && doubts > 0 && !quiet && !doubtful[w] ->
        doubtful[w] = 1;
        doubts--;
#ifdef MISTAKE_DOUBT_LEAVES
        break
#endif
       }
    od;
#if REDIS && defined(MISTAKE_DELETE_AFTER)
    atomic { ALIVE(p) -> d_step { clear(p, w) } };
#endif
end:
    atomic {
        ALIVE(p) ->
        leave[w] = 1;
        over[w] = 1;
        GUARD(p, w) = 0;
        ENDED(p, w) = 1;
        ticket[p] = 0;
        if
        :: !failed[w] && !doubtful[w] && made[w] > seen -> seen = made[w]
        :: else
        fi
    }
}

/* ---- the database, and Redis */

inline begins(w)
{
    atomic {
        request[w] == SENT ->
        if
#ifdef MISTAKE_NO_FENCE
        :: request[w] = HOLDING
#else
        :: IN(rows, fence[w]) -> request[w] = HOLDING
        :: !IN(rows, fence[w]) -> request[w] = REFUSED
#endif
        :: doubtful[w] || dead[WRITER(w)] -> request[w] = REFUSED /* it never came */
        fi
    }
}

inline commits(w)
{
    atomic {
        request[w] == HOLDING ->
        request[w] = DONE;
        version++;
        made[w] = version
    }
}

/* Who distrusts and died is soon buried by one who then distrusts. */
#define DISTRUST(p) (distrusts[p] && (!dead[p] || HAS_ROW(p)))

/* A tombstone refuses what was on its way before it. It is gone after a time in which who distrusts
 * would have begun a new epoch. */
inline arrives(p)
{
    atomic {
        put[p] != 0 ->
        if
        :: !put_buried[p] && redis[put_epoch[p]] < put[p] -> redis[put_epoch[p]] = put[p]
        :: else
        fi;
        put[p] = 0;
        put_epoch[p] = 0;
        putting[p] = 0;
        put_buried[p] = 0
    }
}

#if P > 2
#define ANY_DISTRUST (DISTRUST(0) || DISTRUST(1) || DISTRUST(2))
#else
#define ANY_DISTRUST (DISTRUST(0) || DISTRUST(1))
#endif

/* Nothing waits as long as a tombstone stays: who is alive has its answer, or distrusts. */
inline tombstone_ends(p)
{
#ifdef NO_TOMBSTONES /* they are evicted at once */
    atomic { put_buried[p] -> put_buried[p] = 0 }
#else
    atomic { put_buried[p] && !ANY_DISTRUST && (!putting[p] || !valid[p]) -> put_buried[p] = 0 }
#endif
}

proctype world()
{
    do
    :: begins(0)
    :: commits(0)
#if NW > 1
    :: begins(1)
    :: commits(1)
#endif
#if REDIS
    :: arrives(0)
    :: tombstone_ends(0)
    :: arrives(1)
    :: tombstone_ends(1)
#if P > 2
    :: arrives(2)
    :: tombstone_ends(2)
#endif
#endif
    od
}

/* ---- look-ups: cache/memory and cache/redis, one after the other, each at any of these places */

#define GUARDED(p) (GUARD(p, 0) || GUARD(p, NW - 1))

proctype reader(byte places)
{
    byte p, floor, value;
    byte at; /* the epoch + 1 when it began; 0: nothing in Redis is to be relied on */

    do
    /* One that asks the database; nothing comes between. */
    :: atomic { version > seen -> seen = version }
    :: atomic {
        if
        :: ALIVE(0) && IN(places, 0) -> p = 0
        :: ALIVE(1) && IN(places, 1) -> p = 1
#if P > 2
        :: ALIVE(2) && IN(places, 2) -> p = 2
#endif
        fi;
        floor = seen;
        ticket[p] = 1;
        if
        :: MAY_ANSWER(p) && memory[p] -> value = memory[p] - 1; goto answer
        :: MAY_ANSWER(p) && !memory[p] && REDIS && channel[p] -> at = epoch[p] + 1
        :: !MAY_ANSWER(p) || (!memory[p] && !(REDIS && channel[p]))
        fi
       }
       atomic {
        ALIVE(p) ->
        if
        /* and still the same epoch after it was read */
#ifdef MISTAKE_NOT_STILL
        :: at && redis[at - 1] -> value = redis[at - 1] - 1
#else
        :: at && redis[at - 1] && MAY_ANSWER(p) && epoch[p] + 1 == at -> value = redis[at - 1] - 1
#endif
        :: else -> value = version
        fi
       }
       atomic {
        ALIVE(p) ->
        if
        :: ticket[p] && !GUARDED(p) ->
            if
            :: MAY_ANSWER(p) && channel[p] && at && epoch[p] + 1 == at &&
                value + 1 > redis[at - 1] && !put[p] ->
                put[p] = value + 1;
                put_epoch[p] = at - 1;
                putting[p] = 1
            :: else
            fi;
            if
            :: answering[p] == ANSWERING -> memory[p] = value + 1
            :: else
            fi
        :: else
        fi;
answer:
        ticket[p] = 0;
        assert(value >= floor);
        if
        :: value > seen -> seen = value
        :: else
        fi;
        p = 0;
        floor = 0;
        value = 0;
        at = 0
       }
    od
}

/* When nothing more goes wrong, each write ends, unless its process died; and no guard stays. */
proctype end_of_all()
{
    quiet = 1;
    timeout ->
    d_step {
        for (i : 0 .. NW - 1) {
            assert(!began[i] || over[i] || dead[WRITER(i)])
        };
        for (i : 0 .. P - 1) {
            for (j : 0 .. NW - 1) {
                assert(!GUARD(i, j) || !over[j] || !ALIVE(i) || !channel[i])
            }
        }
    }
}

/* Those that are not late answer from memory already. */
init
{
    byte p;

    atomic {
        for (p : 0 .. P - 1) {
            id[p] = p;
            channel[p] = !NO_CHANNEL
        };
        p = 0; /* spin lets no loop end at a d_step */
        d_step {
            for (i : 0 .. P - 1) {
                if
                :: !IN(LATE, i) -> rows = rows | BIT(i)
                :: else
                fi
            };
            reachable_rows = (NO_CHANNEL -> 0 : rows);
            for (i : 0 .. P - 1) {
                if
                :: IN(rows, i) ->
                    joined[i] = 1;
                    looked[i] = 1;
                    valid[i] = 1;
                    peers[i] = rows & ~BIT(i);
                    peers_reachable[i] = reachable_rows & ~BIT(i);
                    if
                    :: !NO_CHANNEL || peers[i] == 0 ->
                        answers_rows = answers_rows | BIT(i);
                        peers_answer[i] = peers[i];
                        peers_know[i] = peers[i];
                        must_know[i] = peers[i];
                        answering[i] = ANSWERING;
                        announced[i] = 1;
                        announced_row[i] = 1;
                        for (j : 0 .. P - 1) {
                            if
                            :: IN(peers[i], j) -> NOTED(i, j) = 1; KNOWN(i, j) = 1; KNOWS(i, j) = 1
                            :: else
                            fi
                        }
                    :: else
                    fi
                :: else
                fi
            };
            i = 0;
            j = 0
        };
        for (p : 0 .. P - 1) {
            run member(p);
            run receiver(p)
        };
        for (p : 0 .. NW - 1) {
            run writer(p)
        };
        run world();
#ifdef ENDS
        run end_of_all();
#else
        run reader(READER_1);
#ifdef READER_2
        run reader(READER_2);
#endif
#endif
        p = 0
    }
}
