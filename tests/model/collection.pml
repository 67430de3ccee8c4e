/*
 * Collection within a repository: see README.md, "collection.pml".
 *
 * A blob B, an image M that names it, an index I of M, a signature S of M, one tag, which a client
 * may delete with M. A transaction is one step; what was looked up before one may be old. How B's
 * bytes go is removal.pml.
 */

#ifndef PUSHES
#define PUSHES 2
#endif
#ifndef UNTAGS
#define UNTAGS 2
#endif
#ifndef DELETES
#define DELETES 1 /* of M, by a client */
#endif
#ifndef UNDOS
#define UNDOS 1
#endif
#ifndef DEATHS
#define DEATHS 1 /* of a collector; another goes on */
#endif

#define B 0
#define M 1
#define I 2
#define S 3
#define ITEMS 4

byte is[ITEMS];
#define ABSENT    0 /* its row, and after the linger its content */
#define PRESENT   1
#define CONDEMNED 2
#define LINGERS   3 /* its row is gone, undo brings it back */

bool bytes;    /* of B */
byte tag;      /* M, I, or 0: there is none */
bool candidate[ITEMS]; /* of the collector's look, which may be old */
#ifdef MISTAKE_PURGE_UNSEEN
bool purges[ITEMS];
#endif
#ifdef MISTAKE_SUBJECT_UNSEEN
bool alone; /* S was without M when it was looked at */
#endif
bool mine[ITEMS];      /* deleted by a collector that lives */
byte pushes = PUSHES, untags = UNTAGS, deletes = DELETES, undos = UNDOS, deaths = DEATHS;

#define THERE(x) (is[x] == PRESENT || is[x] == CONDEMNED)
#define KEPT(x)  (is[x] != ABSENT)

/* What lives: by a tag, as a child, as a referrer of what lives, as a blob of it. A blob that a
 * manifest names stays as long as its row. */
#define LIVE_I (THERE(I) && tag == I)
#define LIVE_M (THERE(M) && (tag == M || LIVE_I))
#define LIVE_S (THERE(S) && LIVE_M)
#define LIVE_B (THERE(B) && LIVE_M)
#define LIVE(x) ((x) == I && LIVE_I || (x) == M && LIVE_M || (x) == S && LIVE_S || (x) == B && LIVE_B)

/* Rows that x goes with, of any state: while one is there it may be revived. */
#ifdef MISTAKE_CHILD_FIRST
#define NAMED(x) ((x) == S && THERE(M))
#elif defined(MISTAKE_REFERRER_FIRST)
#define NAMED(x) ((x) == B && THERE(M) || (x) == M && THERE(I))
#else
#define NAMED(x) ((x) == B && THERE(M) || (x) == M && THERE(I) || (x) == S && THERE(M))
#endif

#define WHOLE                                                                                      \
    ((!THERE(M) || THERE(B)) && (!THERE(I) || THERE(M)) && (!THERE(B) || bytes) &&                 \
     (tag == 0 || THERE(tag)))

inline revive(x)
{
    is[x] = PRESENT;
    mine[x] = 0
}

/* Of an image or an index: with all that it names. */
inline revive_all(x)
{
    revive(x);
    if
    :: x == I -> revive(M); revive(B)
    :: x == M -> revive(B)
    :: else
    fi
}

/* A client that pushes blob, image, index or signature, with or without the tag; each is one
 * transaction, in which what it names must be there. */
proctype pusher()
{
    bool seen;

    do
    :: pushes > 0 ->
        pushes--;
        if
        :: atomic { true ->
            if
            :: is[B] == ABSENT -> bytes = 1
            :: else /* taken over: it is there */
            fi;
            revive(B);
            assert(WHOLE) }
        :: skip
        fi;
        atomic { seen = THERE(B) };
        atomic {
            if
#ifdef MISTAKE_PUSH_LOOKED_EARLY
            :: seen -> revive(M)
#else
            :: THERE(B) -> revive_all(M)
#endif
            :: else /* MANIFEST_BLOB_UNKNOWN */
            fi;
            if
            :: is[M] == PRESENT && tag == 0 -> tag = M
            :: true
            fi;
            seen = 0;
            assert(WHOLE)
        };
        if
        :: atomic { THERE(M) -> revive_all(I); revive_all(M);
            if
            :: tag = I
            :: true
            fi;
            assert(WHOLE) }
        :: atomic { is[S] != PRESENT -> revive(S);
            if
            :: THERE(M) -> revive_all(M)
            :: else
            fi;
            assert(WHOLE) }
        :: skip
        fi
    :: atomic { pushes == 0 -> break }
    od
}

/* Tags come and go. */
proctype tagger()
{
    bool seen;

    do
    :: atomic { untags > 0 && tag != 0 -> untags--; tag = 0 }
    :: atomic { untags > 0 && tag == 0 && THERE(I) -> seen = 1 };
        atomic {
#ifdef MISTAKE_TAG_LOOKED_EARLY
            if
            :: seen -> untags = (untags > 0 -> untags - 1 : 0); tag = I
            :: else
            fi;
#else
            if
            :: THERE(I) && untags > 0 -> untags--; revive_all(I); tag = I
            :: else
            fi;
#endif
            seen = 0;
            assert(WHOLE)
        }
    :: atomic { untags == 0 -> break }
    od
}

