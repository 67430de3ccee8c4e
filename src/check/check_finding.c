#include "check/check_finding.h"

#include <stdio.h>

const struct check_kind check_kinds[CHECK_CODES] = {
    [CHECK_BLOB_MISSING] =
        {"blob-missing", "The database has a blob that the store lacks.",
         "Links it again from another repository that has it. Where none does the database forgets "
         "it, so that clients are told that it is missing, and push it again."},
    [CHECK_BLOB_SIZE] = {"blob-size",
                         "A blob of the store is longer or shorter than it was when it was pushed.",
                         "Moves it to `quarantine/` in the store, and the database forgets it: it "
                         "is not served any more, and a push of the same makes it whole."},
    [CHECK_BLOB_CORRUPT] =
        {"blob-corrupt", "The bytes of a blob are not those of its digest. Only `--deep` finds it.",
         "As of blob-size."},
    [CHECK_BLOB_UNKNOWN] =
        {"blob-unknown",
         "The store has a blob that the database does not know, for longer than `upload.timeout`.",
         "Nothing: it costs space only, and a push of the same takes it over; `registry gc "
         "--orphans` removes it."},
    [CHECK_MANIFEST_MISSING] =
        {"manifest-missing",
         "The database has a manifest that the store lacks. It is served all the same.",
         "Puts it back from the database."},
    [CHECK_MANIFEST_DIFFERS] = {"manifest-differs",
                                "The store has other bytes for a manifest than the database. Where "
                                "only `--deep` reads them, they are as many.",
                                "Puts it back from the database."},
    [CHECK_MANIFEST_UNKNOWN] =
        {"manifest-unknown",
         "The store has a manifest that the database does not know, for longer than "
         "`upload.timeout`.",
         "Nothing: `registry reindex` takes it back, `registry sweep --remove` and `registry gc "
         "--orphans` remove it."},
    [CHECK_MANIFEST_DAMAGED] =
        {"manifest-damaged",
         "The bytes that the database has of a manifest are not those of its digest.",
         "Puts them back from the store, or from another repository that has the manifest. Where "
         "nobody has it, nothing: a push of the same makes it whole."},
    [CHECK_MANIFEST_EDGES] = {"manifest-edges",
                              "What a manifest names is not what the database has of that.",
                              "Makes it what the manifest's bytes say."},
    [CHECK_IMAGE_INCOMPLETE] = {"image-incomplete",
                                "A manifest names a blob or a manifest that its repository does "
                                "not have: the image can't be pulled.",
                                "Nothing: push the image again, or delete it."},
    [CHECK_TAG_MISSING] =
        {"tag-missing", "The store lacks a tag that the database has. It is served all the same.",
         "Puts it back from the database."},
    [CHECK_TAG_DIFFERS] = {"tag-differs",
                           "A tag of the store does not lead where the database says.",
                           "Makes it what the database says."},
    [CHECK_TAG_UNKNOWN] = {"tag-unknown", "The store has a tag that the database does not have.",
                           "Removes it from the store."},
    [CHECK_TAG_DANGLING] = {"tag-dangling",
                            "The database has a tag whose manifest it does not have.",
                            "Nothing: delete the tag, or push it again. With `--move-tags` moves "
                            "it to where it was last that is still there, by its history."},
    [CHECK_USAGE_DRIFTED] =
        {"usage-drifted",
         "What a repository is said to hold, which quotas go by, is not the sum of what it holds. "
         "One that is written to while it is counted is not judged.",
         "Counts it anew."},
    [CHECK_UNREADABLE] =
        {"unreadable",
         "A blob or a manifest of the store can't be read: the disk or the server answers with an "
         "error. Only `--deep` finds it.",
         "Nothing, for it may be whole: look at the disk or the server, and read it again."},
    [CHECK_UPLOAD_ABANDONED] = {"upload-abandoned",
                                "An upload that nobody has touched for twice `upload.timeout`: a "
                                "server sweeps it away, and has not.",
                                "Sweeps it away."},
    [CHECK_TEMP_LEFT] = {"temp-left",
                         "A file that never got its name is older than `upload.timeout`.",
                         "Removes it, as the next start of a server does."},
    [CHECK_PERMISSIONS] = {"permissions",
                           "A file or directory of the store that its owner may not read, or "
                           "enter, or that anybody may write to.",
                           "Lets its owner use it, and takes from all others the right to write."},
    [CHECK_LINK_FOREIGN] = {"link-foreign",
                            "A symbolic link of the store that leads to no digest, or is where no "
                            "link belongs. It is not followed.",
                            "Nothing: remove it, or put it where it came from."},
    [CHECK_NAME_FOREIGN] =
        {"name-foreign",
         "A file of the store with a name that this registry gives to nothing. It is not served.",
         "Nothing: remove it, or put it where it came from."},
    [CHECK_SPACE_LOW] = {"space-low", "The disk of the store has less room than `check.min_free`.",
                         "Nothing: make room, or give it a larger disk."},
};

void check_subject(const struct check_finding *f, char dst[static FINDING_SUBJECT_MAX])
{
    if (f->path)
        snprintf(dst, FINDING_SUBJECT_MAX, "%s", f->path);
    else if (f->tag.n > 0)
        snprintf(dst, FINDING_SUBJECT_MAX, "%s:%s", f->repo.text, f->tag.text);
    else if (f->digest.n > 0 && f->repo.n > 0)
        snprintf(dst, FINDING_SUBJECT_MAX, "%s@%s", f->repo.text, f->digest.text);
    else
        snprintf(dst, FINDING_SUBJECT_MAX, "%s", f->digest.n > 0 ? f->digest.text : f->repo.text);
}
