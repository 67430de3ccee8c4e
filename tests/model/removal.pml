/*
 * Removal of a blob from a bucket that several replicas share: see README.md, "removal.pml".
 *
 * One digest, two repositories. A transaction is one step, for all that touch a digest take its lock
 * in the database. Requests to the bucket are on their way for any time. A process that takes no
 * step is paused or dead; who ran its job may find out by any time that it lost it.
 */

#ifndef PUSHES
#define PUSHES 2 /* pusher k pushes to repository k */
#endif
#ifndef UNLINKS
#define UNLINKS 2 /* deletions by clients, all in all */
#endif
#ifndef DEATHS
#define DEATHS 0 /* so often a pusher stops for good between two steps */
#endif
#ifndef LOSSES
#define LOSSES 1 /* so often a holder of the job is declared gone, while it goes on */
#endif
#ifndef MOUNTS
#define MOUNTS 0
#endif
#ifndef MANIFESTS
#define MANIFESTS 0 /* 1: client of repository 0 asks with HEAD, then pushes a manifest */
#endif
#ifndef POINTERS
#define POINTERS 0 /* 1: an upload may become the blob where it lies, to be moved later */
#endif
#ifndef ASIDE
#define ASIDE 0 /* 1: who meets a deletion puts the bytes where it does not come */
#endif
#ifndef VAIN
#define VAIN 0 /* so often the job is taken though a pointer is there */
#endif
#ifndef KEEPERS
#define KEEPERS (POINTERS || ASIDE) /* processes that move them */
#endif

/* The database. */
bool link[2];
bool manifest; /* of repository 0, which refers to it */
byte removed;  /* the row of that digest */
#define NONE      0
#define CONDEMNED 1
#define GONE      2
#define DELETED   3
byte number, numbers; /* of the row; those used */
bool again;           /* of a row that is gone: something may have come since */
byte holder;          /* of the job: 0, 1, or: */
#define NOBODY 2

/* The bucket. */
bool object;  /* at its key */
byte pointers; /* bits: at a key that is nobody else's, which a pointer of as unique a name tells */
byte written;  /* of these, ever: each once */
byte unpoint;  /* DELETEs of pointers, which may land at any time, and again */
#ifdef MISTAKE_ONE_NAME /* of all pointers of a digest */
#define OF_UPLOAD(r) 1
#define OF_ASIDE(r)  1
#define FRESH(name)  true
#else
#define OF_UPLOAD(r) (1 << (r))
#define OF_ASIDE(r)  (4 << (r))
#define FRESH(name)  ((written & (name)) == 0)
#endif

/* Holders. */
byte step[2];
#define IDLE   0
#define MARKED 1
#define SIGNED 2
#define SENT   3
#define SURE   4 /* the answer came */
bool on_its_way[2]; /* the DELETE: it may land */
bool too_old[2];    /* its signature: the bucket refuses it */

byte unlinks = UNLINKS, deaths = DEATHS, losses = LOSSES, mounts = MOUNTS;
byte vain = VAIN;
bool in_window[2]; /* pusher: after its look at the bucket, before its link */
bool fenced[2];    /* its process was declared gone */

#define LINKED   (link[0] || link[1])
#define READABLE (object || pointers != 0)
#define SOUND    (!LINKED || READABLE)

inline unlink(r)
{
    link[r] = 0;
    if
    :: !LINKED -> removed = CONDEMNED; number = 0
    :: else
    fi
}

/* Whoever stored what is not linked in the end; never a DELETE of one's own. */
inline condemn_if_unlinked()
{
    if
    :: !LINKED && removed == GONE -> again = 1
    :: !LINKED && removed != GONE -> removed = CONDEMNED
    :: else
    fi
}

inline drop_row()
{
    removed = NONE;
    number = 0
}

/* No row, or one with the number of a deletion that it saw before it looked at the bytes. */
#ifdef MISTAKE_CONDEMNED_IS_FREE /* whatever has been deleted before */
#define MAY_LINK(seen) (removed <= CONDEMNED || (removed == DELETED && seen == number))
#else
#define MAY_LINK(seen) (removed != GONE && seen == number)
#endif

