#include "check/finding.h"

#include <stdio.h>

const struct check_kind check_kinds[CHECK_CODES] = {
    [CHECK_BLOB_MISSING] = {"blob-missing", "The database has a blob that the store lacks.",
                            "Push an image with it again: clients are told that it is missing, and "
                            "send it."},
    [CHECK_BLOB_SIZE] = {"blob-size",
                         "A blob of the store is longer or shorter than it was when it was pushed.",
                         "As of blob-missing."},
    [CHECK_BLOB_UNKNOWN] = {"blob-unknown",
                            "The store has a blob that the database does not know, for longer than "
                            "upload.timeout.",
                            "It costs space only, and a push of the same takes it over."},
    [CHECK_MANIFEST_MISSING] = {"manifest-missing",
                                "The database has a manifest that the store lacks. It is served "
                                "all the same.",
                                "Push it again."},
    [CHECK_MANIFEST_DIFFERS] = {"manifest-differs",
                                "The store has other bytes for a manifest than the database.",
                                "Push it again."},
    [CHECK_MANIFEST_UNKNOWN] = {"manifest-unknown",
                                "The store has a manifest that the database does not know, for "
                                "longer than upload.timeout.",
                                "`registry reindex` takes it back, `registry sweep --remove` "
                                "removes it."},
    [CHECK_MANIFEST_DAMAGED] =
        {"manifest-damaged",
         "The bytes that the database has of a manifest are not those of its "
         "digest.",
         "Put the database back from a backup, or delete the manifest and "
         "push it again."},
    [CHECK_MANIFEST_EDGES] = {"manifest-edges",
                              "What a manifest names is not what the database has of that.",
                              "Delete the manifest and push it again."},
    [CHECK_IMAGE_INCOMPLETE] =
        {"image-incomplete",
         "A manifest names a blob or a manifest that its repository does not "
         "have: the image can't be pulled.",
         "Push the image again, or delete it."},
    [CHECK_TAG_MISSING] =
        {"tag-missing", "The store lacks a tag that the database has. It is served all the same.",
         "Push the tag again."},
    [CHECK_TAG_DIFFERS] = {"tag-differs",
                           "A tag of the store does not lead where the database says.",
                           "Push the tag again."},
    [CHECK_TAG_UNKNOWN] = {"tag-unknown", "The store has a tag that the database does not have.",
                           "Remove it from the store."},
    [CHECK_TAG_DANGLING] = {"tag-dangling",
                            "The database has a tag whose manifest it does not have.",
                            "Delete the tag, or push it again."},
    [CHECK_UPLOAD_ABANDONED] = {"upload-abandoned",
                                "An upload that nobody has touched for twice upload.timeout: the "
                                "server sweeps it away, and has not.",
                                "Start the server; see `registry jobs show uploads all`."},
    [CHECK_TEMP_LEFT] = {"temp-left",
                         "A file that never got its name is older than upload.timeout.",
                         "The next start of the server removes it."},
    [CHECK_PERMISSIONS] =
        {"permissions",
         "A file or directory of the store that its owner may not read, or enter, "
         "or that anybody may write to.",
         "Correct its mode: 0644, of a directory 0755."},
    [CHECK_LINK_FOREIGN] = {"link-foreign",
                            "A symbolic link of the store that leads to no digest, or is where no "
                            "link belongs. It is not followed.",
                            "Remove it, or put it where it came from."},
    [CHECK_NAME_FOREIGN] = {"name-foreign",
                            "A file of the store with a name that this registry gives to nothing. "
                            "It is not served.",
                            "Remove it, or put it where it came from."},
    [CHECK_SPACE_LOW] = {"space-low", "The disk of the store has less room than check.min_free.",
                         "Make room, or give it a larger disk."},
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
