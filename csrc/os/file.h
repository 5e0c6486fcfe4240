/* file.h -- whole small files, whether they are still the same, and a directory
 * for nobody else. */
#ifndef TG_FILE_H
#define TG_FILE_H

#include "base/buf.h"

/* Append the file's bytes. TG_ENOTFOUND, TG_ESYSTEM, or TG_ETOOBIG when it
 * has more than `max_bytes`. */
tg_err tg_file_read(const char *path, size_t max_bytes, struct tg_buf *out);

/* What tells one state of a file from another without reading it: whoever
 * writes it, or puts another in its place, leaves another stamp. */
struct tg_file_stamp {
    uint64_t device, inode, bytes;
    int64_t  written_ns;               /* since 1970 */
};

/* Of what the path leads to, through links. TG_ENOTFOUND, TG_ESYSTEM. */
tg_err tg_file_stamp(const char *path, struct tg_file_stamp *out);

/* Do both paths lead to one file? Not when one of them leads to none. */
bool tg_file_is_same(const char *a, const char *b);

/* Make a directory that nobody but this user may enter, or find it there: no link,
 * ours, mode 0700. TG_EINVAL when what is there is something else. */
tg_err tg_file_own_directory(const char *path);

#endif