/* Of who has put the bytes aside after it saw the row gone by that number. */
#ifdef MISTAKE_ASIDE_ANY_NUMBER
#define MAY_LINK_ASIDE(seen, aside) (aside && removed == GONE)
#else
#define MAY_LINK_ASIDE(seen, aside) (aside && removed == GONE && seen == number)
#endif

/* META_BLOB_LINK: 1 linked, 0 conflict. seen: the number in whose presence it looked, 0: none. */
inline try_link(r, seen, aside, ret)
{
    if
    :: fenced[r] -> ret = 0
    :: else ->
        if
        :: MAY_LINK_ASIDE(seen, aside) -> /* the row stays: the DELETE may still come */
            link[r] = 1;
            ret = 1;
#ifdef MISTAKE_ASIDE_REVIVES
            drop_row()
#endif
        :: MAY_LINK(seen) -> link[r] = 1; drop_row(); ret = 1
#ifdef MISTAKE_GONE_LINKS /* the bytes are there: that is enough */
        :: removed == GONE && READABLE -> link[r] = 1; drop_row(); ret = 1
#endif
        :: !MAY_LINK_ASIDE(seen, aside) && !MAY_LINK(seen) -> ret = 0
        fi
    fi
}

inline point(name)
{
    pointers = pointers | (name);
    written = written | (name)
}

proctype pusher(byte r)
{
    byte seen;
    bool linked, aside;
    byte tries;

    do
    :: tries < 3 ->
        atomic { tries++; fenced[r] = 0 };
        /* A normal push looks at no row; after a conflict the number comes first, then the bytes. */
        if
        :: tries == 1 -> skip
        :: atomic { tries > 1 && removed != GONE -> seen = number }
#if ASIDE
        :: atomic { tries > 1 && removed == GONE && FRESH(OF_ASIDE(r)) -> seen = number; aside = 1 }
        :: atomic { tries > 1 && removed == GONE && !FRESH(OF_ASIDE(r)) -> break }
#else
        :: atomic { tries > 1 && removed == GONE -> break } /* the client is told to try again */
#endif
        fi;
#if ASIDE
        if
        :: atomic { aside && !READABLE -> aside = 0; break }
#ifdef MISTAKE_ASIDE_ADOPTS /* what another has put aside, or an upload that is not moved yet */
        :: atomic { aside && pointers != 0 -> in_window[r] = 1; goto look_done }
#endif
        :: atomic { aside && READABLE -> point(OF_ASIDE(r)); in_window[r] = 1; goto look_done }
        :: atomic { !aside }
        fi;
#endif
        atomic {
            in_window[r] = 1;
            if
            :: READABLE
            :: !READABLE -> object = 1
#if POINTERS
            :: !READABLE && FRESH(OF_UPLOAD(r)) -> point(OF_UPLOAD(r))
#endif
            fi
        };
look_done:
#ifdef MISTAKE_LOOK_BEFORE /* the number is read after the bytes were seen */
        atomic { seen = number };
#endif
#ifdef MISTAKE_ASIDE_LOOKS_AFTER /* the number is read after they were put aside */
        atomic {
            if
            :: aside -> seen = number
            :: else
            fi
        };
#endif
        if
        :: atomic { deaths > 0 -> deaths--; in_window[r] = 0; goto end }
        :: skip
        fi;
#ifdef MISTAKE_LINK_WITHOUT_LOCK /* saw no row that forbids it, and commits later */
        atomic { linked = !fenced[r] && MAY_LINK(seen) };
        atomic {
            in_window[r] = 0;
            if
            :: linked ->
                link[r] = 1;
                if
                :: removed == CONDEMNED -> drop_row()
                :: else
                fi
            :: else
            fi
        };
#else
        atomic { d_step { in_window[r] = 0; try_link(r, seen, aside, linked); aside = 0 } };
#endif
        atomic {
            if
            :: linked -> assert(SOUND); break
            :: else
            fi
        }
    :: tries == 3 -> break
    od;
#ifndef MISTAKE_REFUSED_FORGETS
    atomic {
        if
        :: !linked -> condemn_if_unlinked()
        :: else
        fi
    };
#endif
end:
    skip
}

