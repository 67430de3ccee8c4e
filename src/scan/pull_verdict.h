/*
 * May an image be pulled, by the pull policy (`pull_policy`), for what a scanner found in it? Pure:
 * knows no clock, no database and no requests. Any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/name.h"
#include "conf/conf.h"
#include "scan/finding.h"
#include "scan/vex.h"

/* The rule that counts for the repository: the first that is about it. NULL: there is none. */
const struct conf_pull_rule *pull_rule(const struct conf_pull_rules *rules,
                                       const struct repo_name *repo);

/* Does it give images a time to be scanned in? */
bool pull_rule_waits(const struct conf_pull_rule *rule);

/* How far scanners came with an image. */
enum pull_standing {
    PULL_UNSCANNED,  /* nothing is known yet */
    PULL_SCANNED,    /* its findings are known */
    PULL_UNSCANNABLE /* it was tried: it failed, or can't be done with this image or all of it;
                        findings may be known all the same */
};

/* What is known of an image. Texts and lists are borrowed. */
struct pull_image {
    const struct repo_name *repo;
    enum pull_standing standing;
    const char *reason; /* of PULL_UNSCANNABLE; "": not known */
    int64_t pushed_ms;  /* since when it waits for a scan there; 0: for long */
    int64_t data_ms;    /* of the vulnerability data it was scanned with; 0: not known */
    const struct finding *findings;
    size_t n;
    uint64_t unread[SEVERITIES]; /* more of them, whose number is known and whose list can't be
                                    read: those with a fix where the rule asks for one */
    int64_t unread_ms;           /* since when they are known; 0: for long */
    const struct vex *vex;       /* of documents that are attached to it; NULL: none */
};

enum pull_why {
    PULL_FINE,
    PULL_VULNERABLE,
    PULL_WAITS,    /* unscanned */
    PULL_FAILED,   /* unscannable */
    PULL_OLD,      /* scanned with data that is too old */
    PULL_UNSIGNED, /* not signed as a rule of signatures asks */
};

#define PULL_CVE_MAX     40
#define PULL_PACKAGE_MAX 64
#define PULL_VERSION_MAX 48
#define PULL_REASON_MAX  95 /* of PULL_FAILED */

struct pull_verdict {
    enum pull_why why;
    bool blocked;              /* else it may be pulled, though `why` may tell of something */
    size_t counts[SEVERITIES]; /* findings that block */
    size_t allowed;            /* findings that would, but for the allowlist and documents */
    /* the worst of those that block; texts are cut, and printable; "": their list can't be read */
    char cve[PULL_CVE_MAX + 1], package[PULL_PACKAGE_MAX + 1];
    char installed[PULL_VERSION_MAX + 1], fixed[PULL_VERSION_MAX + 1]; /* "": there is none */
    char reason[192]; /* of PULL_FAILED: why; of PULL_UNSIGNED: "is not signed by ..." */
    int64_t until_ms; /* the time from which it may be another one; INT64_MAX: none */
    bool opens;       /* what was refused as unsigned may be signed by this one now */
};

/* rule may be NULL. Findings in any order. */
void pull_verdict_make(const struct conf_pull_rule *rule, const struct pull_image *image,
                       int64_t now_ms, struct pull_verdict *ret_verdict);

/* Is it one of those that block? */
bool pull_finding_blocks(const struct conf_pull_rule *rule, const struct pull_image *image,
                         const struct finding *f, int64_t now_ms);

const char *pull_why_name(enum pull_why why); /* "vulnerable", for machines */

/*
 * One sentence for people whose pull is denied: how many, the worst, its fix. Programs print it as
 * it is, so it is ASCII of one line, at most PULL_TEXT_MAX bytes.
 */
#define PULL_TEXT_MAX 320
void pull_verdict_text(const struct pull_verdict *v, struct buf *ret_text);