/* DELETE of M by its digest, which no index may name: with its tag, and S is condemned. */
proctype client()
{
    do
    :: atomic {
        deletes > 0 && THERE(M) && !THERE(I) ->
        deletes--;
        is[M] = ABSENT;
        if
        :: tag == M -> tag = 0
        :: else
        fi;
        if
        :: THERE(S) -> is[S] = CONDEMNED
        :: else
        fi;
        assert(WHOLE)
       }
    :: atomic { deletes == 0 -> break }
    od
}

inline look_at(x)
{
    atomic { is[x] == PRESENT && !LIVE(x) && !candidate[x] -> candidate[x] = 1 }
}

inline condemn(x)
{
    atomic {
        candidate[x] ->
        candidate[x] = 0;
        if
#ifdef MISTAKE_CONDEMN_UNSEEN /* what the look has found, without looking again */
        :: is[x] == PRESENT -> is[x] = CONDEMNED
#else
        :: is[x] == PRESENT && !LIVE(x) -> is[x] = CONDEMNED
#endif
        :: else
        fi
    }
}

/* Revived by what it goes with. */
inline find_live(x)
{
    atomic { is[x] == CONDEMNED && LIVE(x) -> is[x] = PRESENT }
}

/* Still condemned, and nothing is there that it goes with: its row goes. */
inline delete(x)
{
    atomic {
        is[x] == CONDEMNED && !NAMED(x) ->
        assert(!LIVE(x));
        is[x] = LINGERS;
        mine[x] = 1;
        assert(WHOLE)
    }
}

#ifdef MISTAKE_SUBJECT_UNSEEN /* what the look has found, without looking again */
inline look_alone()
{
    atomic { is[S] == CONDEMNED && !THERE(M) && !alone -> alone = 1 }
}

inline delete_alone()
{
    atomic {
        alone && is[S] == CONDEMNED ->
        alone = 0;
        assert(!LIVE(S));
        is[S] = LINGERS;
        mine[S] = 1
    }
}
#endif

#ifdef MISTAKE_RUN_FORGETS /* only the run that deleted it knows of it */
#define KNOWS_OF(x) mine[x]
#else
#define KNOWS_OF(x) true
#endif

/* After the linger. */
inline purge(x)
{
#ifdef MISTAKE_PURGE_UNSEEN /* decided before, carried out now */
    atomic {
        purges[x] ->
        purges[x] = 0;
        is[x] = (is[x] == LINGERS -> ABSENT : is[x]);
        if
        :: x == B -> bytes = 0
        :: else
        fi;
        assert(WHOLE)
    }
#else
    atomic {
        is[x] == LINGERS && KNOWS_OF(x) ->
        is[x] = ABSENT;
        mine[x] = 0;
        if
        :: x == B -> bytes = 0
        :: else
        fi;
        assert(WHOLE)
    }
#endif
}

proctype collector()
{
    do
    :: look_at(B) :: look_at(M) :: look_at(I) :: look_at(S)
    :: condemn(B) :: condemn(M) :: condemn(I) :: condemn(S)
    :: find_live(B) :: find_live(M) :: find_live(I) :: find_live(S)
    :: delete(B) :: delete(M) :: delete(I) :: delete(S)
#ifdef MISTAKE_SUBJECT_UNSEEN
    :: look_alone() :: delete_alone()
#endif
#ifdef MISTAKE_PURGE_UNSEEN
    :: atomic { is[B] == LINGERS && !purges[B] -> purges[B] = 1 }
    :: atomic { is[M] == LINGERS && !purges[M] -> purges[M] = 1 }
    :: atomic { is[I] == LINGERS && !purges[I] -> purges[I] = 1 }
    :: atomic { is[S] == LINGERS && !purges[S] -> purges[S] = 1 }
#endif
    :: purge(B) :: purge(M) :: purge(I) :: purge(S)
    :: atomic {
        deaths > 0 ->
        deaths--;
        mine[B] = 0;
        mine[M] = 0;
        mine[I] = 0;
        mine[S] = 0
       }
    od
}

/* gc undo: each manifest with all that it names, or not at all. */
inline undo(x)
{
    atomic {
        undos > 0 && (is[x] == LINGERS || is[x] == CONDEMNED) ->
        undos--;
        if
        :: x == B -> revive(B)
#ifdef MISTAKE_UNDO_HALF
        :: x != B -> revive(x)
#else
        :: x == M && KEPT(B) -> revive_all(M)
        :: x == I && KEPT(M) && KEPT(B) -> revive_all(I)
        :: x == S && THERE(M) -> revive(S)
#endif
        :: else
        fi;
        assert(WHOLE)
    }
}

proctype operator()
{
    do
    :: undo(B)
    :: undo(M)
    :: undo(I)
    :: undo(S)
    od
}

/* When nothing more happens: what is tagged is whole, with its signature; all else is gone. */
proctype end_of_all()
{
    timeout ->
    atomic {
        assert(WHOLE);
        assert(LIVE_I || !KEPT(I));
        assert(LIVE_M || !KEPT(M));
        assert(LIVE_B || !KEPT(B));
        assert(LIVE_S || !KEPT(S));
        assert(KEPT(B) || !bytes)
    }
}

init
{
    atomic {
        run pusher();
        run tagger();
        run client();
        run collector();
        run operator();
        run end_of_all()
    }
}