/* A client deletes the blob from a repository: refused while a manifest refers to it. */
proctype deleter()
{
    byte r;

    do
    :: atomic {
        unlinks > 0 ->
        if
        :: link[0] && !manifest -> r = 0
        :: link[1] -> r = 1
        fi;
        unlinks--;
#ifdef MISTAKE_UNLINK_WITHOUT_LOCK /* saw the other one's link, which goes as well */
        if
        :: link[0] && link[1] && unlinks > 0 -> unlinks--; link[0] = 0; link[1] = 0; goto done
        :: true
        fi;
#endif
        unlink(r);
done:
        r = 0
       }
    :: unlinks == 0 -> break
    od
}

proctype mounter()
{
    bool there;

    do
    :: mounts > 0 ->
        atomic { link[0] -> mounts--; there = link[0] };
        atomic {
#ifndef MISTAKE_MOUNT_EARLY /* the source was looked up before the transaction */
            there = link[0];
#endif
            if
            :: there -> link[1] = 1; drop_row(); assert(SOUND)
            :: else
            fi;
            there = 0
        }
    :: mounts == 0 -> break
    od
}

/* HEAD says that the blob is there, so the client sends no bytes, only the manifest. */
proctype client()
{
    bool there;

    atomic { link[0] -> there = 1 };
    atomic {
#ifdef MISTAKE_MANIFEST_EARLY /* what HEAD has seen counts */
        manifest = 1
#else
        if
        :: link[0] -> manifest = 1
        :: else /* MANIFEST_BLOB_UNKNOWN */
        fi
#endif
    }
}

#define OTHER(h) (1 - (h))
#ifdef MISTAKE_NO_WAIT /* for what the holder before has sent */
#define NOTHING_COMES(h) true
#elif defined(MISTAKE_SIGNED_LATE) /* when it is sent, however late: no time to wait for */
#define NOTHING_COMES(h) (!on_its_way[OTHER(h)])
#else
#define NOTHING_COMES(h) (!on_its_way[OTHER(h)] && step[OTHER(h)] != SIGNED)
#endif
#ifdef MISTAKE_POINTER_IGNORED
#define NO_POINTER true
#else
#define NO_POINTER (pointers == 0)
#endif
#define TO_DO ((removed == CONDEMNED && (NO_POINTER || vain > 0)) || removed == GONE)

/* The job of that digest. */
proctype job(byte h)
{
    do
    /* Takes it: when there is something to do. */
    :: atomic { holder == NOBODY && step[h] == IDLE && TO_DO -> holder = h }
    :: atomic {
        holder == h && step[h] == IDLE && removed == CONDEMNED ->
        if
        :: LINKED -> drop_row(); holder = NOBODY
        :: !LINKED ->
            removed = GONE;
            if
            :: !NO_POINTER && vain > 0 -> vain--
            :: else
            fi;
#ifdef MISTAKE_NUMBER_AGAIN
            number = 1;
#else
            numbers++;
            number = numbers;
#endif
            step[h] = MARKED
        fi
       }
    /* One that it found marked: what the holder before it has sent must be too old. */
    :: atomic {
        holder == h && step[h] == IDLE && removed == GONE && NOTHING_COMES(h) -> step[h] = MARKED
       }
    :: atomic { holder == h && step[h] == IDLE && !TO_DO -> holder = NOBODY }
    /* An upload lies there: not before it is moved. */
    :: atomic {
        holder == h && step[h] == MARKED && removed == GONE && !NO_POINTER ->
        removed = CONDEMNED;
        holder = NOBODY;
        step[h] = IDLE
       }
    /* Signs, looks whether the job is still its own, sends. */
    :: atomic {
        holder == h && step[h] == MARKED && NO_POINTER -> step[h] = SIGNED; too_old[h] = 0
       }
    :: atomic { step[h] == SIGNED && !too_old[h] -> step[h] = SENT; on_its_way[h] = 1 }
    /* The answer; or none in time, and it is too old some time later. */
    :: atomic { step[h] == SENT && !on_its_way[h] -> step[h] = SURE }
#ifdef MISTAKE_TIMEOUT_IS_DONE
    :: atomic { step[h] == SENT && on_its_way[h] -> step[h] = SURE }
#endif
    :: atomic {
        step[h] == SURE ->
        if
        :: holder == h && removed == GONE && !too_old[h] ->
            removed = (again -> CONDEMNED : DELETED);
            again = 0;
            holder = NOBODY
        :: holder == h && removed == GONE && too_old[h] /* not certain: once more */
        :: else
        fi;
        step[h] = IDLE;
        too_old[h] = 0
       }
    /* It is declared gone, and goes on. */
    :: atomic { holder == h && step[h] != IDLE && losses > 0 -> losses--; holder = NOBODY }
    od
}

/* The bucket. */
proctype bucket()
{
    do
    :: atomic { (pointers & unpoint) != 0 -> pointers = pointers & ~unpoint; assert(SOUND) }
    :: atomic { on_its_way[0] -> on_its_way[0] = 0; object = 0; assert(SOUND) }
    :: atomic { on_its_way[1] -> on_its_way[1] = 0; object = 0; assert(SOUND) }
    /* Time: only of one whose holder has lost the job or heard nothing. */
    :: atomic { on_its_way[0] && !too_old[0] -> on_its_way[0] = 0; too_old[0] = 1 }
    :: atomic { on_its_way[1] && !too_old[1] -> on_its_way[1] = 0; too_old[1] = 1 }
#ifndef MISTAKE_SIGNED_LATE
    :: atomic { step[0] == SIGNED && holder != 0 -> too_old[0] = 1; step[0] = IDLE }
    :: atomic { step[1] == SIGNED && holder != 1 -> too_old[1] = 1; step[1] = IDLE }
#endif
    od
}

/* Rows that are a day old; who was in its window then has been declared gone long ago. */
proctype pruner()
{
    do
    :: atomic {
        removed == DELETED ->
#ifndef MISTAKE_PRUNE_UNFENCED
        fenced[0] = fenced[0] || in_window[0];
        fenced[1] = fenced[1] || in_window[1];
#endif
        drop_row()
       }
    od
}

/* One alone knows what it has copied; another copies it once more, at any time. */
#define LEFT_TO_MOVE(name) ((pointers & (name)) != 0 && (KEEPERS > 1 || (unpoint & (name)) == 0))
#ifdef MISTAKE_KEEPER_UNAWARE /* of deletions */
#define KEEPS(name) LEFT_TO_MOVE(name)
#else
#define KEEPS(name) (LEFT_TO_MOVE(name) && removed != GONE)
#endif

/* A keeper: to its key, unless the row is gone, or was meanwhile. */
proctype keeper()
{
    byte seen, at;
    bool moved;

    do
    :: atomic {
        if
        :: KEEPS(1) -> at = 1
        :: KEEPS(2) -> at = 2
        :: KEEPS(4) -> at = 4
        :: KEEPS(8) -> at = 8
        fi;
        seen = number;
        moved = 0
       };
       object = 1; /* the copy lands */
       atomic {
        if
#ifdef MISTAKE_KEEPER_UNAWARE
        :: true
#else
        :: removed != GONE && seen == number
#endif
            -> moved = 1
        :: else
        fi
       };
       atomic {
        if
        :: moved -> unpoint = unpoint | at
        :: else
        fi;
        seen = 0;
        at = 0;
        moved = 0
       }
    od
}

/* Objects that nothing knows, found by a listing: what is left of pushes that died, and of copies
 * that landed when the move had ended. */
#define ORPHAN (READABLE && !LINKED && removed == NONE)
proctype scan()
{
    do
    :: atomic { (DEATHS > 0 || KEEPERS > 1) && ORPHAN && !in_window[0] && !in_window[1] -> removed = CONDEMNED }
    od
}

proctype end_of_all()
{
    timeout ->
    d_step {
        assert(!manifest || link[0]);
        assert(SOUND);
        assert(LINKED || !READABLE)
    }
}

init
{
    atomic {
        if
#ifndef BEGINS_MOVING /* only with a blob that is not at its key yet */
        :: link[0] = 1; object = 1
        :: link[0] = 1; link[1] = 1; object = 1
        :: skip
#endif
#if POINTERS || defined(BEGINS_MOVING)
        :: link[0] = 1; point(OF_UPLOAD(1))
#endif
        fi;
        run pusher(0);
#if PUSHES > 1
        run pusher(1);
#endif
        run deleter();
#if MOUNTS > 0
        run mounter();
#endif
#if MANIFESTS > 0
        run client();
#endif
        run job(0);
        run job(1);
        run bucket();
        run pruner();
#if KEEPERS > 0
        run keeper();
#endif
#if KEEPERS > 1
        run keeper();
#endif
        run scan();
        run end_of_all()
    }
}
